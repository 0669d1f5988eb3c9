//! A capture that is read, block by block.
//!
//! Invariant: no bytes make it panic, and it holds one block, which is allocated as its bytes come.

use super::record::Record;
use super::start::{Start, StartFault};
use super::wire::{self, Fault, Source};
use crate::trace::wire::Cursor;
use std::fmt;
use std::io::{self, ErrorKind, Read};

#[cfg(test)]
mod tests;

/// Why a capture cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The system's fault.
    System(io::Error),
    /// The first bytes are not those of a capture.
    NoCapture,
    /// It is of this version of the format.
    Version(u32),
    /// It has nothing but a header, or less.
    Empty,
    /// Its server cannot be made again.
    Start(StartFault),
    /// A record is not valid.
    Damaged {
        /// The turn in which it is, counted from 1.
        turn: u64,
        /// What is wrong.
        fault: Fault,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::System(error) => write!(f, "{error}"),
            ReadError::NoCapture => {
                f.write_str("this is no capture of readyd (docs/capture-format.md)")
            }
            ReadError::Version(version) => write!(
                f,
                "a capture of version {version} of the format, and this program reads version {} \
                 (use the readyc of the readyd that wrote it)",
                wire::VERSION
            ),
            ReadError::Empty => f.write_str("the capture is cut off before its server began"),
            ReadError::Start(fault) => write!(f, "the capture is damaged: {fault}"),
            ReadError::Damaged { turn, fault } => {
                write!(f, "the capture is damaged: {fault}, in turn {turn}")
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

/// Blocks of a capture.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    build: u64,
    block: Vec<u8>,
    /// How much of the block was taken.
    at: usize,
    /// The time of the last record that was taken.
    last: u64,
    turn: u64,
    is_cut_off: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header, and how the server began.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn open(mut source: R) -> Result<(Reader<R>, Start<'static>), ReadError> {
        let mut header = [0; wire::HEADER_BYTES];
        let filled = fill(&mut source, &mut header)?;
        let mut cursor = Cursor::new(header.get(..filled).unwrap_or_default());
        if cursor.array::<8>() != Ok(wire::MAGIC) {
            return Err(ReadError::NoCapture);
        }
        let empty = |_| ReadError::Empty;
        let version = u32::from_le_bytes(cursor.array().map_err(empty)?);
        if version != wire::VERSION {
            return Err(ReadError::Version(version));
        }
        let _: [u8; 4] = cursor.array().map_err(empty)?;
        let build = u64::from_le_bytes(cursor.array().map_err(empty)?);
        let mut reader =
            Reader { source, build, block: Vec::new(), at: 0, last: 0, turn: 1, is_cut_off: false };
        if !reader.next_block()? {
            return Err(ReadError::Empty);
        }
        let start = Source { cursor: Cursor::new(&reader.block), last: 0 };
        let start = Start::decode(start).map_err(ReadError::Start)?;
        reader.at = reader.block.len();
        Ok((reader, start))
    }

    /// The number of the build that wrote it.
    pub fn build(&self) -> u64 {
        self.build
    }

    /// The turn that is read, counted from 1.
    pub fn turn(&self) -> u64 {
        self.turn
    }

    /// Whether the last block is not whole, as after the server was killed or the disk was full.
    pub fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// The next record, which stays the next one until it is [taken](Reader::take). `None` at the
    /// end.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn peek(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        Ok(self.look()?.map(|(record, _)| record))
    }

    /// Takes the next record. `None` at the end.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn take(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        let (at, last) = match self.look()? {
            Some((_, place)) => place,
            None => return Ok(None),
        };
        let rest = self.block.get(self.at..).unwrap_or_default();
        let mut source = Source { cursor: Cursor::new(rest), last: self.last };
        (self.at, self.last) = (at, last);
        let turn = self.turn;
        let record =
            Record::decode(&mut source).map_err(|fault| ReadError::Damaged { turn, fault })?;
        if is_end_of_turn(&record) {
            self.turn += 1;
        }
        Ok(Some(record))
    }

    /// The records from the next one on that are in the same block.
    pub fn ahead(&self) -> impl Iterator<Item = Record<'_>> {
        let rest = self.block.get(self.at..).unwrap_or_default();
        let mut source = Source { cursor: Cursor::new(rest), last: self.last };
        std::iter::from_fn(move || {
            if source.cursor.is_empty() { None } else { Record::decode(&mut source).ok() }
        })
    }

    /// The next record, and where the one after it begins.
    #[expect(clippy::type_complexity, reason = "a record, and two numbers")]
    fn look(&mut self) -> Result<Option<(Record<'_>, (usize, u64))>, ReadError> {
        while self.at >= self.block.len() {
            if !self.next_block()? {
                return Ok(None);
            }
        }
        let rest = self.block.get(self.at..).unwrap_or_default();
        let mut source = Source { cursor: Cursor::new(rest), last: self.last };
        let turn = self.turn;
        let record =
            Record::decode(&mut source).map_err(|fault| ReadError::Damaged { turn, fault })?;
        let at = self.block.len() - source.cursor.len();
        Ok(Some((record, (at, source.last))))
    }

    /// Reads the next block. Returns whether there is a whole one.
    fn next_block(&mut self) -> io::Result<bool> {
        self.block.clear();
        self.at = 0;
        let mut header = [0; wire::BLOCK_HEADER_BYTES];
        let filled = fill(&mut self.source, &mut header)?;
        if filled == 0 || self.is_cut_off {
            return Ok(false);
        }
        let [a, b, c, d, e, f, g, h] = header;
        let length = u32::from_le_bytes([a, b, c, d]);
        let sum = u32::from_le_bytes([e, f, g, h]);
        // As it comes: what the length says may be more than the file has.
        (&mut self.source).take(length.into()).read_to_end(&mut self.block)?;
        let is_whole = filled == header.len()
            && self.block.len() == length as usize
            && wire::sum(&self.block) == sum;
        if !is_whole {
            self.is_cut_off = true;
            self.block.clear();
        }
        Ok(is_whole)
    }
}

/// Whether a turn ends with this record.
fn is_end_of_turn(record: &Record<'_>) -> bool {
    matches!(record, Record::Told(crate::io::net::Told::TurnEnded { .. }))
}

/// Reads until `into` is full or the source ends. Returns how many bytes came.
fn fill(source: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
