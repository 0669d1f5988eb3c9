//! The server, its network, its peers, and the clock.

use super::Operation;
use super::admission_reference::{AdmissionReference, Source};
use super::invariants;
use super::net::MemoryNet;
use super::peer::{KEY, MAX_FRAME, Peer, SERVICES};
use super::socket::{Fault, Reception, ServerEnd};
use readyd::handlers::Service;
use readyd::handlers::daytime::DateCache;
use readyd::io::clock::Moment;
use readyd::io::event_loop::{EventHandler, LoopControl};
use readyd::io::net::Token;
use readyd::io::readiness::Readiness;
use readyd::io::token::Generations;
use readyd::server::Server;
use readyd::server::limits::Limits;
use readyd::table::{ColumnOrder, Table};
use std::time::Duration;

/// Turns in which a server that does not spin has done all there is to do.
const MANY_TURNS: usize = 20_000;

/// More peers than the server ever lets in at once.
const MOST_PEERS: usize = 32;

pub(super) struct World {
    server: Server<MemoryNet>,
    net: MemoryNet,
    now: Moment,
    peers: Vec<Peer>,
    limits: Limits,
    version: u32,
    is_patient: bool,
}

impl World {
    pub(super) fn new(limits: Limits, admission: AdmissionReference, is_patient: bool) -> World {
        // At another level, the server would wake up at other times.
        log::set_max_level(log::LevelFilter::Info);
        assert_eq!(limits.max_frame, MAX_FRAME);
        limits.validate().expect("limits that can be kept");
        let now = Moment::START + Duration::from_secs(1000);
        let net = MemoryNet::new(admission, now);
        let dates = DateCache::utc();
        let mut server = Server::new(net.clone(), limits.clone(), table(0), dates, now);
        for service in SERVICES {
            server.listen(net.listener(), service).expect("nothing fails");
        }
        World { server, net, now, peers: Vec::new(), limits, version: 0, is_patient }
    }

    pub(super) fn operate(&mut self, operation: &Operation<'_>) {
        match *operation {
            Operation::Connect { listener, source } => self.connect(listener.into(), source),
            Operation::FailAccept(fault) => self.net.0.borrow_mut().accept_fault = fault,
            Operation::FailRegister(fault) => self.net.0.borrow_mut().register_fault = fault,
            Operation::Spurious { token, readiness } => {
                let count = self.net.0.borrow().tokens.len();
                if let Some(index) = usize::from(token).checked_rem(count) {
                    let token = self.net.0.borrow().tokens[index];
                    self.tell(token, readiness_of(readiness));
                }
            }
            Operation::Unknown { token, readiness } => {
                self.tell(Token(token as u64), readiness_of(readiness));
            }
            Operation::Reload => {
                self.version += 1;
                drop(self.server.replace_table(table(self.version)));
            }
            Operation::KeepTable => self.server.keep_table(),
            Operation::Turn => drop(self.turn()),
            Operation::Pass { millis } => self.pass(Duration::from_millis(millis.into())),
            Operation::Jump { seconds } => {
                self.now = self.now + Duration::from_secs(seconds.into())
            }
            Operation::Ask { peer, .. }
            | Operation::Write { peer, .. }
            | Operation::Deliver { peer, .. }
            | Operation::Fin { peer }
            | Operation::Reset { peer }
            | Operation::Widen { peer, .. }
            | Operation::Choke { peer, .. }
            | Operation::FailRecv { peer, .. }
            | Operation::FailSend { peer, .. } => {
                if let Some(index) = usize::from(peer).checked_rem(self.peers.len()) {
                    self.operate_peer(index, operation);
                }
            }
        }
    }

    fn connect(&mut self, listener: usize, source: Source) {
        if self.peers.len() < MOST_PEERS {
            let listener = listener % SERVICES.len();
            let number = self.net.connect(listener, source);
            let address = self.net.socket(number, |socket| socket.address);
            self.peers.push(Peer::new(number, address, listener, self.version));
        }
    }

