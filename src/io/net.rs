//! The seam between the state machines and the operating system.
//!
//! Three traits hold every call that a program makes on its sockets: [`SocketIo`] (connected
//! streams), [`Accept`] (listeners) and [`Connect`] (outgoing connections). A server needs the
//! first two, a client the first and the third. The last two have files of their own. `MioNet` in
//! the reactor implements all three with system calls; a simulator implements them with queues and
//! runs the very same server.
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
pub use accept::{Accept, AcceptOutcome, Handshakes};
pub use connect::{Connect, ConnectedToItself};
pub use secure::{Encrypt, Encryption, Identity, TlsError, TlsFailure, TlsHandshake};
pub use told::Told;

use crate::io::buffer::ByteQueue;
use crate::io::clock::Moment;
use crate::io::host::{Host, WallClock};
use crate::io::readiness::{Interest, Readiness};
use std::io::{self, ErrorKind};
use std::time::Duration;

mod accept;
mod connect;
mod secure;
mod told;

#[cfg(test)]
mod tests;

/// Everything that a server asks of its surroundings: streams, listeners, the wall clock, the
/// process.
pub trait Net: Encrypt + Accept + WallClock + Host {}

impl<N: Encrypt + Accept + WallClock + Host> Net for N {}

/// Connected streams, nonblocking and edge-triggered.
///
/// A call that would have to wait fails with [`ErrorKind::WouldBlock`] instead. When waiting is
/// over, one event tells so, if the stream is registered with that interest.
pub trait SocketIo {
    /// A connected or connecting socket. Dropping it closes it.
    type Stream;

    /// Whether a server on this network has hooks for a recorder. The loop is compiled for each
    /// network, so that the hooks of another cost nothing.
    const IS_OBSERVED: bool = true;

    /// What the program is told or does beside its calls. Only a network that writes it down looks.
    #[inline(always)]
    fn told(&mut self, _: Told<'_>) {}

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

    /// Whether there may be more to read, though the last [`SocketIo::recv`] has not filled its
    /// room: a network that decrypts may have bytes, or an end, that recv(2) has brought already.
    #[inline(always)]
    fn has_more(&self, _: &Self::Stream) -> bool {
        false
    }

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

    /// Closes in order, close(2): if the stream is encrypted, close_notify goes before FIN, as far
    /// as there is room.
    fn close(&mut self, stream: Self::Stream) {
        drop(stream);
    }

    /// Closes with RST. The kernel drops unsent bytes, instead of holding them for a peer that does
    /// not read.
    fn abort(&mut self, stream: Self::Stream);
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
            ready.read =
                count == into.len() || ready.read_until_would_block || net.has_more(stream);
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

/// Bytes that one call of [`flush_queue`] sends at most. A peer that reads as fast as we send would
/// otherwise keep the loop for as long as a reply of 300 MB takes.
pub const MOST_SENT: usize = 512 * 1024;

/// Sends the bytes that wait in `queue`, then those in `fresh`, in that order; keeps the rest in
/// `queue`. Returns how many bytes were taken. If bytes are left and `ready` still says that
/// send(2) will not block, it is the turn of other sockets.
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
        taken = flush(net, stream, ready, at_most(MOST_SENT, queue.bytes()))?;
        if taken > 0 {
            queue.consume(taken, now);
        }
    }
    let mut fresh_taken = 0;
    if ready.write && queue.is_empty() {
        fresh_taken = flush(net, stream, ready, at_most(MOST_SENT - taken, fresh))?;
    }
    queue.extend(fresh.get(fresh_taken..).unwrap_or_default(), now);
    Ok(taken + fresh_taken)
}

fn at_most(count: usize, bytes: &[u8]) -> &[u8] {
    bytes.get(..count).unwrap_or(bytes)
}
