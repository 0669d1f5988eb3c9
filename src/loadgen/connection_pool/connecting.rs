//! How connections come to be: the ramp, attempts that fail, and the wait before the next one.

use super::ConnectionPool;
use crate::io::clock::Moment;
use crate::io::host::MonotonicClock;
use crate::io::net::{Connect, Token};
use crate::io::readiness::{Interest, Readiness};
use crate::loadgen::accounts::Accounts;
use crate::loadgen::client_connection::ClientConnection;
use crate::loadgen::conn_state::{Role, StateName};
use crate::loadgen::counters::error_name;
use crate::loadgen::pacer::Pacer;
use crate::loadgen::payload;
use crate::loadgen::plan::{Lifetime, Pace};
use crate::loadgen::slot::{LoadEndpoint, Slot};
use std::io::{self, ErrorKind};
use std::time::Duration;

/// The wait before a slot connects again doubles this often at most.
const MOST_DOUBLINGS: u8 = 5;

/// The longest wait until an attempt finds room in the backlog of a unix socket, which was full.
const LONGEST_WAIT_FOR_ROOM: Duration = Duration::from_millis(5);

/// While this machine has no port or descriptor left, a slot tries again this often: the server is
/// not to blame, and a port may be free any moment.
const LONGEST_WAIT_FOR_PORT: Duration = Duration::from_millis(10);

