//! How much work may be done before the next connection has its turn.
//!
//! Work is estimated, from requests, bytes and a cost for each command. It is not measured: reading
//! a clock for each request would cost more than most requests do, and the same bytes would be cut
//! at another place each time.
//!
//! Invariant: no request is served once the work is spent, so the overrun is one request.

/// Work that is left, in units of about 100 ns of the processor's time.
///
/// A small request costs one unit and what its handler adds. 2 KiB of input cost one more, and so
/// do 256 bytes of a reply: they are copied twice, and send(2) has them delivered.
#[derive(Debug)]
pub struct Work {
    left: u32,
}

impl Work {
    /// For one visit to a connection: about 0.1 ms. Without a bound, a read of 64 KiB could carry
    /// 65,536 empty lines, and every other connection would wait for all of them.
    pub const VISIT: u32 = 1024;

    /// For each request: to find its end, to choose a handler, to write a header.
    pub const REQUEST: u32 = 1;

    const BYTES_PER_UNIT: usize = 2048;
    const REPLY_BYTES_PER_UNIT: usize = 256;

    /// Room for `units` of work.
    pub fn new(units: u32) -> Work {
        Work { left: units }
    }

    /// Units that are left.
    pub fn left(&self) -> u32 {
        self.left
    }

    /// Whether nothing is left.
    #[inline]
    pub fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Takes away `units`, or all that is left if that is less.
    #[inline]
    pub fn spend(&mut self, units: u32) {
        self.left = self.left.saturating_sub(units);
    }

    /// Takes away what it costs to copy `count` bytes, rounded down.
    #[inline]
    pub fn spend_bytes(&mut self, count: usize) {
        self.spend(Work::of_bytes(count));
    }

    /// Takes away a request whose reply has `count` bytes.
    #[inline]
    pub fn spend_request(&mut self, count: usize) {
        let of_reply = (count / Work::REPLY_BYTES_PER_UNIT) as u32;
        self.spend(Work::REQUEST.saturating_add(of_reply));
    }

    #[inline]
    fn of_bytes(count: usize) -> u32 {
        // No buffer is so large that this would be cut off.
        (count / Work::BYTES_PER_UNIT) as u32
    }
}
