//! A connection before it is opened: a proxy has yet to say who the client is.
//!
//! Invariant: nothing is served and nothing is sent, so a close loses nothing but what came in.

use super::Connection;
use crate::io::clock::Moment;
use crate::server::close::CloseReason;

impl Connection {
    /// When the connection was accepted, as long as it has not been opened.
    pub fn idle_since(&self) -> Moment {
        self.idle_since
    }

    /// Holds bytes of a header that is not complete, and returns all that are held.
    pub fn hold(&mut self, bytes: &[u8], now: Moment) -> &[u8] {
        self.unparsed.extend(bytes, now);
        self.unparsed.bytes()
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.unparsed.len()
    }

    /// The header is complete: it is dropped, and the client's time begins.
    pub fn begin(&mut self, now: Moment) {
        self.unparsed.clear();
        self.idle_since = now;
    }

    /// Takes the peer's FIN. Not even a line without its end is served.
    pub fn close_unserved(&mut self) {
        self.fail(match self.unparsed.is_empty() {
            true => CloseReason::PeerClosed,
            false => CloseReason::PeerClosedMidFrame,
        });
    }
}
