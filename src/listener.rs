//! Listening sockets: bound here, nonblocking, ready to be handed to a poll loop.
//!
//! Invariant: a listener comes out as accepted connections shall be. On Linux they inherit
//! `TCP_NODELAY` from it, so it is set here, once, instead of by a call for each connection.

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

#[cfg(test)]
mod tests;

/// Whether others may listen on the same port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Nobody else.
    Exclusive,
    /// Whoever asks for this too, and has the same user: `SO_REUSEPORT`, socket(7). Each listener has
    /// a backlog of its own, and the kernel chooses one for each connection, by a hash of both its
    /// addresses and ports.
    Shared,
}

/// Binds and listens. Port 0 picks a free one, which the listener's address then tells.
///
/// An IPv6 listener takes IPv6 only, so that `0.0.0.0` and `[::]` can be bound side by side.
///
/// # Errors
///
/// What socket(2), bind(2) or listen(2) say: the address is in use, not ours, not allowed.
pub fn bind(address: SocketAddr, backlog: u32, port: Port) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Without this, a restart fails for as long as connections of the last run linger.
    socket.set_reuse_address(true)?;
    if port == Port::Shared {
        // Before bind(2): that is when the kernel compares it with that of the others.
        setsockopt(&socket, sockopt::ReusePort, &true)?;
    }
    if domain == Domain::IPV6 {
        socket.set_only_v6(true)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}
