//! The connection pool: how connections come to be, and cease.
//!
//! A slot outlives its connections, because the schedule does: a request whose connection was lost
//! is still due.
//!
//! Invariant: each connection of a slot is counted once as opened, and has one [`ConnectionEnd`].

#![cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "indices of slots, which are never taken away")
)]

mod connecting;
mod losing;

pub(super) use losing::Loss;

use super::accounting::RequestAccounting;
use super::accounts::Accounts;
use super::client_connection::ClientConnection;
use super::conn_state::{Role, StateName};
use super::connect_ramp::ConnectRamp;
use super::counters::Connections;
use super::ends::{ConnectionEnd, RequestEnd};
use super::pacer::OpenCounts;
use super::plan::{Close, Plan, Probing, Worker};
use super::slot::{LoadEndpoint, OpenSocket, Slot};
use super::slow_peer::{Direction, SlowPeer};
use crate::io::clock::Moment;
use crate::io::host::MonotonicClock;
use crate::io::net::{Connect, Token};
use crate::io::readiness::Readiness;
use crate::io::timer::Timers;
use crate::io::token::Generations;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// The slots of one worker, and their connections.
pub(super) struct ConnectionPool<N: Connect> {
    net: N,
    plan: Rc<Plan>,
    worker: Worker,
    slots: Vec<Slot<N::Stream>>,
    generations: Generations,
    /// Slots to be visited, each once.
    queue: VecDeque<u32>,
    timers: Timers,
    ramp: ConnectRamp,
    /// Open connections of active slots.
    active_open: usize,
    /// Slots whose probe the ramp waits for.
    probes_awaited: usize,
    /// When every slot had been connected, or could not be.
    opened_at: Option<Moment>,
    /// Counts the numbers drawn by chance.
    draws: u64,
}

impl<N: Connect + MonotonicClock> ConnectionPool<N> {
    /// The worker's share of the plan's connections. None is open yet.
    pub(super) fn new(net: N, plan: Rc<Plan>, worker: Worker, now: Moment) -> ConnectionPool<N> {
        let counts = worker.share_of_connections(plan.connections);
        let rate = plan.connections.slow_rate;
        let roles = [
            (Role::Active, counts.active),
            (Role::Idle, counts.idle),
            (Role::SlowReader, counts.slow_readers),
            (Role::SlowWriter, counts.slow_writers),
        ];
        let mut slots = Vec::with_capacity(counts.total());
        for (role, count) in roles {
            for _ in 0..count {
                let number = worker.connection(slots.len());
                let slow = |direction| {
                    LoadEndpoint::Slow(Box::new(SlowPeer::new(number, direction, rate)))
                };
                let endpoint = match role {
                    Role::Active => {
                        LoadEndpoint::Active(Box::new(ClientConnection::new(number, plan.pipeline)))
                    }
                    Role::Idle => LoadEndpoint::Idle,
                    Role::SlowReader => slow(Direction::Reads),
                    Role::SlowWriter => slow(Direction::Writes),
                };
                slots.push(Slot::new(role, endpoint));
            }
        }
        ConnectionPool {
            ramp: ConnectRamp::new(&plan, worker, now),
            slots,
            generations: Generations::default(),
            queue: VecDeque::new(),
            timers: Timers::new(now),
            active_open: 0,
            probes_awaited: 0,
            opened_at: None,
            draws: 0,
            net,
            plan,
            worker,
        }
    }

    /// The network.
    pub(super) fn network(&self) -> &N {
        &self.net
    }

    /// The time now.
    pub(super) fn now(&self) -> Moment {
        self.net.now()
    }

    /// Processor time that this thread has used so far.
    pub(super) fn cpu_time(&self) -> Option<Duration> {
        self.net.cpu_time()
    }

    /// A socket became ready. If the token belongs to an earlier connection, the event is stale.
    #[inline]
    pub(super) fn mark_ready(&mut self, token: Token, readiness: Readiness) {
        if let Some(slot) = self.slots.get_mut(token.index())
            && slot.generation == token.generation()
        {
            slot.ready.merge(readiness);
            if !std::mem::replace(&mut slot.is_queued, true) {
                self.queue.push_back(token.index() as u32);
            }
        }
    }

    /// Has the slot visited in this turn or the next.
    #[inline]
    pub(super) fn enqueue(&mut self, index: usize) {
        if !std::mem::replace(&mut self.slots[index].is_queued, true) {
            self.queue.push_back(index as u32);
        }
    }

