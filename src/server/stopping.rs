//! How the server stops: on an order, or because no client has come for long enough.
//!
//! Closing a listener resets the clients in its backlog, which are connected, and whose requests
//! may have come. To accept until the backlog is empty is not enough, for a handshake may end
//! between the last accept(2) and close(2). So the last clients are let in by steps:
//!
//! ```text
//! hold off new handshakes -> wait for handshakes in flight
//!     -> accept until no client waits -> close
//! ```
//!
//! Invariant: a client that has come into a backlog before the listeners close is let in, unless
//! the deadline for draining passes before there is a place.

use super::Server;
use super::context::ServerContext;
use crate::io::clock::Moment;
use crate::io::net::{Handshakes, Net, Told};
use crate::io::token::Token;
use crate::trace::event::DrainStep;
use std::time::Duration;

/// How long the server waits for handshakes in flight, from the order, or from the last client let
/// in.
const HANDSHAKES_WAIT: Duration = Duration::from_secs(1);

/// From one look whether there are any to the next: to look takes time.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How long it waits where it cannot see whether there are any: some round trips.
const BLIND_WAIT: Duration = Duration::from_millis(200);

/// Rounds of accepting at once, to see whether a client waits.
const LAST_ACCEPTS: usize = 64;

/// Connections that are told in one turn that the server drains.
const TOLD_PER_TURN: usize = 4096;

/// The same, when there will be no other turn.
const TOLD_IN_LAST_TURN: usize = 16 * TOLD_PER_TURN;

/// Whether new connections are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// Clients are let in and served as before, but probes are told that no more are wanted.
    Delayed {
        until: Moment,
        order: DrainOrder,
    },
    /// What is open is finished, until the deadline.
    Draining {
        deadline: Moment,
        door: Door,
        /// Connections in the slots below this were told.
        told: usize,
    },
    /// Another process has the listeners. What is open is served until it ends, or until then.
    HandedOver {
        until: Moment,
    },
    Stopped,
}

/// Which process lets in the clients that wait when draining begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DrainOrder {
    /// This one.
    ServeBacklog,
    /// An order is still to say that.
    AwaitOrder,
}

/// What becomes of the clients in the backlogs, while the server drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// They are left alone until an order says which process serves them.
    AwaitsOrder,
    /// They are let in, and so are clients that finish a handshake.
    AwaitsHandshakes {
        /// When to look whether any are in flight.
        look_at: Moment,
        /// When not to wait any more.
        until: Moment,
        /// Clients accepted in all, when it was last looked.
        accepted: u64,
    },
    /// They are let in, as places come free. No other client comes.
    LastClients,
    /// The listeners are closed.
    Closed,
}

impl Phase {
    /// Whether what is open is being finished.
    #[inline]
    pub(super) fn is_draining(self) -> bool {
        matches!(self, Phase::Draining { .. })
    }

    /// When there is something to do though nothing happens.
    pub(super) fn wakes_at(self) -> Option<Moment> {
        match self {
            Phase::Draining { deadline, door: Door::AwaitsHandshakes { look_at, .. }, .. } => {
                Some(deadline.min(look_at))
            }
            Phase::Draining { deadline, .. } => Some(deadline),
            Phase::Delayed { until, .. } | Phase::HandedOver { until } => Some(until),
            Phase::Serving | Phase::Stopped => None,
        }
    }
}

impl<N: Net> Server<N> {
    /// Stops in order: lets in clients that are connecting already, and no others; answers
    /// everything that has arrived complete; then closes each connection. With a delay it begins
    /// when that is over. A second call stops at once.
    pub fn drain(&mut self, now: Moment) {
        self.cx.net.told(Told::Drain(now));
        match self.phase {
            Phase::Serving => self.order_drain(DrainOrder::ServeBacklog, now),
            Phase::HandedOver { .. } => self.drain_the_rest(now),
            Phase::Delayed { .. } | Phase::Draining { .. } | Phase::Stopped => {
                self.cx.observe_drain(DrainStep::AtOnce);
                self.phase = Phase::Stopped;
            }
        }
    }

