//! A trace in memory that keeps every block: for replays, tests and fuzzers.
//!
//! Invariant: a block that was begun stays, and only the last one is written to.

use super::block::Block;
use super::encode::Ring;
use std::cell::RefCell;
use std::rc::Rc;

/// Blocks in memory. A clone has the same blocks.
#[derive(Clone, Debug, Default)]
pub struct MemoryRing {
    blocks: Rc<RefCell<Vec<Rc<Block>>>>,
    newest: Rc<Block>,
}

impl MemoryRing {
    /// All blocks, one after the other, as they would lie in a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.blocks.borrow().iter().flat_map(|block| block.to_bytes()).collect()
    }
}

impl Ring for MemoryRing {
    fn advance(&mut self, _: u64) {
        self.newest = Rc::default();
        self.blocks.borrow_mut().push(self.newest.clone());
    }

    fn block(&self) -> &Block {
        &self.newest
    }
}

/// A ring of one block, for a recorder whose events are only told: nobody reads it.
#[derive(Debug, Default)]
pub struct Nowhere(Block);

impl Ring for Nowhere {
    fn advance(&mut self, _: u64) {}

    fn block(&self) -> &Block {
        &self.0
    }
}
