//! Headers of the PROXY protocol: against another parser, the crate `proxy-header`.
//!
//! Input: a byte whose lowest bit says which versions are accepted; then what stands where a header
//! should. Every prefix of it is compared as well.
//!
//! Known differences of the other parser, version 0.1.3. Each is allowed below where the bytes show
//! that it is the cause, and nowhere else:
//!
//! 1. It takes any byte for the space behind `PROXY`.
//! 2. It takes ports with a sign or with zeros in front (`u16::from_str`).
//! 3. It takes `UNKNOWNX` for `UNKNOWN`.
//! 4. It refuses a lone CR in what follows `UNKNOWN`, which the standard has ignored up to CRLF.
//! 5. It takes a line longer than 107 bytes if it comes at once.
//! 6. It refuses LOCAL if its family does not exist or its addresses are too short; the standard
//!    has both ignored.
//! 7. It waits for more bytes, in vain, behind a header that is too short for its addresses.
//! 8. It refuses a family or protocol of UNSPEC beside another that is not.
//! 9. It has no limit on TLVs, which it leaves to its caller.
//! 10. It waits for 16 bytes (of a line: 15) before it decides, and for a whole block.
//! 11. It refuses a wrong line before its end; ours waits for CRLF or 107 bytes. Where a word is
//!     missing, it waits beyond the CRLF.

use crate::printable::assert_plain;
use ::proxy_header::{Error, ParseConfig};
use readyd::protocol::proxy_header::{
    self, MAX_LEN, ProxyHeader, ProxyHeaderError, Source, Versions,
};

pub mod generator;

/// Longest text of an error.
const MOST_TEXT: usize = 160;

/// The most bytes of a line.
const MAX_LINE: usize = 107;

/// Prefixes beyond this length are not tried: only TLVs are there.
const MOST_PREFIXES: usize = 300;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

type Ours = Result<Option<ProxyHeader>, ProxyHeaderError>;

/// What the other parser says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theirs {
    Whole { len: usize, source: Option<std::net::SocketAddr> },
    TooShort,
    Invalid,
}

/// See the [module](self).
pub fn check(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let versions = if choice & 1 == 0 { Versions::Any } else { Versions::V2 };
    let whole = compare(bytes, versions);
    for len in 0..bytes.len().min(MOST_PREFIXES) {
        let prefix = compare(&bytes[..len], versions);
        check_prefix(prefix, len, whole, bytes);
    }
    if let Err(error) = whole {
        assert_plain(&error.to_string(), MOST_TEXT);
    }
}

/// What a prefix gives, if the whole gives that.
pub(crate) fn check_prefix(prefix: Ours, len: usize, whole: Ours, bytes: &[u8]) {
    let expected = match whole {
        Ok(Some(header)) if header.len <= len => whole,
        Ok(_) => Ok(None),
        // As soon as it can be known, and then always.
        Err(_) if prefix == Ok(None) => Ok(None),
        Err(_) => whole,
    };
    assert_eq!(prefix, expected, "{len} bytes of {}", bytes.escape_ascii());
}

/// Compares the two parsers, and returns what ours says.
pub fn compare(bytes: &[u8], versions: Versions) -> Ours {
    let ours = proxy_header::parse(bytes, versions);
    let theirs = theirs(bytes, versions);
    let agree = match (ours, theirs) {
        (Ok(Some(header)), Theirs::Whole { len, source }) => {
            let expected = match header.source {
                Source::Client(address) => Some(address),
                Source::Proxy | Source::Unnamed => None,
            };
            (header.len, expected) == (len, source)
        }
        (Ok(None), Theirs::TooShort) | (Err(_), Theirs::Invalid) => true,
        _ => is_known(bytes, ours, theirs),
    };
    assert!(agree, "ours {ours:?}, theirs {theirs:?}: {}", bytes.escape_ascii());
    ours
}

fn theirs(bytes: &[u8], versions: Versions) -> Theirs {
    let allow_v1 = versions == Versions::Any;
    let config = ParseConfig { include_tlvs: false, allow_v1, allow_v2: true };
    match ::proxy_header::ProxyHeader::parse(bytes, config) {
        Ok((header, len)) => {
            Theirs::Whole { len, source: header.proxied_address().map(|address| address.source) }
        }
        Err(Error::BufferTooShort) => Theirs::TooShort,
        Err(_) => Theirs::Invalid,
    }
}

