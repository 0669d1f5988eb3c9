//! Listeners of either kind, for mio.
//!
//! Invariant: a stream that was accepted is a [`TcpStream`] whichever listener it came from:
//! recv(2), send(2), shutdown(2) and epoll work alike on all stream sockets. Options of TCP fail on
//! one of a unix socket with EOPNOTSUPP, and are not needed there.

use crate::io::address::{Credentials, Peer};
use crate::os::listener;
use crate::os::listener::unix::SocketFile;
use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener};
use mio::{Interest, Registry, Token};
use nix::sys::socket::{getsockopt, sockopt};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// A listener that can be watched.
#[derive(Debug)]
pub enum Listener {
    /// For clients of TCP.
    Tcp(TcpListener),
    /// For clients of this machine.
    Unix {
        /// Its file, which is removed with it.
        file: Option<Arc<SocketFile>>,
        /// The socket.
        socket: UnixListener,
    },
}

impl From<listener::Listener> for Listener {
    fn from(listener: listener::Listener) -> Listener {
        match listener {
            listener::Listener::Tcp(socket) => Listener::Tcp(TcpListener::from_std(socket)),
            listener::Listener::Unix { file, socket } => {
                Listener::Unix { file, socket: UnixListener::from_std(socket) }
            }
        }
    }
}

impl Listener {
    pub(super) fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        match self {
            Listener::Tcp(listener) => {
                listener.accept().map(|(stream, address)| (stream, address.into()))
            }
            Listener::Unix { socket, .. } => {
                let stream = OwnedFd::from(socket.accept()?.0);
                let peer = Peer::Unix(credentials(&stream));
                Ok((TcpStream::from_std(stream.into()), peer))
            }
        }
    }

    /// Its file, if it has one, belongs to another process from now on.
    pub(super) fn leave_file(&self) {
        if let Listener::Unix { file: Some(file), .. } = self {
            file.leave();
        }
    }

    /// The address with which handshakes can be in flight: of a unix socket none are, for
    /// connect(2) puts its client into the backlog at once.
    pub(super) fn handshake_address(&self) -> Option<io::Result<SocketAddr>> {
        match self {
            Listener::Tcp(listener) => Some(listener.local_addr()),
            Listener::Unix { .. } => None,
        }
    }

    /// Has connect(2) fail with ECONNREFUSED. Clients in the backlog can be accepted.
    pub(super) fn refuse_newcomers(&self) -> io::Result<()> {
        match self {
            Listener::Tcp(_) => Ok(()),
            Listener::Unix { socket, .. } => {
                socket2::SockRef::from(socket).shutdown(Shutdown::Read)
            }
        }
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

/// A client is served though it is not known who it is.
fn credentials(stream: &impl AsFd) -> Credentials {
    getsockopt(stream, sockopt::PeerCredentials).map_or(Credentials::UNKNOWN, |peer| Credentials {
        pid: peer.pid().cast_unsigned(),
        uid: peer.uid(),
    })
}

impl Source for Listener {
    fn register(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        match self {
            Listener::Tcp(listener) => listener.register(registry, token, what),
            Listener::Unix { socket, .. } => socket.register(registry, token, what),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        match self {
            Listener::Tcp(listener) => listener.reregister(registry, token, what),
            Listener::Unix { socket, .. } => socket.reregister(registry, token, what),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Listener::Tcp(listener) => listener.deregister(registry),
            Listener::Unix { socket, .. } => socket.deregister(registry),
        }
    }
}
