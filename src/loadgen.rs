//! Load: many connections that make requests by a plan, and an honest account of the outcome.
//!
//! - [`plan`] is what is asked for, [`schedule`] when each request is due, [`codec`] what a request
//!   looks like and what its reply has to be.
//! - [`LoadWorker`] drives the connections. It has four parts: the *pacer* says when, the
//!   *connection pool* where, a *client connection* what is sent and received there, and the
//!   *accounting* keeps count. As in the server, events only mark a connection as ready; all work
//!   is done in [`EventHandler::end_turn`], from one queue.
//! - [`counters`] are the result, and add up over workers.
//!
//! A [session pool](crate::client::session_pool) runs conversations to their end. Here a *slot*
//! outlives its connections, because the schedule does: a request whose connection is lost is still
//! due.
//!
//! Invariant: a request is sent because the schedule says so (open loop) or an answer has come
//! (closed loop), never because the server is ready for it. Each request that was sent is closed
//! once in the [`Counters`].

pub mod codec;
pub mod counters;
pub mod ends;
pub mod goal;
pub mod payload;
pub mod plan;
#[cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "rows and ports that it has made itself")
)]
pub mod preflight;
#[cfg_attr(
    not(test),
    expect(
        clippy::indexing_slicing,
        reason = "figures that it has made itself, or of a report that was checked when it was read"
    )
)]
pub mod report;
pub mod schedule;
pub mod search;

mod absence;
mod accounting;
mod accounts;
mod client_connection;
mod conn_state;
mod connect_ramp;
mod connection_pool;
mod missed_replies;
mod pacer;
mod pending;
mod slot;
mod slow_peer;
mod visit;

#[cfg(test)]
mod tests;

pub use counters::{Counters, Interval};
pub use plan::{Plan, Worker};

use crate::io::clock::Moment;
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::io::host::MonotonicClock;
use crate::io::net::{self, Connect, ReadOutcome, Token};
use crate::io::readiness::Readiness;
use crate::server::client_log::Escaped;
use accounting::RequestAccounting;
use accounts::Accounts;
use client_connection::SpeaksFirst;
use codec::{Conversation, WorkloadCodec};
use connection_pool::{ConnectionPool, Loss};
use counters::Operation;
use ends::{ConnectionEnd, RequestEnd};
use pacer::{Pacer, Step};
use slot::{LoadEndpoint, OpenSocket};
use slow_peer::SlowPeer;
use std::rc::Rc;
use std::time::Duration;
use visit::{Buffers, Visit, VisitEnd};

/// How often the run is told of.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// What a load run tells its owner while it goes on.
#[derive(Debug)]
pub enum Event {
    /// Every connection has been opened, or could not be; [`LoadWorker::start_at`] may be called.
    Opened,
    /// The measured part begins.
    Measuring,
    /// A second has passed.
    Interval(Box<Interval>),
    /// The measured part is over; answers are still awaited.
    Measured,
    /// The server sends bytes before any request, which was not declared, or another greeting than
    /// was. Nothing can be measured; what it sent and what to do about it, in words.
    SpeaksFirst(String),
}

/// One worker's load, over any network.
pub struct LoadWorker<N: Connect> {
    plan: Rc<Plan>,
    pacer: Pacer,
    pool: ConnectionPool<N>,
    codec: WorkloadCodec,
    probe_codec: Option<WorkloadCodec>,
    conversation: Conversation,
    accounts: Accounts,
    buffers: Buffers,
    /// How many more connections may be given up for want of the declared greeting, until there
    /// were as many as make requests.
    greetings_to_miss: usize,
}