    /// Stops in order, as [`Server::drain`], but leaves the clients in the backlogs alone until
    /// [`Server::leave_backlog`] or [`Server::serve_backlog`] says which process serves them.
    /// Before that, the server does not stop unless the deadline for draining passes. Does nothing
    /// if the server drains already.
    pub fn drain_and_wait(&mut self, now: Moment) {
        self.cx.net.told(Told::DrainAndWait(now));
        match self.phase {
            Phase::Serving => self.order_drain(DrainOrder::AwaitOrder, now),
            Phase::HandedOver { .. } => self.drain_the_rest(now),
            Phase::Delayed { .. } | Phase::Draining { .. } | Phase::Stopped => {}
        }
    }

    /// Another process serves the same sockets from now on. They are closed here, and nothing is
    /// done to them: no handshake is held off, and no backlog emptied. Clients are served until
    /// they leave; those that are still there after the time limit of a drain are drained then.
    /// Does nothing if the server has been told to stop.
    pub fn hand_over(&mut self, now: Moment) {
        self.cx.net.told(Told::HandOver(now));
        if self.phase != Phase::Serving {
            return;
        }
        self.cx.observe_drain(DrainStep::ListenersClosed);
        self.phase = Phase::HandedOver { until: now + self.cx.limits.drain_timeout };
        self.acceptor.leave_to_others(&mut self.cx.net);
        self.operators.leave_to_others(&mut self.cx.net);
        let ServerContext { net, stats, publisher, .. } = &mut self.cx;
        publisher.hand_over();
        publisher.turn(stats, net, now);
    }

    /// Whether another process has the listeners.
    pub fn has_handed_over(&self) -> bool {
        matches!(self.phase, Phase::HandedOver { .. })
    }

    fn drain_the_rest(&mut self, now: Moment) {
        self.cx.stats.draining = 1;
        self.begin_to_drain(now);
        self.set_door(Door::Closed);
    }

    /// After [`Server::drain_and_wait`]: another process serves the same sockets. They are closed
    /// here.
    pub fn leave_backlog(&mut self) {
        self.cx.net.told(Told::LeaveBacklog);
        // The other process lets clients in: there is nothing to delay for.
        if matches!(self.phase, Phase::Delayed { .. }) {
            self.begin_to_drain(self.cx.now);
        }
        if self.door() == Some(Door::AwaitsOrder) {
            self.close_door();
        }
    }

    /// After [`Server::drain_and_wait`]: no other process serves these sockets. It goes on as
    /// [`Server::drain`] does.
    pub fn serve_backlog(&mut self, now: Moment) {
        self.cx.net.told(Told::ServeBacklog(now));
        if let Phase::Delayed { order, .. } = &mut self.phase {
            *order = DrainOrder::ServeBacklog;
        }
        if self.door() == Some(Door::AwaitsOrder) {
            self.acceptor.reopen();
            self.empty_backlogs(now);
        }
    }

    /// From an order to drain until draining begins.
    pub fn drain_delay(&self) -> Duration {
        self.cx.limits.drain_delay
    }

    /// Whether [`Server::drain`] or [`Server::drain_and_wait`] was called.
    #[inline]
    pub fn is_draining(&self) -> bool {
        !matches!(self.phase, Phase::Serving | Phase::HandedOver { .. })
    }

    /// Whether the server ends some time: it drains, or another process has its listeners.
    #[inline]
    pub(super) fn is_ending(&self) -> bool {
        self.phase != Phase::Serving
    }

    /// The longest that [`Server::drain`] takes.
    pub fn longest_drain(&self) -> Duration {
        self.cx.limits.drain_delay + self.cx.limits.drain_timeout
    }

