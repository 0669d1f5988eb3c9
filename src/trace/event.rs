//! The events of a trace: what happened, with its numbers and its reasons.

use super::imported::Imported;
use super::payload::{Chunk, Direction};
use crate::conn::{Deadline, Inbound, Outbound};
use crate::io::readiness::Readiness;
use crate::server::close::CloseReason;
use std::net::SocketAddr;

/// A connection's number: they are counted from 1 as they are accepted. 0 is none.
pub type Number = u32;

/// Something that happened.
///
/// *Causes* are numbered from 1: a [`Event::Ready`] that is not stale, an [`Event::Accepted`] and
/// an [`Event::TimerFired`] each take the next number. Requests are numbered from 1 by
/// [`Event::Served`], over all connections. 0 stands for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A turn of the loop began: epoll_wait(2) had returned.
    TurnBegan {
        /// Events that it returned for connections and listeners.
        events: u32,
        /// Nanoseconds since the turn before had ended.
        waited: u64,
    },
    /// An event for a connection.
    Ready {
        /// Which.
        connection: Number,
        /// What the event told.
        bits: Readiness,
        /// Whether the connection had closed before.
        is_stale: bool,
    },
    /// An event for a listener.
    ListenerReady {
        /// Which, from 0.
        listener: u32,
    },
    /// A signal, or a message of a thread or of the supervisor.
    Woken {
        /// Which.
        by: Signal,
    },
    /// A visit to a connection began.
    Visit {
        /// Which.
        connection: Number,
        /// Why.
        cause: VisitCause,
    },
    /// recv(2) was called.
    Received {
        /// On which connection.
        connection: Number,
        /// Bytes that there was room for.
        asked: u32,
        /// Bytes that came.
        moved: u32,
        /// What the call told.
        end: RecvEnd,
    },
    /// The engine was given bytes, or time, and made a reply.
    Served {
        /// Whose.
        connection: Number,
        /// Requests that were cut and answered.
        count: u32,
        /// The number of the last of them.
        last: u64,
        /// Bytes that are kept: of a request that is unfinished, or of requests that wait.
        left: u32,
        /// Bytes of the replies.
        reply: u32,
        /// The number of the cause.
        cause: u64,
    },
    /// send(2) was called, once or more, until all was taken or it ended for this reason.
    Sent {
        /// On which connection.
        connection: Number,
        /// Bytes that were taken.
        moved: u32,
        /// Bytes that are left.
        left: u32,
        /// Why no more was sent.
        end: SendEnd,
        /// The number of the last request that was answered on this connection.
        request: u64,
        /// The number of the cause of the visit in which that was.
        cause: u64,
    },
    /// A visit ended.
    Settled {
        /// Whose.
        connection: Number,
        /// The direction from the peer.
        inbound: Inbound,
        /// The direction to the peer.
        outbound: Outbound,
        /// What the socket is known to be ready for.
        ready: Readiness,
        /// Whether it is queued for another visit, and why.
        queued: Queued,
        /// Bytes of requests that wait.
        unparsed: u32,
        /// Bytes of output that wait.
        unsent: u32,
        /// The visit's work, in units of about 100 ns.
        work: u32,
    },
    /// Requests of a connection have to wait.
    Stalled {
        /// Which.
        connection: Number,
        /// What for.
        why: StallCause,
        /// Bytes of output that wait.
        unsent: u32,
    },
    /// Requests of a connection need not wait any longer.
    Resumed {
        /// Which.
        connection: Number,
        /// Bytes of output that wait.
        unsent: u32,
    },
    /// The timer of a connection was set.
    TimerArmed {
        /// Which connection's.
        connection: Number,
        /// For what.
        deadline: Deadline,
        /// Nanoseconds from now until it fires.
        after: u64,
    },
    /// A timer fired, and its deadline has passed.
    TimerFired {
        /// Which connection's.
        connection: Number,
        /// What has passed.
        deadline: Deadline,
    },
    /// Timers fired whose deadlines had moved, and were set again.
    TimersMoved {
        /// How many, at least.
        count: u32,
    },
    /// accept(2) brought a connection.
    Accepted {
        /// Its number.
        connection: Number,
        /// From which listener, from 0.
        listener: u32,
        /// Who it is.
        peer: TracedPeer,
        /// Connections that are open now.
        active: u32,
    },
    /// accept(2) brought none, or was not called.
    NotAccepted {
        /// The listener, from 0.
        listener: u32,
        /// Why.
        why: NoAccept,
    },
    /// A client was rejected.
    Refused {
        /// Why.
        why: RefusalCause,
        /// Who it was.
        peer: TracedPeer,
    },
    /// The memory limit was reached, and the newest connections are closed.
    Shed {
        /// How many.
        count: u32,
    },
    /// FIN was sent.
    FinSent {
        /// On which connection.
        connection: Number,
    },
    /// A connection was closed.
    Closed {
        /// Which.
        connection: Number,
        /// Why.
        reason: CloseReason,
        /// Whether with RST.
        is_reset: bool,
        /// Bytes of output that were dropped.
        lost: u32,
    },
    /// Another lookup table is in use.
    TableReplaced {
        /// Keys in it.
        keys: u64,
    },
    /// A table could not be loaded; the old one stays.
    TableKept,
    /// Other rules of the time zone are in use.
    ZoneReplaced,
    /// The server stops.
    Drain {
        /// What has been reached.
        step: DrainStep,
    },
    /// A turn ended.
    TurnEnded {
        /// Visits in it.
        visits: u32,
        /// Connections that wait for a visit. One that has closed since counts, too.
        queued: u32,
        /// What the loop does next.
        next: Next,
    },
    /// Recording began, or went on after it had been switched off.
    Recording,
    /// The header of the PROXY protocol is complete.
    ProxyHeader {
        /// Which connection's.
        connection: Number,
        /// The client that it tells of; the proxy itself if the connection is its own.
        peer: TracedPeer,
    },
    /// Some of the first bytes that the event before moved. Only a replay that was asked for them
    /// tells them.
    Payload {
        /// Whose.
        connection: Number,
        /// Which way they went.
        direction: Direction,
        /// The bytes. What does not fit is in the next event.
        chunk: Chunk,
    },
    /// What only a recording of another program tells. No ring has it.
    Imported(Imported),
}

