//! The seam between the state machines and the operating system.
//!
//! Three traits hold every call that a program makes on its sockets: [`SocketIo`] (connected
//! streams), [`Accept`] (listeners) and [`Connect`] (outgoing connections). A server needs the
//! first two, a client the first and the third. `MioNet` in the reactor implements them with system
//! calls; a simulator implements them with queues and runs the very same server.
//!
//! ```text
//! trait     who uses it       its calls                       the system's
//! SocketIo  server, client    register, add_write_interest    epoll_ctl(2)
//!                             recv, send                      recv(2), send(2)
//!                             send_fin, abort                 shutdown(2), close(2)
//! Accept    server            accept, register_listener       accept(2), epoll_ctl(2)
//! Connect   client            connect, connected              connect(2), getsockopt(2) SO_ERROR
//! ```
//!
//! Invariant: [`fill`] and [`flush`] are the only loops that read and write. They alone take back a
//! bit of [`Readiness`], because only recv(2) and send(2) prove that a socket is not ready.

pub use crate::io::token::Token;

use crate::io::address::Peer;
use crate::io::buffer::ByteQueue;
use crate::io::clock::Moment;
use crate::io::host::{Host, WallClock};
use crate::io::readiness::{Interest, Readiness};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Everything that a server asks of its surroundings: streams, listeners, the wall clock, the
/// process.
pub trait Net: SocketIo + Accept + WallClock + Host {}

impl<N: SocketIo + Accept + WallClock + Host> Net for N {}

/// Connected streams, nonblocking and edge-triggered.
///
/// A call that would have to wait fails with [`ErrorKind::WouldBlock`] instead. When waiting is
/// over, one event tells so, if the stream is registered with that interest.
pub trait SocketIo {
    /// A connected or connecting socket. Dropping it closes it.
    type Stream;

    /// Asks for events on a stream, EPOLL_CTL_ADD, once in its life. If it is ready already, an
    /// event tells that too.
    ///
    /// # Errors
    ///
    /// What epoll_ctl(2) says, ENOMEM or ENOSPC for example.
    fn register(
        &mut self,
        stream: &mut Self::Stream,
        token: Token,
        interest: Interest,
    ) -> io::Result<()>;

    /// Widens the interest of a stream from [`Interest::Read`] to [`Interest::ReadWrite`],
    /// EPOLL_CTL_MOD. To be called when send(2) would have blocked, once in the stream's life. If
    /// there is room by then, an event tells that too. A network that tells of room without being
    /// asked need not do anything.
    ///
    /// A server registers with [`Interest::Read`] first: a new socket is writable, so EPOLLOUT
    /// would cost one useless event for each connection.
    ///
    /// # Errors
    ///
    /// What epoll_ctl(2) says.
    fn add_write_interest(&mut self, _: &mut Self::Stream, _: Token) -> io::Result<()> {
        Ok(())
    }

    /// Reads what has arrived, recv(2); 0 is the peer's FIN.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] if nothing has arrived; else the connection is broken.
    fn recv(&mut self, stream: &mut Self::Stream, into: &mut [u8]) -> io::Result<usize>;

    /// Gives the kernel bytes to send, send(2); it may take fewer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] if the send buffer is full; else the connection is broken.
    fn send(&mut self, stream: &mut Self::Stream, bytes: &[u8]) -> io::Result<usize>;

    /// What has become of the bytes that [`SocketIo::send`] gave the kernel.
    fn output(&self, _: &Self::Stream) -> Output {
        Output::Unknown
    }

    /// Sends FIN, shutdown(2).
    ///
    /// # Errors
    ///
    /// The connection is broken.
    fn send_fin(&mut self, stream: &mut Self::Stream) -> io::Result<()>;

    /// Closes with RST. The kernel drops unsent bytes, instead of holding them for a peer that does
    /// not read.
    fn abort(&mut self, stream: Self::Stream);
}

/// Listeners.
pub trait Accept: SocketIo {
    /// A listening socket. Dropping it closes it.
    type Listener;

    /// Takes one connection from the backlog, accept(2).
    fn accept(&mut self, listener: &Self::Listener) -> AcceptOutcome<Self::Stream>;

    /// Asks for events on a listener.
    ///
    /// # Errors
    ///
    /// What epoll_ctl(2) says.
    fn register_listener(&mut self, listener: &mut Self::Listener, token: Token) -> io::Result<()>;

    /// Asks for no more events on a listener. Closing it is not enough where another process has
    /// the same socket: epoll(7) forgets a socket when its last descriptor is closed, in any
    /// process.
    ///
    /// # Errors
    ///
    /// What epoll_ctl(2) says.
    fn deregister_listener(&mut self, _: &mut Self::Listener) -> io::Result<()> {
        Ok(())
    }

    /// Has the kernel ignore new handshakes with a listener, until [`Accept::admit_handshakes`].
    /// Handshakes in flight finish. A client that is ignored sends its SYN again after a second,
    /// and is then let in or refused. A network without handshakes need not do anything.
    ///
    /// # Errors
    ///
    /// What setsockopt(2) says; handshakes are then admitted as before.
    fn hold_off_handshakes(&mut self, _: &Self::Listener) -> io::Result<()> {
        Ok(())
    }

