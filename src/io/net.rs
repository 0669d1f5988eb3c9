//! The seam between the state machines and the operating system.
//!
//! [`Net`] is everything that the server and the client ask of a network, some twenty calls. The
//! reactor implements it with sockets; a simulator can implement it with queues and run the very
//! same server. [`fill`] and [`flush`] are the only loops that read and write.
//!
//! Invariant: readiness is *sticky*. Edge-triggered epoll tells once that a socket became readable;
//! so [`Readiness`] remembers it until a call proves the opposite, by `WouldBlock` or, for reads, by
//! a short count. Whoever stops reading before that still knows that there is more.

pub use crate::io::token::Token;

use crate::io::address::Peer;
use crate::io::buffer::ByteQueue;
use crate::io::clock::{Moment, WallTime};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// What a socket is known to be ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// A read will not block: there are bytes, a FIN, or an error to collect.
    pub read: bool,
    /// A write will not block.
    pub write: bool,
    /// A read that falls short does not mean that nothing is left, so reading goes on until it would
    /// block: the peer's FIN, which can share an edge with bytes, or an error is there to be read; or
    /// urgent data, at which recv(2) stops short though more has come behind it, tcp(7).
    pub read_on: bool,
}

impl Readiness {
    /// A socket just connected: its send buffer is empty, and whether there is something to read
    /// its registration will tell.
    pub const CONNECTED: Readiness = Readiness { read: false, write: true, read_on: false };

    /// Adds what an event told.
    pub fn merge(&mut self, event: Readiness) {
        self.read |= event.read;
        self.write |= event.write;
        self.read_on |= event.read_on;
    }
}

/// Where the wall clock is read. It is for people; deadlines use [`Moment`].
pub trait WallClock {
    /// The time of day now.
    fn wall_time(&self) -> WallTime;
}

/// Where time is read in the middle of a turn. What is measured to the microsecond cannot do with the
/// time at which the turn began; deadlines can, and cost no call.
pub trait MonotonicClock {
    /// The time now, on the clock of [`Driver::end_turn`].
    fn now(&self) -> Moment;
}

/// What a process has used, for the statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Its number, to send signals to.
    pub process_id: u32,
    /// Processor time, in user and kernel mode together.
    pub cpu: Duration,
    /// Memory in use, in bytes; 0 if the system does not tell.
    pub resident_bytes: u64,
}

/// The process that a server runs in. One that is simulated, or has no operating system below it, has used
/// nothing, and keeps its memory.
pub trait Host {
    /// What the process has used so far. It costs some system calls: to be called for a report, not in each turn.
    fn usage(&self) -> Usage {
        Usage::default()
    }

    /// Gives memory that was freed back to the system. After a crowd has left, for it takes time.
    fn give_memory_back(&self) {}
}

/// A network: TCP, or what else connects streams; nonblocking, edge-triggered.
///
/// Every call that would have to wait fails with [`ErrorKind::WouldBlock`] instead; the socket's
/// token is then reported once when waiting is over.
pub trait Net: WallClock + Host {
    /// A listening socket.
    type Listener;
    /// A connected or connecting socket. Dropping it closes it.
    type Stream;

    /// Takes one connection from the backlog, accept(2).
    fn accept(&mut self, listener: &Self::Listener) -> io::Result<(Self::Stream, Peer)>;

    /// Begins to connect, connect(2). Becoming writable means that it has ended, one way or the
    /// other: [`Net::connected`] tells.
    fn connect(&mut self, address: SocketAddr) -> io::Result<Self::Stream> {
        self.connect_from(None, address)
    }

    /// The same, from the local address `source` if one is named; its port is chosen as late as
    /// that of one that is not named, so that a port can be used once for each destination.
    fn connect_from(
        &mut self,
        source: Option<IpAddr>,
        address: SocketAddr,
    ) -> io::Result<Self::Stream>;

    /// The outcome of a connect that has ended; [`ErrorKind::WouldBlock`] or
    /// [`ErrorKind::NotConnected`] if it has not.
    fn connected(&mut self, stream: &Self::Stream) -> io::Result<()>;

    /// The socket's own address, getsockname(2).
    fn local_addr(&self, stream: &Self::Stream) -> io::Result<SocketAddr>;

    /// Asks for events on a stream, both directions, once for its whole life.
    fn register(&mut self, stream: &mut Self::Stream, token: Token) -> io::Result<()>;

    /// The same for a stream that was accepted. It can be written to, and an event that says so would
    /// be one for nothing: it may leave that out until [`Net::watch_writing`].
    fn register_accepted(&mut self, stream: &mut Self::Stream, token: Token) -> io::Result<()> {
        self.register(stream, token)
    }

    /// Asks for an event when a stream that was registered by [`Net::register_accepted`] can be
    /// written to, now or later. Called when a write would have blocked, once in the stream's life.
    fn watch_writing(&mut self, _: &mut Self::Stream, _: Token) -> io::Result<()> {
        Ok(())
    }

    /// Asks for events on a listener.
    fn register_listener(&mut self, listener: &mut Self::Listener, token: Token) -> io::Result<()>;

    /// Asks for no more events on a listener. To close it is not enough where another process has the
    /// same socket: epoll(7) forgets a socket when its last descriptor is closed, in any process.
    fn deregister_listener(&mut self, _: &mut Self::Listener) -> io::Result<()> {
        Ok(())
    }

