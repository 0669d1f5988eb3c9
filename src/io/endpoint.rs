//! What a state machine behind a socket tells the table that the socket is in.
//!
//! A server's connection and a client's session are endpoints. An endpoint never sees its socket.
//! Its owner calls it in this grammar:
//!
//! ```text
//! opened (bytes in | FIN in | resume | deadline passed)* -> after each call:
//!     send its output; act on its next action (stay, send FIN, close, abort);
//!     SocketTable::reschedule, which asks for `wanted` and `deadline`
//! ```
//!
//! Invariant: `wanted` and `deadline` depend on the endpoint and on the limits alone, so that they
//! can change only in one of those calls.

use super::clock::Moment;
use super::readiness::Readiness;

/// Work that an endpoint has to do, and what it needs for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// To read, once recv(2) will not block.
    pub read: bool,
    /// To send or to make output, once send(2) will not block.
    pub write: bool,
    /// To go on at once: it needs nothing from the socket.
    pub resume: bool,
}

impl Wanted {
    /// Whether there is something to do now, on a socket that is ready like this.
    #[inline]
    pub fn is_met(self, ready: Readiness) -> bool {
        self.resume || (self.read && ready.read) || (self.write && ready.write)
    }
}

/// A state machine behind a socket.
pub trait Endpoint {
    /// Bounds which the owner sets for all of its endpoints.
    type Limits;

    /// The work that is left.
    fn wanted(&self, limits: &Self::Limits) -> Wanted;

    /// When the endpoint has to be told that its time is up, if nothing happens before.
    fn deadline(&self, limits: &Self::Limits) -> Moment;
}
