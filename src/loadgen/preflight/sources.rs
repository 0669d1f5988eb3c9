//! Parsing the local addresses to connect from.
//!
//! Both addresses and both ports identify a connection. So each local address has the whole range
//! of local ports towards one server, and more addresses allow more connections. On Linux all of
//! 127.0.0.0/8 is local without being configured.

use crate::io::address::SourceAddress;
use nix::net::if_::if_nametoindex;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The most addresses in one list.
pub const MOST_SOURCES: usize = 65_536;

/// Why a list of source addresses cannot be used; the user's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// This is neither an address, nor a range, nor a network.
    NotAnAddress(String),
    /// The part behind the `/` is not the length of a prefix.
    BadPrefix {
        /// The network as written.
        network: String,
        /// The longest prefix of its family.
        longest: u8,
    },
    /// A range goes from one family to the other.
    MixedFamilies(String),
    /// A range ends before it begins.
    Backwards(String),
    /// The address is not a unicast address: no connection can come from it.
    NotAHost(IpAddr),
    /// There are more than [`MOST_SOURCES`].
    TooMany,
    /// There is no network interface with the name after the `%`.
    NoInterface(String),
    /// A link-local address without an interface: each interface has its own such network, RFC
    /// 4291, 2.5.6.
    LinkLocal(IpAddr),
    /// An interface with an address that is not link-local: the kernel would ignore it.
    NotLinkLocal(IpAddr),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceError::NotAnAddress(text) => write!(
                f,
                "{text:?} is not an address to connect from (write 127.0.0.2, \
                 127.0.0.2-127.0.0.40 or 127.1.0.0/24)"
            ),
            SourceError::BadPrefix { network, longest } => {
                write!(f, "{network:?} is not a network (a prefix has 0 to {longest} bits)")
            }
            SourceError::MixedFamilies(range) => write!(
                f,
                "{range:?} goes from one address family to the other (give a range for each)"
            ),
            SourceError::Backwards(range) => {
                write!(f, "{range:?} ends before it begins (write the lower address first)")
            }
            SourceError::NotAHost(address) => {
                write!(f, "{address} is not the address of one host (leave it out)")
            }
            SourceError::NoInterface(name) => {
                write!(f, "there is no network interface {name:?} (ip link lists them)")
            }
            SourceError::LinkLocal(address) => write!(
                f,
                "{address} is a link-local address, which belongs to one interface (write \
                 {address}%INTERFACE, such as {address}%eth0)"
            ),
            SourceError::NotLinkLocal(address) => write!(
                f,
                "{address} is not a link-local address, and only those take an interface (write \
                 {address})"
            ),
            SourceError::TooMany => {
                write!(f, "too many source addresses (at most {MOST_SOURCES} can be used)")
            }
        }
    }
}

impl std::error::Error for SourceError {}

/// The addresses in `text`, in its order and each once: single addresses (`127.0.0.2`, `::1`),
/// ranges with both ends (`127.0.0.2-127.0.0.40`) and networks (`127.1.0.0/24`), separated by
/// commas. Behind link-local ones stands `%` and the name or the number of their interface
/// (`fe80::1%eth0`).
///
/// An IPv4 network stands for its addresses without the first, which names the network, and without
/// the last, its broadcast address (RFC 919); an IPv6 network without the first, the anycast
/// address of its routers (RFC 4291, section 2.6.1). Small networks are complete: /31 and /32 (RFC
/// 3021), /127 and /128 (RFC 6164). Bits of the address after the prefix are ignored.
///
/// # Errors
///
/// [`SourceError`] if the text is something else, names an address that no host has, or more than
/// [`MOST_SOURCES`] of them.
pub fn parse_sources(text: &str) -> Result<Vec<SourceAddress>, SourceError> {
    let (mut sources, mut seen) = (Vec::new(), HashSet::new());
    for part in text.split(',') {
        let (addresses, interface) = split_interface(part.trim());
        let span = addresses.parse::<Span>()?;
        let scope_id = interface.map_or(Ok(0), interface_number)?;
        if span.last - span.first >= MOST_SOURCES as u128 {
            return Err(SourceError::TooMany);
        }
        for ip in (span.first..=span.last).map(|bits| span.family.address(bits)) {
            if !is_host(ip) {
                return Err(SourceError::NotAHost(ip));
            }
            match (is_link_local(ip), interface) {
                (true, None) => return Err(SourceError::LinkLocal(ip)),
                (false, Some(_)) => return Err(SourceError::NotLinkLocal(ip)),
                _ => {}
            }
            let address = SourceAddress { ip, scope_id };
            if seen.insert(address) {
                sources.push(address);
            }
        }
        if sources.len() > MOST_SOURCES {
            return Err(SourceError::TooMany);
        }
    }
    Ok(sources)
}