impl<N: Connect + MonotonicClock> LoadWorker<N> {
    /// The share of `plan` that is `worker`'s. It begins at once to open connections.
    ///
    /// # Panics
    ///
    /// If the plan names no destination, or the share is of more than 2³² connections.
    pub fn new(net: N, plan: Plan, worker: Worker, now: Moment) -> LoadWorker<N> {
        assert!(!plan.destinations.is_empty(), "load needs an address to connect to");
        let connections = worker.share_of_connections(plan.connections);
        assert!(u32::try_from(connections.total()).is_ok(), "slots are counted in 32 bits");
        let codec = WorkloadCodec::new(&plan);
        let probe_codec = WorkloadCodec::for_probes(&plan);
        let plan = Rc::new(plan);
        LoadWorker {
            pacer: Pacer::new(Rc::clone(&plan), worker, now),
            pool: ConnectionPool::new(net, Rc::clone(&plan), worker, now),
            conversation: codec.conversation(),
            codec,
            probe_codec,
            accounts: Accounts::new(&plan),
            buffers: Buffers::default(),
            greetings_to_miss: connections.active,
            plan,
        }
    }

    /// Lets load begin at `start`, once [`Event::Opened`] has been told.
    pub fn start_at(&mut self, start: Moment) {
        self.pacer.start_at(start);
    }

    /// Ends the run before its time, for the reason `why`. Answers to requests in flight are
    /// awaited, unless the run is stopped a second time.
    pub fn stop(&mut self, why: &str, now: Moment) {
        if self.pacer.stop(why, now, &mut self.accounts.main) {
            self.pool.close_all(&mut self.accounts);
        }
    }

