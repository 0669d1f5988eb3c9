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

/// A header without its digits: nothing but padding.
pub const BLANK_HEADER: [u8; HEADER_LEN] = [b' '; HEADER_LEN];

/// Why bytes are not a frame. It is always the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// `byte`, at `offset` in the header, is neither a digit nor padding behind a digit.
    BadByte {
        /// Where in the header, `0..64`.
        offset: usize,
        /// The wrong byte.
        byte: u8,
    },
    /// The header is well formed and declares a longer body than the listener accepts.
    OverLimit {
        /// The declared length in bytes; `None` if it does not fit 64 bits.
        declared: Option<u64>,
        /// The longest that is accepted, in bytes.
        limit: usize,
    },
    /// A line is longer than the listener accepts.
    LineOverLimit {
        /// The longest that is accepted, in bytes.
        limit: usize,
    },
    /// The head of an HTTP request is longer than one may be.
    HeadOverLimit {
        /// The longest that is accepted, in bytes.
        limit: usize,
    },
    /// No HTTP request begins with this byte.
    NotHttp {
        /// The first byte.
        byte: u8,
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
            FrameError::HeadOverLimit { limit } => {
                write!(f, "the head of a request is over the limit of {}", counted(*limit, "byte"))
            }
            FrameError::NotHttp { byte } => {
                write!(f, "no HTTP request begins with 0x{byte:02x} ('{}')", byte.escape_ascii())
            }
        }
    }
}

impl std::error::Error for FrameError {}

/// The body length that `header` declares, in bytes.
///
/// # Errors
///
/// [`FrameError::BadByte`] for the first byte that breaks the format; [`FrameError::OverLimit`] if
/// the length is more than `limit`.
#[inline]
pub fn decode_header(header: &[u8; HEADER_LEN], limit: usize) -> Result<usize, FrameError> {
    // Nearly all headers take the fast way. It gives up on the others, and on all that are wrong.
    match parse_short_length(header) {
        Some(length) if length <= limit as u64 => Ok(length as usize),
        _ => decode_plainly(header, limit),
    }
}

#[cold]
#[inline(never)]
fn decode_plainly(header: &[u8; HEADER_LEN], limit: usize) -> Result<usize, FrameError> {
    let declared = parse_length(header)?;
    declared
        .and_then(|length| usize::try_from(length).ok())
        .filter(|&length| length <= limit)
        .ok_or(FrameError::OverLimit { declared, limit })
}

/// The length, if it has one to eight digits and all the rest is padding, as in nearly every
/// header. `None` means only that [`parse_length`] has to look.
///
/// Eight bytes are decoded at a time, in one register (SWAR: SIMD within a register). A loop over
/// the digits ends in a branch that the processor predicts wrongly where lengths vary. Here is no
/// such branch.
#[inline]
fn parse_short_length(header: &[u8; HEADER_LEN]) -> Option<u64> {
    let (first, padding) = header.split_first_chunk()?;
    let not_spaces = padding.iter().fold(0, |found, byte| found | (byte ^ b' '));
    // Spaces become zeros. The first byte is the lowest one.
    let unpadded = u64::from_le_bytes(*first) ^ in_each_byte(b' ');
    if not_spaces != 0 || unpadded == 0 {
        return None;
    }
    let blank_bits = unpadded.leading_zeros() / u8::BITS * u8::BITS;
    // Now the last digit is in the highest byte, however many digits there are, and the bytes below
    // the first digit are zeros.
    let digits = unpadded << blank_bits;
    let expected = in_each_byte(b'0' ^ b' ') << blank_bits;
    let values = digits ^ expected;
    // Each byte must be 0 to 9. Adding 6 carries only larger ones into the upper half of their
    // byte.
    if (values | values.wrapping_add(in_each_byte(6))) & in_each_byte(0xf0) != 0 {
        return None;
    }
    // Neighbours are joined three times, as pairs of digits, of pairs and of fours: lower * base +
    // higher.
    let pairs = values.wrapping_mul((10 << 8) + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul((100 << 16) + 1) >> 16 & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul((10_000 << 32) + 1) >> 32)
}

