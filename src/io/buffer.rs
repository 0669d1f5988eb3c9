//! Bytes that must wait: an unfinished request, or output that the peer has not taken yet.
//!
//! Invariant: an empty [`ByteQueue`] owns no heap. Most connections of a busy server have nothing
//! waiting at any one moment, so a connection costs its slab entry and no more; memory follows the
//! bytes that really wait.
//!
//! Both directions need the same three facts: the bytes, how far the front has been consumed, and
//! since when the front has waited. The third is what the deadlines for an unfinished frame and for
//! a peer that does not read are counted from.

use crate::io::clock::Moment;

#[cfg(test)]
mod tests;

/// A first-in, first-out queue of bytes that is one pointer when empty.
#[derive(Debug, Default)]
pub struct ByteQueue(Option<Box<Waiting>>);

#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    consumed: usize,
    since: Moment,
}

impl ByteQueue {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The bytes that wait, in order of arrival.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Some(waiting) => waiting.bytes.get(waiting.consumed..).unwrap_or_default(),
            None => &[],
        }
    }

    /// Since when the front has waited: when the queue was last empty, last consumed from, or its
    /// wait restarted. `None` if nothing waits.
    pub fn waiting_since(&self) -> Option<Moment> {
        self.0.as_ref().map(|waiting| waiting.since)
    }

    /// Heap bytes held, spare capacity included.
    pub fn memory(&self) -> usize {
        match &self.0 {
            Some(waiting) => size_of::<Waiting>() + waiting.bytes.capacity(),
            None => 0,
        }
    }

    /// Adds `bytes` at the back.
    pub fn extend(&mut self, bytes: &[u8], now: Moment) {
        if bytes.is_empty() {
            return;
        }
        let waiting = self.0.get_or_insert_with(|| {
            Box::new(Waiting { bytes: Vec::new(), consumed: 0, since: now })
        });
        // Moving the rest to the front is paid for by the bytes consumed: each moves at most once.
        if waiting.consumed > waiting.bytes.len() / 2 {
            waiting.bytes.drain(..waiting.consumed);
            waiting.consumed = 0;
        }
        waiting.bytes.extend_from_slice(bytes);
    }

    /// Takes `count` bytes off the front; the rest has waited since `now`.
    ///
    /// # Panics
    ///
    /// If fewer than `count` bytes wait.
    pub fn consume(&mut self, count: usize, now: Moment) {
        assert!(count <= self.len(), "consumed {count} of {} bytes", self.len());
        if count == self.len() {
            self.0 = None;
        } else if let Some(waiting) = &mut self.0 {
            waiting.consumed += count;
            waiting.since = now;
        }
    }

    /// Forgets how long the front has waited: it waits since `since`.
    pub fn restart_wait(&mut self, since: Moment) {
        if let Some(waiting) = &mut self.0 {
            waiting.since = since;
        }
    }

    /// Drops what waits and frees its memory.
    pub fn clear(&mut self) {
        self.0 = None;
    }
}
