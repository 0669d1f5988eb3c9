//! One loop of a recording: the thread's turns and visits, as events.

use super::tables::{Connection, Tables};
use crate::conn::{Inbound, Outbound};
use crate::io::clock::Moment;
use crate::io::readiness::Readiness;
use crate::server::close::CloseReason;
use crate::trace::decode::Entry;
use crate::trace::event::{Event, Next, Number, Queued, VisitCause};
use crate::trace::imported::Imported;

/// Nanoseconds of a unit of [`Event::Settled`]'s work.
const WORK_UNIT: u64 = 100;

/// A thread that waits for events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loop {
    now: u64,
    causes: u64,
    /// Turns that began.
    pub(super) turns: u64,
    is_in_turn: bool,
    visits: u32,
    visit: Option<Visit>,
    /// The cause of the visit that is or was last in this turn.
    last_cause: u64,
}

/// A visit: calls on one connection, until one on another.
#[derive(Clone, Copy, Debug)]
struct Visit {
    connection: Number,
    cause: u64,
    /// Nanoseconds in calls.
    work: u64,
}

/// Takes the events of a loop: its thread, and what happened.
pub(super) type Tell<'a> = dyn FnMut(u32, &Entry) + 'a;

/// A loop that tells of events.
pub(super) struct Teller<'a, 'b> {
    pub(super) thread: u32,
    pub(super) state: &'a mut Loop,
    pub(super) tables: &'a mut Tables,
    pub(super) tell: &'a mut Tell<'b>,
}

impl Teller<'_, '_> {
    /// Tells of an event. Time never goes back, though other threads' calls may be told late.
    pub(super) fn tell(&mut self, at: u64, event: Event) {
        self.state.now = self.state.now.max(at);
        let is_cause =
            matches!(event, Event::Ready { is_stale: false, .. } | Event::Accepted { .. });
        self.state.causes += u64::from(is_cause);
        let time = Moment::from_nanos(self.state.now);
        (self.tell)(self.thread, &Entry { time, cause: self.state.causes, event });
    }

    /// The call that waits began.
    pub(super) fn end_turn(&mut self, at: u64, next: Next) {
        self.end_visit(at);
        if std::mem::take(&mut self.state.is_in_turn) {
            let visits = std::mem::take(&mut self.state.visits);
            self.tell(at, Event::TurnEnded { visits, queued: 0, next });
        }
    }

    /// The call that waits returned.
    pub(super) fn begin_turn(&mut self, at: u64, events: u32, waited: u64) {
        self.state.turns += 1;
        self.state.is_in_turn = true;
        self.state.last_cause = 0;
        self.tell(at, Event::TurnBegan { events, waited });
    }

    /// An event for a connection.
    pub(super) fn ready(&mut self, at: u64, connection: Number, bits: Readiness) {
        self.introduce(at, connection);
        self.tell(at, Event::Ready { connection, bits, is_stale: false });
        self.note_cause(connection);
    }

    /// accept(2) brought a connection.
    pub(super) fn accepted(&mut self, at: u64, connection: Number, listener: u32) {
        let Some(&Connection { peer, descriptor, .. }) = self.tables.connection(connection) else {
            return;
        };
        self.end_visit(at);
        let active = self.tables.open();
        self.tell(at, Event::Accepted { connection, listener, peer, active });
        self.note_cause(connection);
        self.tell(at, Event::Imported(Imported::Descriptor { connection, descriptor }));
    }

    /// connect(2) was called.
    pub(super) fn connecting(&mut self, at: u64, connection: Number) {
        let cause = self.state.visit.map_or(self.state.last_cause, |visit| visit.cause);
        self.end_visit(at);
        self.state.last_cause = cause;
        let thread = self.thread;
        let Some(it) = self.tables.connection_mut(connection) else { return };
        let Connection { peer, descriptor, .. } = *it;
        it.home = Some(thread);
        self.tell(at, Event::Imported(Imported::Connecting { connection, peer }));
        self.tell(at, Event::Imported(Imported::Descriptor { connection, descriptor }));
    }