/// Whether an attempt failed because this machine has no more of what it takes.
fn is_own_limit(error: &io::Error) -> bool {
    let limits = ["EADDRNOTAVAIL", "EADDRINUSE", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"];
    limits.contains(&error_name(error).as_str())
}

impl<N: Connect + MonotonicClock> ConnectionPool<N> {
    /// Opens what the plan begins with, as fast as it allows.
    pub(in crate::loadgen) fn connect_more(
        &mut self,
        now: Moment,
        accounts: &mut Accounts,
        pacer: &mut Pacer,
    ) {
        if !pacer.is_connecting() {
            return;
        }
        while let Some(index) = self.ramp.next_slot(now) {
            if self.plan.connects_on_demand() && self.role(index) == Role::Active {
                self.ramp.decided();
            } else {
                self.connect(index, now, accounts, pacer);
            }
        }
        if self.ramp.is_done() {
            self.opened_at.get_or_insert(now);
            if self.probes_awaited == 0 {
                pacer.all_connected();
            }
        }
    }

    /// Connects an active slot without a connection, if a request needs one.
    pub(in crate::loadgen) fn connect_if_needed(
        &mut self,
        index: usize,
        now: Moment,
        accounts: &mut Accounts,
        pacer: &mut Pacer,
    ) {
        let Slot { connection, endpoint: LoadEndpoint::Active(client), .. } =
            &mut self.slots[index]
        else {
            return;
        };
        if connection.state() != StateName::Closed || !pacer.is_sending() {
            return;
        }
        let has_request = pacer.has_request_for(client.turn());
        let is_kept_open = match self.plan.pace {
            Pace::Closed => false,
            _ => !matches!(self.plan.lifetime, Lifetime::Requests(_)),
        };
        if !has_request && !is_kept_open {
            return;
        }
        // The time to connect is part of the time of a request that waits for it. A request that
        // falls due later has not waited.
        if has_request {
            client.waits_for_connect(self.net.now());
        }
        self.connect(index, now, accounts, pacer);
    }

    /// Begins to connect a slot that has no connection.
    pub(super) fn connect(
        &mut self,
        index: usize,
        now: Moment,
        accounts: &mut Accounts,
        pacer: &mut Pacer,
    ) {
        self.attribute(index, accounts);
        // An attempt that found no room goes on.
        let since = self.slots[index].no_room_since.take().unwrap_or_else(|| self.net.now());
        match self.begin_to_connect(index) {
            Ok(stream) => {
                self.slots[index].connection.connect(stream, since);
                self.timers.arm(index, since + self.plan.connecting.timeout);
            }
            // The backlog of a unix socket is full.
            Err(error)
                if error.kind() == ErrorKind::WouldBlock
                    && now.since(since) < self.plan.connecting.timeout =>
            {
                self.slots[index].no_room_since = Some(since);
                let wait = self.jitter(LONGEST_WAIT_FOR_ROOM);
                self.back_off(index, now + wait);
            }
            Err(error) => self.on_connect_failed(index, &error, now, accounts, pacer),
        }
    }

    fn begin_to_connect(&mut self, index: usize) -> io::Result<N::Stream> {
        let (source, destination) = self.plan.route(self.worker.connection(index));
        let mut stream = self.net.connect_from(source, destination)?;
        let generation = self.generations.take();
        self.slots[index].generation = generation;
        self.slots[index].ready = Readiness::default();
        self.net.register(&mut stream, Token::new(index, generation), Interest::ReadWrite)?;
        Ok(stream)
    }

    /// Looks whether connecting has ended. Tells whether the slot has an open connection now.
    pub(in crate::loadgen) fn finish_connecting(
        &mut self,
        index: usize,
        now: Moment,
        accounts: &mut Accounts,
        pacer: &mut Pacer,
    ) -> bool {
        let Some((stream, since)) = self.slots[index].connection.connecting() else { return false };
        match self.net.connected(stream) {
            Ok(()) => {
                self.on_connected(index, since, accounts, pacer);
                true
            }
            // connect(2) tells that an attempt still goes on by the socket having no peer yet.
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) =>
            {
                false
            }
            Err(error) => {
                self.abandon_connecting(index, &error, now, accounts, pacer);
                false
            }
        }
    }

    /// Drops the socket of an attempt to connect that has failed.
    fn abandon_connecting(
        &mut self,
        index: usize,
        error: &io::Error,
        now: Moment,
        accounts: &mut Accounts,
        pacer: &mut Pacer,
    ) {
        drop(self.slots[index].connection.close());
        self.on_connect_failed(index, error, now, accounts, pacer);
    }

    fn on_connected(
        &mut self,
        index: usize,
        since: Moment,
        accounts: &mut Accounts,
        pacer: &mut Pacer,
    ) {
        let now = self.net.now();
        let (life, most_requests) = match self.plan.lifetime {
            // Connections that were opened together should not all end together.
            Lifetime::Time(life) if !self.slots[index].was_established => {
                (self.jitter(life), u64::MAX)
            }
            Lifetime::Time(life) => (life, u64::MAX),
            Lifetime::Run => (Duration::MAX, u64::MAX),
            Lifetime::Requests(most) => (Duration::MAX, u64::from(most)),
        };
        self.timers.disarm(index);
        let greets = self.plan.greeting.is_some();
        let number = self.worker.connection(index);
        self.decide(index, true, accounts);
        self.prepare_probe(index);
        let slot = &mut self.slots[index];
        // The greeting of an idle connection is heard, too.
        if greets && matches!(slot.endpoint, LoadEndpoint::Idle) {
            slot.endpoint = LoadEndpoint::Probe(Box::new(ClientConnection::new(number, 1)));
        }
        slot.connection.connected(!matches!(slot.endpoint, LoadEndpoint::Idle));
        slot.failures = 0;
        let role = slot.connection.role();
        if !std::mem::replace(&mut slot.was_established, true) {
            if pacer.is_connecting() {
                self.ramp.decided();
            }
            accounts.established(role);
        }
        accounts.main.opened(now.since(since));
        self.active_open += usize::from(role == Role::Active);
        let expires = now + life;
        match &mut slot.endpoint {
            LoadEndpoint::Idle => {}
            LoadEndpoint::Active(client) => client.on_open(now, most_requests, expires, greets),
            // A probe is no request of the connection's lifetime.
            LoadEndpoint::Probe(client) => {
                client.on_open(now, u64::MAX, Moment::NEVER, greets);
                slot.awaits_probe = true;
                self.probes_awaited += 1;
            }
            LoadEndpoint::Slow(peer) => peer.client.on_open(now, most_requests, expires, greets),
        }
        if role == Role::Active && expires != Moment::NEVER {
            self.timers.arm(index, expires);
        }
        pacer.connected();
    }

    /// An attempt to connect has failed; the slot has no socket.
    fn on_connect_failed(
        &mut self,
        index: usize,
        error: &io::Error,
        now: Moment,
        accounts: &mut Accounts,
        pacer: &mut Pacer,
    ) {
        self.timers.disarm(index);
        accounts.connect_failed(error);
        self.decide(index, false, accounts);
        pacer.connect_failed();
        let slot = &mut self.slots[index];
        let is_own_limit = is_own_limit(error);
        if !is_own_limit {
            slot.failures = slot.failures.saturating_add(1);
        }
        if pacer.is_connecting() && !slot.was_established {
            self.ramp.decided();
            return self.give_up(index, pacer);
        }
        if is_own_limit && self.plan.reconnecting.reconnect && pacer.may_reconnect() {
            let wait = LONGEST_WAIT_FOR_PORT / 2 + self.jitter(LONGEST_WAIT_FOR_PORT / 2);
            return self.back_off(index, now + wait);
        }
        self.connect_later(index, now, pacer);
    }

    /// Acts on the deadline of a slot without an open connection. Tells whether the slot has to be
    /// visited.
    pub(in crate::loadgen) fn on_deadline(
        &mut self,
        index: usize,
        now: Moment,
        accounts: &mut Accounts,
        pacer: &mut Pacer,
    ) -> bool {
        if let Some((_, since)) = self.slots[index].connection.connecting() {
            let deadline = since + self.plan.connecting.timeout;
            if deadline > now {
                self.timers.arm(index, deadline);
                return false;
            }
            // The handshake may have ended in time, and its event be still to come.
            let is_open = self.finish_connecting(index, now, accounts, pacer);
            if self.state(index) == StateName::Connecting {
                self.abandon_connecting(index, &ErrorKind::TimedOut.into(), now, accounts, pacer);
            }
            return is_open;
        }
        let Some(until) = self.slots[index].connection.backs_off_until() else { return false };
        if until > now {
            self.timers.arm(index, until);
            return false;
        }
        self.slots[index].connection.wait_over();
        // Requests that were taken back wait for it.
        if self.slots[index].undecided.is_some() {
            self.connect(index, now, accounts, pacer);
            return false;
        }
        if self.slots[index].no_room_since.is_some() {
            self.connect(index, now, accounts, pacer);
            return false;
        }
        let connects_unasked = self.role(index) != Role::Active
            || !matches!(self.plan.lifetime, Lifetime::Requests(_));
        if connects_unasked && pacer.may_reconnect() {
            self.connect(index, now, accounts, pacer);
            return false;
        }
        true
    }

    /// Has a slot without a connection connect again, after a while.
    pub(super) fn connect_later(&mut self, index: usize, now: Moment, pacer: &mut Pacer) {
        if !self.plan.reconnecting.reconnect || !pacer.may_reconnect() {
            return self.give_up(index, pacer);
        }
        let doublings = self.slots[index].failures.min(MOST_DOUBLINGS);
        let wait = self.jitter(self.plan.reconnecting.backoff * (1 << doublings));
        self.back_off(index, now + wait);
    }

    pub(super) fn back_off(&mut self, index: usize, until: Moment) {
        self.slots[index].connection.back_off(until);
        self.timers.arm(index, until);
    }

    /// The slot stays empty; what was due on it will not be sent.
    fn give_up(&mut self, index: usize, pacer: &mut Pacer) {
        let slot = &mut self.slots[index];
        slot.connection.give_up();
        if let LoadEndpoint::Active(client) = &slot.endpoint {
            pacer.give_up(client.turn());
        }
    }

    /// A random part of `longest`.
    pub(super) fn jitter(&mut self, longest: Duration) -> Duration {
        self.draws += 1;
        let drawn = payload::mix(self.plan.seed ^ self.worker.index as u64, self.draws);
        longest.mul_f64(drawn as f64 / u64::MAX as f64)
    }
}
