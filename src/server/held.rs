//! Small replies of visits that follow each other are sent together.
//!
//! send(2) to a peer on the same machine also does the receiving side's work, and if that peer sleeps in
//! epoll_wait, it wakes it up first, which costs the sender more than all else. A peer that drives many
//! connections is woken once by several replies that follow closely, and by each of those between
//! which the next request is read. Besides, the kernel's code for reading, and then that for sending,
//! stays in the processor's cache.
//!
//! A reply waits for seven more small ones at the most, or until one visit has done anything else: that ends
//! the group.
//!
//! Invariant: nothing is held between turns, and at most [`REPLIES`] of [`REPLY_BYTES`] within one. What is
//! held was made by a visit that had nothing else left to do, to a connection that holds no memory and so
//! will not be closed to make room. A reply is sent before its connection is visited again.

use super::{Server, entry};
use crate::io::net::{Net, Token};
use std::ops::Range;

/// More save no more.
const REPLIES: usize = 8;

/// Larger ones are not worth a copy.
const REPLY_BYTES: usize = 1024;

/// Replies, and whose they are.
#[derive(Debug)]
pub(super) struct HeldReplies {
    bytes: Vec<u8>,
    replies: Vec<(Token, Range<usize>)>,
}

impl Default for HeldReplies {
    fn default() -> HeldReplies {
        HeldReplies {
            bytes: Vec::with_capacity(REPLIES * REPLY_BYTES),
            replies: Vec::with_capacity(REPLIES),
        }
    }
}

impl HeldReplies {
    /// Whether `reply` is worth holding.
    pub(super) fn suits(reply: &[u8]) -> bool {
        (1..=REPLY_BYTES).contains(&reply.len())
    }

    pub(super) fn push(&mut self, owner: Token, reply: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(reply);
        self.replies.push((owner, start..self.bytes.len()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.replies.len() >= REPLIES
    }

    /// Whose the reply of this number is.
    pub(super) fn owner(&self, number: usize) -> Option<Token> {
        self.replies.get(number).map(|&(owner, _)| owner)
    }

    /// The reply of this number.
    pub(super) fn bytes(&self, number: usize) -> &[u8] {
        let range = self.replies.get(number).map(|(_, range)| range.clone());
        range.and_then(|range| self.bytes.get(range)).unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.replies.clear();
    }
}

impl<N: Net> Server<N> {
    /// Sends the replies that were held, and does what else comes after those visits.
    pub(super) fn send_held(&mut self) {
        let mut number = 0;
        while let Some(owner) = self.visitor.held.owner(number) {
            if let Some((index, entry)) = entry::find(&mut self.connections, owner) {
                self.visitor.send_held(entry, number);
                self.settle(index);
            }
            number += 1;
        }
        self.visitor.held.clear();
    }
}