const fn in_each_byte(value: u8) -> u64 {
    u64::from_le_bytes([value; 8])
}

/// The length in any well-formed header; `None` if it does not fit 64 bits.
fn parse_length(header: &[u8; HEADER_LEN]) -> Result<Option<u64>, FrameError> {
    let (digits, length) = leading_number(header);
    check_padding(header, digits)?;
    Ok(length)
}

/// Checks the part of a header that has arrived.
///
/// A client that speaks another protocol gets the error at its first wrong byte, not after 64.
///
/// # Errors
///
/// [`FrameError::BadByte`] for the first byte that no header could have there.
pub fn check_header_prefix(prefix: &[u8]) -> Result<(), FrameError> {
    let prefix = prefix.get(..HEADER_LEN).unwrap_or(prefix);
    let (digits, _) = leading_number(prefix);
    check_padding(prefix, digits)
}

/// How many digits `bytes` begin with, and their value; `None` if it does not fit 64 bits.
fn leading_number(bytes: &[u8]) -> (usize, Option<u64>) {
    let mut digits = 0;
    let mut number = Some(0_u64);
    for byte in bytes.iter().take_while(|byte| byte.is_ascii_digit()) {
        digits += 1;
        number = number
            .and_then(|number| number.checked_mul(10))
            .and_then(|tenfold| tenfold.checked_add(u64::from(byte - b'0')));
    }
    (digits, number)
}

/// Checks the bytes behind the digits. If there is any byte, the first must be a digit.
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

/// The header of a frame whose body is `body_len` bytes.
#[inline]
pub fn encode_header(body_len: usize) -> [u8; HEADER_LEN] {
    let mut header = BLANK_HEADER;
    encode_length_into(&mut header, body_len);
    header
}

/// Appends a frame to `out`. Its body is all `parts`, one after the other.
pub fn append(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let body_len = parts.iter().map(|part| part.len()).sum();
    out.extend_from_slice(&encode_header(body_len));
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// The least number that has more than eight digits.
const NINE_DIGITS: usize = 100_000_000;

/// Writes the digits of `body_len` over the first spaces of a [`BLANK_HEADER`].
///
/// The reply writer appends the blank header first and the body behind it. Then it knows the body's
/// length, and writes the few digits instead of all 64 bytes once more.
#[inline]
pub fn encode_length_into(blank: &mut [u8; HEADER_LEN], body_len: usize) {
    EncodedLength::default().encode_into(blank, body_len);
}

/// The digits of the length that was encoded last: frames of one length often follow each other.
#[derive(Clone, Copy, Debug)]
pub struct EncodedLength {
    body_len: usize,
    digits: [u8; 8],
}

impl Default for EncodedLength {
    fn default() -> EncodedLength {
        EncodedLength { body_len: 0, digits: *b"0       " }
    }
}

impl EncodedLength {
    /// As [`encode_length_into`], but a length that equals the last one is only copied.
    #[inline]
    pub fn encode_into(&mut self, blank: &mut [u8; HEADER_LEN], body_len: usize) {
        if body_len >= NINE_DIGITS {
            return encode_long_length_into(blank, body_len);
        }
        if body_len != self.body_len {
            *self = EncodedLength { body_len, digits: eight_digits(body_len) };
        }
        if let Some(front) = blank.first_chunk_mut() {
            *front = self.digits;
        }
    }
}

/// A number of up to eight digits, followed by spaces.
#[inline]
fn eight_digits(mut rest: usize) -> [u8; 8] {
    // The loop finds the last digit first. Each digit pushes the earlier ones up by a byte, and a
    // space off the top; so the number's first digit ends in the lowest byte, which is the first
    // one in little-endian order.
    let mut text = u64::from_le_bytes([b' '; 8]);
    loop {
        text = text << u8::BITS | u64::from(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            return text.to_le_bytes();
        }
    }
}

#[cold]
#[inline(never)]
fn encode_long_length_into(blank: &mut [u8; HEADER_LEN], body_len: usize) {
    let mut rest = body_len;
    let digits = body_len.ilog10() as usize + 1;
    for digit in blank.iter_mut().take(digits).rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}