/// A signal, or what else wakes the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT.
    Terminate,
    /// SIGQUIT.
    StopAtOnce,
    /// SIGXCPU.
    CpuTimeLimit,
    /// SIGHUP.
    Reload,
    /// SIGUSR1.
    Report,
    /// A thread or the supervisor has a message.
    Message,
    /// Another.
    Other,
}

/// Why a connection is visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisitCause {
    /// It was accepted.
    Opened,
    /// Its socket is ready for work that it wants.
    Ready,
    /// Its deadline has passed.
    Expired,
}

/// What a recv(2) told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvEnd {
    /// Fewer bytes than there was room for: the socket's queue is empty.
    Short,
    /// As many as there was room for: there may be more.
    Full,
    /// EAGAIN: there was nothing.
    WouldBlock,
    /// EINTR.
    Interrupted,
    /// 0: the peer's FIN.
    Eof,
    /// The connection is broken: this errno, or 0 if there is none.
    Error(u32),
}

/// Why send(2) was not called again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendEnd {
    /// The kernel took all.
    All,
    /// EAGAIN: the kernel has no room.
    WouldBlock,
    /// 512 KiB were sent: it is the turn of others.
    Budget,
    /// EINTR.
    Interrupted,
    /// The connection is broken: this errno, or 0 if there is none.
    Error(u32),
}

/// Whether a connection is queued for another visit, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// It is not: it waits for an event or its deadline.
    No,
    /// There may be more to read.
    MoreToRead,
    /// There is output, and room for it.
    MoreToSend,
    /// Requests wait that can be served.
    RequestsWait,
}

/// Why requests have to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StallCause {
    /// The work of the visit is done: other connections have their turn.
    Budget,
    /// As much output waits as the high-water mark allows.
    HighWater,
}

/// Why there was nothing to accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAccept {
    /// The backlog is empty.
    NoneWaiting,
    /// The client was lost before it was accepted.
    Lost,
    /// EINTR.
    Interrupted,
    /// All places are taken: accepting pauses until a connection closes.
    Full,
    /// The system lacks something: accepting pauses for a second, or until a connection closes.
    OutOfResources,
}

impl NoAccept {
    /// Whether accepting pauses, though clients may wait.
    pub fn is_pause(self) -> bool {
        matches!(self, NoAccept::Full | NoAccept::OutOfResources)
    }
}

/// Why a client was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCause {
    /// By `--allow` or `--deny`.
    Denied,
    /// By `--max-connections-per-address`.
    TooMany,
    /// By `--accept-rate-per-address`.
    TooFast,
    /// The listener lets proxies in only, and this is none of them.
    NotAProxy,
    /// By `--tls-handshake-rate`.
    TooManyHandshakes,
}

/// How far the server has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainStep {
    /// The order to drain came.
    Began,
    /// The listeners are closed.
    ListenersClosed,
    /// The order to stop at once came.
    AtOnce,
    /// Connections are cut off: time is up.
    TimeUp,
}

/// What the loop does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It looks for events without waiting: there is work left.
    Poll,
    /// It waits for events, for this number of nanoseconds at most.
    WaitFor(u64),
    /// It waits for events.
    Wait,
    /// It ends.
    Stop,
}

/// Who a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TracedPeer {
    /// A process of this machine, by way of a unix socket.
    Unix,
    /// A client behind a proxy, which told no address of it.
    Proxied,
    /// A client of TCP.
    Inet(SocketAddr),
    /// A client of TCP whose address was hashed with a secret. One client has one hash.
    Hashed(u64),
}
