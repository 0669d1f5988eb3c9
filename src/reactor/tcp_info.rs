//! What the kernel knows of a TCP connection: getsockopt(2) of `TCP_INFO`, tcp(7).
//!
//! The structure has grown with the kernel, and a kernel fills in as much of it as it knows. So it
//! is read as bytes, and getsockopt(2) returns how many there are.

use nix::libc;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// Offsets in `struct tcp_info`, `linux/tcp.h`: eight fields of a byte, then fields of four.
const RTO: usize = 8;
const UNACKED: usize = 24;
const LAST_DATA_SENT: usize = 44;
const LAST_ACK_RECV: usize = 56;
/// Behind 104 bytes of fields of four there are four of eight, and then fields of four again.
const NOTSENT_BYTES: usize = 144;

/// As much of the structure as is looked at.
const SIZE: usize = NOTSENT_BYTES + size_of::<u32>();

/// The structure as the kernel filled it in.
#[derive(Debug)]
pub(super) struct TcpInfo([u8; SIZE]);

impl TcpInfo {
    /// What the kernel says of `socket`. `None` if it is no TCP connection, the kernel is older
    /// than Linux 4.6, or a policy forbids the call.
    pub(super) fn of(socket: &impl AsFd) -> Option<TcpInfo> {
        let mut bytes = [0; SIZE];
        (read(socket, &mut bytes)? == SIZE).then_some(TcpInfo(bytes))
    }

    /// Whether the peer has acknowledged all that was sent, and nothing waits to be sent.
    pub(super) fn is_all_delivered(&self) -> bool {
        self.number(UNACKED) == 0 && self.number(NOTSENT_BYTES) == 0
    }

    /// How long ago the peer last took bytes, to the milliseconds of the kernel's clock tick.
    ///
    /// Bytes are sent when the peer has room for them. A probe of a window that is closed carries
    /// none, but is acknowledged; bytes that are sent again to a peer that is gone are not
    /// acknowledged. So the earlier of both moments counts.
    pub(super) fn since_last_taken(&self) -> Duration {
        let millis = self.number(LAST_DATA_SENT).max(self.number(LAST_ACK_RECV));
        Duration::from_millis(millis.into())
    }

    /// How long the kernel may have kept back bytes that the peer had room for.
    ///
    /// While the window has no room for a whole segment, it waits: first until what is on its way
    /// has been acknowledged, then for the retransmission timeout; and then sends as many as there
    /// is room for (the avoidance of the silly window syndrome, RFC 1122, 4.2.3.4). Each of the two
    /// takes that timeout at most.
    pub(super) fn kept_back_at_most(&self) -> Duration {
        2 * Duration::from_micros(self.number(RTO).into())
    }

    fn number(&self, offset: usize) -> u32 {
        let bytes = self.0.get(offset..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }
}

/// Has the kernel fill in `bytes`. Tells how many it filled in.
#[expect(
    unsafe_code,
    reason = "no crate in use has a safe form of this call that takes older kernels"
)]
fn read(socket: &impl AsFd, bytes: &mut [u8; SIZE]) -> Option<usize> {
    let mut length = SIZE as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `bytes`, which has as many, and the
    // number of those that it wrote to `length`; both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            bytes.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    (result == 0).then_some(length as usize)
}