    fn operate_peer(&mut self, index: usize, operation: &Operation<'_>) {
        let (net, peer) = (&self.net, &mut self.peers[index]);
        match *operation {
            Operation::Ask { count, request, .. } if !peer.is_done => {
                (0..count % 32).for_each(|_| peer.ask(request));
            }
            Operation::Write { bytes, .. } if !peer.is_done => peer.write(bytes),
            Operation::Deliver { count, .. } if !peer.is_done => {
                net.write(peer.number, &peer.deliver(count.into()));
            }
            Operation::Fin { .. } if !peer.is_done => {
                peer.is_done = true;
                net.fin(peer.number);
            }
            Operation::Reset { .. } => {
                peer.is_done = true;
                peer.is_broken = true;
                net.reset(peer.number);
            }
            Operation::Widen { count, .. } => net.widen(peer.number, count.into()),
            Operation::Choke { most, .. } => {
                net.socket(peer.number, |socket| socket.most_at_once = usize::from(most) + 20);
            }
            Operation::FailRecv { fault, .. } => {
                peer.is_broken |= !fault.is_harmless();
                net.socket(peer.number, |socket| socket.recv_fault = fault);
            }
            Operation::FailSend { fault, .. } => {
                peer.is_broken |= !fault.is_harmless();
                net.socket(peer.number, |socket| socket.send_fault = fault);
            }
            _ => {}
        }
    }

    /// An event that the network did not make. If it is for no connection, it is counted as stale.
    fn tell(&mut self, token: Token, readiness: Readiness) {
        let is_listener = token.generation() == Generations::NONE;
        let is_stale = !is_listener && !self.net.is_registered(token);
        let before = self.server.stats().stale_events;
        self.server.on_ready(token, readiness);
        let counted = self.server.stats().stale_events - before;
        assert_eq!(counted, u64::from(is_stale), "an event for {token:?}");
    }

    /// One turn of the loop.
    fn turn(&mut self) -> LoopControl {
        self.net.0.borrow_mut().now = self.now;
        for (token, readiness) in self.net.events() {
            self.server.on_ready(token, readiness);
        }
        let next = self.server.end_turn(self.now);
        let wires = self.net.0.borrow();
        invariants::check(&self.server, &wires, &self.limits);
        // A server that is to stop in time resets what it cannot finish.
        if !wires.is_stopping {
            invariants::check_resets(&self.server, &wires, &self.peers);
        }
        drop(wires);
        next
    }

    /// Turns the loop until it would wait for events or for time, or stop.
    fn run(&mut self) -> LoopControl {
        for _ in 0..MANY_TURNS {
            let next = self.turn();
            if next == LoopControl::Stop {
                return next;
            }
            if next != LoopControl::Poll && !self.net.has_events() {
                let wires = self.net.0.borrow();
                let neglected = wires.sockets.iter().position(|socket| socket.is_neglected());
                assert_eq!(neglected, None, "has sent what nobody reads");
                return next;
            }
        }
        panic!("the server spins");
    }

    /// Turns the loop, on and on through the waits, until `duration` has passed or it stops.
    fn run_for(&mut self, duration: Duration) -> LoopControl {
        let end = self.now + duration;
        for _ in 0..MANY_TURNS {
            match self.run() {
                LoopControl::WaitUntil(moment) if moment <= end => {
                    assert!(moment > self.now, "woken for nothing");
                    self.now = moment;
                }
                LoopControl::Stop => return LoopControl::Stop,
                // Nothing would wake it.
                next => {
                    self.now = end;
                    return next;
                }
            }
        }
        panic!("the server wakes up all the time");
    }

    fn pass(&mut self, duration: Duration) {
        assert_ne!(self.run_for(duration), LoopControl::Stop, "nobody told it to stop");
    }

