//! Outgoing connections: what a client asks of connect(2).

use super::SocketIo;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Outgoing connections.
pub trait Connect: SocketIo {
    /// Begins to connect, connect(2). When the stream becomes writable, the attempt has ended, one
    /// way or the other: [`Connect::connected`] tells which.
    ///
    /// # Errors
    ///
    /// When the attempt fails at once.
    fn connect(&mut self, address: SocketAddr) -> io::Result<Self::Stream> {
        self.connect_from(None, address)
    }

    /// The same, from the local address `source` if there is one. The local port is chosen as late
    /// as without `source`, so that one port can serve once for each destination.
    ///
    /// # Errors
    ///
    /// When the attempt fails at once, or the source address is not ours.
    fn connect_from(
        &mut self,
        source: Option<IpAddr>,
        address: SocketAddr,
    ) -> io::Result<Self::Stream>;

    /// The outcome of an attempt to connect.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] or [`io::ErrorKind::NotConnected`] if it still goes on; else
    /// why it failed.
    fn connected(&mut self, stream: &Self::Stream) -> io::Result<()>;

    /// The stream's own address, getsockname(2).
    ///
    /// # Errors
    ///
    /// What getsockname(2) says.
    fn local_addr(&self, stream: &Self::Stream) -> io::Result<SocketAddr>;
}
