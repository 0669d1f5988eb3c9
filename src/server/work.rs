//! How much work a turn of the loop does, so that no client waits long for its own.
//!
//! Work is estimated, not measured: a clock call for each request would cost more than a short
//! request. One unit is about 100 ns. The estimates are of a system call on the loopback interface,
//! where send(2) does the receiver's work too. How long an ECHO client waits beside busy ones shows
//! whether they hold: benches/floor/beside.py.
//!
//! Invariant: what a turn does beyond [`TURN`] is the rest of one batch.

use crate::io::socket_table::Share;

/// Work in one turn: about a millisecond. Then events are looked for.
pub(super) const TURN: u32 = 10_000;

/// The last turn before connections are cut off serves what has arrived, but not without end.
pub(super) const LAST_TURN: u32 = 30 * TURN;

/// Work for accepting, and for deadlines, each in one turn.
pub(super) const SIDE_WORK: u32 = TURN / 2;

/// A visit that takes more than this is one of a client that reads or sends without end.
const HEAVY: u32 = 200;

/// accept(2), epoll_ctl(2), and the greeting.
pub(super) const ACCEPT: u32 = 35;

/// A step of a TLS handshake. The server's signature takes most of it: an RSA key of 2,048 bits may
/// take five times as long.
pub(super) const HANDSHAKE_STEP: u32 = 1_000;

/// recv(2) and send(2), whatever they carry.
const RECV: u32 = 5;
const SEND: u32 = 20;

/// Bytes that a unit of work reads and serves, and that one sends.
const BYTES_SERVED: usize = 512;
const BYTES_SENT: usize = 512;

/// recv(2) of `bytes`, and to look for the requests in them.
pub(super) fn of_recv(bytes: usize) -> u32 {
    RECV + units(bytes, BYTES_SERVED)
}

/// send(2) of `bytes`.
pub(super) fn of_send(bytes: usize) -> u32 {
    SEND + units(bytes, BYTES_SENT)
}

/// How much of a turn a visit of so much work takes.
pub(super) fn share(work: u32) -> Share {
    if work > HEAVY { Share::Heavy } else { Share::Light }
}

fn units(bytes: usize, each: usize) -> u32 {
    u32::try_from(bytes / each).unwrap_or(u32::MAX)
}
