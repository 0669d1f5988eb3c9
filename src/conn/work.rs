//! How much work may be done before the next connection has its turn, and before events are looked
//! for again.
//!
//! Work is estimated, from requests, bytes, system calls and a cost for each command. It is not
//! measured: reading a clock for each request would cost more than most requests do, and the same
//! bytes would be cut at another place each time.
//!
//! Invariant: no request is served once the work granted is spent, so the overrun is one request.

/// Work that was done in a turn of the loop, and up to where a visit may go on, in units of about
/// 100 ns of the processor's time.
///
/// A small request costs one unit and what its handler adds. 256 bytes of a reply cost one more:
/// they are copied twice, and send(2) has them delivered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Units that were spent in this turn. A turn ends once it has done its work, so this stays far
    /// below the end of the type.
    pub spent: u32,
    /// No request is served once so much is spent.
    pub granted: u32,
}

impl Work {
    /// For one visit to a connection: about 0.1 ms. Without a bound, a read of 64 KiB could carry
    /// 65,536 empty lines, and every other connection would wait for all of them.
    pub const VISIT: u32 = 1024;

    /// For each request: to find its end, to choose a handler, to write a header.
    pub const REQUEST: u32 = 1;

    const REPLY_BYTES_PER_UNIT: usize = 256;

    /// Nothing was done, and `units` are granted.
    pub fn new(units: u32) -> Work {
        Work { spent: 0, granted: units }
    }

    /// Whether all that was granted is spent.
    #[inline]
    pub fn is_spent(&self) -> bool {
        self.spent >= self.granted
    }

    /// A request whose reply has `count` bytes, without what its handler adds.
    #[inline]
    pub fn of_request(count: usize) -> u32 {
        // No reply is so long that this would be cut off.
        Work::REQUEST + (count / Work::REPLY_BYTES_PER_UNIT) as u32
    }
}
