//! Listening sockets: bound here, nonblocking, ready to be handed to a poll loop.
//!
//! Invariant: a listener comes out as accepted connections shall be. On Linux they inherit
//! `TCP_NODELAY` from it, so it is set here, once, instead of by a call for each connection.

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{SockaddrStorage, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

pub mod in_use;
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

/// Binds. Port 0 picks a free one, which the socket's address then tells. No client comes before
/// [`listen`], so a socket that is dropped instead has harmed nobody.
///
/// An IPv6 listener takes IPv6 only, so that `0.0.0.0` and `[::]` can be bound side by side.
///
/// # Errors
///
/// What socket(2) or bind(2) say: the address is in use, not ours, not allowed.
pub fn bind(address: SocketAddr, port: Port) -> io::Result<Socket> {
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
    Ok(socket)
}

/// Listens, with room for `backlog` connections that wait for accept(2); the kernel cuts it to
/// `net.core.somaxconn`.
///
/// # Errors
///
/// What listen(2) says: another socket that is bound to the address, as SO_REUSEADDR allows, has begun to
/// listen before.
pub fn listen(socket: Socket, backlog: u32) -> io::Result<TcpListener> {
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Whether an interface has `ip` as its broadcast address, and none as its own. bind(2) takes such an
/// address, and no TCP client can connect to it.
pub fn is_broadcast(ip: IpAddr) -> bool {
    let IpAddr::V4(ip) = ip else { return false };
    // Neither is anybody's broadcast address, so the interfaces need not be asked.
    if ip.is_unspecified() || ip.is_loopback() {
        return false;
    }
    let Ok(interfaces) = getifaddrs() else { return false };
    let is = |address: Option<SockaddrStorage>| address.as_ref().and_then(ipv4) == Some(ip);
    let (mut is_broadcast, mut is_own) = (false, false);
    for interface in interfaces {
        is_broadcast |= is(interface.broadcast);
        is_own |= is(interface.address);
    }
    is_broadcast && !is_own
}

fn ipv4(address: &SockaddrStorage) -> Option<Ipv4Addr> {
    address.as_sockaddr_in().map(|address| address.ip())
}
