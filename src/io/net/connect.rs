//! Outgoing connections: what a client asks of connect(2).

use super::SocketIo;
use crate::io::address::Address;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Outgoing connections.
pub trait Connect: SocketIo {
    /// Begins to connect, connect(2). When the stream becomes writable, the attempt has ended, one
    /// way or the other: [`Connect::connected`] tells which.
    ///
    /// # Errors
    ///
    /// When the attempt fails at once. [`io::ErrorKind::WouldBlock`]: the backlog of a unix socket
    /// is full, and there may be room in a moment.
    fn connect(&mut self, address: &Address) -> io::Result<Self::Stream> {
        self.connect_from(None, address)
    }

    /// The same, from the local address `source`, whose port is 0, if there is one. The local port
    /// is chosen as late as without `source`, so that one port can serve once for each destination.
    ///
    /// # Errors
    ///
    /// As [`Connect::connect`], and when the source address is not ours.
    fn connect_from(
        &mut self,
        source: Option<SocketAddr>,
        address: &Address,
    ) -> io::Result<Self::Stream>;

    /// The outcome of an attempt to connect.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] or [`io::ErrorKind::NotConnected`] if it still goes on; else
    /// why it failed. [`ConnectedToItself`] is such a reason.
    fn connected(&mut self, stream: &mut Self::Stream) -> io::Result<()>;

    /// The stream's own address, getsockname(2).
    ///
    /// # Errors
    ///
    /// What getsockname(2) says; and that a unix socket has none.
    fn local_addr(&self, stream: &Self::Stream) -> io::Result<SocketAddr>;
}

/// Why an attempt has failed: no socket listens at the address, and the kernel has chosen its port
/// for our end. Then connect(2) succeeds, and what is sent comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectedToItself;

impl ConnectedToItself {
    /// Whether this is the reason of an error.
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|reason| reason.is::<ConnectedToItself>())
    }
}

impl fmt::Display for ConnectedToItself {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the connection reached itself: no socket listens there, and the kernel chose that \
             port for our end",
        )
    }
}

impl std::error::Error for ConnectedToItself {}

impl From<ConnectedToItself> for io::Error {
    fn from(reason: ConnectedToItself) -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionRefused, reason)
    }
}
