//! Tokens: what names a connection in an event.
//!
//! The table of sockets reuses the slot of a closed connection at once, but an event for the old
//! one may still be in the batch that epoll_wait(2) returned. So a token carries a *generation*
//! beside the number of the slot: a counter that repeats only after 4 billion connections. An event
//! whose generation is not the socket's is stale, and is never delivered to another connection.

#[cfg(test)]
mod tests;

const GENERATION_SHIFT: u32 = 32;
const SLOT_MASK: u64 = u32::MAX as u64;

/// Names a registered socket in events: the number of a slot, and a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

impl Token {
    /// The token of the connection of `generation` in the slot `index`, which is below 2³².
    pub fn new(index: usize, generation: u32) -> Token {
        Token(u64::from(generation) << GENERATION_SHIFT | index as u64)
    }

    /// The number of the slot.
    pub fn index(self) -> usize {
        (self.0 & SLOT_MASK) as usize
    }

    /// The generation.
    pub fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }
}

/// Numbers connections from 1, leaving out the largest number, whose tokens reactors use, and
/// [`Generations::NONE`].
#[derive(Debug, Default)]
pub struct Generations(u32);

impl Generations {
    /// The generation of sockets that are not in the table and never change: listeners.
    pub const NONE: u32 = 0;

    /// A number that was not given for as long as can be.
    pub fn take(&mut self) -> u32 {
        self.0 = if self.0 >= u32::MAX - 1 { Self::NONE + 1 } else { self.0 + 1 };
        self.0
    }

    /// How many numbers were given since this one.
    pub fn age(&self, generation: u32) -> u32 {
        self.0.wrapping_sub(generation)
    }
}
