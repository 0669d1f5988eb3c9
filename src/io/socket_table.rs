//! The table of sockets: which are open, which are ready, whose turn is next, and whose time is up.
//!
//! The server owns one, and so does the client's session pool. An event only sets bits here
//! ([`SocketTable::on_event`]); the owner then takes the sockets that have work, one after the
//! other ([`SocketTable::next_ready`]), and hands each back when it is done with it
//! ([`SocketTable::reschedule`]).
//!
//! There are two queues, as in the packet scheduler fq_codel (RFC 8290). A socket with a new event
//! goes before the sockets that were visited and have work left; those keep half of each turn. So a
//! client that asks now and then does not wait for clients that always have more.
//!
//! In files of their own: `deadlines.rs`, and `upkeep.rs` with what concerns the table as a whole.
//!
//! Invariants, asserted here and nowhere else:
//!
//! - A socket that is ready for work its endpoint wants is in a queue. Edge-triggered epoll does
//!   not tell twice: a socket forgotten here would hang until its deadline.
//! - No timer is later than the deadline of its endpoint.
//! - An event whose generation is not the socket's is stale, and reaches no endpoint.

use super::clock::Moment;
use super::endpoint::Endpoint;
use super::readiness::Readiness;
use super::slots::Slots;
use super::timer::Timers;
use super::token::{Generations, Token};
use std::collections::VecDeque;

mod deadlines;
mod upkeep;

#[cfg(test)]
mod tests;

/// An open socket, and the state machine behind it: all that an idle connection costs.
#[derive(Debug)]
pub struct Socket<S, E> {
    /// The state machine.
    pub endpoint: E,
    /// The socket itself.
    pub stream: S,
    generation: u32,
    /// What the socket is known to be ready for.
    pub ready: Readiness,
    place: Place,
    share: Share,
    /// Whether the kernel was asked to tell when the socket can be written to.
    pub has_write_interest: bool,
}

/// Where a socket waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Nowhere,
    Queued,
}

/// How much of a turn a visit took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Little: the socket's next event goes before work that is left.
    Light,
    /// Much, as of a client that reads or sends without end. Its next event is like work that is
    /// left: a thousand such clients would otherwise stand before a client that asks now and then.
    Heavy,
}

/// Sockets by token.
pub struct SocketTable<S, E> {
    sockets: Slots<Socket<S, E>>,
    generations: Generations,
    queues: Queues,
    timers: Timers,
    /// When the next timer fires, if that was asked since a timer last changed: a turn that changes
    /// none need not search the wheel.
    next_deadline: Option<Option<Moment>>,
    /// Whether a socket has closed since there was last nothing to give back.
    may_shrink: bool,
}

/// The sockets that wait for a visit. A token whose socket has closed since is skipped.
#[derive(Debug, Default)]
struct Queues {
    /// Sockets with a new event.
    new_events: Queue,
    /// Sockets that have work left, or took much of a turn before.
    work_left: Queue,
}

#[derive(Debug, Default)]
struct Queue {
    tokens: VecDeque<Token>,
    /// At the front, those to be visited in this turn.
    in_turn: usize,
}

impl<S, E: Endpoint> SocketTable<S, E> {
    /// A table without sockets.
    pub fn new(now: Moment) -> SocketTable<S, E> {
        SocketTable {
            sockets: Slots::new(),
            generations: Generations::default(),
            queues: Queues::default(),
            timers: Timers::new(now),
            next_deadline: None,
            may_shrink: false,
        }
    }

    /// Sockets in the table.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Whether there is no socket.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// The token for the next [`SocketTable::insert`]: a socket is registered under it first.
    pub fn next_token(&mut self) -> Token {
        Token::new(self.sockets.vacant_entry().key(), self.generations.take())
    }

    /// Puts a socket in the table, under the last [`SocketTable::next_token`].
    ///
    /// # Panics
    ///
    /// In builds with debug assertions, if another socket has taken the slot since.
    pub fn insert(&mut self, token: Token, stream: S, endpoint: E, ready: Readiness) {
        let index = self.sockets.insert(Socket {
            endpoint,
            stream,
            generation: token.generation(),
            ready,
            place: Place::Nowhere,
            share: Share::Light,
            has_write_interest: false,
        });
        debug_assert_eq!(index, token.index(), "the slot of the token was taken");
    }

    /// The socket that `token` was given to, unless it has closed.
    #[inline]
    pub fn get(&self, token: Token) -> Option<&Socket<S, E>> {
        let socket = self.sockets.get(token.index())?;
        (socket.generation == token.generation()).then_some(socket)
    }

    /// The same, to be changed.
    #[inline]
    pub fn get_mut(&mut self, token: Token) -> Option<&mut Socket<S, E>> {
        open_socket(&mut self.sockets, token)
    }

    /// Notes an event. Returns whether it was for a socket that is open.
    #[inline]
    pub fn on_event(&mut self, token: Token, event: Readiness, limits: &E::Limits) -> bool {
        let Some(socket) = open_socket(&mut self.sockets, token) else { return false };
        socket.ready.merge(event);
        if socket.endpoint.wanted(limits).is_met(socket.ready) {
            let share = socket.share;
            self.queues.enqueue(socket, token, share);
        }
        true
    }

