//! The fleet: any number of sessions at once, over any network.
//!
//! Shaped as the server is: events are noted, all work is done in [`EventHandler::end_turn`], from one
//! queue; a session is visited at most once a turn, for a bounded amount of work.
//!
//! Invariant: every script that was given to the fleet comes back once, in [`Finished`], with what
//! became of it; until then it waits to be connected, connects, or is in session.

#![cfg_attr(
    not(test),
    expect(
        clippy::indexing_slicing,
        reason = "places in its own slab, checked where a token comes in"
    )
)]

use super::session::{Script, Session, SessionError, SessionLimits, Step, Turn, Voice};
use crate::io::clock::Moment;
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::io::host::WallClock;
use crate::io::net::{self, Connect, ReadOutcome, Token};
use crate::io::readiness::{Interest, Readiness};
use crate::io::timer::Timers;
use crate::io::token::Generations;
use slab::Slab;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};

#[cfg(test)]
mod tests;

/// The size of the buffer that all sessions share, and what one visit reads at most.
const VISIT_BYTES: usize = 64 * 1024;

/// Reads in one visit: the first mostly takes all there is, the next finds the FIN behind it.
const READS_PER_VISIT: usize = 4;

/// Bounds on a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetLimits {
    /// Bounds on each session.
    pub session: SessionLimits,
    /// Connections being made at once, at least one. More than the server's listen backlog holds
    /// would only be dropped, and tried again by the kernel a second later.
    pub connecting: usize,
    /// Sessions open at once, at least one; those that are being connected included.
    pub open: usize,
}

impl Default for FleetLimits {
    fn default() -> FleetLimits {
        FleetLimits { session: SessionLimits::default(), connecting: 256, open: usize::MAX }
    }
}

/// A script that has run, and how it ended.
#[derive(Debug)]
pub struct Finished<S> {
    /// The script, with what it found out.
    pub script: S,
    /// How its session ended.
    pub result: Result<(), SessionError>,
}

/// Sessions with one server.
pub struct Fleet<N: Connect + WallClock, S> {
    net: N,
    limits: FleetLimits,
    /// The server's addresses, tried in this order.
    addresses: Vec<SocketAddr>,
    waiting: VecDeque<S>,
    sessions: Slab<Entry<N::Stream, S>>,
    connecting: usize,
    established: usize,
    /// Sessions whose script waits for the fleet's owner.
    resting: usize,
    generations: Generations,
    queue: VecDeque<Token>,
    timers: Timers,
    finished: Vec<Finished<S>>,
    scratch: Box<[u8]>,
    out: Vec<u8>,
}

struct Entry<T, S> {
    stream: T,
    generation: u32,
    ready: Readiness,
    queued: bool,
    /// Whether it is counted in [`Fleet::resting`].
    rests: bool,
    /// Which of the server's addresses it is connected to.
    address: usize,
    local: SocketAddr,
    session: Session<S>,
}

impl<N: Connect + WallClock, S: Script> Fleet<N, S> {
    /// A fleet that will run `scripts`, a session each, with the server at `addresses`.
    ///
    /// # Panics
    ///
    /// If there is no address, or the limits let no session be opened.
    pub fn new(
        net: N,
        addresses: Vec<SocketAddr>,
        limits: FleetLimits,
        scripts: impl IntoIterator<Item = S>,
        now: Moment,
    ) -> Fleet<N, S> {
        assert!(!addresses.is_empty(), "a fleet needs an address to connect to");
        assert!(limits.connecting > 0 && limits.open > 0, "the limits let no session be opened");
        Fleet {
            net,
            limits,
            addresses,
            waiting: scripts.into_iter().collect(),
            sessions: Slab::new(),
            connecting: 0,
            established: 0,
            resting: 0,
            generations: Generations::default(),
            queue: VecDeque::new(),
            timers: Timers::new(now),
            finished: Vec::new(),
            scratch: vec![0; VISIT_BYTES].into_boxed_slice(),
            out: Vec::new(),
        }
    }

    /// Sessions that were ever connected.
    pub fn established(&self) -> usize {
        self.established
    }

    /// The scripts that have ended, in the order in which they did.
    pub fn finished(&self) -> &[Finished<S>] {
        &self.finished
    }

    /// Ends the fleet and hands over what has finished.
    pub fn into_finished(self) -> Vec<Finished<S>> {
        self.finished
    }

    /// Sessions that have a socket, and timers that are armed: so that a simulator can check that
    /// nothing is left over.
    #[doc(hidden)]
    pub fn audit(&self) -> (usize, usize) {
        (self.sessions.len(), self.timers.len())
    }

