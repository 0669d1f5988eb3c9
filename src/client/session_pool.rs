//! The session pool: any number of sessions at once, over any network.
//!
//! It is built like the server: events set readiness bits, and [`EventHandler::end_turn`] does all
//! work from one queue. It visits a session at most once a turn, for a bounded amount of work.
//!
//! Invariant: every conversation that was given to the pool comes back once, in [`Finished`], with
//! its result. Until then it waits to be connected, is connecting, or is in session.

#![cfg_attr(
    not(test),
    expect(
        clippy::indexing_slicing,
        reason = "places in its own slab, checked where a token comes in"
    )
)]

use super::session::{Conversation, Session, SessionError, SessionLimits, Step, Turn, Writer};
use crate::io::address::Address;
use crate::io::clock::Moment;
use crate::io::endpoint::{Endpoint, Wanted};
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::io::host::WallClock;
use crate::io::net::{self, Connect, ReadOutcome, Token};
use crate::io::readiness::{Interest, Readiness};
use crate::io::socket_table::{Share, Socket, SocketTable};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Bytes of the buffer that all sessions share, and of one read.
const VISIT_BYTES: usize = 64 * 1024;

/// Reads in one visit. Usually read 1 empties the socket, and read 2 returns 0, the FIN.
const READS_PER_VISIT: usize = 4;

/// Delay before another attempt to connect to a unix socket whose backlog is full.
const RETRY_AFTER: Duration = Duration::from_millis(5);

/// Bounds on a session pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Bounds on each session.
    pub session: SessionLimits,
    /// Connections being made at once, at least one. The kernel drops a SYN that finds the server's
    /// listen backlog full, and sends it again a second later.
    pub connecting: usize,
    /// Sessions open at once, at least one. Connections being made count.
    pub open: usize,
}

impl Default for PoolLimits {
    fn default() -> PoolLimits {
        PoolLimits { session: SessionLimits::default(), connecting: 256, open: usize::MAX }
    }
}

/// A conversation that has run, and how it ended.
#[derive(Debug)]
pub struct Finished<S> {
    /// The conversation, with what it found out.
    pub conversation: S,
    /// How its session ended.
    pub result: Result<(), SessionError>,
}

/// Sessions with one server.
pub struct SessionPool<N: Connect + WallClock, S> {
    net: N,
    limits: PoolLimits,
    /// The server's addresses, tried in this order.
    addresses: Vec<Address>,
    waiting: VecDeque<S>,
    /// Since when each attempt has found the backlog of a unix socket full, and when the next is
    /// made.
    backlog_full: Option<BacklogFull>,
    sessions: SocketTable<N::Stream, Pooled<S>>,
    connecting: usize,
    established: usize,
    /// Sessions whose conversation is suspended: it waits for the pool's owner.
    suspended: usize,
    finished: Vec<Finished<S>>,
    scratch: Box<[u8]>,
    out: Vec<u8>,
}

/// A unix socket has no room for a connection that its server has not accepted: connect(2) says
/// EAGAIN.
#[derive(Clone, Copy)]
struct BacklogFull {
    since: Moment,
    retry_at: Moment,
}

/// A session, and where it is connected.
struct Pooled<S> {
    session: Session<S>,
    /// Which of the server's addresses it is connected to.
    address: usize,
    /// Its own address; a unix socket has none.
    local: Option<SocketAddr>,
    /// Whether it is counted in [`SessionPool::suspended`].
    is_suspended: bool,
}

impl<S: Conversation> Endpoint for Pooled<S> {
    type Limits = SessionLimits;

    fn wanted(&self, _: &SessionLimits) -> Wanted {
        let session = &self.session;
        // connect(2) has ended when the socket becomes writable, or readable by an error.
        Wanted {
            read: true,
            write: session.is_connecting() || session.has_unsent(),
            resume: session.is_resumable(),
        }
    }

    fn deadline(&self, limits: &SessionLimits) -> Moment {
        self.session.deadline(limits)
    }
}

impl<N: Connect + WallClock, S: Conversation> SessionPool<N, S> {
    /// A pool that will run `conversations`, a session each, with the server at `addresses`.
    ///
    /// # Panics
    ///
    /// If there is no address, or the limits let no session be opened.
    pub fn new(
        net: N,
        addresses: impl IntoIterator<Item: Into<Address>>,
        limits: PoolLimits,
        conversations: impl IntoIterator<Item = S>,
        now: Moment,
    ) -> SessionPool<N, S> {
        let addresses: Vec<Address> = addresses.into_iter().map(Into::into).collect();
        assert!(!addresses.is_empty(), "a pool needs an address to connect to");
        assert!(limits.connecting > 0 && limits.open > 0, "the limits let no session be opened");
        SessionPool {
            net,
            limits,
            addresses,
            waiting: conversations.into_iter().collect(),
            backlog_full: None,
            sessions: SocketTable::new(now),
            connecting: 0,
            established: 0,
            suspended: 0,
            finished: Vec::new(),
            scratch: vec![0; VISIT_BYTES].into_boxed_slice(),
            out: Vec::new(),
        }
    }