    /// No call fails any more, and no peer is slow; but there is enough of a text without end.
    fn heal(&mut self) {
        {
            let wires = &mut *self.net.0.borrow_mut();
            wires.accept_fault = Fault::default();
            wires.register_fault = Fault::default();
        }
        for peer in &mut self.peers {
            self.net.socket(peer.number, |socket| {
                socket.recv_fault = Fault::default();
                socket.send_fault = Fault::default();
                socket.most_at_once = usize::MAX;
            });
            match peer.service {
                Service::CHARGEN => {
                    peer.is_broken = true;
                    self.net.reset(peer.number);
                }
                _ => self.net.widen(peer.number, usize::MAX),
            }
        }
    }

    /// Every peer takes all output, sends the rest and half-closes: all work finishes.
    pub(super) fn finish(&mut self) {
        self.heal();
        for peer in &mut self.peers {
            if !peer.is_done {
                self.net.write(peer.number, &peer.deliver(usize::MAX));
                self.net.fin(peer.number);
            }
        }
        // A pause of accepting lasts a second; a linger two.
        self.pass(Duration::from_secs(10));
        if !self.is_patient {
            self.pass(Duration::from_secs(100));
        }
        self.check_end(self.is_patient);
        self.check_that_nobody_waits();
    }

    /// Every connection ends by its deadlines.
    pub(super) fn leave_alone(&mut self) {
        self.pass(Duration::from_secs(2000));
        self.check_end(false);
        self.check_that_nobody_waits();
    }

    fn check_that_nobody_waits(&self) {
        let seen = self.server.stats().accepted + invariants::refused(&self.server);
        assert_eq!(seen, self.peers.len() as u64, "someone still waits");
    }

    /// The server is told to stop, `times` times: what has arrived by then is answered, unless it
    /// was told twice.
    pub(super) fn drain(&mut self, times: usize) {
        self.heal();
        {
            let wires = &mut *self.net.0.borrow_mut();
            wires.is_stopping = true;
            wires.now = self.now;
        }
        (0..times).for_each(|_| self.server.drain(self.now));
        assert!(self.server.is_draining());
        {
            let wires = self.net.0.borrow();
            let has_room = wires.open < self.limits.max_connections;
            let is_shut_out = |peer: &Peer| !wires.sockets[peer.number].was_accepted();
            let is_anyone = self.peers.iter().any(is_shut_out);
            assert!(!is_anyone || !has_room || wires.may_have_paused, "reset in the backlog");
        }
        let next = self.run_for(self.limits.drain_timeout + Duration::from_millis(1));
        assert_eq!(next, LoopControl::Stop, "it did not stop in time");
        self.check_end(self.is_patient && times == 1);
    }

    /// Nothing is left of any connection, and everyone got what was theirs; all of it, if
    /// `is_whole`.
    fn check_end(&mut self, is_whole: bool) {
        assert_eq!(self.server.stats().open(), 0, "connections are left");
        assert_eq!(self.net.0.borrow().open, 0, "sockets are left");
        if is_whole {
            invariants::check_resets(&self.server, &self.net.0.borrow(), &self.peers);
        }
        for peer in &self.peers {
            self.net.socket(peer.number, |socket| {
                let was_served = socket.reception == Reception::Registered;
                // A peer that was shed has the beginning. The reset tells it that this is not all.
                let is_finished = was_served && !socket.was_aborted && !peer.is_broken;
                let is_whole = is_whole && is_finished;
                assert!(was_served || socket.received.is_empty(), "sent to whom nobody served");
                peer.check(&socket.received, self.version, is_whole, self.is_patient);
                let has_ended = matches!(socket.server_end, ServerEnd::Closed | ServerEnd::Reset);
                assert!(has_ended, "{:?}", socket.server_end);
            });
        }
    }
}

fn readiness_of(bits: u8) -> Readiness {
    Readiness { read: bits & 1 != 0, write: bits & 2 != 0, read_until_would_block: bits & 4 != 0 }
}

fn table(version: u32) -> Table {
    let text = [KEY, format!(" v{version:08}\n").as_bytes()].concat();
    Table::parse(text, ColumnOrder::KeyValue).expect("a text without fault")
}
