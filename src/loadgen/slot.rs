//! A place for a connection: connections come and go in it, the place stays.
//!
//! Invariant: a slot that says nothing owns no more than its entry. Ten thousands of idle connections
//! are what the memory of a load generator is for.

use super::talk::Talk;
use crate::io::clock::Moment;
use crate::io::readiness::Readiness;
use std::collections::VecDeque;

/// What a slot's connections are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Makes requests.
    Active,
    /// Is held open.
    Idle,
    /// Makes requests, and reads a few bytes at a time.
    SlowReader,
    /// Makes requests, and writes a few bytes at a time.
    SlowWriter,
}

impl Role {
    pub(super) fn is_slow(self) -> bool {
        matches!(self, Role::SlowReader | Role::SlowWriter)
    }
}

/// A slot's connection.
#[derive(Debug)]
pub(super) enum Link<T> {
    /// None yet, or none until a request needs one.
    Down,
    /// None until then, because the last one was lost.
    BackingOff(Moment),
    /// It is being made, since then.
    Connecting(T, Moment),
    /// It is there.
    Up(T),
    /// None any more.
    Gone,
}

#[derive(Debug)]
pub(super) struct Slot<T> {
    pub(super) link: Link<T>,
    pub(super) generation: u32,
    pub(super) role: Role,
    pub(super) ready: Readiness,
    pub(super) is_queued: bool,
    pub(super) was_established: bool,
    /// Attempts to connect that failed since the last that did not.
    pub(super) failures: u8,
    pub(super) talk: Option<Box<Talk>>,
}

impl<T> Slot<T> {
    pub(super) fn new(role: Role, talk: Option<Box<Talk>>) -> Slot<T> {
        Slot {
            link: Link::Down,
            generation: 0,
            role,
            ready: Readiness::default(),
            is_queued: false,
            was_established: false,
            failures: 0,
            talk,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    /// Has the slot visited in this turn or the next.
    pub(super) fn enqueue(&mut self, index: usize, queue: &mut VecDeque<u32>) {
        if !self.is_queued {
            self.is_queued = true;
            queue.push_back(index as u32);
        }
    }
}