    /// Sessions that were ever connected.
    pub fn established(&self) -> usize {
        self.established
    }

    /// The conversations that have ended, in the order in which they did.
    pub fn finished(&self) -> &[Finished<S>] {
        &self.finished
    }

    /// Ends the pool and hands over what has finished.
    pub fn into_finished(self) -> Vec<Finished<S>> {
        self.finished
    }

    /// Sessions that have a socket, and timers that are armed. The simulator checks that none is
    /// left at the end.
    #[doc(hidden)]
    pub fn inspect(&self) -> (usize, usize) {
        (self.sessions.len(), self.sessions.armed_timers())
    }

    /// Whether a session with work is not queued, which would be a bug.
    #[doc(hidden)]
    pub fn has_forgotten(&self) -> bool {
        let limits = &self.limits.session;
        self.sessions.iter().any(|(token, _)| !self.sessions.is_scheduled(token, limits))
    }

    /// Calls `prepare` with each suspended conversation, which is then resumed in the next turn.
    pub fn resume(&mut self, mut prepare: impl FnMut(&mut S)) {
        let tokens: Vec<Token> = self.sessions.iter().map(|(token, _)| token).collect();
        for token in tokens {
            let Some(socket) = self.sessions.get_mut(token) else { continue };
            if let Some(conversation) = socket.endpoint.session.make_resumable() {
                prepare(conversation);
                self.sessions.visit_soon(token);
            }
        }
    }

    /// Ends what has not ended: the sessions, and the conversations that wait for one.
    pub fn interrupt(&mut self) {
        let tokens: Vec<Token> = self.sessions.iter().map(|(token, _)| token).collect();
        let removed = tokens.into_iter().filter_map(|token| self.sessions.remove(token));
        let open = removed.map(|socket| socket.endpoint.session.into_conversation());
        let interrupted = open
            .chain(self.waiting.drain(..))
            .map(|conversation| Finished { conversation, result: Err(SessionError::Interrupted) });
        self.finished.extend(interrupted);
        (self.connecting, self.suspended) = (0, 0);
    }

    fn connect_waiting(&mut self, now: Moment) {
        while self.connecting < self.limits.connecting
            && self.sessions.len() < self.limits.open
            && self.backlog_full.is_none_or(|full| full.retry_at <= now)
        {
            let Some(conversation) = self.waiting.pop_front() else { return };
            self.connecting += 1;
            self.connect(conversation, 0, now);
        }
    }

    /// Begins to connect to the address of number `first`, or to the next one that can be tried.
    fn connect(&mut self, conversation: S, first: usize, now: Moment) {
        let mut error = io::Error::from(ErrorKind::AddrNotAvailable);
        for address in first..self.addresses.len() {
            match self.begin(address) {
                Ok((stream, token)) => {
                    self.backlog_full = None;
                    let session = Session::new(conversation, now);
                    let endpoint = Pooled { session, address, local: None, is_suspended: false };
                    self.sessions.insert(token, stream, endpoint, Readiness::default());
                    return self.sessions.reschedule(token, Share::Light, &self.limits.session);
                }
                Err(full) if full.kind() == ErrorKind::WouldBlock && self.may_retry(now) => {
                    self.connecting -= 1;
                    return self.waiting.push_front(conversation);
                }
                Err(refusal) => error = refusal,
            }
        }
        self.connecting -= 1;
        let last = self.addresses[self.addresses.len() - 1].clone();
        let result = Err(SessionError::Connect(last, error));
        self.finished.push(Finished { conversation, result });
    }

    /// The backlog is full. Tells whether that may change before the attempt takes too long.
    fn may_retry(&mut self, now: Moment) -> bool {
        let since = self.backlog_full.map_or(now, |full| full.since);
        self.backlog_full = Some(BacklogFull { since, retry_at: now + RETRY_AFTER });
        now.since(since) < self.limits.session.connect_timeout
    }

    fn begin(&mut self, address: usize) -> io::Result<(N::Stream, Token)> {
        let mut stream = self.net.connect(&self.addresses[address])?;
        let token = self.sessions.next_token();
        self.net.register(&mut stream, token, Interest::ReadWrite)?;
        Ok((stream, token))
    }

    fn visit(&mut self, token: Token, now: Moment) {
        let Some(socket) = self.sessions.get_mut(token) else { return };
        if socket.endpoint.session.is_connecting() {
            match self.net.connected(&mut socket.stream) {
                Ok(()) => self.open(token, now),
                Err(error) if is_not_yet(&error) => {
                    socket.ready.read = false;
                    socket.ready.write = false;
                    return;
                }
                Err(error) => {
                    let address = self.addresses[socket.endpoint.address].clone();
                    let error = SessionError::Connect(address, error);
                    return self.connect_failed(token, error, now);
                }
            }
        }
        self.converse(token, now);
    }

