//! Listeners: what a server asks of accept(2), and of the kernel when it stops.

use super::SocketIo;
use crate::io::address::Peer;
use crate::io::token::Token;
use std::io;

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

    /// The number of a listener's descriptor, for a process that is to inherit it. A network in
    /// memory has none.
    fn descriptor(&self, _: &Self::Listener) -> Option<i32> {
        None
    }

    /// Another process has the listener from now on: what belongs to it, such as the file of a unix
    /// socket, stays when it is closed here.
    fn leave_to_others(&mut self, _: &Self::Listener) {}

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
