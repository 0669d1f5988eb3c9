//! Listening sockets: bound here, nonblocking, ready to be handed to a poll loop.
//!
//! Invariant: a listener has the options that accepted connections need. On Linux an accepted
//! socket inherits `TCP_NODELAY` and the TCP timeouts from its listener, so they are set here once,
//! not for each connection.

use crate::io::address::Address;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{SockaddrStorage, getsockopt, setsockopt, sockopt};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

pub mod in_use;
pub mod unix;

#[cfg(test)]
mod tests;

/// A socket that listens.
#[derive(Debug)]
pub enum Listener {
    /// A TCP socket.
    Tcp(TcpListener),
    /// A unix socket, for clients on this machine.
    Unix {
        /// Its file, if it was bound here. Dropping it unlinks the file, before the socket is
        /// closed.
        file: Option<Arc<unix::SocketFile>>,
        /// The socket.
        socket: UnixListener,
    },
}

impl Listener {
    /// A listener of a socket that another process has bound, TCP or unix.
    ///
    /// # Errors
    ///
    /// What getsockname(2) says.
    pub fn from_socket(socket: OwnedFd) -> io::Result<Listener> {
        Ok(match SockRef::from(&socket).local_addr()?.is_unix() {
            true => Listener::Unix { file: None, socket: socket.into() },
            false => Listener::Tcp(socket.into()),
        })
    }

    /// Its address.
    ///
    /// # Errors
    ///
    /// What getsockname(2) says; [`io::ErrorKind::InvalidData`] if a program that bound a unix
    /// socket gave it an address that cannot be written, such as a relative path.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(Address::Inet),
            Listener::Unix { socket, .. } => unix::address_of(socket),
        }
    }

    /// Sets the timeouts of TCP. A unix socket needs none: the kernel reports at once that the peer
    /// process is gone.
    ///
    /// # Errors
    ///
    /// What setsockopt(2) says.
    pub fn set_timeouts(&self, timeouts: TcpTimeouts) -> io::Result<()> {
        match self {
            Listener::Tcp(listener) => timeouts.set(listener),
            Listener::Unix { .. } => Ok(()),
        }
    }

    /// Prepares a socket that another process of this server has bound, and perhaps listens on,
    /// too, as if it had been bound here: handshakes are not held off, and the backlog, the
    /// timeouts and the rights on a unix socket's file are as given. Rights that the file has are
    /// not set again: that may take privileges which this process has not any more.
    ///
    /// # Errors
    ///
    /// What setsockopt(2), listen(2), chmod(2) or lchown(2) say.
    pub fn take_over(
        &self,
        backlog: u32,
        timeouts: TcpTimeouts,
        rights: unix::FileRights,
    ) -> io::Result<()> {
        let socket = SockRef::from(self);
        // ENOENT: they are not held off.
        let _ = socket.detach_filter();
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        match self {
            Listener::Tcp(listener) => {
                if timeouts.keepalive.is_none() {
                    setsockopt(listener, sockopt::KeepAlive, &false)?;
                }
                if timeouts.user_timeout.is_none() {
                    setsockopt(listener, sockopt::TcpUserTimeout, &0)?;
                }
                timeouts.set(listener)
            }
            Listener::Unix { socket, .. } => match unix::address_of(socket)? {
                Address::Unix(address) => unix::set_rights(&address, rights),
                Address::Inet(_) => Ok(()),
            },
        }
    }

    /// Its file, if it has one, belongs to another process from now on.
    pub fn leave_file(&self) {
        if let Listener::Unix { file: Some(file), .. } = self {
            file.leave();
        }
    }

    /// Another descriptor of the same socket.
    ///
    /// # Errors
    ///
    /// When the system has no descriptors.
    pub fn try_clone(&self) -> io::Result<Listener> {
        Ok(match self {
            Listener::Tcp(listener) => Listener::Tcp(listener.try_clone()?),
            Listener::Unix { file, socket } => {
                Listener::Unix { file: file.clone(), socket: socket.try_clone()? }
            }
        })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix { socket, .. } => socket.as_fd(),
        }
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Whether other sockets may listen on the same port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// No other socket may.
    Exclusive,
    /// Other sockets of the same user that ask for this too: `SO_REUSEPORT`, socket(7). Each
    /// listener has a backlog of its own, and the kernel chooses one for each connection, by a hash
    /// of both its addresses and ports.
    Shared,
}

/// Whether an interface has the address when it is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPresence {
    /// It must have it.
    Now,
    /// It may get it later, as a floating address does: `IP_FREEBIND`, ip(7), which holds for IPv6,
    /// too.
    Later,
}

impl AddressPresence {
    /// As another socket was bound.
    pub fn asked_of(socket: &impl AsFd) -> AddressPresence {
        match getsockopt(socket, sockopt::IpFreebind) {
            Ok(true) => AddressPresence::Later,
            Ok(false) | Err(_) => AddressPresence::Now,
        }
    }
}

