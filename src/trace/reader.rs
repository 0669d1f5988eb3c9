//! Events in the order in which they happened, from the file of a ring or a copy of one.
//!
//! Invariants: memory does not grow with the file, but for 16 bytes a block; and a file that is no
//! trace, or is damaged, ends in a [`ReadError`].

use super::decode::{Block, Entry};
use super::ring_file::{header_at, read_blocks};
use super::wire::{BLOCK_BYTES, Damage, Header};
use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io;

/// Blocks that are read at once.
const BLOCKS_AT_ONCE: usize = 64;

/// Blocks that are decoded at once.
const BLOCKS_IN_BATCH: usize = 8;

/// Why a trace cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The system's fault.
    System(io::Error),
    /// Of the file as a whole.
    NoTrace(Damage),
    /// Of one block, at this place in the file.
    Damaged {
        /// Bytes before it.
        offset: u64,
        /// What is wrong.
        damage: Damage,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::System(error) => write!(f, "{error}"),
            ReadError::NoTrace(Damage::NoMagic | Damage::CutOff) => {
                f.write_str("this is no trace of readyd (docs/trace-format.md)")
            }
            ReadError::NoTrace(damage) => write!(f, "{damage}"),
            ReadError::Damaged { offset, damage } => {
                write!(f, "the trace is damaged: {damage}, in the block at byte {offset}")
            }
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        ReadError::System(error)
    }
}

/// The blocks of a file, oldest first.
#[derive(Debug)]
pub struct Reader {
    file: File,
    /// Sequence numbers and places, in order of the first.
    blocks: VecDeque<(u64, u64)>,
    /// Blocks that are in `buffer`, and the place of its first.
    buffer: Vec<u8>,
    buffered: Option<(u64, usize)>,
    /// The sequence number of the last block that was read to its end so far, and how many events
    /// of it were read.
    last: (u64, usize),
}

impl Reader {
    /// Looks through the headers of a file.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if it cannot be read, or has no block that this program knows.
    pub fn open(file: File) -> Result<Reader, ReadError> {
        let mut reader = Reader {
            file,
            blocks: VecDeque::new(),
            buffer: vec![0; BLOCKS_AT_ONCE * BLOCK_BYTES],
            buffered: None,
            last: (0, 0),
        };
        reader.find_blocks()?;
        Ok(reader)
    }

    /// Looks for blocks that were written since. Those that were read whole are left out.
    ///
    /// # Errors
    ///
    /// As of [`Reader::open`].
    pub fn find_blocks(&mut self) -> Result<(), ReadError> {
        self.blocks.clear();
        self.buffered = None;
        let (mut place, mut damage) = (0, None);
        let places = self.file.metadata()?.len() / BLOCK_BYTES as u64;
        while place < places
            && let Some(header) = header_at(&self.file, place)?
        {
            match Header::parse(&header) {
                Err(Damage::NoMagic) if self.is_unused(place)? => {}
                Err(found) => damage = damage.or(Some(found)),
                Ok((header, _)) if header.sequence >= self.last.0.max(1) => {
                    self.blocks.push_back((header.sequence, place));
                }
                Ok(_) => {}
            }
            place += 1;
        }
        match damage {
            Some(damage) if self.blocks.is_empty() && self.last.0 == 0 => {
                return Err(ReadError::NoTrace(damage));
            }
            None if place == 0 => return Err(ReadError::NoTrace(Damage::CutOff)),
            _ => {}
        }
        self.blocks.make_contiguous().sort_unstable();
        Ok(())
    }

    /// Whether the block at a place was not used yet.
    fn is_unused(&mut self, place: u64) -> Result<bool, ReadError> {
        let (block, _) = self.buffer.split_at_mut(BLOCK_BYTES);
        read_blocks(&self.file, place, block)?;
        Ok(block == [0; BLOCK_BYTES])
    }

