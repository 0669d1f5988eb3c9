//! The gate: listeners, and when to accept from them.
//!
//! Invariant: a waiting client is never forgotten and never makes the loop spin. Edge-triggered
//! epoll reports a backlog once; after an accept that failed for want of descriptors no further
//! event comes by itself, though clients wait. So the gate remembers, and tries again when a
//! connection closes or a second has passed.

use super::Accepted;
use super::visit::Visitor;
use crate::counted::counted;
use crate::handlers::Service;
use crate::io::clock::Moment;
use crate::io::net::{AcceptOutcome, Handshakes, Net};
use std::time::Duration;

/// Connections accepted in one turn: in a reconnect storm, those already in are served in between.
pub(super) const ACCEPTS_PER_TURN: usize = 128;

/// From an accept that failed for want of something to the next try, and between log lines on it.
const RETRY: Duration = Duration::from_secs(1);

pub(super) struct Gate<N: Net> {
    listeners: Vec<Listener<N::Listener>>,
    /// Where the next accept begins to look, so that one busy listener does not shut out the others.
    next_listener: usize,
    max_connections: usize,
    state: State,
    newcomers: Newcomers,
    last_said: Option<Moment>,
}

struct Listener<L> {
    socket: L,
    service: Service,
    holders: Holders,
    /// The backlog may hold a connection: sticky, until an accept says `WouldBlock`.
    ready: bool,
}

/// Which processes have a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holders {
    Us,
    OthersToo,
}

/// What happens to clients that begin to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Newcomers {
    Admitted,
    /// The kernel ignores them.
    HeldOff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody is accepted, and clients in the backlogs are left alone.
    Shut,
    Open,
    /// As many connections as are allowed: the next waits for one to close.
    Full,
    /// The system lacks something: tried again then, or when a connection closes.
    Starved {
        retry_at: Moment,
    },
}