    /// Has what is counted from now on be of the server that the slot connects to.
    #[inline]
    pub(super) fn attribute(&self, index: usize, accounts: &mut Accounts) {
        if self.plan.destinations.len() > 1 {
            accounts.main.at_server(self.plan.server_of(self.worker.connection(index)));
        }
    }

    /// How many slots are to be visited.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The next slot to be visited, and the state of its connection.
    #[inline]
    pub(super) fn next_ready(&mut self) -> Option<usize> {
        let index = self.queue.pop_front()? as usize;
        self.slots[index].is_queued = false;
        Some(index)
    }

    /// The next slot whose deadline has come.
    pub(super) fn next_expired(&mut self, now: Moment) -> Option<usize> {
        self.timers.pop_due(now)
    }

    /// When the next deadline comes, or the ramp may open a connection.
    pub(super) fn next_wakeup(&self) -> Option<Moment> {
        self.timers.next_wakeup().into_iter().chain(self.ramp.next_wakeup()).min()
    }

    pub(super) fn open_counts(&self, accounting: &RequestAccounting) -> OpenCounts {
        OpenCounts { active: self.active_open, all: accounting.counters().connections.open }
    }

    #[inline]
    pub(super) fn state(&self, index: usize) -> StateName {
        self.slots[index].connection.state()
    }

    pub(super) fn role(&self, index: usize) -> Role {
        self.slots[index].connection.role()
    }

    /// Whether a connection that makes requests is past its greeting.
    pub(super) fn has_greeted(&self) -> bool {
        self.slots.iter().any(|slot| match &slot.endpoint {
            LoadEndpoint::Active(client) => slot.connection.is_open() && client.is_past_opening(),
            _ => false,
        })
    }

    /// The socket and the endpoint of a slot whose connection is open.
    #[inline]
    pub(super) fn open(&mut self, index: usize) -> Option<(OpenSocket<'_, N>, &mut LoadEndpoint)> {
        let Slot { connection, endpoint, ready, .. } = &mut self.slots[index];
        let stream = connection.stream_mut()?;
        Some((OpenSocket { net: &mut self.net, stream, ready }, endpoint))
    }

    /// Gives the slots that may make requests their turns, from `start` on; in a closed loop, and
    /// slow peers always, they begin at once. Says which slots have a turn.
    pub(super) fn begin(&mut self, start: Moment) -> Vec<usize> {
        let mut active_slots = Vec::new();
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            let begins = match &mut slot.endpoint {
                LoadEndpoint::Active(client) => {
                    if slot.connection.state() != StateName::GivenUp {
                        client.take_turn(active_slots.len(), start);
                        active_slots.push(index);
                    }
                    !self.plan.is_open_loop()
                }
                LoadEndpoint::Slow(_) => true,
                LoadEndpoint::Probe(_) | LoadEndpoint::Idle => false,
            };
            if begins {
                self.enqueue(index);
            }
        }
        active_slots
    }

    /// Closes the connection of a slot, if it has one, and counts its end. Requests in flight come
    /// to the end `requests`.
    pub(super) fn close(
        &mut self,
        index: usize,
        accounts: &mut Accounts,
        requests: RequestEnd,
        connection: ConnectionEnd,
    ) {
        self.attribute(index, accounts);
        self.decide(index, false, accounts);
        if self.close_socket(index, accounts) {
            accounts.ended(connection);
        }
        match &mut self.slots[index].endpoint {
            LoadEndpoint::Idle => {}
            LoadEndpoint::Active(client) => client.on_closed(&mut accounts.main, requests),
            LoadEndpoint::Probe(client) => client.on_closed(&mut accounts.probes, requests),
            LoadEndpoint::Slow(peer) => peer.client.on_closed(&mut accounts.side, requests),
        }
    }

    /// Closes the socket of a slot, if it has one. Tells whether its connection was open.
    pub(super) fn close_socket(&mut self, index: usize, accounts: &mut Accounts) -> bool {
        self.timers.disarm(index);
        self.on_probe_decided(index);
        let slot = &mut self.slots[index];
        slot.no_room_since = None;
        let (role, was_open) = (slot.connection.role(), slot.connection.is_open());
        if let Some(stream) = slot.connection.close()
            && was_open
        {
            accounts.closed();
            self.active_open -= usize::from(role == Role::Active);
            match self.plan.close {
                Close::Rst => self.net.abort(stream),
                Close::Fin => self.net.close(stream),
            }
        }
        was_open
    }

    /// Closes all connections.
    pub(super) fn close_all(&mut self, accounts: &mut Accounts) {
        for index in 0..self.slots.len() {
            self.close(index, accounts, RequestEnd::Lost, ConnectionEnd::ByUs);
        }
    }

    /// Drops all connections at once, to see them return.
    pub(super) fn storm(&mut self, now: Moment, accounts: &mut Accounts) {
        let mut dropped = 0;
        for index in 0..self.slots.len() {
            if !self.slots[index].connection.is_open() || self.role(index).is_slow() {
                continue;
            }
            // Without a probe, nothing tells when an idle connection is served again.
            let is_idle = self.role(index) == Role::Idle;
            dropped += u64::from(!is_idle || self.plan.probing != Probing::Off);
            self.close(index, accounts, RequestEnd::Abandoned, ConnectionEnd::ByUs);
            self.prepare_probe(index);
            let endpoint = &mut self.slots[index].endpoint;
            if let LoadEndpoint::Active(client) | LoadEndpoint::Probe(client) = endpoint {
                client.on_dropped(now);
            }
            let wait = self.jitter(self.plan.reconnecting.backoff);
            self.back_off(index, now + wait);
        }
        accounts.dropped(dropped);
    }
}

