//! The content of a TZif file, RFC 9636, versions 1 to 4.
//!
//! Invariant: memory follows the bytes that are there, never a count that a header declares. Fields
//! that do not affect the offset (names, the summer time flag) are skipped.

use super::posix::PosixZone;
use super::{MAX_OFFSET, RulesError, TZIF_MAGIC, Transition};

#[cfg(test)]
mod tests;

/// Bytes of a header that are reserved.
const RESERVED: usize = 15;

/// Bytes of a type of local time: the offset in four, whether it is summer time, where its name
/// begins.
const TYPE_SIZE: usize = 6;

/// An index of a type of local time is one byte.
const MAX_TYPES: u32 = 256;

/// Transitions, the offset before the first, and the rule after the last.
pub(super) type Parsed = (Vec<Transition>, i32, Option<PosixZone>);

/// Reads a TZif file.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, RulesError> {
    if !bytes.starts_with(TZIF_MAGIC) {
        return Err(RulesError::NoTzif);
    }
    let mut rest = Rest(bytes);
    let first = Header::read(&mut rest)?;
    if first.version == 0 {
        let (transitions, before) = first.block::<4>(&mut rest)?;
        return Ok((transitions, before, None));
    }
    // The first block, with times of four bytes, is for older readers.
    rest.take(first.block_size(4))?;
    let second = Header::read(&mut rest)?;
    let (transitions, before) = second.block::<8>(&mut rest)?;
    Ok((transitions, before, footer(&rest)?))
}

/// The footer: a POSIX rule between two line feeds, or nothing.
fn footer(rest: &Rest<'_>) -> Result<Option<PosixZone>, RulesError> {
    let line = rest.0.strip_prefix(b"\n").ok_or(RulesError::CutOff)?;
    let end = line.iter().position(|&byte| byte == b'\n').ok_or(RulesError::CutOff)?;
    match line.get(..end) {
        None | Some([]) => Ok(None),
        Some(rule) => PosixZone::parse(rule).map(Some).ok_or(RulesError::Footer),
    }
}

/// The bytes that are not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8], RulesError> {
        let count = usize::try_from(count).map_err(|_| RulesError::CutOff)?;
        let (taken, rest) = self.0.split_at_checked(count).ok_or(RulesError::CutOff)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RulesError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(RulesError::CutOff)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn count(&mut self) -> Result<u32, RulesError> {
        self.array().map(u32::from_be_bytes)
    }
}

/// The header of a block: the number of items of each kind.
struct Header {
    version: u8,
    ut_indicators: u32,
    standard_indicators: u32,
    leap_seconds: u32,
    transitions: u32,
    types: u32,
    name_bytes: u32,
}

impl Header {
    fn read(rest: &mut Rest<'_>) -> Result<Header, RulesError> {
        if rest.take(TZIF_MAGIC.len() as u64)? != TZIF_MAGIC {
            return Err(RulesError::CutOff);
        }
        let [version] = rest.array()?;
        // A later version may only add what an older reader can pass over, RFC 9636.
        if version != 0 && version < b'2' {
            return Err(RulesError::Version(version));
        }
        rest.take(RESERVED as u64)?;
        Ok(Header {
            version,
            ut_indicators: rest.count()?,
            standard_indicators: rest.count()?,
            leap_seconds: rest.count()?,
            transitions: rest.count()?,
            types: rest.count()?,
            name_bytes: rest.count()?,
        })
    }

    /// The length of the block in bytes, if a time has `time_size` bytes.
    fn block_size(&self, time_size: u64) -> u64 {
        u64::from(self.transitions) * (time_size + 1)
            + u64::from(self.types) * TYPE_SIZE as u64
            + self.size_behind_types(time_size)
    }

    fn size_behind_types(&self, time_size: u64) -> u64 {
        u64::from(self.name_bytes)
            + u64::from(self.leap_seconds) * (time_size + 4)
            + u64::from(self.standard_indicators)
            + u64::from(self.ut_indicators)
    }

    /// Reads the block: the transitions, and the offset before them.
    fn block<const TIME_SIZE: usize>(
        &self,
        rest: &mut Rest<'_>,
    ) -> Result<(Vec<Transition>, i32), RulesError> {
        if self.leap_seconds > 0 {
            return Err(RulesError::LeapSeconds);
        }
        if !(1..=MAX_TYPES).contains(&self.types) {
            return Err(RulesError::Types(self.types));
        }
        let count = u64::from(self.transitions);
        let times = rest.take(count * TIME_SIZE as u64)?;
        let indices = rest.take(count)?;
        let types = rest.take(u64::from(self.types) * TYPE_SIZE as u64)?;
        rest.take(self.size_behind_types(TIME_SIZE as u64))?;

        let offsets = types.as_chunks::<TYPE_SIZE>().0.iter().map(offset_of);
        let offsets = offsets.collect::<Result<Vec<i32>, RulesError>>()?;
        let transitions =
            times.as_chunks::<TIME_SIZE>().0.iter().zip(indices).map(|(time, &index)| {
                let offset =
                    *offsets.get(usize::from(index)).ok_or(RulesError::TypeMissing(index))?;
                Ok(Transition { at: number(time), offset })
            });
        let transitions = transitions.collect::<Result<Vec<Transition>, RulesError>>()?;
        if !transitions.is_sorted_by(|one, next| one.at < next.at) {
            return Err(RulesError::Order);
        }
        // RFC 9636: the first type holds before the first transition.
        let before = offsets.first().copied().ok_or(RulesError::Types(0))?;
        Ok((transitions, before))
    }
}

/// The offset of a type of local time.
fn offset_of(bytes: &[u8; TYPE_SIZE]) -> Result<i32, RulesError> {
    let [a, b, c, d, _, _] = *bytes;
    let offset = i32::from_be_bytes([a, b, c, d]);
    if (-MAX_OFFSET..=MAX_OFFSET).contains(&offset) {
        Ok(offset)
    } else {
        Err(RulesError::Offset(offset))
    }
}

/// A big-endian number in two's complement.
fn number<const N: usize>(bytes: &[u8; N]) -> i64 {
    let is_negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let start = if is_negative { -1 } else { 0 };
    bytes.iter().fold(start, |number, &byte| (number << 8) | i64::from(byte))
}
