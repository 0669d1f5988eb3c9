//! The first bytes that calls moved, for a trace of a replay.
//!
//! ```text
//! replayed recv, send --received, sent--> Tap --take--> Recorder --Chunk by Chunk--> the trace
//! ```
//!
//! Invariant: a server at work has no [`Tap`], so no trace of one has a byte of its clients.

use std::cell::RefCell;
use std::rc::Rc;

/// Bytes that are kept of a recv(2), and of the sends of a visit.
pub const MOST_SHOWN: usize = 128;

/// The most bytes of a [`Chunk`]: an event with them is no larger than the others.
pub const CHUNK_BYTES: usize = 32;

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Received,
    /// To the client.
    Sent,
}

/// Some bytes that were moved, at most [`CHUNK_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    used: u8,
    bytes: [u8; CHUNK_BYTES],
}

impl Chunk {
    /// The first of `bytes`.
    pub fn of(bytes: &[u8]) -> Chunk {
        let mut chunk = Chunk { used: 0, bytes: [0; CHUNK_BYTES] };
        for (place, byte) in chunk.bytes.iter_mut().zip(bytes) {
            *place = *byte;
            chunk.used += 1;
        }
        chunk
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.used.into()).unwrap_or_default()
    }
}

/// Where a replay leaves the bytes of its calls. A clone is the same place.
#[derive(Clone, Debug, Default)]
pub struct Tap(Rc<RefCell<Moved>>);

#[derive(Debug, Default)]
struct Moved {
    received: Vec<u8>,
    sent: Vec<u8>,
}

impl Tap {
    /// recv(2) brought these bytes.
    pub fn received(&self, bytes: &[u8]) {
        keep_first(&mut self.0.borrow_mut().received, bytes);
    }

    /// send(2) took these bytes.
    pub fn sent(&self, bytes: &[u8]) {
        keep_first(&mut self.0.borrow_mut().sent, bytes);
    }

    /// The first bytes that went this way since they were last taken.
    pub(super) fn take(&self, direction: Direction) -> Vec<u8> {
        let moved = &mut *self.0.borrow_mut();
        std::mem::take(match direction {
            Direction::Received => &mut moved.received,
            Direction::Sent => &mut moved.sent,
        })
    }
}

fn keep_first(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = MOST_SHOWN.saturating_sub(kept.len());
    kept.extend(bytes.iter().take(room));
}
