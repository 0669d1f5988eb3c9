//! The frame header: the body's length in ASCII decimal digits, padded with spaces to 64 bytes.
//!
//! ```text
//! "5" + 63 spaces          a body of 5 bytes follows
//! "0005" + 60 spaces       the same: leading zeros are accepted
//! "5 1", "+5", "5\t", ""   not a header
//! ```
//!
//! Invariant: encoding and decoding have no side effects and agree: `decode(encode(n)) == n` for
//! every `n`. The first wrong byte decides the error, so a header that arrives byte by byte fails
//! with the same error, at the same byte, as one that arrives at once.

use crate::counted::counted;
use std::fmt;

#[cfg(test)]
mod tests;

/// Bytes in a frame header.
pub const HEADER_LEN: usize = 64;

/// A header before the length is written into it: nothing but padding.
pub const BLANK_HEADER: [u8; HEADER_LEN] = [b' '; HEADER_LEN];

/// Why bytes are not a frame: always the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// `byte`, at `offset` in the header, is neither a digit nor (after one) padding.
    BadByte {
        /// Where in the header, `0..64`.
        offset: usize,
        /// What stands there.
        byte: u8,
    },
    /// The header is well formed and declares more than may be sent.
    OverLimit {
        /// The declared length in bytes; `None` if it does not fit 64 bits.
        declared: Option<u64>,
        /// The most that is accepted, in bytes.
        limit: usize,
    },
    /// A line, where requests are lines, is longer than may be sent.
    LineOverLimit {
        /// The most that is accepted, in bytes.
        limit: usize,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::BadByte { offset, byte } => write!(
                f,
                "header byte {offset} is 0x{byte:02x} ('{}'); a header is the body's length in \
                 decimal digits, then spaces up to 64 bytes",
                byte.escape_ascii()
            ),
            FrameError::OverLimit { declared: Some(declared), limit } => {
                write!(f, "a body of {declared} bytes is over the limit of {limit}")
            }
            FrameError::OverLimit { declared: None, limit } => {
                write!(f, "the declared length does not fit 64 bits; the limit is {limit}")
            }
            FrameError::LineOverLimit { limit } => {
                write!(f, "a line is over the limit of {}", counted(*limit, "byte"))
            }
        }
    }
}

impl std::error::Error for FrameError {}

/// The first number that has more than eight digits.
const NINE_DIGITS: usize = 100_000_000;

/// The header of a frame whose body is `body_len` bytes.
pub fn encode_header(body_len: usize) -> [u8; HEADER_LEN] {
    let mut header = BLANK_HEADER;
    write_length(&mut header, body_len);
    header
}

/// Makes of a [`BLANK_HEADER`] that of a frame whose body is `body_len` bytes. Whoever has reserved
/// the header where it is sent from writes the few digits alone, not 64 bytes once more.
#[inline]
pub fn write_length(blank: &mut [u8; HEADER_LEN], body_len: usize) {
    let mut rest = body_len;
    if body_len >= NINE_DIGITS {
        let digits = body_len.ilog10() as usize + 1;
        for place in blank.iter_mut().take(digits).rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        return;
    }
    // Up to eight digits are written at once. They come last digit first, and each pushes those before
    // it up by a byte and a space off the top; so the number's first digit ends in the lowest byte,
    // which in little-endian order is the first.
    let mut start = u64::from_le_bytes([b' '; 8]);
    loop {
        start = start << u8::BITS | u64::from(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if let Some(place) = blank.first_chunk_mut() {
        *place = start.to_le_bytes();
    }
}

/// Appends frames to a buffer. Those of one length that follow each other have their header made once.
#[derive(Debug)]
pub struct Frames<'a> {
    out: &'a mut Vec<u8>,
    body_len: usize,
    header: [u8; HEADER_LEN],
}

impl<'a> Frames<'a> {
    /// Frames appended to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Frames<'a> {
        Frames { out, body_len: 0, header: encode_header(0) }
    }

    /// Bytes in the buffer.
    pub fn buffered(&self) -> usize {
        self.out.len()
    }

    /// Appends a frame with this body.
    #[inline(always)] // or else each frame of a row would pass through memory
    pub fn append(&mut self, body: &[u8]) {
        if body.len() != self.body_len {
            (self.body_len, self.header) = (body.len(), encode_header(body.len()));
        }
        self.out.extend_from_slice(&self.header);
        self.out.extend_from_slice(body);
    }
}

