//! Outgoing connections: socket(2) and connect(2), and whether an attempt has succeeded.

use crate::io::address::{Address, UnixAddress};
use crate::io::net::ConnectedToItself;
use crate::os::listener::unix::sock_addr;
use mio::net::TcpStream;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

#[cfg(test)]
mod tests;

/// Where the system tells from which ports the kernel chooses, ip(7); IPv6 takes them from there,
/// too.
const LOCAL_PORTS: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Begins to connect, from `source` if there is one.
pub(super) fn begin(source: Option<SocketAddr>, address: &Address) -> io::Result<TcpStream> {
    let stream = match (address, source) {
        (Address::Unix(_), Some(_)) => return Err(Errno::EAFNOSUPPORT.into()),
        (Address::Unix(address), None) => return unix(address),
        (Address::Inet(address), Some(source)) => from(source, *address)?,
        (Address::Inet(address), None) => TcpStream::connect(*address)?,
    };
    // Small requests go out at once, not when the answer to the one before has come.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Begins to connect from `source`.
///
/// bind(2) would take a port that no other socket on that address can have, whatever it connects
/// to, and there are 28,000 of them. With `IP_BIND_ADDRESS_NO_PORT`, ip(7), connect(2) takes one,
/// which only has to differ for the same destination.
fn from(source: SocketAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
    socket.bind(&source.into())?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

/// Connects to a unix socket, which succeeds or fails at once; EAGAIN if its backlog is full.
fn unix(address: &UnixAddress) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&sock_addr(address)?)?;
    Ok(TcpStream::from_std(OwnedFd::from(socket).into()))
}

/// Whether an attempt has succeeded; as [`Connect::connected`](crate::io::net::Connect::connected).
pub(super) fn outcome(stream: &TcpStream) -> io::Result<()> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    // The standard library knows no peer of a unix socket.
    let peer = SockRef::from(stream).peer_addr()?;
    if let Some(peer) = peer.as_socket()
        && may_be_our_own(peer.port())
        && stream.local_addr()? == peer
    {
        // With RST, the port is free for the server at once, without TIME_WAIT.
        let _ = SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
        return Err(ConnectedToItself.into());
    }
    Ok(())
}

/// Whether the kernel may choose this port for our end. If it has chosen the port that we connect
/// to, and no socket listens there, the SYN arrives at the socket that sent it, which takes it for
/// the other side of a simultaneous open (RFC 9293, 3.5).
fn may_be_our_own(port: u16) -> bool {
    static RANGE: OnceLock<(u16, u16)> = OnceLock::new();
    let (first, last) = *RANGE.get_or_init(|| {
        let text = std::fs::read_to_string(LOCAL_PORTS).unwrap_or_default();
        let mut ports = text.split_ascii_whitespace().map_while(|port| port.parse().ok());
        // If the system does not tell, any port may be one of them.
        ports.next().zip(ports.next()).unwrap_or((1, u16::MAX))
    });
    (first..=last).contains(&port)
}
