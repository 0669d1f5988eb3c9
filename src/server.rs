//! The server: a table of connections, and what is done for them in one turn of the loop.
//!
//! [`Server::on_ready`] only notes an event; [`Server::end_turn`] does all the work, in this order:
//!
//! ```text
//! serve ready connections (turn.rs) -> deadlines -> accept (accept.rs) -> say when to wake up
//! ```
//!
//! Ready connections come first, because a turn can take long, or the process be stopped for a
//! while: bytes that have arrived by now were in time, even if we look at them late. Connections
//! that close make room before new ones are accepted.
//!
//! Invariants:
//!
//! - A turn visits each connection once at most, and its work is bounded (work.rs). Then epoll is
//!   asked for new events, even when work is left.
//! - Opened less closed is the length of the table.
//! - No error of one connection leaves its visit.

pub mod access;
pub mod client_log;
pub mod close;
pub mod limits;
pub mod proxied;
pub mod stats;

mod accept;
mod admission;
mod closing;
mod connection;
mod context;
mod encrypted;
mod inspect;
mod measuring;
mod memory;
mod observing;
mod operators;
mod overdue;
mod replacing;
mod stopping;
mod turn;
mod warning;
mod work;

#[cfg(test)]
mod tests;

use crate::conn::Work;
use crate::handlers::daytime::DateCache;
use crate::io::clock::Moment;
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::io::net::{Net, Told};
use crate::io::readiness::Readiness;
use crate::io::socket_table::SocketTable;
use crate::io::token::{Generations, Token};
use crate::server::limits::Limits;
use crate::server::proxied::Serves;
use crate::server::stats::Stats;
use crate::table::Table;
use accept::{Acceptor, Holders};
use connection::ServerConnection;
use context::ServerContext;
#[doc(hidden)]
pub use inspect::ConnectionSnapshot;
use memory::MemoryAccounting;
use operators::Operators;
pub use operators::PLACES as OPERATOR_PLACES;
use stopping::Phase;
use turn::Batch;

/// The server, over any network.
pub struct Server<N: Net> {
    cx: ServerContext<N>,
    sockets: SocketTable<N::Stream, ServerConnection>,
    batch: Batch,
    acceptor: Acceptor<N>,
    operators: Operators<N>,
    memory: MemoryAccounting,
    phase: Phase,
    /// Since when there has been no connection; meaningless while there are some.
    empty_since: Moment,
}

impl<N: Net> Server<N> {
    /// A server without listeners. `limits` must have been validated.
    pub fn new(net: N, limits: Limits, table: Table, dates: DateCache, now: Moment) -> Server<N> {
        Server {
            acceptor: Acceptor::new(limits.max_connections),
            operators: Operators::default(),
            memory: MemoryAccounting::new(limits.memory_limit),
            cx: ServerContext::new(net, limits, table, dates, now),
            sockets: SocketTable::new(now),
            batch: Batch::default(),
            phase: Phase::Serving,
            empty_since: now,
        }
    }

    /// Serves a listener that is bound, and that no other process serves. `serves` is a
    /// [`Service`](crate::handlers::Service), or one for the clients of proxies.
    ///
    /// # Errors
    ///
    /// What the registration for events says.
    pub fn listen(
        &mut self,
        listener: N::Listener,
        serves: impl Into<Serves>,
    ) -> std::io::Result<()> {
        // A process that served the same socket may have ended while it held handshakes off.
        let _ = self.cx.net.admit_handshakes(&listener);
        self.add_listener(listener, serves.into(), Holders::Us)
    }

    /// Serves a listener that other processes may have, too: what is done to the socket is done to
    /// theirs, so handshakes are never held off. Another may be faster to accept a client.
    ///
    /// # Errors
    ///
    /// What the registration for events says.
    pub fn listen_with_others(
        &mut self,
        listener: N::Listener,
        serves: impl Into<Serves>,
    ) -> std::io::Result<()> {
        self.add_listener(listener, serves.into(), Holders::OthersToo)
    }