/// The body length that `header` declares, in bytes.
///
/// # Errors
///
/// [`FrameError::BadByte`] for the first byte that breaks the format; [`FrameError::OverLimit`] if
/// the length is more than `limit`.
#[inline]
pub fn decode_header(header: &[u8; HEADER_LEN], limit: usize) -> Result<usize, FrameError> {
    let declared = match short_number(header) {
        Some(number) => Some(number),
        None => any_number(header)?,
    };
    declared
        .and_then(|length| usize::try_from(length).ok())
        .filter(|&length| length <= limit)
        .ok_or(FrameError::OverLimit { declared, limit })
}

/// The number, if it has one to eight digits and all the rest is padding, as nearly always; `None`
/// tells nothing. Eight bytes are looked at together, in one register: a loop over the digits ends in
/// a branch that the processor cannot foresee where lengths vary.
#[inline]
fn short_number(header: &[u8; HEADER_LEN]) -> Option<u64> {
    const fn in_each_byte(value: u8) -> u64 {
        u64::from_le_bytes([value; 8])
    }
    let (first, padding) = header.split_first_chunk()?;
    let not_spaces = padding.iter().fold(0, |found, byte| found | (byte ^ b' '));
    // Padding becomes zeros. The first byte is the lowest one.
    let unpadded = u64::from_le_bytes(*first) ^ in_each_byte(b' ');
    if not_spaces != 0 || unpadded == 0 {
        return None;
    }
    let blank_bits = unpadded.leading_zeros() / u8::BITS * u8::BITS;
    // Now the last digit is in the highest byte, whatever their number, and below them are zeros.
    let digits = unpadded << blank_bits;
    let expected = in_each_byte(b'0' ^ b' ') << blank_bits;
    let values = digits ^ expected;
    // Values are 0 to 9: so small that adding 6 does not reach the upper half of any byte.
    if (values | values.wrapping_add(in_each_byte(6))) & in_each_byte(0xf0) != 0 {
        return None;
    }
    // Neighbours are put together, a pair of digits, of pairs, of fours: lower * base + higher.
    let pairs = values.wrapping_mul((10 << 8) + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul((100 << 16) + 1) >> 16 & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul((10_000 << 32) + 1) >> 32)
}

/// The number of any well-formed header; `None` if it does not fit 64 bits.
#[cold]
fn any_number(header: &[u8; HEADER_LEN]) -> Result<Option<u64>, FrameError> {
    let (digits, declared) = leading_number(header);
    check_padding(header, digits)?;
    Ok(declared)
}

/// Checks the part of a header that has arrived.
///
/// A client that speaks another protocol is told so at its first wrong byte, not after 64.
///
/// # Errors
///
/// [`FrameError::BadByte`] for the first byte that no header could have there.
pub fn check_header_prefix(prefix: &[u8]) -> Result<(), FrameError> {
    let prefix = prefix.get(..HEADER_LEN).unwrap_or(prefix);
    let (digits, _) = leading_number(prefix);
    check_padding(prefix, digits)
}

/// How many digits `bytes` begin with, and the number they are; `None` if it does not fit 64 bits.
fn leading_number(bytes: &[u8]) -> (usize, Option<u64>) {
    let mut digits = 0;
    let mut number = 0_u64;
    let mut fits = true;
    for byte in bytes.iter().take_while(|byte| byte.is_ascii_digit()) {
        digits += 1;
        let (tenfold, too_long) = number.overflowing_mul(10);
        let (sum, too_large) = tenfold.overflowing_add(u64::from(byte - b'0'));
        (number, fits) = (sum, fits & !too_long & !too_large);
    }
    (digits, fits.then_some(number))
}

/// Checks what follows the digits, of which there must be one if there is anything.
fn check_padding(prefix: &[u8], digits: usize) -> Result<(), FrameError> {
    let padding = prefix.get(digits..).unwrap_or_default();
    let offset = match digits {
        0 => 0,
        _ => digits + padding.iter().take_while(|&&byte| byte == b' ').count(),
    };
    match prefix.get(offset) {
        Some(&byte) => Err(FrameError::BadByte { offset, byte }),
        None => Ok(()),
    }
}
