//! The acceptor: listeners, and when to accept from them.
//!
//! Invariant: a waiting client is never forgotten and never makes the loop spin. Edge-triggered
//! epoll reports a backlog once; after an accept that failed for want of descriptors no further
//! event comes by itself, though clients wait. So the acceptor remembers, and tries again when a
//! connection closes or a second has passed.

mod trial_reads;

use super::Server;
use super::admission::Refusal;
use super::connection::{PeerStanding, ServerConnection};
use super::proxied::{Sender, Serves};
use super::turn::Cause;
use super::warning::RateLimitedWarning;
use super::work;
use crate::counted::counted;
use crate::handlers::Service;
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::net::{AcceptOutcome, Handshakes, Identity, Net};
use crate::io::readiness::Interest;
use crate::server::close::CloseReason;
use crate::trace::event::NoAccept;
use log::Level;
use std::fmt;
use std::time::Duration;
use trial_reads::TrialReads;

/// Attempts to accept in one turn: in a reconnect storm, clients that are already in are served in
/// between.
pub(super) const ATTEMPTS_PER_TURN: usize = 128;

/// Attempts in a row that may fail, each for its own client, before it is a failure of the system.
const FAILURES_IN_A_ROW: usize = ATTEMPTS_PER_TURN;

/// Delay before a failed accept is tried again.
const RETRY: Duration = Duration::from_secs(1);

pub(super) struct Acceptor<N: Net> {
    listeners: Vec<Listener<N::Listener>>,
    /// Where the next accept begins to look, so that one busy listener does not shut out the
    /// others.
    next_listener: usize,
    /// Which listener was tried last.
    tried: usize,
    max_connections: usize,
    state: State,
    newcomers: Newcomers,
    /// Attempts in a row that were interrupted, or whose connection was lost before it was
    /// accepted.
    failures: usize,
    trial_reads: TrialReads,
    warning: RateLimitedWarning,
}

struct Listener<L> {
    socket: L,
    serves: Serves,
    holders: Holders,
    /// Under which it was registered for events.
    number: usize,
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
    /// No client is accepted, and clients in the backlogs are left alone.
    Shut,
    Open,
    /// As many connections as are allowed: the next waits for one to close.
    Full,
    /// The system lacks something: tried again then, or when a connection closes.
    OutOfResources {
        retry_at: Moment,
    },
}

/// What one attempt to accept came to.
#[derive(Debug)]
enum Attempt<S> {
    Accepted(Accepted<S>),
    /// The client was lost before it was accepted.
    Lost,
    /// This backlog is empty, but not yet all are; or a signal interrupted accept(2).
    TryAgain(NoAccept),
    /// There is no room, or the system lacks something. It was logged.
    Paused(NoAccept),
    /// All backlogs are empty, or accepting was paused before.
    NoneWaiting,
}

/// A connection that was accepted, from whom, and by which service.
#[derive(Debug)]
struct Accepted<S> {
    stream: S,
    peer: Peer,
    sender: Sender,
    service: Service,
    tls: Option<Identity>,
}

impl<N: Net> Server<N> {
    /// Lets clients in, within a turn's work for that.
    pub(super) fn accept(&mut self, now: Moment) {
        let most = self.cx.work.spent + work::SIDE_WORK;
        for _ in 0..ATTEMPTS_PER_TURN {
            let active = self.sockets.len().saturating_sub(self.operators.open());
            match self.acceptor.attempt(&mut self.cx.net, active, now) {
                Attempt::Accepted(accepted) => self.admit(accepted, now),
                Attempt::Lost => {
                    self.cx.stats.accept_errors += 1;
                    self.cx.observe_not_accepted(self.acceptor.tried, NoAccept::Lost);
                }
                Attempt::TryAgain(why) => {
                    self.cx.observe_not_accepted(self.acceptor.tried, why);
                }
                Attempt::Paused(why) => {
                    self.cx.observe_not_accepted(self.acceptor.tried, why);
                    self.cx.stats.accept_pauses += 1;
                    break;
                }
                Attempt::NoneWaiting => break,
            }
            if self.batch.is_full() {
                self.send_batch();
            }
            if self.cx.work.spent >= most {
                break;
            }
        }
        self.send_batch();
    }

    fn admit(&mut self, accepted: Accepted<N::Stream>, now: Moment) {
        self.cx.work.spent += work::ACCEPT;
        let admitted = match accepted.sender {
            Sender::Client => {
                let admitted = self.cx.admission.admit(&accepted.peer, &self.cx.limits, now);
                admitted.map(|()| PeerStanding::Admitted)
            }
            // Whether its client may come in, the header tells.
            Sender::Proxy(versions) => Ok(PeerStanding::AwaitsHeader(versions)),
            Sender::Stranger => Err(Refusal::NotAProxy),
        };
        let admitted = admitted
            .and_then(|standing| self.cx.admit_handshake(accepted.tls, &accepted.peer, standing));
        match admitted {
            Ok(standing) => self.open(accepted, standing, now),
            Err(refusal) => self.reject(accepted, refusal),
        }
    }