impl<N: Connect + MonotonicClock> ConnectionPool<N> {
    /// Has the slot visited at `deadline`, or before.
    #[inline]
    pub(super) fn watch_deadline(&mut self, index: usize, deadline: Moment) {
        self.timers.arm_no_later(index, deadline);
    }

    /// Has the slot visited at `deadline`, and not before.
    pub(super) fn set_deadline(&mut self, index: usize, deadline: Moment) {
        self.timers.arm(index, deadline);
    }

    /// Whether the token of the slot's socket is of this generation.
    pub(super) fn generation(&self, index: usize) -> u32 {
        self.slots[index].generation
    }

    /// When every slot had been connected, or could not be.
    pub(super) fn opened_at(&self) -> Option<Moment> {
        self.opened_at
    }

    /// Counts the connections that were established and asked nothing, so that only connect(2)
    /// tells of them. A slot that never had a connection is none of these.
    pub(super) fn count_unknown(&self, connections: &mut Connections) {
        let is_probed = self.plan.probing != Probing::Off;
        for slot in self.slots.iter().filter(|slot| slot.was_established) {
            match (slot.connection.role(), &slot.endpoint) {
                (_, LoadEndpoint::Active(client)) => {
                    connections.unasked += u64::from(!client.was_asked());
                }
                (Role::Idle, _) => connections.unprobed += u64::from(!is_probed),
                _ => {}
            }
        }
    }

    /// Has the next connection of an idle slot ask whether it is served, if the plan says so.
    fn prepare_probe(&mut self, index: usize) {
        if self.role(index) != Role::Idle || self.plan.probing == Probing::Off {
            return;
        }
        let mut client = Box::new(ClientConnection::new(self.worker.connection(index), 1));
        let endpoint = &mut self.slots[index].endpoint;
        if let LoadEndpoint::Probe(earlier) = endpoint {
            client.returns_for(earlier);
        }
        *endpoint = LoadEndpoint::Probe(client);
    }

    /// The request of an idle connection was answered: from now on it is only held.
    pub(super) fn on_probe_answered(&mut self, index: usize, accounts: &mut Accounts) {
        self.on_probe_decided(index);
        // Without a probe, only a greeting was heard.
        let is_served = accounts.is_probe_right() && self.plan.probing != Probing::Off;
        let slot = &mut self.slots[index];
        if is_served && !std::mem::replace(&mut slot.was_served, true) {
            accounts.main.first_served();
        }
        slot.connection.served();
        slot.endpoint = LoadEndpoint::Idle;
        self.timers.disarm(index);
    }

    /// Whether the ramp waits for the reply to the slot's probe.
    pub(super) fn awaits_probe(&self, index: usize) -> bool {
        self.slots[index].awaits_probe
    }

    /// The ramp waits no longer for a probe: it was answered, or was not in time. A reply may
    /// still come.
    pub(super) fn on_probe_decided(&mut self, index: usize) {
        if std::mem::take(&mut self.slots[index].awaits_probe) {
            self.probes_awaited -= 1;
        }
    }
}
