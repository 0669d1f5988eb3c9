//! The server: a slab of connections, and what is done for them in one turn of the loop.
//!
//! [`Server::on_ready`] only notes what an event told; [`Server::end_turn`] does all the work, from one
//! queue, in one place:
//!
//! ```text
//! visit queued connections, each once -> expire deadlines -> accept -> say when to wake up
//! ```
//!
//! Visits come first because a turn can take long, or the process be stopped for a while: what has
//! arrived by now was in time, even if we look at it late.
//!
//! Invariants:
//!
//! - A connection with work that is both ready and wanted is in the queue. Edge-triggered epoll
//!   does not tell twice: a connection forgotten here would hang until its deadline.
//! - The queue gives each connection one visit a turn, for a bounded amount of work, and it goes to the
//!   back if it has more. Who is beyond so many visits is at the front in the next turn. New events are
//!   looked for between turns even when work is left.
//! - Opened less closed is the length of the slab.
//! - No error of one connection leaves its visit.

pub mod access;
pub mod client_log;
pub mod close;
pub mod limits;
pub mod stats;

mod accept;
mod admission;
mod audit;
mod budget;
mod closing;
mod entry;
mod held;
mod measuring;
mod stopping;
mod visit;

#[cfg(test)]
mod tests;

use crate::conn::Step;
use crate::handlers::Service;
use crate::handlers::daytime::Calendar;
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::io::net::{Net, Token};
use crate::io::readiness::{Interest, Readiness};
use crate::io::timer::Timers;
use crate::io::token::Generations;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use crate::server::stats::Stats;
use crate::table::Table;
use crate::zone::ZoneRules;
use accept::{Gate, Holders};
use admission::{Admission, Refusal};
#[doc(hidden)]
pub use audit::Audited;
use budget::Budget;
use entry::{Entry, Target};
use log::Level;
use slab::Slab;
use std::collections::VecDeque;
use stopping::Phase;
use visit::{Visited, Visitor};

/// Connections visited in one turn, when all are to drain, or very many always have work: in between,
/// events are looked for, a second SIGTERM among them.
const VISITS_PER_TURN: usize = 4096;

/// Deadlines looked at in one turn, so that many which pass at once do not hold everyone up.
const EXPIRIES_PER_TURN: usize = 4096;

/// The server, over any network.
pub struct Server<N: Net> {
    visitor: Visitor<N>,
    gate: Gate<N>,
    admission: Admission,
    budget: Budget,
    connections: Slab<Entry<N::Stream>>,
    /// That of a connection which stays when a crowd has left, and so keeps the places below it.
    place_waited_for: Option<usize>,
    generations: Generations,
    /// Connections with work, in the order in which they get their turn. An entry of the slab knows
    /// whether it is in here; a token whose connection has closed since is skipped.
    queue: VecDeque<Token>,
    timers: Timers,
    phase: Phase,
    /// Since when there has been no connection; meaningless while there are some.
    empty_since: Moment,
}

impl<N: Net> Server<N> {
    /// A server without listeners. `limits` must have been validated.
    pub fn new(net: N, limits: Limits, table: Table, calendar: Calendar, now: Moment) -> Server<N> {
        Server {
            gate: Gate::new(limits.max_connections),
            admission: Admission::default(),
            budget: Budget::new(limits.memory_limit),
            visitor: Visitor::new(net, limits, table, calendar, now),
            connections: Slab::new(),
            place_waited_for: None,
            generations: Generations::default(),
            queue: VecDeque::new(),
            timers: Timers::new(now),
            phase: Phase::Serving,
            empty_since: now,
        }
    }

    /// Serves `service` on a listener that is bound, and that nobody else serves.
    ///
    /// # Errors
    ///
    /// What the registration for events says.
    pub fn listen(&mut self, listener: N::Listener, service: Service) -> std::io::Result<()> {
        // A process that served the same socket may have ended while it held handshakes off.
        let _ = self.visitor.net.admit_handshakes(&listener);
        self.add_listener(listener, service, Holders::Us)
    }

    /// Serves `service` on a listener that other processes may have, too: what is done to the socket is
    /// done to theirs, so handshakes are never held off. Another may be faster to accept a client.
    ///
    /// # Errors
    ///
    /// What the registration for events says.
    pub fn listen_with_others(
        &mut self,
        listener: N::Listener,
        service: Service,
    ) -> std::io::Result<()> {
        self.add_listener(listener, service, Holders::OthersToo)
    }

