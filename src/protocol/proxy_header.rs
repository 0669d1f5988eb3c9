//! The header of the PROXY protocol: with it a proxy begins a connection, and says whose it is.
//!
//! Version 1 is a line of text, version 2 a block of bytes. Behind its addresses a block can have
//! TLVs: the name of a TLS client, a checksum and others. They are skipped unread.
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt> is the standard.
//!
//! Invariants:
//!
//! - The outcome depends on the bytes alone, not on how they were cut: a prefix of a header is
//!   incomplete, and never anything else.
//! - No more than [`MAX_LEN`] bytes are ever needed to decide.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// The most bytes of a header. Addresses take 232 at most. The rest is for TLVs: a certificate's
/// subject has some hundred bytes. Nginx has the same bound.
pub const MAX_LEN: usize = 4096;

/// The most bytes of a line, with its end.
const MAX_LINE: usize = 107;

/// What a line begins with.
const LINE_PREFIX: &[u8] = b"PROXY ";

/// What a block begins with. No other protocol begins so.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The bytes of a block before the addresses.
const FIXED: usize = 16;

/// The versions that are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Version 2 alone.
    V2,
    /// Version 1, too.
    Any,
}

impl Versions {
    /// `v2` or `any`; `None` for other words.
    pub fn from_name(name: &str) -> Option<Versions> {
        match name {
            "v2" => Some(Versions::V2),
            "any" => Some(Versions::Any),
            _ => None,
        }
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Versions::V2 => "v2",
            Versions::Any => "any",
        })
    }
}

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Its length in bytes. The bytes behind it are the client's.
    pub len: usize,
    /// Whose connection it is.
    pub source: Source,
}

/// Whose connection a header begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The proxy's own: LOCAL, for a health check.
    Proxy,
    /// A client's with this address.
    Client(SocketAddr),
    /// A client's whose address is none of IP, or not known: UNIX, UNSPEC or UNKNOWN.
    Unnamed,
}

/// Why bytes are no header; the proxy's fault, or the fault of the program that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeaderError {
    /// They do not begin as a header of an accepted version does.
    Signature(Versions),
    /// The line of version 1 is not as the protocol has it.
    Line,
    /// The line of version 1 has no end within 107 bytes.
    LongLine,
    /// The version is not 2, or the command neither LOCAL nor PROXY.
    Command(u8),
    /// There is no such address family or transport protocol.
    Protocol(u8),
    /// The header is too short for its addresses: their length as it is, and as it has to be.
    ShortAddresses(usize, usize),
    /// The header has this number of bytes, more than [`MAX_LEN`].
    TooLong(usize),
}

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyHeaderError::Signature(Versions::V2) => f.write_str(
                "it does not begin with the signature of version 2 (proxy=any also takes version \
                 1)",
            ),
            ProxyHeaderError::Signature(Versions::Any) => f.write_str("it begins with neither"),
            ProxyHeaderError::Line => f.write_str("the line of version 1 is malformed"),
            ProxyHeaderError::LongLine => {
                write!(f, "the line of version 1 has no CRLF in its first {MAX_LINE} bytes")
            }
            ProxyHeaderError::Command(byte) => {
                write!(f, "byte 13 is {byte:#04x}, and not 0x20 (LOCAL) or 0x21 (PROXY)")
            }
            ProxyHeaderError::Protocol(byte) => {
                write!(f, "byte 14 is {byte:#04x}, which is no address family and protocol")
            }
            ProxyHeaderError::ShortAddresses(len, needed) => {
                write!(f, "its length is {len} bytes, and its addresses take {needed}")
            }
            ProxyHeaderError::TooLong(len) => {
                write!(f, "it has {len} bytes, and {MAX_LEN} is the limit")
            }
        }
    }
}

impl std::error::Error for ProxyHeaderError {}

/// Reads the header that `bytes` begin with. `None` if more bytes are needed to tell.
///
/// # Errors
///
/// As soon as the bytes cannot become a header.
pub fn parse(bytes: &[u8], versions: Versions) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let is_line = versions == Versions::Any && bytes.first() == LINE_PREFIX.first();
    let beginning = if is_line { LINE_PREFIX } else { SIGNATURE };
    if bytes.iter().zip(beginning).any(|(byte, expected)| byte != expected) {
        return Err(ProxyHeaderError::Signature(versions));
    }
    match bytes.get(beginning.len()..) {
        Some(_) if is_line => line(bytes),
        Some(rest) => block(rest, bytes),
        None => Ok(None),
    }
}