    /// What has happened since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.pacer.take_events()
    }

    /// The network on which the load is.
    pub fn network(&self) -> &N {
        self.pool.network()
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        self.accounts.main.counters()
    }

    /// When every connection had been opened, or could not be; probes may be awaited since then.
    pub fn opened_at(&self) -> Option<Moment> {
        self.pool.opened_at()
    }

    /// Whether every answer has come, or is no longer awaited.
    pub fn is_over(&self) -> bool {
        self.pacer.is_over()
    }

    /// Ends the run: closes all connections, and hands over what was counted and the last,
    /// unfinished interval.
    pub fn finish(mut self, now: Moment) -> (Counters, Interval) {
        self.pool.close_all(&mut self.accounts);
        self.pool.count_unknown(&mut self.accounts.main.counters_mut().connections);
        let interval = self.accounts.main.end_interval(now);
        let mut counters = self.accounts.into_counters();
        let without_delay = counters.latency.count() - counters.client_delay.count();
        counters.client_delay.record_many(Duration::ZERO, without_delay);
        if !self.plan.is_open_loop() {
            counters.service = counters.latency.clone();
        }
        (counters, interval)
    }

    /// Does what the pacer says is due.
    fn take_step(&mut self, step: Step, now: Moment) {
        match step {
            Step::Begin(start) => {
                let active_slots = self.pool.begin(start);
                self.accounts.begin(&self.plan, start);
                self.pacer.begin(start, &active_slots, &mut self.accounts.main);
            }
            Step::Storm(at) => {
                self.accounts.begin_storm(at);
                self.pool.storm(now, &mut self.accounts);
            }
            Step::Due(index) => self.pool.enqueue(index),
        }
    }

    /// Does for a slot what its connection is ready for.
    fn visit(&mut self, index: usize, now: Moment) {
        let LoadWorker { pacer, pool, codec, probe_codec, accounts, buffers, .. } = self;
        pool.attribute(index, accounts);
        let Some((socket, endpoint)) = pool.open(index) else {
            return self.visit_without_connection(index, now);
        };
        let end = match endpoint {
            LoadEndpoint::Active(client) => {
                let accounting = &mut accounts.main;
                let mut visit = Visit { socket, client, codec, accounting, buffers };
                match self.conversation {
                    Conversation::RequestReply => visit.exchange(pacer),
                    Conversation::ServerSpeaks => visit.hear_greeting(pacer),
                    Conversation::ClientSpeaks => visit.send_only(pacer),
                }
            }
            LoadEndpoint::Idle => hold_idle(socket, &mut accounts.main, buffers),
            LoadEndpoint::Probe(client) => {
                let asks = probe_codec.is_some();
                let codec = probe_codec.as_mut().unwrap_or(codec);
                let accounting = &mut accounts.probes;
                Visit { socket, client, codec, accounting, buffers }.probe(asks)
            }
            LoadEndpoint::Slow(peer) => {
                let Some(start) = pacer.running_since() else { return };
                let SlowPeer { client, trickle } = &mut **peer;
                let accounting = &mut accounts.side;
                let mut visit = Visit { socket, client, codec, accounting, buffers };
                let next_portion = trickle.visit(&mut visit, start, now);
                next_portion.map(|next_portion| pool.set_deadline(index, next_portion))
            }
        };
        match end {
            Ok(()) => self.after_visit(index, now),
            Err(VisitEnd::Finished) => self.replace(index, ConnectionEnd::ByUs, now),
            Err(VisitEnd::ReplyEnded) => {
                self.replace(index, ConnectionEnd::AfterLastAnswer, now);
            }
            Err(VisitEnd::ServerClosed) => self.on_lost(index, Loss::ServerClosed, now),
            Err(VisitEnd::Failed(operation, error)) => {
                self.on_lost(index, Loss::Failed(operation, error), now);
            }
        }
    }

    fn on_lost(&mut self, index: usize, loss: Loss, now: Moment) {
        self.buffers.output.clear();
        if self.plan.greeting.is_some() && loss.is_given_up() {
            self.miss_greeting(index);
        }
        self.pool.on_lost(index, loss, now, &mut self.accounts, &mut self.pacer);
    }

    /// If the greeting that was declared has come on no connection at all, others would not have
    /// it either, and a run of a number of requests would not end.
    fn miss_greeting(&mut self, index: usize) {
        let missed = match self.pool.open(index) {
            Some((_, LoadEndpoint::Active(client))) => client.describe_missed_greeting(&self.codec),
            _ => None,
        };
        let Some(missed) = missed else { return };
        self.greetings_to_miss = self.greetings_to_miss.saturating_sub(1);
        if self.greetings_to_miss == 0
            && self.plan.reconnecting.reconnect
            && !self.accounts.main.has_answers()
            && !self.pool.has_greeted()
        {
            self.pacer.speaks_first(missed);
        }
    }

    /// Sees to a slot that has no open connection yet, or none any more.
    fn visit_without_connection(&mut self, index: usize, now: Moment) {
        let LoadWorker { pacer, pool, accounts, .. } = self;
        if pool.finish_connecting(index, now, accounts, pacer) {
            return self.visit(index, now);
        }
        pool.connect_if_needed(index, now, accounts, pacer);
    }

    /// Sees after a visit to when the slot has to be visited next.
    fn after_visit(&mut self, index: usize, now: Moment) {
        let awaits_probe = self.pool.awaits_probe(index);
        let Some((socket, endpoint)) = self.pool.open(index) else { return };
        let ready = *socket.ready;
        let (client, may_send) = match endpoint {
            LoadEndpoint::Active(client) => {
                let may_send = client.has_room(now) && self.pacer.has_request_for(client.turn());
                (client, may_send)
            }
            LoadEndpoint::Probe(client)
                if client.is_quiet()
                    && client.is_past_opening()
                    && (client.was_asked() || self.probe_codec.is_none()) =>
            {
                return self.pool.on_probe_answered(index, &mut self.accounts);
            }
            // A probe that is overdue is not waited for, and its reply may still come.
            LoadEndpoint::Probe(_) if !awaits_probe => return,
            LoadEndpoint::Probe(client) => (client, false),
            // A slow peer's clock ticks on its own.
            LoadEndpoint::Slow(_) => return,
            LoadEndpoint::Idle if ready.read => return self.pool.enqueue(index),
            LoadEndpoint::Idle => return,
        };
        let deadline = client.deadline(self.plan.timeout);
        let has_served_its_time = client.is_quiet() && !client.may_take_another(now);
        let can_send = may_send || client.has_unsent();
        self.pool.watch_deadline(index, deadline);
        if has_served_its_time {
            self.replace(index, ConnectionEnd::ByUs, now);
        } else if ready.read || (ready.write && can_send) {
            self.pool.enqueue(index);
        }
    }

    /// Closes a connection that has served its time, and opens the next if one is needed.
    fn replace(&mut self, index: usize, end: ConnectionEnd, now: Moment) {
        self.pool.close(index, &mut self.accounts, RequestEnd::Lost, end);
        self.pool.connect_if_needed(index, now, &mut self.accounts, &mut self.pacer);
    }

    /// Acts on a slot's deadline.
    fn expire(&mut self, index: usize, now: Moment) {
        self.pool.attribute(index, &mut self.accounts);
        let Some((socket, endpoint)) = self.pool.open(index) else {
            if self.pool.on_deadline(index, now, &mut self.accounts, &mut self.pacer) {
                self.visit(index, now);
            }
            return;
        };
        if let LoadEndpoint::Slow(_) = endpoint {
            return self.visit(index, now);
        }
        // One more try: a reply may have come in time, and its event be still to come.
        socket.ready.read = true;
        if let LoadEndpoint::Probe(_) = endpoint {
            self.pool.on_probe_decided(index);
            return self.visit(index, now);
        }
        let generation = self.pool.generation(index);
        self.visit(index, now);
        if self.pool.generation(index) != generation {
            return;
        }
        let (client, accounting) = match self.pool.open(index) {
            Some((_, LoadEndpoint::Active(client))) => (client, &mut self.accounts.main),
            _ => return,
        };
        let opening = client.expire_opening(self.plan.timeout, now);
        // A server that has answered requests before may have something to say for once.
        if let Err(SpeaksFirst) = opening
            && !accounting.has_answers()
        {
            self.pacer.speaks_first(client.describe_undeclared());
        }
        if !matches!(opening, Ok(Ok(()))) {
            return self.on_lost(index, Loss::OutOfStep, now);
        }
        if client.expire_requests(&self.codec, accounting, self.plan.timeout, now).is_err() {
            // The reply may come any time, in place of the next request's.
            return self.on_lost(index, Loss::OutOfStep, now);
        }
        let expires = if client.expires() > now { client.expires() } else { Moment::NEVER };
        let deadline = client.deadline(self.plan.timeout).min(expires);
        if deadline != Moment::NEVER {
            self.pool.set_deadline(index, deadline);
        }
        self.pool.enqueue(index);
    }
}

