//! A trace in memory that keeps every block: for replays, tests and fuzzers.
//!
//! Invariant: a block that was begun stays, and only the last one is written to.

use super::encode::{OpenBlock, Ring};
use super::wire::{BLOCK_BYTES, HEADER_BYTES, LENGTH_OFFSET, PAYLOAD_BYTES};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// Blocks in memory. A clone has the same blocks.
#[derive(Clone, Debug)]
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

impl MemoryBlock {
    fn new(header: [u8; HEADER_BYTES]) -> MemoryBlock {
        let payload = (0..PAYLOAD_BYTES).map(|_| AtomicU8::new(0)).collect();
        MemoryBlock { header, length: AtomicU32::new(0), payload }
    }

    fn open(&self) -> OpenBlock<'_> {
        OpenBlock { payload: &self.payload, length: &self.length }
    }
}

impl Default for MemoryRing {
    fn default() -> MemoryRing {
        MemoryRing { blocks: Rc::default(), newest: Rc::new(MemoryBlock::new([0; HEADER_BYTES])) }
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
        self.newest = Rc::new(MemoryBlock::new(*header));
        self.blocks.borrow_mut().push(self.newest.clone());
    }

    fn block(&self) -> OpenBlock<'_> {
        self.newest.open()
    }
}

/// A ring of one block, for a recorder whose events are only told: nobody reads it.
#[derive(Debug)]
pub struct Nowhere(MemoryBlock);

impl Default for Nowhere {
    fn default() -> Nowhere {
        Nowhere(MemoryBlock::new([0; HEADER_BYTES]))
    }
}

impl Ring for Nowhere {
    fn begin(&mut self, _: &[u8; HEADER_BYTES]) {}

    fn block(&self) -> OpenBlock<'_> {
        self.0.open()
    }
}
