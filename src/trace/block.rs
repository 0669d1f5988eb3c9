//! A block as it lies in memory, and perhaps in a file that others have mapped.
//!
//! Invariants: all of it is atomic, because another process may read it while it is written. The
//! length is stored after all that it covers, with release ordering.

use super::wire::{BLOCK_BYTES, HEADER_BYTES, LENGTH_OFFSET, PAYLOAD_BYTES};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering, fence};

const BEHIND_LENGTH: usize = LENGTH_OFFSET + size_of::<u32>();

/// A block. Its parts lie as docs/trace-format.md says.
#[derive(Debug)]
#[repr(C)]
pub struct Block {
    before_length: [AtomicU8; LENGTH_OFFSET],
    length: AtomicU32,
    behind_length: [AtomicU8; HEADER_BYTES - BEHIND_LENGTH],
    pub(super) payload: [AtomicU8; PAYLOAD_BYTES],
}

const _: () = assert!(size_of::<Block>() == BLOCK_BYTES);

impl Default for Block {
    fn default() -> Block {
        Block::new()
    }
}

impl Block {
    /// A block of zeros, which no reader takes for one.
    pub const fn new() -> Block {
        Block {
            before_length: [const { AtomicU8::new(0) }; LENGTH_OFFSET],
            length: AtomicU32::new(0),
            behind_length: [const { AtomicU8::new(0) }; HEADER_BYTES - BEHIND_LENGTH],
            payload: [const { AtomicU8::new(0) }; PAYLOAD_BYTES],
        }
    }

    /// Begins it: it has no events, then it has this header.
    pub(super) fn begin(&self, header: &[u8; HEADER_BYTES]) {
        self.length.store(0, Ordering::Release);
        // The sequence number changes before any other byte of the block, for readers to see.
        fence(Ordering::SeqCst);
        let (before, rest) = header.split_at(LENGTH_OFFSET);
        put(&self.before_length, before);
        put(&self.behind_length, rest.get(size_of::<u32>()..).unwrap_or_default());
        fence(Ordering::SeqCst);
    }

    /// Has it have `length` bytes of whole events, which were written before.
    #[inline(always)]
    pub(super) fn commit(&self, length: usize) {
        self.length.store((length as u32).to_le(), Ordering::Release);
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> [u8; BLOCK_BYTES] {
        let mut bytes = [0; BLOCK_BYTES];
        let length = self.length.load(Ordering::Acquire).to_ne_bytes();
        let byte = |byte: &AtomicU8| byte.load(Ordering::Relaxed);
        let all = self.before_length.iter().map(byte).chain(length);
        let all = all.chain(self.behind_length.iter().chain(&self.payload).map(byte));
        bytes.iter_mut().zip(all).for_each(|(place, byte)| *place = byte);
        bytes
    }
}

fn put(places: &[AtomicU8], bytes: &[u8]) {
    for (place, byte) in places.iter().zip(bytes) {
        place.store(*byte, Ordering::Relaxed);
    }
}