    fn open(&mut self, token: Token, now: Moment) {
        let Some(socket) = self.sessions.get_mut(token) else { return };
        self.connecting -= 1;
        self.established += 1;
        // An encrypted stream ends connecting by reading.
        socket.ready.write = true;
        let Pooled { session, local, .. } = &mut socket.endpoint;
        *local = self.net.local_addr(&socket.stream).ok();
        session.connected(&mut turn(&self.net, &self.limits, *local, &mut self.out, now));
    }

    fn connect_failed(&mut self, token: Token, error: SessionError, now: Moment) {
        let Some(socket) = self.sessions.remove(token) else { return };
        let Pooled { session, address, .. } = socket.endpoint;
        let conversation = session.into_conversation();
        if address + 1 < self.addresses.len() {
            self.connect(conversation, address + 1, now);
        } else {
            self.connecting -= 1;
            self.finished.push(Finished { conversation, result: Err(error) });
        }
    }

    fn converse(&mut self, token: Token, now: Moment) {
        if let Err(error) = self.exchange(token, now)
            && let Some(socket) = self.sessions.get_mut(token)
        {
            self.out.clear();
            socket.endpoint.session.fail(error);
        }
        self.after_visit(token, now);
    }

    fn exchange(&mut self, token: Token, now: Moment) -> io::Result<()> {
        let Some(socket) = self.sessions.get_mut(token) else { return Ok(()) };
        let Socket { stream, ready, endpoint: Pooled { session, local, .. }, .. } = socket;
        session.resume(&mut turn(&self.net, &self.limits, *local, &mut self.out, now));
        for _ in 0..READS_PER_VISIT {
            // We read before we send: after the peer's RST every send(2) fails, but an answer that
            // arrived before it can still be read.
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

    /// Acts on a deadline, after one more read: an answer may have arrived in time although its
    /// event has not, for instance when a signal interrupted epoll_wait(2).
    fn expire(&mut self, token: Token, now: Moment) {
        let Some(socket) = self.sessions.get_mut(token) else { return };
        socket.ready.read = true;
        self.visit(token, now);
        let Some(socket) = self.sessions.get_mut(token) else { return };
        let Pooled { session, address, local, .. } = &mut socket.endpoint;
        if session.is_connecting() {
            let limit = self.limits.session.connect_timeout;
            let error = SessionError::ConnectTimeout(self.addresses[*address].clone(), limit);
            return self.connect_failed(token, error, now);
        }
        session.expire(&mut turn(&self.net, &self.limits, *local, &mut self.out, now));
        self.converse(token, now);
    }

    /// After each visit: closes the session, or queues it if it has work and arms its timer.
    fn after_visit(&mut self, token: Token, now: Moment) {
        let Some(socket) = self.sessions.get_mut(token) else { return };
        let Pooled { session, is_suspended, .. } = &mut socket.endpoint;
        let mut step = session.next_step();
        if let Step::SendFin = step {
            match self.net.send_fin(&mut socket.stream) {
                Ok(()) => session.fin_sent(now),
                Err(error) => session.fail(error),
            }
            step = session.next_step();
        }
        self.suspended -= usize::from(std::mem::replace(is_suspended, session.is_suspended()));
        self.suspended += usize::from(*is_suspended);
        let Step::Close(result) = step else {
            return self.sessions.reschedule(token, Share::Light, &self.limits.session);
        };
        if let Some(socket) = self.sessions.remove(token) {
            self.net.close(socket.stream);
            let conversation = socket.endpoint.session.into_conversation();
            self.finished.push(Finished { conversation, result });
        }
    }
}

impl<N: Connect + WallClock, S: Conversation> EventHandler for SessionPool<N, S> {
    fn on_ready(&mut self, token: Token, readiness: Readiness) {
        self.sessions.on_event(token, readiness, &self.limits.session);
    }

    /// [`LoopControl::Stop`] when every open session is suspended, or all have finished.
    /// Conversations may still wait until a suspended session ends and makes room.
    fn end_turn(&mut self, now: Moment) -> LoopControl {
        self.sessions.begin_turn();
        while let Some(token) = self.sessions.next_ready(false) {
            self.visit(token, now);
        }
        let mut looks = usize::MAX;
        while let Some(token) = self.sessions.next_expired(now, &mut looks, &self.limits.session) {
            self.expire(token, now);
        }
        self.connect_waiting(now);
        if self.sessions.has_ready() {
            return LoopControl::Poll;
        }
        let retry_at = self.backlog_full.filter(|_| !self.waiting.is_empty());
        let retry_at = retry_at.map(|full| full.retry_at);
        if self.sessions.len() == self.suspended && retry_at.is_none() {
            return LoopControl::Stop;
        }
        let next = self.sessions.next_deadline().into_iter().chain(retry_at).min();
        next.map_or(LoopControl::Wait, LoopControl::WaitUntil)
    }
}

fn turn<'a, N: Connect + WallClock>(
    net: &'a N,
    limits: &'a PoolLimits,
    local: Option<SocketAddr>,
    out: &'a mut Vec<u8>,
    now: Moment,
) -> Turn<'a> {
    Turn { now, limits: &limits.session, writer: Writer::new(local, net, out) }
}

/// Whether a connection attempt still goes on: connect(2) tells by the socket having no peer yet.
fn is_not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}