    /// Whether a session with something to do was forgotten, which must never be.
    #[doc(hidden)]
    pub fn has_forgotten(&self) -> bool {
        let mut entries = self.sessions.iter().map(|(_, entry)| entry);
        entries.any(|entry| !entry.session.is_connecting() && entry.has_work() && !entry.queued)
    }

    /// Lets `prepare` see to each script that rests, which then speaks in the next turn.
    pub fn resume(&mut self, mut prepare: impl FnMut(&mut S)) {
        for (index, entry) in &mut self.sessions {
            if let Some(script) = entry.session.wake() {
                prepare(script);
                entry.enqueue(index, &mut self.queue);
            }
        }
    }

    fn connect_waiting(&mut self, now: Moment) {
        while self.connecting < self.limits.connecting && self.sessions.len() < self.limits.open {
            let Some(script) = self.waiting.pop_front() else { return };
            self.connecting += 1;
            self.connect(script, 0, now);
        }
    }

    /// Begins to connect to the address of number `first`, or to the next one that can be tried.
    fn connect(&mut self, script: S, first: usize, now: Moment) {
        let mut error = io::Error::from(ErrorKind::AddrNotAvailable);
        for address in first..self.addresses.len() {
            match self.begin(address) {
                Ok((stream, generation)) => {
                    let entry = Entry {
                        stream,
                        generation,
                        ready: Readiness::default(),
                        queued: false,
                        rests: false,
                        address,
                        local: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                        session: Session::new(script, now),
                    };
                    let deadline = entry.session.deadline(&self.limits.session);
                    let index = self.sessions.insert(entry);
                    self.timers.arm(index, deadline);
                    return;
                }
                Err(refusal) => error = refusal,
            }
        }
        self.connecting -= 1;
        let last = self.addresses[self.addresses.len() - 1];
        let result = Err(SessionError::Connect(last, error));
        self.finished.push(Finished { script, result });
    }

    fn begin(&mut self, address: usize) -> io::Result<(N::Stream, u32)> {
        let mut stream = self.net.connect(self.addresses[address])?;
        let generation = self.generations.take();
        let token = Token::new(self.sessions.vacant_key(), generation);
        self.net.register(&mut stream, token, Interest::ReadWrite)?;
        Ok((stream, generation))
    }

    fn visit(&mut self, index: usize, now: Moment) {
        let entry = &mut self.sessions[index];
        if entry.session.is_connecting() {
            match self.net.connected(&entry.stream) {
                Ok(()) => self.open(index, now),
                Err(error) if is_not_yet(&error) => return,
                Err(error) => {
                    let address = self.addresses[entry.address];
                    let error = SessionError::Connect(address, error);
                    return self.connect_failed(index, error, now);
                }
            }
        }
        self.converse(index, now);
    }

    fn open(&mut self, index: usize, now: Moment) {
        self.connecting -= 1;
        self.established += 1;
        let entry = &mut self.sessions[index];
        if let Ok(local) = self.net.local_addr(&entry.stream) {
            entry.local = local;
        }
        let turn = &mut turn(&self.net, &self.limits, entry.local, &mut self.out, now);
        entry.session.connected(turn);
    }

    fn connect_failed(&mut self, index: usize, error: SessionError, now: Moment) {
        self.timers.disarm(index);
        let entry = self.sessions.remove(index);
        let script = entry.session.into_script();
        if entry.address + 1 < self.addresses.len() {
            self.connect(script, entry.address + 1, now);
        } else {
            self.connecting -= 1;
            self.finished.push(Finished { script, result: Err(error) });
        }
    }

    fn converse(&mut self, index: usize, now: Moment) {
        if let Err(error) = self.exchange(index, now) {
            self.out.clear();
            self.sessions[index].session.fail(error);
        }
        self.settle(index, now);
    }

    fn exchange(&mut self, index: usize, now: Moment) -> io::Result<()> {
        let Entry { stream, ready, session, local, .. } = &mut self.sessions[index];
        session.resume(&mut turn(&self.net, &self.limits, *local, &mut self.out, now));
        for _ in 0..READS_PER_VISIT {
            // Reading comes first: once the peer has sent RST every send fails, but the answer that
            // came before it can still be read.
            if ready.read {
                let filled = net::fill(&mut self.net, stream, ready, &mut self.scratch)?;
                let mut turn = turn(&self.net, &self.limits, *local, &mut self.out, now);
                match filled {
                    ReadOutcome::Bytes(count) => session.receive(&self.scratch[..count], &mut turn),
                    ReadOutcome::Eof => session.receive_eof(&mut turn),
                    ReadOutcome::Nothing => {}
                }
            }
            net::flush_queue(&mut self.net, stream, ready, session.unsent(), &self.out, now)?;
            self.out.clear();
            if !ready.read {
                break;
            }
        }
        Ok(())
    }