    /// Has the kernel ignore new handshakes with a listener, until [`Net::admit_handshakes`].
    /// Handshakes that are in flight come to their end. A client that is ignored tries again after a
    /// second, and is then let in or refused. A network without handshakes need not do anything.
    fn hold_off_handshakes(&mut self, _: &Self::Listener) -> io::Result<()> {
        Ok(())
    }

    /// Undoes [`Net::hold_off_handshakes`]; nothing, if that was not done.
    fn admit_handshakes(&mut self, _: &Self::Listener) -> io::Result<()> {
        Ok(())
    }

    /// Refuses, for good, new clients of a listener that [`Net::hold_off_handshakes`] cannot hold off,
    /// because connecting takes no handshake there. Those in its backlog can be accepted.
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

    /// Reads what has arrived, recv(2); 0 is the peer's FIN.
    fn recv(&mut self, stream: &mut Self::Stream, into: &mut [u8]) -> io::Result<usize>;

    /// Gives the kernel bytes to send, send(2); it may take fewer.
    fn send(&mut self, stream: &mut Self::Stream, bytes: &[u8]) -> io::Result<usize>;

    /// What has become of the bytes that [`Net::send`] gave the kernel.
    fn output(&self, _: &Self::Stream) -> Output {
        Output::Unknown
    }

    /// Sends FIN, shutdown(2).
    fn send_fin(&mut self, stream: &mut Self::Stream) -> io::Result<()>;

    /// Closes with RST: what is unsent is dropped by the kernel too, instead of held for a peer
    /// that does not read.
    fn abort(&mut self, stream: Self::Stream);
}

/// What has become of the bytes that the kernel was given for a peer: [`Net::output`].
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

/// What is known of clients that have begun to connect: [`Net::handshakes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshakes {
    /// No client is about to come into the backlog.
    None,
    /// A client may come into the backlog, without beginning anew.
    InFlight,
    /// The kernel does not tell.
    Unknown,
}

/// What a poll loop drives: it is told of events, then asked to work and when to be woken next.
pub trait Driver {
    /// A registered socket became ready.
    fn ready(&mut self, token: Token, readiness: Readiness);

    /// Something other than a socket spoke, at `now`. A driver that expects nothing ignores it.
    fn notice(&mut self, _notice: Notice, _now: Moment) {}

    /// All events of this turn were told. Works, and says when to be called at the latest.
    fn end_turn(&mut self, now: Moment) -> Next;

    /// A turn, in which nothing was waited for, began and ended at these moments. A driver that does not
    /// measure its turns ignores it.
    fn turn_ended(&mut self, _began: Moment, _ended: Moment) {}
}

/// What reaches a driver besides its sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// SIGTERM or SIGINT: stop in order; a second time: at once.
    Terminate,
    /// SIGQUIT: stop at once.
    StopAtOnce,
    /// SIGCHLD: a process that was started has ended, perhaps more than one.
    ChildEnded,
    /// SIGXCPU: the processor time that the process may use is nearly used up, so stop in order. It comes
    /// again with each second of it that is used.
    CpuTimeLimit,
    /// SIGHUP: load files again.
    Reload,
    /// SIGUSR1: log the statistics.
    Report,
    /// Another thread, or process, has something to hand over.
    Woken,
}

/// What the poll loop does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Looks for events without waiting: work is queued.
    Poll,
    /// Waits for events until then.
    WaitUntil(Moment),
    /// Waits for events, however long.
    Wait,
    /// Ends.
    Stop,
}

/// What [`fill`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// This many bytes, at least one.
    Bytes(usize),
    /// The peer's FIN: nothing will come any more.
    Eof,
    /// Nothing now.
    Nothing,
}

/// Reads once into `into`, and remembers in `ready` whether there can be more.
///
/// A count short of the room means that the socket's queue is empty: the next byte will be a new
/// edge, and asking again would be a wasted system call. Unless [`Readiness::read_on`] says that this
/// does not hold.
///
/// A call that a signal interrupted is left for the next visit, still ready: retried here, one that
/// is interrupted again and again would hold up the loop.
///
/// # Errors
///
/// What recv(2) says: the connection is broken.
pub fn fill<N: Net>(
    net: &mut N,
    stream: &mut N::Stream,
    ready: &mut Readiness,
    into: &mut [u8],
) -> io::Result<Filled> {
    match net.recv(stream, into) {
        Ok(0) => {
            ready.read = false;
            Ok(Filled::Eof)
        }
        Ok(count) => {
            ready.read = count == into.len() || ready.read_on;
            Ok(Filled::Bytes(count))
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            ready.read = false;
            Ok(Filled::Nothing)
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Filled::Nothing),
        Err(error) => Err(error),
    }
}

/// Writes `bytes` until all are taken or the socket's buffer is full, which it remembers in `ready`.
/// Returns how many were taken.
///
/// # Errors
///
/// What send(2) says: the connection is broken.
pub fn flush<N: Net>(
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

/// Sends what waits in `queue`, then what is in `fresh`, in that order; keeps in `queue` what is not
/// taken. Returns how many bytes were taken.
///
/// # Errors
///
/// What send(2) says: the connection is broken, and nothing more can be sent.
pub fn flush_queue<N: Net>(
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