/// Whether a difference is one of those that are known.
fn is_known(bytes: &[u8], ours: Ours, theirs: Theirs) -> bool {
    if bytes.first() == Some(&b'P') {
        is_known_of_line(bytes, ours, theirs)
    } else {
        is_known_of_block(bytes, ours, theirs)
    }
}

fn is_known_of_line(bytes: &[u8], ours: Ours, theirs: Theirs) -> bool {
    let crlf = bytes.windows(2).position(|pair| pair == b"\r\n");
    let line = crlf.and_then(|end| bytes.get(..end));
    let starts = |word: &[u8]| bytes.starts_with(&[b"PROXY ", word].concat());
    match (ours, theirs) {
        (Err(ProxyHeaderError::Signature(_)), Theirs::Whole { .. } | Theirs::TooShort) => {
            let is_space_wrong = bytes.get(5).is_some_and(|&byte| byte != b' ');
            bytes.len() < 15 || (bytes.starts_with(b"PROXY") && is_space_wrong) // 1, 10
        }
        (Err(ProxyHeaderError::LongLine), Theirs::Whole { .. }) => {
            crlf.is_some_and(|end| end + 2 > MAX_LINE) // 5
        }
        (Err(ProxyHeaderError::Line), Theirs::Whole { .. }) => {
            let after = bytes.get(b"PROXY UNKNOWN".len());
            let is_longer_word = starts(b"UNKNOWN") && !matches!(after, Some(b' ' | b'\r')); // 3
            is_longer_word || line.is_some_and(has_odd_port) // 2
        }
        // Their end of the line is where a word is missing; 11.
        (Err(ProxyHeaderError::Line), Theirs::TooShort) => line.is_some() && bytes.len() < MAX_LINE,
        (Ok(None), Theirs::Invalid) => {
            let has_lone_cr = bytes.contains(&b'\r'); // 4, before the CRLF
            crlf.is_none() && (!starts(b"UNKNOWN") || has_lone_cr) // 11
        }
        (Ok(Some(header)), Theirs::Invalid) => {
            let first_cr = bytes.iter().position(|&byte| byte == b'\r');
            header.source == Source::Unnamed && first_cr < crlf // 4
        }
        _ => false,
    }
}

/// Whether one of the last two words is a port that only `u16::from_str` takes.
fn has_odd_port(line: &[u8]) -> bool {
    let is_odd = |word: &[u8]| word.starts_with(b"+") || (word.starts_with(b"0") && word.len() > 1);
    line.rsplit(|&byte| byte == b' ').take(2).any(is_odd)
}

fn is_known_of_block(bytes: &[u8], ours: Ours, theirs: Theirs) -> bool {
    let Some(fixed) = bytes.first_chunk::<16>() else {
        return ours.is_err() && theirs == Theirs::TooShort; // 10
    };
    let (is_local, protocol) = (fixed[12] == 0x20, fixed[13]);
    let follow = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let needed = match protocol {
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => 0,
    };
    let is_whole = bytes.len() >= 16 + follow;
    let is_there = matches!(protocol, 0x00 | 0x11 | 0x12 | 0x21 | 0x22 | 0x31 | 0x32);
    if !bytes.starts_with(SIGNATURE) {
        return false;
    }
    match (ours, theirs) {
        (Err(ProxyHeaderError::TooLong(len)), Theirs::Whole { .. } | Theirs::TooShort) => {
            len > MAX_LEN && len == 16 + follow // 9
        }
        (Err(_), Theirs::TooShort) if !is_whole => true, // 10
        (Err(ProxyHeaderError::ShortAddresses(..)), Theirs::TooShort) => {
            !is_local && bytes.len() < 16 + needed // 7
        }
        (Ok(Some(_)), Theirs::Invalid | Theirs::TooShort) if is_local => {
            !is_there || follow < needed // 6, 7
        }
        (Ok(Some(header)), Theirs::Invalid) => {
            let is_one_unspecified = matches!(protocol, 0x01 | 0x02 | 0x10 | 0x20 | 0x30);
            header.source == Source::Unnamed && is_one_unspecified // 8
        }
        _ => false,
    }
}