/// When the kernel gives up on a peer that does not answer, tcp(7). Without these, it gives up
/// after about 15 minutes if data is unacknowledged, and never if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpTimeouts {
    /// How long a connection may be silent before the kernel sends a keepalive probe,
    /// `TCP_KEEPIDLE`: whole seconds, from 1 to [`TcpTimeouts::LONGEST_KEEPALIVE`]. A part of a
    /// second counts as one.
    pub keepalive: Option<Duration>,
    /// How long sent data may remain unacknowledged, `TCP_USER_TIMEOUT`: milliseconds, from 1 to
    /// [`TcpTimeouts::LONGEST_USER_TIMEOUT`]. A part of one counts as one.
    pub user_timeout: Option<Duration>,
}

impl TcpTimeouts {
    /// What the kernel takes at most for `TCP_KEEPIDLE`.
    pub const LONGEST_KEEPALIVE: Duration = Duration::from_secs(32_767);

    /// What the kernel takes at most for `TCP_USER_TIMEOUT`, an `int`.
    pub const LONGEST_USER_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

    /// Probes without an answer before the peer counts as gone, `TCP_KEEPCNT`. The interval between
    /// two probes, `TCP_KEEPINTVL`, is a third of `TCP_KEEPIDLE`.
    const QUESTIONS: u32 = 3;

    /// Sets them on a listener: each connection that is established from then on inherits them.
    ///
    /// # Errors
    ///
    /// What setsockopt(2) says.
    pub fn set(&self, listener: &impl AsFd) -> io::Result<()> {
        if let Some(keepalive) = self.keepalive {
            let seconds = u32::try_from(keepalive.as_nanos().div_ceil(1_000_000_000));
            let seconds = seconds.unwrap_or(u32::MAX);
            setsockopt(listener, sockopt::TcpKeepIdle, &seconds)?;
            setsockopt(listener, sockopt::TcpKeepInterval, &seconds.div_ceil(Self::QUESTIONS))?;
            setsockopt(listener, sockopt::TcpKeepCount, &Self::QUESTIONS)?;
            setsockopt(listener, sockopt::KeepAlive, &true)?;
        }
        if let Some(timeout) = self.user_timeout {
            let millis = u32::try_from(timeout.as_nanos().div_ceil(1_000_000));
            setsockopt(listener, sockopt::TcpUserTimeout, &millis.unwrap_or(u32::MAX))?;
        }
        Ok(())
    }
}

/// Binds a nonblocking TCP socket. Port 0 picks a free port, which getsockname(2) then tells.
/// Clients cannot connect before [`listen`], so dropping the socket instead affects none.
///
/// An IPv6 listener takes IPv6 only, so that `0.0.0.0` and `[::]` can be bound side by side.
///
/// # Errors
///
/// What socket(2) or bind(2) say: the address is in use, not ours, not allowed.
pub fn bind(address: SocketAddr, port: Port, presence: AddressPresence) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Without SO_REUSEADDR, bind(2) fails while connections of the last run are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if port == Port::Shared {
        // The kernel compares SO_REUSEPORT of all sockets of the port at bind(2).
        setsockopt(&socket, sockopt::ReusePort, &true)?;
    }
    if presence == AddressPresence::Later {
        setsockopt(&socket, sockopt::IpFreebind, &true)?;
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
/// What listen(2) says: another socket that is bound to the address, as SO_REUSEADDR allows, has
/// begun to listen before.
pub fn listen(socket: Socket, backlog: u32) -> io::Result<TcpListener> {
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Whether an interface has `ip` as its broadcast address, and none as its own. bind(2) takes such
/// an address, and no TCP client can connect to it.
pub fn is_broadcast(ip: IpAddr) -> bool {
    let IpAddr::V4(ip) = ip else { return false };
    // Neither can be a broadcast address, so getifaddrs(3) is not needed.
    if ip.is_unspecified() || ip.is_loopback() {
        return false;
    }
    let Ok(interfaces) = getifaddrs() else { return false };
    let (mut is_broadcast, mut is_own) = (false, false);
    for interface in interfaces {
        let ipv4 = |address: Option<SockaddrStorage>| address.as_ref().and_then(ipv4);
        let (own, mask) = (ipv4(interface.address), ipv4(interface.netmask));
        // `ip address add` without `brd` notes no broadcast address, and the kernel has a route for
        // the one of the subnet all the same.
        let of_the_subnet = own.zip(mask).and_then(|(own, mask)| broadcast_of(own, mask));
        is_broadcast |= [ipv4(interface.broadcast), of_the_subnet].contains(&Some(ip));
        is_own |= own == Some(ip);
    }
    is_broadcast && !is_own
}

/// The last address of a subnet, which is its broadcast address. A subnet of one or two addresses
/// has none, RFC 3021.
fn broadcast_of(ip: Ipv4Addr, mask: Ipv4Addr) -> Option<Ipv4Addr> {
    (mask.to_bits().count_zeros() >= 2).then_some(ip | !mask)
}

fn ipv4(address: &SockaddrStorage) -> Option<Ipv4Addr> {
    address.as_sockaddr_in().map(|address| address.ip())
}