    /// Whether no client is connected or about to be. If so, the kernel ignores new handshakes
    /// until [`Server::admit_again`], or an order to stop. A client that is found in a backlog is
    /// let in. A handshake in flight counts as a client. Where it cannot be seen whether there is
    /// one, none counts: [`Server::drain`] waits a moment for it then.
    pub fn hold_if_idle(&mut self, now: Moment) -> bool {
        self.cx.net.told(Told::HoldIfIdle(now));
        if self.phase != Phase::Serving || self.has_clients() {
            return false;
        }
        self.cx.now = now;
        self.acceptor.hold_off(&mut self.cx.net);
        let accepted = self.cx.stats.accepted;
        let handshakes = self.acceptor.handshakes(&mut self.cx.net);
        self.accept_waiting(now);
        let is_idle = handshakes != Handshakes::InFlight
            && self.acceptor.is_empty()
            && self.cx.stats.accepted == accepted;
        if !is_idle {
            self.admit_again(now);
        }
        is_idle
    }

    /// Undoes [`Server::hold_if_idle`]. The time after which a server without clients stops begins
    /// anew.
    pub fn admit_again(&mut self, now: Moment) {
        self.cx.net.told(Told::AdmitAgain(now));
        if self.phase == Phase::Serving {
            self.acceptor.admit(&mut self.cx.net);
            self.empty_since = now;
        }
    }

    fn order_drain(&mut self, order: DrainOrder, now: Moment) {
        self.cx.stats.draining = 1;
        let delay = self.cx.limits.drain_delay;
        // Where newcomers are held off already, nobody would be let in meanwhile.
        if delay.is_zero() || self.acceptor.holds_off() {
            self.begin_as_ordered(order, now);
        } else {
            self.phase = Phase::Delayed { until: now + delay, order };
        }
    }

    /// Begins to drain when a delay is over, or the time after a handover.
    pub(super) fn end_delay(&mut self, now: Moment) {
        if let Phase::Delayed { until, order } = self.phase
            && now >= until
        {
            self.begin_as_ordered(order, now);
        }
        if let Phase::HandedOver { until } = self.phase
            && now >= until
        {
            self.drain_the_rest(now);
        }
    }

    fn begin_as_ordered(&mut self, order: DrainOrder, now: Moment) {
        self.begin_to_drain(now);
        match order {
            DrainOrder::ServeBacklog => self.empty_backlogs(now),
            DrainOrder::AwaitOrder => self.acceptor.shut(),
        }
    }

    fn begin_to_drain(&mut self, now: Moment) {
        self.cx.now = now;
        self.cx.observe_drain(DrainStep::Began);
        let deadline = now + self.cx.limits.drain_timeout;
        self.phase = Phase::Draining { deadline, door: Door::AwaitsOrder, told: 0 };
    }

    /// Has connections visited, to see whether their last bytes have come without an event yet. For
    /// a million of them it takes some turns.
    pub(super) fn tell_of_drain(&mut self) {
        let most = if self.is_time_up() { TOLD_IN_LAST_TURN } else { TOLD_PER_TURN };
        let Phase::Draining { told, .. } = &mut self.phase else { return };
        let from = *told;
        *told = from.saturating_add(most).min(self.sockets.end());
        let tokens: Vec<Token> = self.sockets.walk(from, most).collect();
        for token in tokens {
            if let Some(socket) = self.sockets.get_mut(token) {
                socket.ready.read = true;
            }
            self.sockets.visit_soon(token);
        }
    }

    /// Whether connections are still to be told that the server drains.
    pub(super) fn tells_of_drain(&self) -> bool {
        matches!(self.phase, Phase::Draining { told, .. } if told < self.sockets.end())
    }

    fn empty_backlogs(&mut self, now: Moment) {
        self.acceptor.hold_off(&mut self.cx.net);
        self.acceptor.refuse_newcomers(&mut self.cx.net);
        let accepted = self.cx.stats.accepted;
        let door = match self.acceptor.handshakes(&mut self.cx.net) {
            Handshakes::InFlight => {
                let (look_at, until) = (now + BETWEEN_LOOKS, now + HANDSHAKES_WAIT);
                Door::AwaitsHandshakes { look_at, until, accepted }
            }
            Handshakes::Unknown => {
                let until = now + BLIND_WAIT;
                Door::AwaitsHandshakes { look_at: until, until, accepted }
            }
            Handshakes::None => Door::LastClients,
        };
        self.set_door(door);
        self.accept_waiting(now);
    }