impl<N: Net> Gate<N> {
    pub(super) fn new(max_connections: usize) -> Gate<N> {
        Gate {
            listeners: Vec::new(),
            next_listener: 0,
            max_connections,
            state: State::Open,
            newcomers: Newcomers::Admitted,
            last_said: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.listeners.len()
    }

    pub(super) fn add(&mut self, socket: N::Listener, service: Service, holders: Holders) {
        self.listeners.push(Listener { socket, service, holders, ready: false });
    }

    /// Accepts nobody from now on, and leaves the backlogs as they are.
    pub(super) fn shut(&mut self) {
        self.state = State::Shut;
    }

    /// Undoes [`Gate::shut`].
    pub(super) fn reopen(&mut self) {
        self.state = State::Open;
    }

    /// Closes the listeners. The kernel resets clients in the backlogs, and refuses those that come from
    /// now on, unless another process has the same sockets.
    pub(super) fn close(&mut self, net: &mut N) {
        self.shut();
        for mut listener in self.listeners.drain(..) {
            // If it fails, the worst is an event that finds no listener.
            let _ = net.deregister_listener(&mut listener.socket);
        }
    }

    /// The listeners that no other process has.
    fn own(&self) -> impl Iterator<Item = &N::Listener> {
        let own = self.listeners.iter().filter(|listener| listener.holders == Holders::Us);
        own.map(|listener| &listener.socket)
    }

    /// Has the kernel ignore new handshakes. Where it cannot, newcomers are let in for a while yet.
    pub(super) fn hold_off(&mut self, net: &mut N) {
        if self.newcomers == Newcomers::Admitted {
            self.newcomers = Newcomers::HeldOff;
            self.own().for_each(|listener| _ = net.hold_off_handshakes(listener));
        }
    }

    /// After [`Gate::hold_off`], when it is not to be undone: refuses clients that cannot be held off. If it
    /// fails, the last of them may be reset.
    pub(super) fn refuse_newcomers(&self, net: &mut N) {
        self.own().for_each(|listener| _ = net.refuse_newcomers(listener));
    }

    /// Undoes [`Gate::hold_off`].
    pub(super) fn admit(&mut self, net: &mut N) {
        if self.newcomers == Newcomers::HeldOff {
            self.newcomers = Newcomers::Admitted;
            self.own().for_each(|listener| _ = net.admit_handshakes(listener));
        }
    }

    /// Whether a client may come into a backlog though new handshakes are held off.
    pub(super) fn handshakes(&self, net: &mut N) -> Handshakes {
        net.handshakes(self.own())
    }

    pub(super) fn ready(&mut self, number: usize) {
        if let Some(listener) = self.listeners.get_mut(number) {
            listener.ready = true;
        }
    }

    /// Looks at every backlog at the next chance, event or not.
    pub(super) fn expect_clients(&mut self) {
        self.listeners.iter_mut().for_each(|listener| listener.ready = true);
    }

    pub(super) fn connection_closed(&mut self) {
        if self.state != State::Shut {
            self.state = State::Open;
        }
    }

    /// Whether all backlogs were found empty, and no event has come since.
    pub(super) fn is_empty(&self) -> bool {
        self.state == State::Open && !self.listeners.iter().any(|listener| listener.ready)
    }

    /// Whether a client may wait for a place, or for the system to have what it lacks.
    pub(super) fn is_held_up(&self) -> bool {
        matches!(self.state, State::Full | State::Starved { .. })
    }

    /// Whether there may be someone to accept right now.
    pub(super) fn has_work(&self) -> bool {
        self.state == State::Open && self.listeners.iter().any(|listener| listener.ready)
    }

    /// Whether to try to accept at `now`: to ask costs a turn less than to try.
    #[inline]
    pub(super) fn may_accept(&self, now: Moment) -> bool {
        match self.state {
            State::Starved { retry_at } => now >= retry_at,
            State::Open | State::Full | State::Shut => self.has_work(),
        }
    }

    /// When to look again though nothing happened.
    pub(super) fn retry_at(&self) -> Option<Moment> {
        match self.state {
            State::Starved { retry_at } => Some(retry_at),
            State::Open | State::Full | State::Shut => None,
        }
    }

    /// The next connection, if there is one and room for it.
    pub(super) fn accept(
        &mut self,
        visitor: &mut Visitor<N>,
        active: usize,
    ) -> Option<Accepted<N::Stream>> {
        if matches!(self.state, State::Starved { retry_at } if visitor.now >= retry_at) {
            self.state = State::Open;
        }
        for _ in 0..ACCEPTS_PER_TURN {
            if self.state != State::Open {
                return None;
            }
            let number = self.next_ready()?;
            if active >= self.max_connections {
                self.pause(State::Full, visitor);
                match active {
                    1 => self.say(visitor.now, format_args!("the only connection is in use")),
                    _ => self.say(visitor.now, format_args!("all {active} connections are in use")),
                }
                return None;
            }
            let listener = self.listeners.get_mut(number)?;
            match visitor.net.accept(&listener.socket) {
                AcceptOutcome::Connection(stream, peer) => {
                    return Some(Accepted { stream, peer, service: listener.service });
                }
                AcceptOutcome::NoneWaiting => listener.ready = false,
                AcceptOutcome::Interrupted => {}
                AcceptOutcome::Lost => visitor.stats.accept_errors += 1,
                AcceptOutcome::Failed(error) => {
                    self.pause(State::Starved { retry_at: visitor.now + RETRY }, visitor);
                    let active = counted(active, "connection");
                    self.say(visitor.now, format_args!("{error}, with {active} open"));
                }
            }
        }
        // A lost connection leaves the backlog with its error. So many errors in a row are not theirs:
        // a security policy, say, refuses the call before it looks at the backlog, and always will.
        self.pause(State::Starved { retry_at: visitor.now + RETRY }, visitor);
        self.say(visitor.now, format_args!("{ACCEPTS_PER_TURN} attempts in a row failed"));
        None
    }

    fn next_ready(&mut self) -> Option<usize> {
        let count = self.listeners.len();
        let number = (0..count)
            .map(|offset| (self.next_listener + offset) % count)
            .find(|&number| self.listeners.get(number).is_some_and(|listener| listener.ready))?;
        self.next_listener = (number + 1) % count;
        Some(number)
    }

    fn pause(&mut self, state: State, visitor: &mut Visitor<N>) {
        self.state = state;
        visitor.stats.accept_pauses += 1;
    }

    /// At most one line a second: at the limit, every close lets one in and pauses again.
    fn say(&mut self, now: Moment, why: std::fmt::Arguments<'_>) {
        if self.last_said.is_none_or(|last| now.since(last) >= RETRY) {
            self.last_said = Some(now);
            log::warn!("accepting paused: {why}; new clients wait in the backlog");
        }
    }
}
