//! The frame header: against a reference that trims and compares texts.
//!
//! Input: eight bytes for the limit, then what stands where a header should.

use crate::printable::assert_plain;
use crate::reference;
use readyd::protocol::frame::{self, FrameError, HEADER_LEN};

/// Longest text of an error.
const MOST_TEXT: usize = 160;

/// See the [module](self).
pub fn check(data: &[u8]) {
    let Some((limit, bytes)) = data.split_first_chunk() else { return };
    // Small limits as often as large ones: the lower six bits say how many of the others count.
    let limit = u64::from_le_bytes(*limit);
    let limit = ((limit >> 6) >> (limit & 63)) as usize;
    let bytes = &bytes[..bytes.len().min(HEADER_LEN)];
    check_prefixes(bytes);
    if let Some(header) = bytes.first_chunk() {
        check_whole(header, limit);
    }
}

/// A wrong byte is told as soon as it comes, and then always.
fn check_prefixes(bytes: &[u8]) {
    let expected = reference::first_bad_byte(bytes);
    for len in 0..=bytes.len() {
        let is_there = |error: &FrameError| match error {
            FrameError::BadByte { offset, .. } => *offset < len,
            _ => false,
        };
        let told = frame::check_header_prefix(&bytes[..len]).err();
        assert_eq!(told, expected.filter(is_there), "{len} bytes of {}", bytes.escape_ascii());
    }
}

fn check_whole(header: &[u8; HEADER_LEN], limit: usize) {
    let decoded = frame::decode_header(header, limit);
    assert_eq!(decoded, reference::declared_length(header, limit), "{}", header.escape_ascii());
    match decoded {
        Ok(len) => check_round_trip(len, limit),
        Err(error) => assert_plain(&error.to_string(), MOST_TEXT),
    }
}

/// What is sent for a length is the one spelling without zeros in front, and is read as that
/// length.
fn check_round_trip(len: usize, limit: usize) {
    let header = frame::encode_header(len);
    assert_eq!(header[..], *format!("{len:<64}").as_bytes());
    assert_eq!(frame::decode_header(&header, limit), Ok(len));
    if let Some(below) = len.checked_sub(1) {
        let declared = Some(len as u64);
        let refused = Err(FrameError::OverLimit { declared, limit: below });
        assert_eq!(frame::decode_header(&header, below), refused);
    }
}