    /// Accepts the clients in the backlogs. The rounds are bounded, for clients may keep coming.
    fn accept_waiting(&mut self, now: Moment) {
        self.acceptor.mark_all_ready();
        for _ in 0..LAST_ACCEPTS {
            if !self.acceptor.has_work() {
                return;
            }
            self.accept(now);
        }
    }

    /// Decides about the clients in the backlogs, before any are accepted: when time is up, none
    /// are. While the server waits for handshakes, it looks from time to time whether any are left.
    pub(super) fn attend_door(&mut self, now: Moment) {
        if self.is_time_up() {
            return self.close_door();
        }
        let Some(Door::AwaitsHandshakes { look_at, until, accepted }) = self.door() else { return };
        if now < look_at {
            return;
        }
        let accepted_now = self.cx.stats.accepted;
        // Where a backlog is full, the kernel leaves handshakes unfinished until places come free.
        let is_held_up = self.acceptor.is_held_up();
        let goes_on = is_held_up || accepted_now > accepted;
        let until = if goes_on { now + HANDSHAKES_WAIT } else { until };
        let are_awaited = is_held_up
            || (now < until && self.acceptor.handshakes(&mut self.cx.net) == Handshakes::InFlight);
        if are_awaited {
            let look_at = (now + BETWEEN_LOOKS).min(until);
            self.set_door(Door::AwaitsHandshakes { look_at, until, accepted: accepted_now });
        } else {
            // The last of them may have come since the backlogs were found empty.
            self.acceptor.mark_all_ready();
            self.set_door(Door::LastClients);
        }
    }

    /// Begins to drain when no client has been connected for long enough, and none is about to be.
    #[inline]
    pub(super) fn drain_if_idle(&mut self, now: Moment) {
        if self.idle_exit().is_some_and(|due| now >= due) {
            self.drain_if_nobody_comes(now);
        }
    }

    #[cold]
    fn drain_if_nobody_comes(&mut self, now: Moment) {
        if self.hold_if_idle(now) {
            self.drain(now);
        }
    }

    /// Whether it is time to stop.
    pub(super) fn has_finished(&mut self) -> bool {
        match self.phase {
            Phase::Stopped => {
                self.close_door();
                self.leave_operators();
                self.close_all();
            }
            Phase::Draining { .. } if self.is_time_up() => {
                self.cx.observe_drain(DrainStep::TimeUp);
                self.leave_operators();
                self.close_all();
            }
            Phase::Draining { door: Door::LastClients, .. } => self.close_emptied(),
            Phase::Draining { .. } | Phase::HandedOver { .. } => {}
            Phase::Serving | Phase::Delayed { .. } => return false,
        }
        let is_over = !self.has_clients() && self.door().is_none_or(|door| door == Door::Closed);
        if is_over {
            self.leave_operators();
        }
        is_over
    }

    fn close_emptied(&mut self) {
        if self.acceptor.is_empty() {
            self.close_door();
        }
    }

    /// Whether what drains is cut off in this turn.
    pub(super) fn is_time_up(&self) -> bool {
        matches!(self.phase, Phase::Draining { deadline, .. } if self.cx.now >= deadline)
    }

    #[inline]
    pub(super) fn idle_exit(&self) -> Option<Moment> {
        let limit = self.cx.limits.exit_on_idle?;
        let is_empty = self.phase == Phase::Serving && !self.has_clients();
        is_empty.then(|| self.empty_since + limit)
    }

    fn door(&self) -> Option<Door> {
        match self.phase {
            Phase::Draining { door, .. } => Some(door),
            Phase::Serving | Phase::Delayed { .. } | Phase::HandedOver { .. } | Phase::Stopped => {
                None
            }
        }
    }

    fn set_door(&mut self, next: Door) {
        if let Phase::Draining { door, .. } = &mut self.phase {
            *door = next;
        }
    }

    fn close_door(&mut self) {
        if self.door() != Some(Door::Closed) {
            self.cx.observe_drain(DrainStep::ListenersClosed);
        }
        self.acceptor.close(&mut self.cx.net);
        self.set_door(Door::Closed);
    }
}