    /// Begins a turn: each socket that is queued by now is visited once at most.
    pub fn begin_turn(&mut self) {
        let Queues { new_events, work_left } = &mut self.queues;
        new_events.in_turn = new_events.tokens.len();
        work_left.in_turn = work_left.tokens.len();
    }

    /// Whether a socket may yet be visited in this turn.
    #[inline]
    pub fn has_ready_in_turn(&self) -> bool {
        self.queues.new_events.in_turn > 0 || self.queues.work_left.in_turn > 0
    }

    /// Takes the next socket to be visited in this turn: one with a new event, if there is one and
    /// it is not the turn of the others: once half of the turn's work is done, as `is_half_spent`
    /// tells, the sockets with work left go first.
    #[inline]
    pub fn next_ready(&mut self, is_half_spent: bool) -> Option<Token> {
        loop {
            let Queues { new_events, work_left } = &mut self.queues;
            let takes_new = new_events.in_turn > 0 && (!is_half_spent || work_left.in_turn == 0);
            let queue = if takes_new { new_events } else { work_left };
            queue.in_turn = queue.in_turn.checked_sub(1)?;
            let token = queue.tokens.pop_front()?;
            if let Some(socket) = self.get_mut(token) {
                socket.place = Place::Nowhere;
                return Some(token);
            }
        }
    }

    /// After a visit that took this `share` of the turn: queues the socket if it has work left, and
    /// makes sure that its deadline is watched. Nothing, if it has closed.
    pub fn reschedule(&mut self, token: Token, share: Share, limits: &E::Limits) {
        let Some(socket) = open_socket(&mut self.sockets, token) else { return };
        socket.share = share;
        if socket.endpoint.wanted(limits).is_met(socket.ready) {
            // It had its part of this turn: new events go first, whatever the share.
            self.queues.enqueue(socket, token, Share::Heavy);
        }
        let deadline = socket.endpoint.deadline(limits);
        if !self.timers.is_due_by(token.index(), deadline) {
            self.timers.arm_no_later(token.index(), deadline);
            self.next_deadline = None;
        }
        debug_assert!(self.is_scheduled(token, limits), "{token:?} would hang");
    }

    /// Queues the sockets that have work by other limits, and makes sure that all deadlines are
    /// watched. Walks through all sockets.
    pub fn reschedule_all(&mut self, limits: &E::Limits) {
        let all: Vec<_> = self.iter().map(|(token, socket)| (token, socket.share)).collect();
        all.into_iter().for_each(|(token, share)| self.reschedule(token, share, limits));
    }

    /// Has a socket visited, whether or not it is known to have work, behind the new events.
    pub fn visit_soon(&mut self, token: Token) {
        if let Some(socket) = open_socket(&mut self.sockets, token) {
            self.queues.enqueue(socket, token, Share::Heavy);
        }
    }

    /// Whether a socket is queued for a visit.
    pub fn is_queued(&self, token: Token) -> bool {
        self.get(token).is_some_and(|socket| socket.place == Place::Queued)
    }

    /// Whether the invariants hold for a socket between two turns: it is queued if it is ready for
    /// work, and its timer is not later than its deadline.
    pub fn is_scheduled(&self, token: Token, limits: &E::Limits) -> bool {
        let Some(socket) = self.get(token) else { return true };
        let has_work = socket.endpoint.wanted(limits).is_met(socket.ready);
        let deadline = socket.endpoint.deadline(limits);
        (!has_work || socket.place == Place::Queued)
            && self.timers.is_due_by(token.index(), deadline)
    }

    /// Whether a socket waits for its turn. A token of a socket that has closed counts, too.
    pub fn has_ready(&self) -> bool {
        !self.queues.new_events.tokens.is_empty() || !self.queues.work_left.tokens.is_empty()
    }

    /// Takes a socket out, which closes it unless the owner keeps the stream.
    pub fn remove(&mut self, token: Token) -> Option<Socket<S, E>> {
        self.get(token)?;
        self.timers.disarm(token.index());
        self.next_deadline = None;
        self.may_shrink = true;
        Some(self.sockets.remove(token.index()))
    }
}

impl Queues {
    /// Queues a socket for a visit, unless it is queued.
    #[inline]
    fn enqueue<S, E>(&mut self, socket: &mut Socket<S, E>, token: Token, share: Share) {
        if socket.place == Place::Queued {
            return;
        }
        socket.place = Place::Queued;
        match share {
            Share::Light => self.new_events.tokens.push_back(token),
            Share::Heavy => self.work_left.tokens.push_back(token),
        }
    }
}

/// The socket that `token` was given to, unless it has closed.
#[inline]
fn open_socket<S, E>(sockets: &mut Slots<Socket<S, E>>, token: Token) -> Option<&mut Socket<S, E>> {
    sockets.get_mut(token.index()).filter(|socket| socket.generation == token.generation())
}
