//! A line of text, and numbers in it.
//!
//! It is passed on by value: where it ends stays in a register, and is not stored and loaded again
//! for each part.

#[cfg(test)]
mod tests;

/// Room for the longest line, and more.
pub(super) const LONGEST: usize = 512;

/// What is left of the room for a line. What has no room is left out.
#[derive(Debug)]
pub(super) struct Line<'a> {
    rest: &'a mut [u8],
}

impl<'a> Line<'a> {
    /// A line at the front of `room`.
    #[inline(always)]
    pub(super) fn new<const N: usize>(room: &'a mut [u8; N]) -> Line<'a> {
        Line { rest: room }
    }

    /// How many bytes are left of the room.
    #[inline(always)]
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    // Inlined, so that a text that is known costs a few moves and no call.
    #[inline(always)]
    pub(super) fn say(self, text: &str) -> Line<'a> {
        self.put(text.as_bytes(), text.len())
    }

    /// The first `count` of `bytes`. All of them are stored: a number that is known takes a
    /// few moves.
    #[inline(always)]
    pub(super) fn put(self, bytes: &[u8], count: usize) -> Line<'a> {
        if let Some(slot) = self.rest.get_mut(..bytes.len()) {
            slot.copy_from_slice(bytes);
            return Line { rest: self.rest.get_mut(count..).unwrap_or_default() };
        }
        self
    }

    /// A short text that is chosen at run time. Its first bytes and its last, which may overlap,
    /// take fewer instructions than a call does that copies any number of them.
    #[inline]
    pub(super) fn word(self, text: &str) -> Line<'a> {
        let bytes = text.as_bytes();
        let count = bytes.len();
        let Some(slot) = self.rest.get_mut(..count) else { return self };
        match count {
            16..=32 => ends::<16>(slot, bytes),
            8..16 => ends::<8>(slot, bytes),
            4..8 => ends::<4>(slot, bytes),
            _ => slot.copy_from_slice(bytes),
        }
        Line { rest: self.rest.get_mut(count..).unwrap_or_default() }
    }

    #[inline(always)]
    pub(super) fn byte(self, byte: u8) -> Line<'a> {
        self.put(&[byte], 1)
    }

    #[inline(always)]
    pub(super) fn number(self, number: u64) -> Line<'a> {
        match SHORT.get(number as usize) {
            Some(&[first, second, third, count]) => {
                self.put(&[first, second, third, 0], count.into())
            }
            None => self.long_number(number),
        }
    }

    #[inline(never)]
    fn long_number(self, number: u64) -> Line<'a> {
        match u32::try_from(number) {
            Ok(number @ ..EIGHT_DIGITS) => {
                let digits = eight_digits(number);
                // The number has more than three digits.
                let zeros = digits.trailing_zeros() & 0x38;
                let ascii = (digits | ZEROS) >> zeros;
                self.put(&ascii.to_le_bytes(), 8 - zeros as usize / 8)
            }
            _ => {
                let (high, low) = split(number);
                self.number(high).all_eight(low)
            }
        }
    }

    /// Eight digits, also if the first are zeros.
    #[inline]
    fn all_eight(self, number: u32) -> Line<'a> {
        self.put(&(eight_digits(number) | ZEROS).to_le_bytes(), 8)
    }

    /// A count and its noun, which takes an s.
    #[inline(always)]
    pub(super) fn counted(self, count: impl Into<u64>, noun: &str) -> Line<'a> {
        let count = count.into();
        let line = self.number(count).say(" ").say(noun);
        line.put(b"s", usize::from(count != 1))
    }

    /// Bytes of others, harmless for a terminal: what is not printable ASCII is escaped.
    pub(super) fn escaped(self, bytes: &[u8]) -> Line<'a> {
        bytes.escape_ascii().fold(self, Line::byte)
    }

    /// Seconds with nine decimals.
    #[inline]
    pub(super) fn seconds(self, nanos: u64) -> Line<'a> {
        const BILLION: u64 = 1_000_000_000;
        let (tenth, rest) = split(nanos % BILLION);
        self.number(nanos / BILLION).say(".").byte(b'0' + tenth as u8).all_eight(rest)
    }

    /// A duration with a unit that fits.
    pub(super) fn duration(self, nanos: u64) -> Line<'a> {
        let (unit, name) = match nanos {
            ..1_000 => return self.number(nanos).say(" ns"),
            1_000..1_000_000 => (1_000, " us"),
            1_000_000..1_000_000_000 => (1_000_000, " ms"),
            _ => (1_000_000_000, " s"),
        };
        self.number(nanos / unit).say(".").number(nanos % unit / (unit / 10)).say(name)
    }
}

/// Copies the first `N` bytes and the last ones.
#[inline(always)]
fn ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk()) {
        *to = *from;
    }
    if let (Some(to), Some(from)) = (to.last_chunk_mut::<N>(), from.last_chunk()) {
        *to = *from;
    }
}

/// Numbers below 1,000: the digits of each, the first one first, and how many these are.
static SHORT: [[u8; 4]; 1000] = short_numbers();

#[allow(clippy::indexing_slicing, reason = "the numbers are below the length of the array")]
const fn short_numbers() -> [[u8; 4]; 1000] {
    let mut numbers = [[0; 4]; 1000];
    let mut number = 0;
    while number < 1000 {
        let (hundreds, tens) = (b'0' + (number / 100) as u8, b'0' + (number / 10 % 10) as u8);
        let ones = b'0' + (number % 10) as u8;
        numbers[number] = match number {
            0..10 => [ones, 0, 0, 1],
            10..100 => [tens, ones, 0, 2],
            _ => [hundreds, tens, ones, 3],
        };
        number += 1;
    }
    numbers
}

/// The least number that has nine digits.
const EIGHT_DIGITS: u32 = 100_000_000;

/// Eight times the digit 0 in ASCII.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// A number without its last eight digits, and these.
#[inline(always)]
fn split(number: u64) -> (u64, u32) {
    let unit = u64::from(EIGHT_DIGITS);
    (number / unit, (number % unit) as u32)
}

/// The digits of a number below 100,000,000, one a byte, the first in the lowest byte.
///
/// All are made at once: the number is halved into lanes of four digits, these into lanes of two,
/// and these into lanes of one. A lane is divided by a multiplication and a shift.
#[inline]
fn eight_digits(number: u32) -> u64 {
    let (high, low) = (u64::from(number / 10_000), u64::from(number % 10_000));
    let fours = high | low << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let twos = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos - 10 * tens) << 8
}
