//! One place in the slab.

use super::Accepted;
use super::budget::Buffered;
use crate::conn::Connection;
use crate::handlers::Service;
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::readiness::Readiness;
use crate::io::token::{Generations, Token};
use crate::server::limits::Limits;
use slab::Slab;
use std::collections::VecDeque;

/// What a token means.
pub(super) enum Target {
    Listener(usize),
    Connection,
}

pub(super) fn listener_token(number: usize) -> Token {
    Token::new(number, Generations::NONE)
}

pub(super) fn target(token: Token) -> Target {
    match token.generation() {
        Generations::NONE => Target::Listener(token.index()),
        _ => Target::Connection,
    }
}

/// The connection that `token` was given to, unless it has closed.
pub(super) fn find<S>(
    connections: &mut Slab<Entry<S>>,
    token: Token,
) -> Option<(usize, &mut Entry<S>)> {
    let entry = connections.get_mut(token.index())?;
    (entry.generation == token.generation()).then_some((token.index(), entry))
}

/// A connection with its socket: all that one costs while idle.
#[derive(Debug)]
pub(super) struct Entry<S> {
    pub(super) conn: Connection,
    pub(super) peer: Peer,
    pub(super) stream: S,
    pub(super) generation: u32,
    /// What the connection held after its last visit.
    pub(super) buffered: Buffered,
    pub(super) service: Service,
    pub(super) ready: Readiness,
    pub(super) queued: bool,
    /// Whether the kernel was asked to tell when the stream can be written to.
    pub(super) write_interest: bool,
}

// A stream is a descriptor. A million idle connections take this a million times.
const _: () = assert!(size_of::<Entry<i32>>() == 88, "the size of a connection's place");

/// recv(2) of a unix socket stops short at what came with a descriptor (SCM_RIGHTS, unix(7)) though more has
/// come behind it, and no further edge tells.
fn ready_when_accepted(peer: Peer) -> Readiness {
    Readiness { read_until_would_block: matches!(peer, Peer::Unix(_)), ..Readiness::CONNECTED }
}

impl<S> Entry<S> {
    pub(super) fn new(accepted: Accepted<S>, generation: u32, now: Moment) -> Entry<S> {
        Entry {
            conn: Connection::new(now),
            peer: accepted.peer,
            stream: accepted.stream,
            generation,
            buffered: Buffered::default(),
            service: accepted.service,
            ready: ready_when_accepted(accepted.peer),
            queued: false,
            write_interest: false,
        }
    }

    /// Whether something is both possible and wanted.
    pub(super) fn has_work(&self, limits: &Limits) -> bool {
        (self.ready.read && self.conn.wants_read())
            || (self.ready.write && self.conn.has_unsent())
            || (self.ready.write && self.conn.wants_to_produce())
            || self.conn.can_resume(limits)
    }

    /// Puts the connection at the back of the queue, unless it is in it.
    pub(super) fn enqueue(&mut self, index: usize, queue: &mut VecDeque<Token>) {
        if !self.queued {
            self.queued = true;
            queue.push_back(Token::new(index, self.generation));
        }
    }
}