    fn add_listener(
        &mut self,
        mut listener: N::Listener,
        service: Service,
        holders: Holders,
    ) -> std::io::Result<()> {
        let token = entry::listener_token(self.gate.len());
        self.visitor.net.register_listener(&mut listener, token)?;
        self.gate.add(listener, service, holders);
        Ok(())
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.visitor.stats
    }

    /// Uses another table from the next request on, and returns the old one: freeing a big one
    /// takes time that the loop does not have.
    pub fn replace_table(&mut self, table: Table) -> Table {
        self.visitor.stats.table_reloads += 1;
        self.visitor.stats.describe_table(&table);
        std::mem::replace(&mut self.visitor.table, table)
    }

    /// Counts a table that could not be loaded; the old one stays.
    pub fn keep_table(&mut self) {
        self.visitor.stats.table_failures += 1;
    }

    /// Uses other rules for the time of day from the next text on. Returns whether they differ from the rules
    /// before.
    pub fn replace_zone(&mut self, rules: ZoneRules) -> bool {
        self.visitor.calendar.replace_rules(rules)
    }

    fn visit_queued(&mut self) {
        // When time is up, what has come is served all the same: there will be no other turn.
        let most = if self.is_time_up() { usize::MAX } else { VISITS_PER_TURN };
        for _ in 0..self.queue.len().min(most) {
            let Some(token) = self.queue.pop_front() else { break };
            let Some((index, entry)) = entry::find(&mut self.connections, token) else { continue };
            entry.queued = false;
            let is_alone = self.queue.is_empty() && self.visitor.held.is_empty();
            match self.visitor.visit(entry, (!is_alone).then_some(token)) {
                Visited::Done => {
                    self.settle(index);
                    self.send_held();
                }
                Visited::Holding if self.visitor.held.is_full() => self.send_held(),
                Visited::Holding => {}
            }
        }
        self.send_held();
    }

    /// Does what passed deadlines ask for. Tells whether there may be more of them.
    fn expire_deadlines(&mut self, now: Moment) -> bool {
        for _ in 0..EXPIRIES_PER_TURN {
            let Some(index) = self.timers.pop_due(now) else { return false };
            let Some(entry) = self.connections.get_mut(index) else { continue };
            let framing = entry.service.framing(&self.visitor.limits);
            if entry.conn.deadline(framing, &self.visitor.limits) <= now {
                // What has arrived was in time though its event is still to come: of more events than
                // one poll takes, or of a poll that a signal interrupted. A try tells.
                entry.ready.read = true;
                self.visitor.look_at_output(entry);
                self.visitor.visit(entry, None);
                self.visitor.expire(entry);
            }
            self.settle(index);
        }
        true
    }

    fn accept(&mut self, now: Moment) {
        let is_draining = self.is_draining();
        for _ in 0..accept::ACCEPTS_PER_TURN {
            let Some(accepted) = self.gate.accept(&mut self.visitor, self.connections.len()) else {
                return;
            };
            let peer = accepted.peer;
            if let Err(refusal) = self.admission.admit(&peer, &self.visitor.limits, now) {
                self.refuse(accepted, refusal);
                continue;
            }
            let generation = self.generations.take();
            let slot = self.connections.vacant_entry();
            let index = slot.key();
            let mut entry = Entry::new(accepted, generation, now);
            // Its request may have come, and no event yet: a read tells, before it is drained.
            entry.ready.read = is_draining;
            let token = Token::new(index, generation);
            self.visitor.stats.accepted += 1;
            match self.visitor.net.register(&mut entry.stream, token, Interest::Read) {
                Ok(()) => {
                    slot.insert(entry);
                    self.opened(index);
                }
                Err(error) => {
                    self.admission.closed(&peer);
                    self.visitor.stats.count_close(CloseReason::SystemError);
                    let line = format_args!("{peer} dropped: cannot register for events: {error}");
                    self.visitor.log.line(now, Level::Warn, line);
                }
            }
        }
    }