    /// Blocks that were found.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The header of the first block.
    ///
    /// # Errors
    ///
    /// As of [`Reader::for_each`].
    pub fn first_header(&mut self) -> Result<Option<Header>, ReadError> {
        let Some(&(_, place)) = self.blocks.front() else { return Ok(None) };
        let block = self.block(place)?;
        Ok(Header::parse(block).ok().map(|(header, _)| header))
    }

    /// Calls `tell` with every event that was not read before, and with `None` where events are
    /// missing. Stops when it returns false.
    ///
    /// # Errors
    ///
    /// [`ReadError`] at the first damage.
    pub fn for_each(
        &mut self,
        mut tell: impl FnMut(&Header, Option<Entry>) -> bool,
    ) -> Result<(), ReadError> {
        for (sequence, place) in std::mem::take(&mut self.blocks) {
            let (last, read) = self.last;
            let block = self.block(place)?;
            let damaged =
                |damage| ReadError::Damaged { offset: place * BLOCK_BYTES as u64, damage };
            let block = match Block::parse(block) {
                Ok(block) if block.header.sequence == sequence => block,
                // It was begun again in the meantime.
                _ => continue,
            };
            let header = block.header;
            if last != 0 && sequence > last + 1 && !tell(&header, None) {
                return Ok(());
            }
            let skipped = if sequence == last { read } else { 0 };
            let mut count = skipped;
            for entry in block.skip(skipped) {
                count += 1;
                if !tell(&header, Some(entry.map_err(damaged)?)) {
                    return Ok(());
                }
            }
            self.last = (sequence, count);
        }
        Ok(())
    }

    /// Takes the next blocks, to be decoded elsewhere: by another thread, say. `None` at the end.
    /// It is for a trace that is read once: [`Reader::find_blocks`] finds the last block again.
    ///
    /// # Errors
    ///
    /// [`ReadError`] of the system.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, ReadError> {
        let count = self.blocks.len().min(BLOCKS_IN_BATCH);
        let mut batch = Batch::default();
        let taken: Vec<(u64, u64)> = self.blocks.drain(..count).collect();
        for &(sequence, place) in &taken {
            let (last, _) = self.last;
            let block = self.block(place)?;
            if !Block::parse(block).is_ok_and(|block| block.header.sequence == sequence) {
                // It was begun again in the meantime.
                continue;
            }
            batch.bytes.extend_from_slice(block);
            let is_behind_gap = last != 0 && sequence > last + 1;
            batch.blocks.push((place * BLOCK_BYTES as u64, is_behind_gap));
            self.last = (sequence, 0);
        }
        Ok((!taken.is_empty()).then_some(batch))
    }

    /// The bytes of the block at a place.
    fn block(&mut self, place: u64) -> Result<&[u8], ReadError> {
        let is_there = self
            .buffered
            .is_some_and(|(first, count)| (first..first + count as u64).contains(&place));
        if !is_there {
            let count = read_blocks(&self.file, place, &mut self.buffer)?;
            self.buffered = Some((place, count));
        }
        let first = self.buffered.map_or(0, |(first, _)| first);
        let start = (place - first) as usize * BLOCK_BYTES;
        Ok(self.buffer.get(start..start + BLOCK_BYTES).unwrap_or_default())
    }
}

/// Blocks that are still to be decoded.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each is in the file, and whether events are missing before it.
    blocks: Vec<(u64, bool)>,
}

impl Batch {
    /// Calls `tell` with every event, and with `None` where events are missing.
    ///
    /// # Errors
    ///
    /// [`ReadError`] at the first damage.
    pub fn for_each(&self, mut tell: impl FnMut(Option<&Entry>)) -> Result<(), ReadError> {
        for (bytes, &(offset, is_behind_gap)) in
            self.bytes.chunks_exact(BLOCK_BYTES).zip(&self.blocks)
        {
            let damaged = |damage| ReadError::Damaged { offset, damage };
            if is_behind_gap {
                tell(None);
            }
            let mut block = Block::parse(bytes).map_err(damaged)?;
            let mut entry = Entry::default();
            while block.read(&mut entry).map_err(damaged)? {
                tell(Some(&entry));
            }
        }
        Ok(())
    }
}
