//! A trace in memory that keeps every block: for replays, tests and fuzzers.
//!
//! Invariant: a block that was begun stays, and only the last one is written to.

use super::encode::{OpenBlock, Ring};
use super::wire::{BLOCK_BYTES, HEADER_BYTES, LENGTH_OFFSET, PAYLOAD_BYTES};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// Blocks in memory. A clone has the same blocks.
#[derive(Clone, Debug, Default)]
pub struct MemoryRing {
    blocks: Rc<RefCell<Vec<Rc<MemoryBlock>>>>,
    newest: Rc<MemoryBlock>,
}

#[derive(Debug)]
struct MemoryBlock {
    header: [u8; HEADER_BYTES],
    length: AtomicU32,
    payload: Box<[AtomicU8]>,
}

impl Default for MemoryBlock {
    fn default() -> MemoryBlock {
        MemoryBlock {
            header: [0; HEADER_BYTES],
            length: AtomicU32::new(0),
            payload: Box::default(),
        }
    }
}

impl MemoryRing {
    /// All blocks, one after the other, as they would lie in a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let blocks = self.blocks.borrow();
        let mut bytes = Vec::with_capacity(blocks.len() * BLOCK_BYTES);
        for block in blocks.iter() {
            let (before, rest) = block.header.split_at(LENGTH_OFFSET);
            bytes.extend(before);
            bytes.extend(block.length.load(Ordering::Acquire).to_ne_bytes());
            bytes.extend(rest.iter().skip(size_of::<u32>()));
            bytes.extend(block.payload.iter().map(|byte| byte.load(Ordering::Relaxed)));
        }
        bytes
    }
}

impl Ring for MemoryRing {
    fn begin(&mut self, header: &[u8; HEADER_BYTES]) {
        let payload = (0..PAYLOAD_BYTES).map(|_| AtomicU8::new(0)).collect();
        let block = MemoryBlock { header: *header, length: AtomicU32::new(0), payload };
        self.newest = Rc::new(block);
        self.blocks.borrow_mut().push(self.newest.clone());
    }

    fn block(&self) -> OpenBlock<'_> {
        OpenBlock { payload: &self.newest.payload, length: &self.newest.length }
    }
}