/// Reads a line, which begins as one.
fn line(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let within = bytes.get(..MAX_LINE).unwrap_or(bytes);
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        return if within.len() < MAX_LINE { Ok(None) } else { Err(ProxyHeaderError::LongLine) };
    };
    let text = within.get(LINE_PREFIX.len()..end).and_then(|text| std::str::from_utf8(text).ok());
    let source =
        if within.starts_with(b"PROXY UNKNOWN\r\n") || within.starts_with(b"PROXY UNKNOWN ") {
            // What follows can be anything.
            Source::Unnamed
        } else {
            Source::Client(text.and_then(addresses).ok_or(ProxyHeaderError::Line)?)
        };
    Ok(Some(ProxyHeader { len: end + 2, source }))
}

/// The source of `TCP4 SOURCE DESTINATION PORT PORT`, or the same with `TCP6`.
fn addresses(text: &str) -> Option<SocketAddr> {
    let mut words = text.split(' ');
    let ip: fn(&str) -> Option<IpAddr> = match words.next()? {
        "TCP4" => |word| Ipv4Addr::from_str(word).ok().map(IpAddr::V4),
        "TCP6" => |word| Ipv6Addr::from_str(word).ok().map(IpAddr::V6),
        _ => return None,
    };
    let (source, _) = (ip(words.next()?)?, ip(words.next()?)?);
    let (source_port, _) = (port(words.next()?)?, port(words.next()?)?);
    words.next().is_none().then(|| SocketAddr::new(source, source_port))
}

/// A port. `u16::from_str` would also take a sign and leading zeros.
fn port(word: &str) -> Option<u16> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit());
    let has_zeros = word.len() > 1 && word.starts_with('0');
    (is_plain && !has_zeros).then(|| word.parse().ok())?
}

/// Reads a block. `rest` is behind the signature.
fn block(rest: &[u8], bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let is_local = match rest.first() {
        Some(0x20) => true,
        Some(0x21) => false,
        Some(&other) => return Err(ProxyHeaderError::Command(other)),
        None => return Ok(None),
    };
    let Some(&protocol) = rest.get(1) else { return Ok(None) };
    // The standard has the family of LOCAL ignored, whatever it is.
    let family = if is_local { Family::Ignored } else { Family::of(protocol)? };
    let Some(&[high, low]) = rest.get(2..4) else { return Ok(None) };
    let follow = usize::from(u16::from_be_bytes([high, low]));
    if follow < family.addresses_len() {
        return Err(ProxyHeaderError::ShortAddresses(follow, family.addresses_len()));
    }
    let len = FIXED + follow;
    if len > MAX_LEN {
        return Err(ProxyHeaderError::TooLong(len));
    }
    let Some(follows) = bytes.get(FIXED..len) else { return Ok(None) };
    let source = if is_local { Source::Proxy } else { family.source(follows) };
    Ok(Some(ProxyHeader { len, source }))
}

/// The addresses of a block.
#[derive(Clone, Copy, Debug)]
enum Family {
    /// There may be some, which nobody reads.
    Ignored,
    V4,
    V6,
    Unix,
}

impl Family {
    /// The address family is in the high bits, the transport protocol in the low ones. The source
    /// of UDP counts as the source of TCP does.
    fn of(protocol: u8) -> Result<Family, ProxyHeaderError> {
        match (protocol >> 4, protocol & 15) {
            (0..=3, 0) | (0, 1 | 2) => Ok(Family::Ignored),
            (1, 1 | 2) => Ok(Family::V4),
            (2, 1 | 2) => Ok(Family::V6),
            (3, 1 | 2) => Ok(Family::Unix),
            _ => Err(ProxyHeaderError::Protocol(protocol)),
        }
    }

    /// Two addresses, and two ports if it has ports.
    fn addresses_len(self) -> usize {
        match self {
            Family::Ignored => 0,
            Family::V4 => 2 * 4 + 2 * 2,
            Family::V6 => 2 * 16 + 2 * 2,
            Family::Unix => 2 * 108,
        }
    }

    /// The first address and the first port.
    fn source(self, follows: &[u8]) -> Source {
        let address = match self {
            Family::Ignored | Family::Unix => None,
            Family::V4 => address::<4>(follows),
            Family::V6 => address::<16>(follows),
        };
        address.map_or(Source::Unnamed, Source::Client)
    }
}

/// The first of two addresses of `N` bytes, and the first of two ports behind them.
fn address<const N: usize>(follows: &[u8]) -> Option<SocketAddr>
where
    IpAddr: From<[u8; N]>,
{
    let ip = *follows.first_chunk::<N>()?;
    let port = *follows.get(2 * N..)?.first_chunk::<2>()?;
    Some(SocketAddr::new(ip.into(), u16::from_be_bytes(port)))
}
