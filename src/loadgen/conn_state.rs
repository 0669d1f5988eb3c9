//! The states of a slot's connection, and which may follow which.
//!
//! A slot keeps its role for the whole run; its connection comes and goes. What an open connection
//! does follows from the role, so state and role are one enum: there is no pair of values that
//! could contradict each other.
//!
//! Invariant: [`TRANSITIONS`] is complete. The one setter asserts it in debug builds.

use crate::io::clock::Moment;

/// What a slot's connections are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Makes requests.
    Active,
    /// Is held open, and says nothing.
    Idle,
    /// Makes requests, and reads their replies a few bytes at a time.
    SlowReader,
    /// Writes its requests a few bytes at a time.
    SlowWriter,
}

impl Role {
    /// Whether the slot holds a slow peer.
    pub(super) fn is_slow(self) -> bool {
        matches!(self, Role::SlowReader | Role::SlowWriter)
    }
}

/// The state of a slot's connection. `S` is a socket.
#[derive(Debug)]
enum ConnState<S> {
    Closed,
    Connecting { stream: S, since: Moment },
    Active(S),
    Idle(S),
    Probing(S),
    Slow(S),
    BackingOff { until: Moment },
    GivenUp,
}

/// A state without its socket and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StateName {
    /// No connection, until a request needs one or the ramp comes to the slot.
    Closed,
    /// connect(2) was called, and the handshake has not ended.
    Connecting,
    /// Open: requests are sent and replies awaited.
    Active,
    /// Open: held, with nothing to say.
    Idle,
    /// Open: one request asks whether an idle connection is served.
    Probing,
    /// Open: bytes move a few at a time.
    Slow,
    /// No connection for a while: the last one was lost, or could not be made.
    BackingOff,
    /// No connection any more.
    GivenUp,
}

/// What happens to a slot's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnEvent {
    /// connect(2) has begun.
    Connect,
    /// The handshake has ended well.
    Connected,
    /// The idle connection's request was answered.
    Served,
    /// The socket is closed, by whichever side.
    Close,
    /// The slot waits before it connects again.
    BackOff,
    /// The wait is over.
    WaitOver,
    /// The slot stays empty.
    GiveUp,
}

/// One legal transition, for slots of these roles.
pub(super) struct Transition {
    pub(super) from: StateName,
    pub(super) event: ConnEvent,
    pub(super) to: StateName,
    pub(super) roles: &'static [Role],
}

const ACTIVE: &[Role] = &[Role::Active];
const IDLE: &[Role] = &[Role::Idle];
const SLOW: &[Role] = &[Role::SlowReader, Role::SlowWriter];
const ALL: &[Role] = &[Role::Active, Role::Idle, Role::SlowReader, Role::SlowWriter];

const fn row(
    from: StateName,
    event: ConnEvent,
    to: StateName,
    roles: &'static [Role],
) -> Transition {
    Transition { from, event, to, roles }
}

/// Every legal transition. A slow peer that lost its connection does not come back; one that has
/// none yet waits for room in a full backlog.
pub(super) const TRANSITIONS: [Transition; 14] = [
    row(StateName::Closed, ConnEvent::Connect, StateName::Connecting, ALL),
    row(StateName::Closed, ConnEvent::BackOff, StateName::BackingOff, ALL),
    row(StateName::Closed, ConnEvent::GiveUp, StateName::GivenUp, ALL),
    row(StateName::Connecting, ConnEvent::Connected, StateName::Active, ACTIVE),
    row(StateName::Connecting, ConnEvent::Connected, StateName::Idle, IDLE),
    row(StateName::Connecting, ConnEvent::Connected, StateName::Probing, IDLE),
    row(StateName::Connecting, ConnEvent::Connected, StateName::Slow, SLOW),
    row(StateName::Connecting, ConnEvent::Close, StateName::Closed, ALL),
    row(StateName::Active, ConnEvent::Close, StateName::Closed, ACTIVE),
    row(StateName::Idle, ConnEvent::Close, StateName::Closed, IDLE),
    row(StateName::Probing, ConnEvent::Served, StateName::Idle, IDLE),
    row(StateName::Probing, ConnEvent::Close, StateName::Closed, IDLE),
    row(StateName::Slow, ConnEvent::Close, StateName::Closed, SLOW),
    row(StateName::BackingOff, ConnEvent::WaitOver, StateName::Closed, ALL),
];

/// A slot's connection: its role, and its state.
#[derive(Debug)]
pub(super) struct SlotConnection<S> {
    role: Role,
    state: ConnState<S>,
}

