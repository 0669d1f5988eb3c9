//! One place in the slab, and the tokens that find it.
//!
//! A slab reuses the place of a closed connection at once, but an event for the old one may still be
//! in the batch that epoll returned. So a token carries a *generation* beside the place: a number
//! that no other connection had for the last four thousand million. An event whose generation is not
//! the entry's is stale, and never delivered to a stranger.

use super::Accepted;
use crate::clock::Moment;
use crate::conn::Connection;
use crate::handlers::Service;
use crate::limits::Limits;
use crate::net::{Readiness, Token};
use slab::Slab;
use std::collections::VecDeque;
use std::net::SocketAddr;

#[cfg(test)]
mod tests;

const GENERATION_SHIFT: u32 = 32;
const PLACE_MASK: usize = u32::MAX as usize;
const _: () = assert!(usize::BITS == 64, "a token holds a generation and a place");

/// The generation that stands for listeners.
const LISTENER: u32 = 0;

/// What a token means.
pub(super) enum Target {
    Listener(usize),
    Connection,
}

/// Numbers connections, never [`LISTENER`] and never the largest, which reactors use.
#[derive(Debug, Default)]
pub(super) struct Generations(u32);

impl Generations {
    pub(super) fn next(&mut self) -> u32 {
        self.0 = if self.0 >= u32::MAX - 1 { LISTENER + 1 } else { self.0 + 1 };
        self.0
    }
}

pub(super) fn token(index: usize, generation: u32) -> Token {
    Token((generation as usize) << GENERATION_SHIFT | index)
}

pub(super) fn listener_token(number: usize) -> Token {
    token(number, LISTENER)
}

pub(super) fn target(token: Token) -> Target {
    if generation_of(token) == LISTENER {
        Target::Listener(token.0 & PLACE_MASK)
    } else {
        Target::Connection
    }
}

fn generation_of(token: Token) -> u32 {
    (token.0 >> GENERATION_SHIFT) as u32
}

/// The connection that `token` was given to, unless it has closed.
pub(super) fn find<S>(
    connections: &mut Slab<Entry<S>>,
    token: Token,
) -> Option<(usize, &mut Entry<S>)> {
    let index = token.0 & PLACE_MASK;
    let entry = connections.get_mut(index)?;
    (entry.generation == generation_of(token)).then_some((index, entry))
}

/// A connection with its socket: all that one costs while idle.
#[derive(Debug)]
pub(super) struct Entry<S> {
    pub(super) conn: Connection,
    pub(super) peer: SocketAddr,
    pub(super) stream: S,
    generation: u32,
    pub(super) service: Service,
    pub(super) ready: Readiness,
    pub(super) queued: bool,
}

impl<S> Entry<S> {
    pub(super) fn new(accepted: Accepted<S>, generation: u32, now: Moment) -> Entry<S> {
        Entry {
            conn: Connection::new(now),
            peer: accepted.peer,
            stream: accepted.stream,
            generation,
            service: accepted.service,
            ready: Readiness::CONNECTED,
            queued: false,
        }
    }

    /// Whether something is both possible and wanted.
    pub(super) fn has_work(&self, limits: &Limits) -> bool {
        (self.ready.read && self.conn.wants_read())
            || (self.ready.write && !self.conn.unsent().is_empty())
            || (self.ready.write && self.conn.wants_to_produce())
            || self.conn.can_resume(limits)
    }

    /// Puts the connection at the back of the queue, unless it is in it.
    pub(super) fn enqueue(&mut self, index: usize, queue: &mut VecDeque<Token>) {
        if !self.queued {
            self.queued = true;
            queue.push_back(token(index, self.generation));
        }
    }
}