/// Holds an idle connection: every byte that it receives is unexpected.
fn hold_idle<N: Connect>(
    socket: OpenSocket<'_, N>,
    accounting: &mut RequestAccounting,
    buffers: &mut Buffers,
) -> Result<(), VisitEnd> {
    if !socket.ready.read {
        return Ok(());
    }
    match net::fill(socket.net, socket.stream, socket.ready, &mut buffers.input) {
        Ok(ReadOutcome::Nothing) => Ok(()),
        Ok(ReadOutcome::Bytes(count)) => {
            let bytes = buffers.input.get(..count).unwrap_or_default();
            accounting.mismatch(|| {
                let got = Escaped(bytes);
                format!("an idle connection: got {got}, but no answer was due")
            });
            accounting.unsolicited(|mismatches| mismatches.unexpected += 1);
            Ok(())
        }
        Ok(ReadOutcome::Eof) => Err(VisitEnd::ServerClosed),
        Err(error) => Err(VisitEnd::Failed(Operation::Reading, error)),
    }
}

impl<N: Connect + MonotonicClock> EventHandler for LoadWorker<N> {
    fn on_ready(&mut self, token: Token, readiness: Readiness) {
        self.pool.mark_ready(token, readiness);
    }

    fn end_turn(&mut self, now: Moment) -> LoopControl {
        self.pacer.begin_turn(now, &mut self.accounts.main);
        while let Some(step) = self.pacer.advance(now, &mut self.accounts.main) {
            self.take_step(step, now);
        }
        for _ in 0..self.pool.queued() {
            if let Some(index) = self.pool.next_ready() {
                self.visit(index, now);
            }
        }
        while let Some(index) = self.pool.next_expired(now) {
            self.expire(index, now);
        }
        self.pool.connect_more(now, &mut self.accounts, &mut self.pacer);
        let ended = self.pool.now();
        self.accounts.main.look_for_absence(ended, || self.pool.cpu_time());
        let open = self.pool.open_counts(&self.accounts.main);
        self.pacer.end_turn(now, ended, open, &mut self.accounts.main);
        self.pacer.next(ended, self.pool.queued() > 0, self.pool.next_wakeup())
    }
}