impl<S> SlotConnection<S> {
    /// No connection yet, in a slot of this role.
    pub(super) fn new(role: Role) -> SlotConnection<S> {
        SlotConnection { role, state: ConnState::Closed }
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    #[inline]
    pub(super) fn state(&self) -> StateName {
        match self.state {
            ConnState::Closed => StateName::Closed,
            ConnState::Connecting { .. } => StateName::Connecting,
            ConnState::Active(_) => StateName::Active,
            ConnState::Idle(_) => StateName::Idle,
            ConnState::Probing(_) => StateName::Probing,
            ConnState::Slow(_) => StateName::Slow,
            ConnState::BackingOff { .. } => StateName::BackingOff,
            ConnState::GivenUp => StateName::GivenUp,
        }
    }

    /// The socket of an open connection.
    #[inline]
    pub(super) fn stream_mut(&mut self) -> Option<&mut S> {
        match &mut self.state {
            ConnState::Active(stream)
            | ConnState::Idle(stream)
            | ConnState::Probing(stream)
            | ConnState::Slow(stream) => Some(stream),
            _ => None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        use StateName::{Active, Idle, Probing, Slow};
        matches!(self.state(), Active | Idle | Probing | Slow)
    }

    /// The socket that is connecting, and since when.
    pub(super) fn connecting(&mut self) -> Option<(&mut S, Moment)> {
        match &mut self.state {
            ConnState::Connecting { stream, since } => Some((stream, *since)),
            _ => None,
        }
    }

    /// Until when the slot waits before it connects again.
    pub(super) fn backs_off_until(&self) -> Option<Moment> {
        match self.state {
            ConnState::BackingOff { until } => Some(until),
            _ => None,
        }
    }

    /// connect(2) has begun, at `since`.
    pub(super) fn connect(&mut self, stream: S, since: Moment) {
        self.set(ConnEvent::Connect, |_| ConnState::Connecting { stream, since });
    }

    /// The handshake has ended well. An idle connection that `probes` makes one request first.
    pub(super) fn connected(&mut self, probes: bool) {
        let role = self.role;
        self.set(ConnEvent::Connected, |state| match (state, role) {
            (ConnState::Connecting { stream, .. }, Role::Active) => ConnState::Active(stream),
            (ConnState::Connecting { stream, .. }, Role::Idle) if probes => {
                ConnState::Probing(stream)
            }
            (ConnState::Connecting { stream, .. }, Role::Idle) => ConnState::Idle(stream),
            (ConnState::Connecting { stream, .. }, Role::SlowReader | Role::SlowWriter) => {
                ConnState::Slow(stream)
            }
            (state, _) => state,
        });
    }

    /// The one request of an idle connection was answered.
    pub(super) fn served(&mut self) {
        self.set(ConnEvent::Served, |state| match state {
            ConnState::Probing(stream) => ConnState::Idle(stream),
            state => state,
        });
    }

    /// Closes the connection, and hands over its socket; nothing, if there is none.
    pub(super) fn close(&mut self) -> Option<S> {
        if !self.is_open() && self.state() != StateName::Connecting {
            return None;
        }
        let mut closed = None;
        self.set(ConnEvent::Close, |state| {
            closed = match state {
                ConnState::Connecting { stream, .. }
                | ConnState::Active(stream)
                | ConnState::Idle(stream)
                | ConnState::Probing(stream)
                | ConnState::Slow(stream) => Some(stream),
                _ => None,
            };
            ConnState::Closed
        });
        closed
    }

    /// The slot waits before it connects again.
    pub(super) fn back_off(&mut self, until: Moment) {
        self.set(ConnEvent::BackOff, |_| ConnState::BackingOff { until });
    }

    /// The slot has waited long enough.
    pub(super) fn wait_over(&mut self) {
        self.set(ConnEvent::WaitOver, |_| ConnState::Closed);
    }

    /// The slot stays empty.
    pub(super) fn give_up(&mut self) {
        self.set(ConnEvent::GiveUp, |_| ConnState::GivenUp);
    }

    /// The only place that sets the state.
    fn set(&mut self, event: ConnEvent, next: impl FnOnce(ConnState<S>) -> ConnState<S>) {
        let from = self.state();
        self.state = next(std::mem::replace(&mut self.state, ConnState::Closed));
        let (role, to) = (self.role, self.state());
        debug_assert!(is_legal(role, from, event, to), "{role:?}: {from:?} {event:?} {to:?}");
    }
}

/// Whether [`TRANSITIONS`] has this one.
fn is_legal(role: Role, from: StateName, event: ConnEvent, to: StateName) -> bool {
    TRANSITIONS
        .iter()
        .any(|row| (row.from, row.event, row.to) == (from, event, to) && row.roles.contains(&role))
}

#[cfg(test)]
mod tests;