    fn open(&mut self, accepted: Accepted<N::Stream>, standing: PeerStanding, now: Moment) {
        let Accepted { mut stream, peer, service, tls, .. } = accepted;
        let token = self.sockets.next_token();
        let registered = self.cx.net.register(&mut stream, token, Interest::Read);
        let (layer, registered) = self.cx.first_layer(&mut stream, tls, standing, registered);
        let connection = ServerConnection::new(peer, standing, layer, service, now);
        let mut ready = connection.readiness();
        // Its request may have come, and no event yet: a read tells.
        let is_read_at_once = self.is_draining() || self.acceptor.trial_reads.is_worth_it();
        ready.read = is_read_at_once;
        self.sockets.insert(token, stream, connection, ready);
        let stats = &mut self.cx.stats;
        stats.accepted += 1;
        if let Err(error) = registered {
            let line = format_args!("{peer} dropped: cannot register for events: {error}");
            self.cx.log.line(now, Level::Warn, line);
            return drop(self.close(token, CloseReason::SystemError));
        }
        let active = self.sockets.len();
        stats.peak = stats.peak.max(active as u64);
        self.cx.observe_accepted(token, self.acceptor.tried, &peer, active);
        // Of a proxy's connection, the header tells who has connected.
        if standing == PeerStanding::Admitted {
            let line = format_args!("{peer} connected ({active} active)");
            self.cx.log.line(now, Level::Info, line);
        }
        let bytes_in = self.cx.stats.bytes_in;
        self.visit(token, Cause::Opened);
        if is_read_at_once {
            self.acceptor.trial_reads.note(self.cx.stats.bytes_in > bytes_in);
        }
    }

    /// Rejects a client, with RST: no answer is due, and nothing of it remains in our kernel.
    fn reject(&mut self, accepted: Accepted<N::Stream>, refusal: Refusal) {
        let Accepted { stream, peer, .. } = accepted;
        self.cx.net.abort(stream);
        self.cx.count_refusal(refusal, &peer);
    }
}

impl<N: Net> Acceptor<N> {
    pub(super) fn new(max_connections: usize) -> Acceptor<N> {
        Acceptor {
            listeners: Vec::new(),
            next_listener: 0,
            tried: 0,
            max_connections,
            state: State::Open,
            newcomers: Newcomers::Admitted,
            failures: 0,
            trial_reads: TrialReads::NEW,
            warning: RateLimitedWarning::default(),
        }
    }