    /// Undoes [`Accept::hold_off_handshakes`]; does nothing if they were not held off.
    ///
    /// # Errors
    ///
    /// What setsockopt(2) says.
    fn admit_handshakes(&mut self, _: &Self::Listener) -> io::Result<()> {
        Ok(())
    }

    /// Refuses, for good, new clients of a listener that [`Accept::hold_off_handshakes`] cannot
    /// hold off, because connecting takes no handshake there (a unix socket). Clients in its
    /// backlog can still be accepted.
    ///
    /// # Errors
    ///
    /// What shutdown(2) says.
    fn refuse_newcomers(&mut self, _: &Self::Listener) -> io::Result<()> {
        Ok(())
    }

    /// Whether a client is in the middle of its handshake with one of `listeners`.
    fn handshakes<'a>(&mut self, _: impl Iterator<Item = &'a Self::Listener>) -> Handshakes
    where
        Self::Listener: 'a,
    {
        Handshakes::None
    }
}

/// What accept(2) answered, by what the server has to do next.
#[derive(Debug)]
pub enum AcceptOutcome<S> {
    /// A connection, and its peer.
    Connection(S, Peer),
    /// The backlog is empty: an event tells when that changes.
    NoneWaiting,
    /// A signal came first: try again.
    Interrupted,
    /// A connection broke before it was accepted. The next one in the backlog may be fine.
    Lost,
    /// The system lacks something (descriptors, memory), or forbids the call. The clients stay in
    /// the backlog, and no event will tell when accept(2) works again: try again later.
    Failed(io::Error),
}

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
    /// [`ErrorKind::WouldBlock`] or [`ErrorKind::NotConnected`] if it still goes on; else why it
    /// failed.
    fn connected(&mut self, stream: &Self::Stream) -> io::Result<()>;

    /// The stream's own address, getsockname(2).
    ///
    /// # Errors
    ///
    /// What getsockname(2) says.
    fn local_addr(&self, stream: &Self::Stream) -> io::Result<SocketAddr>;
}

/// What has become of the bytes that the kernel was given for a peer: [`SocketIo::output`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The peer has received all of them.
    Delivered,
    /// The kernel holds some, because the peer has no room for them, or does not acknowledge them.
    Held {
        /// When the peer last took bytes.
        last_taken: Moment,
        /// How much earlier the peer may have made room for them.
        kept_back: Duration,
    },
    /// The kernel does not tell.
    Unknown,
}

/// What is known of clients that have begun to connect: [`Accept::handshakes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshakes {
    /// No client is about to come into the backlog.
    None,
    /// A client may come into the backlog, without beginning anew.
    InFlight,
    /// The kernel does not tell.
    Unknown,
}

/// What [`fill`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// This many bytes, at least one.
    Bytes(usize),
    /// The peer's FIN: nothing will come after it.
    Eof,
    /// Nothing now.
    Nothing,
}

/// Reads once into `into`, and remembers in `ready` whether there can be more.
///
/// A count short of the room means that the socket's queue is empty: the next byte will be a new
/// edge, and another recv(2) would be wasted. [`Readiness::read_until_would_block`] marks the
/// exceptions.
///
/// If a signal interrupted the call, the stream stays ready, and the next visit tries again. A
/// retry here could hold up the loop, if signal follows signal.
///
/// # Errors
///
/// What recv(2) says: the connection is broken.
pub fn fill<N: SocketIo>(
    net: &mut N,
    stream: &mut N::Stream,
    ready: &mut Readiness,
    into: &mut [u8],
) -> io::Result<ReadOutcome> {
    match net.recv(stream, into) {
        Ok(0) => {
            ready.read = false;
            Ok(ReadOutcome::Eof)
        }
        Ok(count) => {
            ready.read = count == into.len() || ready.read_until_would_block;
            Ok(ReadOutcome::Bytes(count))
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            ready.read = false;
            Ok(ReadOutcome::Nothing)
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(ReadOutcome::Nothing),
        Err(error) => Err(error),
    }
}

/// Writes `bytes` until all are taken or the socket's buffer is full, which it remembers in
/// `ready`. Returns how many were taken.
///
/// # Errors
///
/// What send(2) says: the connection is broken.
pub fn flush<N: SocketIo>(
    net: &mut N,
    stream: &mut N::Stream,
    ready: &mut Readiness,
    bytes: &[u8],
) -> io::Result<usize> {
    let mut taken = 0;
    while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
        match net.send(stream, rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => taken += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                ready.write = false;
                break;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => break,
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

/// Sends what waits in `queue`, then what is in `fresh`, in that order; keeps in `queue` what is
/// not taken. Returns how many bytes were taken.
///
/// # Errors
///
/// What send(2) says: the connection is broken, and nothing more can be sent.
pub fn flush_queue<N: SocketIo>(
    net: &mut N,
    stream: &mut N::Stream,
    ready: &mut Readiness,
    queue: &mut ByteQueue,
    fresh: &[u8],
    now: Moment,
) -> io::Result<usize> {
    let mut taken = 0;
    if ready.write && !queue.is_empty() {
        taken = flush(net, stream, ready, queue.bytes())?;
        if taken > 0 {
            queue.consume(taken, now);
        }
    }
    let mut fresh_taken = 0;
    if ready.write && queue.is_empty() {
        fresh_taken = flush(net, stream, ready, fresh)?;
    }
    queue.extend(fresh.get(fresh_taken..).unwrap_or_default(), now);
    Ok(taken + fresh_taken)
}