    fn add_listener(
        &mut self,
        mut listener: N::Listener,
        serves: Serves,
        holders: Holders,
    ) -> std::io::Result<()> {
        let number = self.acceptor.len() + self.operators.len();
        let token = Token::new(number, Generations::NONE);
        self.cx.net.register_listener(&mut listener, token)?;
        match serves.service.is_for_operators() {
            true => self.operators.add(listener, serves, number),
            false => self.acceptor.add(listener, serves, holders, number),
        }
        Ok(())
    }

    /// The numbers of the listeners' descriptors, in the order in which they were given to the
    /// server; none of a network in memory.
    pub fn descriptors(&self) -> Vec<i32> {
        let sockets = || self.acceptor.sockets().chain(self.operators.sockets());
        let numbered = |wanted: usize| sockets().find(|&(number, _)| number == wanted);
        let in_order = (0..sockets().count()).filter_map(numbered);
        in_order.filter_map(|(_, socket)| self.cx.net.descriptor(socket)).collect()
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.cx.stats
    }

    fn next_wakeup(&mut self) -> Option<Moment> {
        // Without an iterator, which takes a tenth of the instructions of a turn.
        let mut first = Moment::NEVER;
        let mut or_at = |wakeup: Option<Moment>| first = first.min(wakeup.unwrap_or(Moment::NEVER));
        or_at(self.sockets.next_deadline());
        or_at(self.acceptor.retry_at());
        or_at(self.operators.retry_at());
        or_at(self.cx.log.report_due());
        or_at(self.cx.publisher.due());
        or_at(self.memory.next_look());
        or_at(if self.is_ending() { self.phase.wakes_at() } else { self.idle_exit() });
        (first != Moment::NEVER).then_some(first)
    }
}

impl<N: Net> EventHandler for Server<N> {
    fn on_ready(&mut self, token: Token, readiness: Readiness) {
        self.cx.net.told(Told::Ready(token, readiness));
        self.cx.events = self.cx.events.wrapping_add(1);
        if token.generation() == Generations::NONE {
            self.acceptor.ready(token.index());
            self.operators.ready(token.index());
            self.cx.observe_listener(token.index());
        } else if self.sockets.on_event(token, readiness, &self.cx.limits) {
            self.cx.observe_event(token, readiness, false);
        } else {
            self.cx.stats.stale_events += 1;
            self.cx.observe_event(token, readiness, true);
        }
    }

    fn end_turn(&mut self, now: Moment) -> LoopControl {
        self.cx.net.told(Told::Turn(now));
        self.cx.now = now;
        self.cx.work = Work::default();
        self.cx.trace.with(move |recorder| recorder.turn_began(now));
        self.cx.stats.turns += 1;
        if self.is_ending() {
            self.end_delay(now);
            self.tell_of_drain();
        }
        self.serve_ready();
        let more_to_expire = self.expire_deadlines(now);
        if self.is_draining() {
            self.attend_door(now);
        }
        if self.acceptor.may_accept(now) {
            self.accept(now);
        }
        if self.operators.may_accept(now) {
            self.accept_operators(now);
        }
        self.drain_if_idle(now);
        self.cx.log.report(now);
        self.cx.stats.log_suppressed = self.cx.log.suppressed_total();
        let more_to_give_back = self.give_memory_back(now);
        self.report_memory();
        let ServerContext { net, stats, publisher, .. } = &mut self.cx;
        publisher.turn(stats, net, now);
        if self.is_ending() && self.has_finished() {
            self.report_memory();
            let ServerContext { net, stats, publisher, .. } = &mut self.cx;
            publisher.last_turn(stats, net, now);
            return LoopControl::Stop;
        }
        if more_to_expire
            || more_to_give_back
            || self.sockets.has_ready()
            || self.acceptor.has_work()
            || self.operators.may_accept(now)
            || self.tells_of_drain()
        {
            return LoopControl::Poll;
        }
        match self.next_wakeup() {
            // The timer wheel has more keys to move than one turn does.
            Some(moment) if moment <= now => LoopControl::Poll,
            Some(moment) => LoopControl::WaitUntil(moment),
            None => LoopControl::Wait,
        }
    }

    fn turn_ended(&mut self, began: Moment, ended: Moment, next: LoopControl) {
        self.note_turn(began, ended);
        self.cx.net.told(Told::TurnEnded { began, ended, next });
        self.observe_end(ended, next);
    }
}