    /// Acts on a deadline, after one more try: the event of what has happened in time may be still to
    /// come, as after a poll that a signal interrupted.
    fn expire(&mut self, index: usize, now: Moment) {
        let entry = &mut self.sessions[index];
        let deadline = entry.session.deadline(&self.limits.session);
        if deadline > now {
            return self.timers.arm(index, deadline);
        }
        let token = Token::new(index, entry.generation);
        entry.ready.read = true;
        self.visit(index, now);
        let Some(entry) = self.find(token) else { return };
        if entry.session.is_connecting() {
            let tried = entry.address;
            let limit = self.limits.session.connect_timeout;
            let error = SessionError::ConnectTimeout(self.addresses[tried], limit);
            return self.connect_failed(index, error, now);
        }
        let entry = &mut self.sessions[index];
        let turn = &mut turn(&self.net, &self.limits, entry.local, &mut self.out, now);
        entry.session.expire(turn);
        self.converse(index, now);
    }

    /// The session that `token` was given to, unless it has ended.
    fn find(&mut self, token: Token) -> Option<&mut Entry<N::Stream, S>> {
        let entry = self.sessions.get_mut(token.index())?;
        (entry.generation == token.generation()).then_some(entry)
    }

    fn settle(&mut self, index: usize, now: Moment) {
        let Entry { stream, session, rests, .. } = &mut self.sessions[index];
        let mut step = session.next_step();
        if let Step::SendFin = step {
            match self.net.send_fin(stream) {
                Ok(()) => session.fin_sent(now),
                Err(error) => session.fail(error),
            }
            step = session.next_step();
        }
        self.resting -= usize::from(std::mem::replace(rests, session.is_resting()));
        self.resting += usize::from(*rests);
        if let Step::Close(result) = step {
            self.timers.disarm(index);
            let script = self.sessions.remove(index).session.into_script();
            return self.finished.push(Finished { script, result });
        }
        self.timers.arm_no_later(index, session.deadline(&self.limits.session));
        let entry = &mut self.sessions[index];
        if entry.has_work() {
            entry.enqueue(index, &mut self.queue);
        }
    }
}

impl<N: Connect + WallClock, S: Script> EventHandler for Fleet<N, S> {
    fn on_ready(&mut self, token: Token, readiness: Readiness) {
        if let Some(entry) = self.sessions.get_mut(token.index())
            && entry.generation == token.generation()
        {
            entry.ready.merge(readiness);
            entry.enqueue(token.index(), &mut self.queue);
        }
    }

    /// [`LoopControl::Stop`] when every session that is open rests, or all have finished. Scripts may still
    /// wait for one that rests to make room.
    fn end_turn(&mut self, now: Moment) -> LoopControl {
        for _ in 0..self.queue.len() {
            let Some(token) = self.queue.pop_front() else { break };
            if let Some(entry) = self.find(token) {
                entry.queued = false;
                self.visit(token.index(), now);
            }
        }
        while let Some(index) = self.timers.pop_due(now) {
            self.expire(index, now);
        }
        self.connect_waiting(now);
        if !self.queue.is_empty() {
            return LoopControl::Poll;
        }
        if self.sessions.len() == self.resting {
            return LoopControl::Stop;
        }
        self.timers.next_wakeup().map_or(LoopControl::Wait, LoopControl::WaitUntil)
    }
}

impl<T, S: Script> Entry<T, S> {
    fn has_work(&self) -> bool {
        self.ready.read || (self.ready.write && self.session.has_unsent())
    }

    fn enqueue(&mut self, index: usize, queue: &mut VecDeque<Token>) {
        if !self.queued {
            self.queued = true;
            queue.push_back(Token::new(index, self.generation));
        }
    }
}

fn turn<'a, N: Connect + WallClock>(
    net: &'a N,
    limits: &'a FleetLimits,
    local: SocketAddr,
    out: &'a mut Vec<u8>,
    now: Moment,
) -> Turn<'a> {
    Turn { now, limits: &limits.session, voice: Voice::new(local, net, out) }
}

/// Whether a connection attempt still goes on: connect(2) tells by the socket having no peer yet.
fn is_not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}