    fn note_cause(&mut self, connection: Number) {
        let (thread, turn, cause) = (self.thread, self.state.turns, self.state.causes);
        if let Some(it) = self.tables.connection_mut(connection) {
            it.home = Some(thread);
            it.newest = Some((turn, cause));
        }
    }

    /// Tells of a connection that this loop does not know yet.
    fn introduce(&mut self, at: u64, connection: Number) {
        let thread = self.thread;
        let Some(it) = self.tables.connection_mut(connection) else { return };
        let Connection { peer, descriptor, home, .. } = *it;
        if home == Some(thread) {
            return;
        }
        (it.home, it.newest) = (Some(thread), None);
        self.tell(at, Event::Imported(Imported::Found { connection, peer }));
        self.tell(at, Event::Imported(Imported::Descriptor { connection, descriptor }));
    }

    /// A call on a connection began: it is visited from now on. Returns the number of the cause.
    pub(super) fn visit(&mut self, at: u64, connection: Number) -> u64 {
        if let Some(visit) = self.state.visit.filter(|visit| visit.connection == connection) {
            return visit.cause;
        }
        self.end_visit(at);
        self.introduce(at, connection);
        let turn = self.state.turns;
        let Some(it) = self.tables.connection_mut(connection) else { return 0 };
        let own = it.newest.filter(|newest| newest.0 == turn).map(|newest| newest.1);
        let is_new = std::mem::take(&mut it.is_new);
        // Work that goes on from the visit before, or from an earlier turn.
        let cause = own.unwrap_or(match self.state.last_cause {
            0 => it.newest.map_or(0, |newest| newest.1),
            last => last,
        });
        self.state.visit = Some(Visit { connection, cause, work: 0 });
        self.state.visits += 1;
        self.tell(
            at,
            match (own, is_new) {
                (None, _) => Event::Imported(Imported::Unasked { connection }),
                (Some(_), true) => Event::Visit { connection, cause: VisitCause::Opened },
                (Some(_), false) => Event::Visit { connection, cause: VisitCause::Ready },
            },
        );
        cause
    }

    /// Time that was spent in calls of the visit.
    pub(super) fn spend(&mut self, nanos: u64) {
        if let Some(visit) = &mut self.state.visit {
            visit.work = visit.work.saturating_add(nanos);
        }
    }

    /// A call on another connection begins, or the turn ends.
    pub(super) fn end_visit(&mut self, at: u64) {
        let Some(Visit { connection, cause, work }) = self.state.visit.take() else { return };
        self.state.last_cause = cause;
        let Some(it) = self.tables.connection(connection) else { return };
        let settled = Event::Settled {
            connection,
            inbound: if it.has_ended { Inbound::Ended } else { Inbound::Open },
            outbound: match *it {
                Connection { is_broken: true, .. } => Outbound::Failed(CloseReason::Reset),
                Connection { is_shut: true, .. } => Outbound::FinSent(reason(it)),
                Connection { unsent: 1.., .. } => Outbound::Producing,
                _ => Outbound::Open,
            },
            ready: Readiness::default(),
            queued: Queued::No,
            unparsed: 0,
            unsent: it.unsent,
            work: u32::try_from(work / WORK_UNIT).unwrap_or(u32::MAX),
        };
        self.tell(at, settled);
    }

    /// The last descriptor of a connection was closed.
    pub(super) fn closed(&mut self, at: u64, connection: Number, is_exit: bool) {
        if self.state.visit.is_some_and(|visit| visit.connection == connection) {
            self.state.last_cause = self.state.visit.take().map_or(0, |visit| visit.cause);
        }
        self.introduce(at, connection);
        let Some(it) = self.tables.remove_connection(connection) else { return };
        let reason = if is_exit { CloseReason::Stopped } else { reason(&it) };
        let closed = Event::Closed { connection, reason, is_reset: it.resets, lost: it.unsent };
        self.tell(at, closed);
    }
}

/// Why a program closed a connection, as far as it shows from outside.
fn reason(connection: &Connection) -> CloseReason {
    match connection {
        Connection { is_broken: true, .. } => CloseReason::Reset,
        Connection { has_ended: true, .. } => CloseReason::PeerClosed,
        _ => CloseReason::Served,
    }
}