/// Splits off what stands behind a `%`: at the end, or before the length of a prefix.
fn split_interface(text: &str) -> (Cow<'_, str>, Option<&str>) {
    let Some((address, rest)) = text.split_once('%') else { return (text.into(), None) };
    match rest.split_once('/') {
        Some((interface, prefix)) => (format!("{address}/{prefix}").into(), Some(interface)),
        None => (address.into(), Some(rest)),
    }
}

fn interface_number(name: &str) -> Result<u32, SourceError> {
    match name.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => if_nametoindex(name).map_err(|_| SourceError::NoInterface(name.to_owned())),
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

fn is_host(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !is_broadcast
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn bits(self) -> u8 {
        match self {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }

    fn address(self, bits: u128) -> IpAddr {
        match self {
            // Both ends are of the span's family, so an IPv4 address has 32 bits.
            Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
            Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(bits)),
        }
    }
}

/// A range of addresses. Invariant: `first <= last`.
struct Span {
    family: Family,
    first: u128,
    last: u128,
}

impl FromStr for Span {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Span, SourceError> {
        if let Some((network, prefix)) = text.split_once('/') {
            return network_span(text, network, prefix);
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let not_an_address = || SourceError::NotAnAddress(text.to_owned());
        let (family, first) = address_bits(first).ok_or_else(not_an_address)?;
        let (family_of_last, last) = address_bits(last).ok_or_else(not_an_address)?;
        if family != family_of_last {
            return Err(SourceError::MixedFamilies(text.to_owned()));
        }
        if first > last {
            return Err(SourceError::Backwards(text.to_owned()));
        }
        Ok(Span { family, first, last })
    }
}

fn network_span(text: &str, network: &str, prefix: &str) -> Result<Span, SourceError> {
    let (family, address) =
        address_bits(network).ok_or_else(|| SourceError::NotAnAddress(text.to_owned()))?;
    let longest = family.bits();
    let host_bits = prefix
        .parse::<u8>()
        .ok()
        .filter(|_| prefix.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|prefix| longest.checked_sub(prefix))
        .ok_or_else(|| SourceError::BadPrefix { network: text.to_owned(), longest })?;
    // A shift by all 128 bits would overflow: the prefix is empty.
    let hosts = 1u128.checked_shl(host_bits.into()).map_or(u128::MAX, |size| size - 1);
    let (first, last) = (address & !hosts, address | hosts);
    Ok(match (family, host_bits) {
        (_, 0 | 1) => Span { family, first, last },
        (Family::V4, _) => Span { family, first: first + 1, last: last - 1 },
        (Family::V6, _) => Span { family, first: first + 1, last },
    })
}

/// IPv4-mapped addresses (`::ffff:127.0.0.1`) count as IPv4, because the kernel connects with IPv4.
fn address_bits(text: &str) -> Option<(Family, u128)> {
    match text.trim().parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => Some((Family::V4, address.to_bits().into())),
        IpAddr::V6(address) => Some((Family::V6, address.to_bits())),
    }
}