    /// Turns a client away, with RST: no answer is due, and nothing of it remains in our kernel.
    fn refuse(&mut self, accepted: Accepted<N::Stream>, refusal: Refusal) {
        let Accepted { stream, peer, .. } = accepted;
        self.visitor.net.abort(stream);
        let stats = &mut self.visitor.stats;
        match refusal {
            Refusal::Denied => stats.refused_denied += 1,
            Refusal::TooMany => stats.refused_address_limit += 1,
            Refusal::TooFast => stats.refused_address_rate += 1,
        }
        let line = format_args!("{peer} turned away: {refusal}");
        self.visitor.log.line(self.visitor.now, Level::Info, line);
    }

    fn opened(&mut self, index: usize) {
        let active = self.connections.len();
        let stats = &mut self.visitor.stats;
        stats.peak = stats.peak.max(active as u64);
        let Some(entry) = self.connections.get_mut(index) else { return };
        let line = format_args!("{} connected ({active} active)", entry.peer);
        self.visitor.log.line(self.visitor.now, Level::Info, line);
        self.visitor.open(entry);
        self.settle(index);
    }

    /// After each visit: closes, queues again, and makes sure that the deadline is watched.
    fn settle(&mut self, index: usize) {
        let Some(entry) = self.connections.get_mut(index) else { return };
        if matches!(self.phase, Phase::Draining { .. }) {
            self.visitor.drain(entry);
        }
        self.visitor.add_write_interest(entry, index);
        match self.visitor.next_step(entry) {
            Step::Close(reason) => drop(self.close(index, reason)),
            Step::Abort(reason) => {
                let stream = self.close(index, reason);
                self.visitor.net.abort(stream);
            }
            Step::Stay | Step::SendFin => {
                if entry.has_work(&self.visitor.limits) {
                    entry.enqueue(index, &mut self.queue);
                }
                let framing = entry.service.framing(&self.visitor.limits);
                let deadline = entry.conn.deadline(framing, &self.visitor.limits);
                self.timers.arm_no_later(index, deadline);
                self.account(index);
            }
        }
    }

    fn next_wakeup(&self) -> Option<Moment> {
        let wakeups = [
            self.timers.next_wakeup(),
            self.gate.retry_at(),
            self.visitor.log.report_due(),
            self.visitor.publisher.due(),
            if self.is_draining() { self.phase.wakes_at() } else { self.idle_exit() },
        ];
        wakeups.into_iter().flatten().min()
    }
}

impl<N: Net> EventHandler for Server<N> {
    fn on_ready(&mut self, token: Token, readiness: Readiness) {
        match entry::target(token) {
            Target::Listener(number) => self.gate.ready(number),
            Target::Connection => match entry::find(&mut self.connections, token) {
                Some((index, entry)) => {
                    entry.ready.merge(readiness);
                    if entry.has_work(&self.visitor.limits) {
                        entry.enqueue(index, &mut self.queue);
                    }
                }
                None => self.visitor.stats.stale_events += 1,
            },
        }
    }

    fn end_turn(&mut self, now: Moment) -> LoopControl {
        self.visitor.now = now;
        self.visitor.stats.turns += 1;
        self.visit_queued();
        let more_to_expire = self.expire_deadlines(now);
        if self.is_draining() {
            self.attend_door(now);
        }
        if self.gate.may_accept(now) {
            self.accept(now);
        }
        self.drain_if_idle(now);
        self.visitor.log.report(now);
        self.visitor.stats.log_suppressed = self.visitor.log.suppressed_total();
        self.report_memory();
        let Visitor { net, stats, publisher, .. } = &mut self.visitor;
        publisher.turn(stats, net, now);
        if self.is_draining() && self.has_finished() {
            self.report_memory();
            let Visitor { net, stats, publisher, .. } = &mut self.visitor;
            publisher.last_turn(stats, net, now);
            return LoopControl::Stop;
        }
        if more_to_expire || !self.queue.is_empty() || self.gate.has_work() {
            return LoopControl::Poll;
        }
        self.next_wakeup().map_or(LoopControl::Wait, LoopControl::WaitUntil)
    }

    fn turn_ended(&mut self, began: Moment, ended: Moment) {
        self.note_turn(began, ended);
    }
}

/// A connection that was accepted, and by whom.
#[derive(Debug)]
struct Accepted<S> {
    stream: S,
    peer: Peer,
    service: Service,
}
