//! The bytes of a capture: its header, its blocks, numbers, and the sums that are checked.

use crate::io::clock::Moment;
use crate::trace::wire::{Cursor, Damage};
use std::fmt;

/// What a capture begins with.
pub const MAGIC: [u8; 8] = *b"rdycaptr";

/// The version of the format.
pub const VERSION: u32 = 1;

/// Bytes of the header: magic, version, four bytes of zeros, and the number of the build.
pub const HEADER_BYTES: usize = 24;

/// Before the payload of a block: its length, and its sum.
pub const BLOCK_HEADER_BYTES: usize = 8;

/// What tells one build of the program from another: a sum of its sources.
pub const BUILD: u64 = {
    let text = env!("READYD_SOURCES").as_bytes();
    let (mut number, mut at) = (0, 0);
    while at < text.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        let digit = text[at] as u64;
        number = number << 4 | if digit < 58 { digit - 48 } else { digit - 87 };
        at += 1;
    }
    number
};

/// The header's bytes.
pub fn header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let (version, build) = (u64::from(VERSION).to_le_bytes(), BUILD.to_le_bytes());
    let bytes = MAGIC.into_iter().chain(version).chain(build);
    header.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    header
}

/// What stands before the payload of a block.
pub fn block_header(payload: &[u8]) -> [u8; BLOCK_HEADER_BYTES] {
    let mut header = [0; BLOCK_HEADER_BYTES];
    let bytes = (payload.len() as u32).to_le_bytes().into_iter().chain(sum(payload).to_le_bytes());
    header.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    header
}

/// A sum of bytes: the higher half of [`wide_sum`] on its lower half.
pub fn sum(bytes: &[u8]) -> u32 {
    let sum = wide_sum(bytes);
    (sum ^ sum >> 32) as u32
}

/// A sum of bytes, eight at a time, the last of them filled with zeros; the first of eight is the
/// lowest. It finds damage and differences. It is no secret, so two texts with one sum can be made.
pub fn wide_sum(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |sum: u64, word: u64| {
        let product = u128::from(sum ^ word) * u128::from(FACTOR);
        product as u64 ^ (product >> 64) as u64
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let start = FACTOR ^ bytes.len() as u64;
    let sum = words.iter().fold(start, |sum, word| fold(sum, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
    fold(sum, u64::from_le_bytes(last))
}

/// What is wrong with the bytes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A record is cut off.
    CutOff,
    /// A number has more than 64 bits.
    LongNumber,
    /// There is no record of this kind.
    Kind(u8),
    /// A value that does not exist.
    Value(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::CutOff => f.write_str("a record is cut off"),
            Fault::LongNumber => f.write_str("a number has more than 64 bits"),
            Fault::Kind(kind) => write!(f, "there is no record of kind {kind}"),
            Fault::Value(what) => write!(f, "{what} has a value that does not exist"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Damage> for Fault {
    fn from(damage: Damage) -> Fault {
        match damage {
            Damage::CutOff => Fault::CutOff,
            Damage::Kind(kind) => Fault::Kind(kind),
            Damage::Value(what) => Fault::Value(what),
            Damage::LongNumber | Damage::NoMagic | Damage::Version(_) => Fault::LongNumber,
        }
    }
}

/// Where records are written, and the time of the last.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
    last: u64,
}

impl Writer {
    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Adds a number as LEB128.
    #[inline]
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// Adds the length of some bytes, and the bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds a moment as the difference from the one before, whose sign is the lowest bit.
    pub(super) fn moment(&mut self, moment: Moment) {
        let nanos = moment.as_nanos();
        let difference = nanos.wrapping_sub(self.last).cast_signed();
        self.number((difference << 1 ^ difference >> 63).cast_unsigned());
        self.last = nanos;
    }
}

/// Records that are being read, and the time of the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) last: u64,
}

impl<'a> Source<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.cursor.byte()?)
    }

    pub(super) fn number(&mut self) -> Result<u64, Fault> {
        Ok(self.cursor.number()?)
    }

    pub(super) fn narrow<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, Fault> {
        self.number()?.try_into().map_err(|_| Fault::Value(what))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.narrow("a length")?;
        Ok(self.cursor.take(length)?)
    }

    pub(super) fn moment(&mut self) -> Result<Moment, Fault> {
        let number = self.number()?;
        let difference = (number >> 1) ^ (number & 1).wrapping_neg();
        self.last = self.last.wrapping_add(difference);
        Ok(Moment::from_nanos(self.last))
    }
}
