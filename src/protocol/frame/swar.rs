//! A header decoded eight bytes at a time, in one register (SWAR: SIMD within a register).
//!
//! A loop over the digits ends in a branch that the processor predicts wrongly where lengths vary.
//! This decoder has no such branch. Read the plain decoder, `parse_length` in `frame.rs`, first.
//!
//! Invariant: where this decoder finds a length, the plain decoder finds the same.

use super::HEADER_LEN;

/// The length, if it has one to eight digits and all the rest is padding, as in nearly every
/// header. `None` means only that the plain decoder has to look.
#[inline]
pub(super) fn parse_length(header: &[u8; HEADER_LEN]) -> Option<u64> {
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
