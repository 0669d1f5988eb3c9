//! What a socket is ready for, and what it is watched for.
//!
//! Invariant: readiness is *sticky*. Edge-triggered epoll(7) tells once that a socket became
//! readable or writable. [`Readiness`] remembers it until a call proves the opposite: recv(2) or
//! send(2) fails with EAGAIN, or recv(2) returns fewer bytes than it was given room for. A
//! connection that stops reading before that is still marked readable, so no other event is needed
//! to go on.

#[cfg(test)]
mod tests;

/// What a socket is known to be ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// recv(2) will not block: there are bytes, a FIN, or an error to collect.
    pub read: bool,
    /// send(2) will not block.
    pub write: bool,
    /// A short read does not prove that the socket's queue is empty, so reading goes on until
    /// recv(2) fails with EAGAIN. That is so if a FIN or an error waits behind the bytes, since it
    /// came on the same edge as they did; or if there is urgent data, at which recv(2) stops short
    /// even if more bytes follow, tcp(7).
    pub read_until_would_block: bool,
}

impl Readiness {
    /// A socket that has just been connected: its send buffer is empty. Its registration will tell
    /// whether there is something to read.
    pub const CONNECTED: Readiness =
        Readiness { read: false, write: true, read_until_would_block: false };

    /// Adds what an event told. An event takes nothing back.
    pub fn merge(&mut self, event: Readiness) {
        self.read |= event.read;
        self.write |= event.write;
        self.read_until_would_block |= event.read_until_would_block;
    }
}

/// The events that a socket is watched for: epoll's *interest*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Bytes, urgent data, the peer's FIN, errors.
    Read,
    /// The same, and room in the send buffer.
    ReadWrite,
}
