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
    /// Sockets with a new event. A token whose socket has closed since is skipped.
    new_events: VecDeque<Token>,
    /// Sockets that have work left, or took much of a turn before.
    work_left: VecDeque<Token>,
    /// Of either queue, the sockets that are still to be visited in this turn.
    in_turn: InTurn,
    timers: Timers,
    /// When the next timer fires, if that was asked since a timer last changed: a turn that changes
    /// none need not search the wheel.
    next_deadline: Option<Option<Moment>>,
    /// Whether a socket has closed since there was last nothing to give back.
    may_shrink: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct InTurn {
    new_events: usize,
    work_left: usize,
}

impl<S, E: Endpoint> SocketTable<S, E> {
    /// A table without sockets.
    pub fn new(now: Moment) -> SocketTable<S, E> {
        SocketTable {
            sockets: Slots::new(),
            generations: Generations::default(),
            new_events: VecDeque::new(),
            work_left: VecDeque::new(),
            in_turn: InTurn::default(),
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
        let socket = self.sockets.get_mut(token.index())?;
        (socket.generation == token.generation()).then_some(socket)
    }

    /// Notes an event. Returns whether it was for a socket that is open.
    #[inline]
    pub fn on_event(&mut self, token: Token, event: Readiness, limits: &E::Limits) -> bool {
        let Some(socket) = self.get_mut(token) else { return false };
        socket.ready.merge(event);
        if socket.endpoint.wanted(limits).is_met(socket.ready) {
            let share = socket.share;
            self.enqueue(token, share);
        }
        true
    }

    /// Begins a turn: each socket that is queued by now is visited once at most.
    pub fn begin_turn(&mut self) {
        self.in_turn =
            InTurn { new_events: self.new_events.len(), work_left: self.work_left.len() };
    }

    /// Takes the next socket to be visited in this turn: one with a new event, if there is one and
    /// it is not the turn of the others: once half of the turn's work is done, as `is_half_spent`
    /// tells, the sockets with work left go first.
    #[inline]
    pub fn next_ready(&mut self, is_half_spent: bool) -> Option<Token> {
        loop {
            let InTurn { new_events, work_left } = &mut self.in_turn;
            let takes_new = *new_events > 0 && (!is_half_spent || *work_left == 0);
            let (queue, left) = match takes_new {
                true => (&mut self.new_events, new_events),
                false => (&mut self.work_left, work_left),
            };
            *left = left.checked_sub(1)?;
            let token = queue.pop_front()?;
            if let Some(socket) = self.get_mut(token) {
                socket.place = Place::Nowhere;
                return Some(token);
            }
        }
    }

    /// After a visit that took this `share` of the turn: queues the socket if it has work left, and
    /// makes sure that its deadline is watched. Nothing, if it has closed.
    pub fn reschedule(&mut self, token: Token, share: Share, limits: &E::Limits) {
        let Some(socket) = self.get_mut(token) else { return };
        socket.share = share;
        let is_met = socket.endpoint.wanted(limits).is_met(socket.ready);
        let deadline = socket.endpoint.deadline(limits);
        if is_met {
            // It had its part of this turn: new events go first, whatever the share.
            self.enqueue(token, Share::Heavy);
        }
        if !self.timers.is_due_by(token.index(), deadline) {
            self.timers.arm_no_later(token.index(), deadline);
            self.next_deadline = None;
        }
        debug_assert!(self.is_scheduled(token, limits), "{token:?} would hang");
    }

    /// Has a socket visited, whether or not it is known to have work, behind the new events.
    pub fn visit_soon(&mut self, token: Token) {
        if self.get(token).is_some() {
            self.enqueue(token, Share::Heavy);
        }
    }

    #[inline]
    fn enqueue(&mut self, token: Token, share: Share) {
        let Some(socket) = self.sockets.get_mut(token.index()) else { return };
        if socket.place == Place::Queued {
            return;
        }
        socket.place = Place::Queued;
        match share {
            Share::Light => self.new_events.push_back(token),
            Share::Heavy => self.work_left.push_back(token),
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
        !self.new_events.is_empty() || !self.work_left.is_empty()
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