    /// Has room for this number of connections from now on.
    pub(super) fn set_most(&mut self, max_connections: usize) {
        self.max_connections = max_connections;
        if self.state == State::Full {
            self.state = State::Open;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.listeners.len()
    }

    pub(super) fn add(
        &mut self,
        socket: N::Listener,
        serves: Serves,
        holders: Holders,
        number: usize,
    ) {
        self.listeners.push(Listener { socket, serves, holders, number, ready: false });
    }

    /// Accepts no client from now on, and leaves the backlogs as they are.
    pub(super) fn shut(&mut self) {
        self.state = State::Shut;
    }

    /// Undoes [`Acceptor::shut`].
    pub(super) fn reopen(&mut self) {
        self.state = State::Open;
    }

    /// Closes the listeners. The kernel resets clients in the backlogs, and refuses those that come
    /// from now on, unless another process has the same sockets.
    pub(super) fn close(&mut self, net: &mut N) {
        self.shut();
        for mut listener in self.listeners.drain(..) {
            // If it fails, the worst is an event that finds no listener.
            let _ = net.deregister_listener(&mut listener.socket);
        }
    }

    /// Closes the listeners here, which other processes serve.
    pub(super) fn leave_to_others(&mut self, net: &mut N) {
        self.listeners.iter().for_each(|listener| net.leave_to_others(&listener.socket));
        self.close(net);
    }

    /// The sockets, and the numbers under which they were registered.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (usize, &N::Listener)> {
        self.listeners.iter().map(|listener| (listener.number, &listener.socket))
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

    /// After [`Acceptor::hold_off`], when it is not to be undone: refuses clients that cannot be
    /// held off. If it fails, the last of them may be reset.
    pub(super) fn refuse_newcomers(&self, net: &mut N) {
        self.own().for_each(|listener| _ = net.refuse_newcomers(listener));
    }

    /// Undoes [`Acceptor::hold_off`].
    pub(super) fn admit(&mut self, net: &mut N) {
        if self.newcomers == Newcomers::HeldOff {
            self.newcomers = Newcomers::Admitted;
            self.own().for_each(|listener| _ = net.admit_handshakes(listener));
        }
    }

    /// Whether new handshakes are held off.
    pub(super) fn holds_off(&self) -> bool {
        self.newcomers == Newcomers::HeldOff
    }

    /// Whether a client may come into a backlog though new handshakes are held off.
    pub(super) fn handshakes(&self, net: &mut N) -> Handshakes {
        net.handshakes(self.own())
    }

    pub(super) fn ready(&mut self, number: usize) {
        let of_it = self.listeners.iter_mut().filter(|listener| listener.number == number);
        of_it.for_each(|listener| listener.ready = true);
    }

    /// Looks at every backlog at the next chance, event or not.
    pub(super) fn mark_all_ready(&mut self) {
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
        matches!(self.state, State::Full | State::OutOfResources { .. })
    }

    /// Whether there may be a client to accept right now.
    pub(super) fn has_work(&self) -> bool {
        self.state == State::Open && self.listeners.iter().any(|listener| listener.ready)
    }

    /// Whether to try to accept at `now`: to ask costs a turn less than to try.
    #[inline]
    pub(super) fn may_accept(&self, now: Moment) -> bool {
        match self.state {
            State::OutOfResources { retry_at } => now >= retry_at,
            State::Open | State::Full | State::Shut => self.has_work(),
        }
    }

    /// When to look again though nothing happened.
    pub(super) fn retry_at(&self) -> Option<Moment> {
        match self.state {
            State::OutOfResources { retry_at } => Some(retry_at),
            State::Open | State::Full | State::Shut => None,
        }
    }

    /// Tries to accept one connection, if there may be one and there is room for it.
    fn attempt(&mut self, net: &mut N, active: usize, now: Moment) -> Attempt<N::Stream> {
        if matches!(self.state, State::OutOfResources { retry_at } if now >= retry_at) {
            self.state = State::Open;
        }
        if self.state != State::Open {
            return Attempt::NoneWaiting;
        }
        let Some(number) = self.next_ready() else { return Attempt::NoneWaiting };
        let Some(listener) = self.listeners.get_mut(number) else { return Attempt::NoneWaiting };
        if active >= self.max_connections {
            self.state = State::Full;
            match active {
                1 => self.warn(now, format_args!("the only connection is in use")),
                _ => self.warn(now, format_args!("all {active} connections are in use")),
            }
            return Attempt::Paused(NoAccept::Full);
        }
        match net.accept(&listener.socket) {
            AcceptOutcome::Connection(stream, peer) => {
                self.failures = 0;
                let Serves { service, tls, .. } = listener.serves;
                let sender = listener.serves.sender(&peer);
                Attempt::Accepted(Accepted { stream, peer, sender, service, tls })
            }
            AcceptOutcome::NoneWaiting => {
                listener.ready = false;
                Attempt::TryAgain(NoAccept::NoneWaiting)
            }
            outcome @ (AcceptOutcome::Interrupted | AcceptOutcome::Lost) => {
                self.failures += 1;
                if self.failures < FAILURES_IN_A_ROW {
                    return match outcome {
                        AcceptOutcome::Lost => Attempt::Lost,
                        _ => Attempt::TryAgain(NoAccept::Interrupted),
                    };
                }
                // A lost connection leaves the backlog with its error, so this number of errors in
                // a row has another cause: a security policy, say, refuses the call before it looks
                // at the backlog, and always will.
                let why = format_args!("{FAILURES_IN_A_ROW} attempts in a row failed");
                self.pause_for_want(now, why)
            }
            AcceptOutcome::Failed(error) => {
                let active = counted(active, "connection");
                self.pause_for_want(now, format_args!("{error}, with {active} open"))
            }
        }
    }

    fn pause_for_want(&mut self, now: Moment, why: fmt::Arguments<'_>) -> Attempt<N::Stream> {
        self.failures = 0;
        self.state = State::OutOfResources { retry_at: now + RETRY };
        self.warn(now, why);
        Attempt::Paused(NoAccept::OutOfResources)
    }

    fn next_ready(&mut self) -> Option<usize> {
        let count = self.listeners.len();
        let number = (0..count)
            .map(|offset| (self.next_listener + offset) % count)
            .find(|&number| self.listeners.get(number).is_some_and(|listener| listener.ready))?;
        self.next_listener = (number + 1) % count;
        self.tried = self.listeners.get(number)?.number;
        Some(number)
    }

    fn warn(&mut self, now: Moment, why: fmt::Arguments<'_>) {
        let line = format_args!("accepting paused: {why}; new clients wait in the backlog");
        self.warning.warn(now, line);
    }
}
