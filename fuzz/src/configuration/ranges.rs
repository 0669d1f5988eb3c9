//! Ranges of addresses, and whether an address is in one: [`readyd::server::access`] against
//! [`NaiveRange`].

use crate::naive_range::{Fault, NaiveRange, address_of, bits_of};
use crate::printable::assert_harmless;
use arbitrary::{Arbitrary, Unstructured};
use readyd::server::access::{self, AccessRules, Cidr, CidrError};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Address {
    V4([u8; 4]),
    Mapped([u8; 4]),
    V6([u8; 16]),
}

impl Address {
    fn ip(self) -> IpAddr {
        match self {
            Address::V4(octets) => octets.into(),
            Address::Mapped(octets) => Ipv4Addr::from(octets).to_ipv6_mapped().into(),
            Address::V6(octets) => octets.into(),
        }
    }
}

#[derive(Arbitrary, Debug)]
enum Prefix<'a> {
    None,
    /// The bits beyond it are as they come, and mostly wrong.
    Length(u8),
    /// The bits beyond it are cleared.
    Cleared(u8),
    Text(&'a str),
}

#[derive(Arbitrary, Debug)]
struct Written<'a> {
    address: Address,
    prefix: Prefix<'a>,
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ip = self.address.ip();
        match self.prefix {
            Prefix::None => write!(f, "{ip}"),
            Prefix::Length(len) => write!(f, "{ip}/{len}"),
            Prefix::Cleared(len) => {
                let mut bits = bits_of(ip);
                let len = usize::from(len) % (bits.len() + 1);
                bits[len..].fill(false);
                write!(f, "{}/{len}", address_of(&bits))
            }
            Prefix::Text(text) => write!(f, "{ip}/{text}"),
        }
    }
}

/// Ranges that are allowed, ranges that are denied, and who comes.
#[derive(Arbitrary, Debug)]
struct Rules<'a> {
    allow: Option<Written<'a>>,
    deny: Option<Written<'a>>,
    more: Option<Written<'a>>,
    comes: [Address; 2],
}

/// Checks ranges that are mostly well formed.
pub(super) fn check(input: &mut Unstructured<'_>) {
    let Ok(rules) = Rules::arbitrary(input) else { return };
    let comes = rules.comes.map(Address::ip);
    let written = |range: &Option<Written<'_>>| range.as_ref().map(ToString::to_string);
    let allow = written(&rules.allow);
    let deny = match (written(&rules.deny), written(&rules.more)) {
        (Some(one), Some(more)) => Some(format!("{one}, {more}")),
        (one, more) => one.or(more),
    };
    for text in [&rules.allow, &rules.deny, &rules.more].into_iter().filter_map(written) {
        check_range(&text, &comes);
    }
    let [allow, deny] = [allow, deny].map(|text| check_ranges(text.as_deref()));
    if let (Some((allow, naive_allow)), Some((deny, naive_deny))) = (allow, deny) {
        let rules = AccessRules { allow, deny };
        for ip in comes {
            let is_in = |ranges: &[NaiveRange]| ranges.iter().any(|range| range.holds(ip));
            let may_come = naive_allow.is_empty() || is_in(&naive_allow);
            assert_eq!(rules.admit(ip), may_come && !is_in(&naive_deny), "{ip} by {rules:?}");
        }
    }
}

/// Checks whatever the text is.
pub(super) fn check_text(text: &str) {
    check_range(text, &[]);
    check_ranges(Some(text));
}

/// Ranges with commas between them, if all of them are ranges; none if there is no text.
fn check_ranges(text: Option<&str>) -> Option<(Vec<Cidr>, Vec<NaiveRange>)> {
    let Some(text) = text else { return Some(Default::default()) };
    let naive: Result<Vec<NaiveRange>, Fault> =
        text.split(',').map(|range| NaiveRange::read(range.trim())).collect();
    match (access::ranges(text), naive) {
        (Ok(ranges), Ok(naive)) => {
            assert_eq!(ranges.len(), naive.len(), "{text:?}");
            Some((ranges, naive))
        }
        (Err(error), Err(fault)) => {
            assert_fault(&error, fault);
            None
        }
        (ranges, naive) => panic!("{text:?}: {ranges:?}, but {naive:?}"),
    }
}

fn check_range(text: &str, comes: &[IpAddr]) {
    match (text.parse::<Cidr>(), NaiveRange::read(text)) {
        (Ok(range), Ok(naive)) => {
            assert_eq!(range.to_string().parse(), Ok(range), "{text:?} is not {range}");
            let neighbours = neighbours(text);
            for &ip in neighbours.iter().chain(comes) {
                assert_eq!(range.contains(ip), naive.holds(ip), "{ip} in {text}");
            }
        }
        (Err(error), Err(fault)) => {
            assert_fault(&error, fault);
            if let CidrError::HostBits(meant) = error {
                check_range(&meant.to_string(), comes);
                let address = neighbours(text).into_iter().next().expect("the address itself");
                let is_mapped = address.is_ipv6() && address.to_canonical().is_ipv4();
                // If only some of the IPv6 addresses stand for IPv4 ones, the range holds the
                // others.
                assert!(is_mapped || meant.contains(address), "{meant} was meant by {text}");
            }
        }
        (range, naive) => panic!("{text:?}: {range:?}, but {naive:?}"),
    }
}

/// The address that a range is written with, and those that differ from it in one bit; of IPv4
/// addresses also as they are mapped.
fn neighbours(range: &str) -> Vec<IpAddr> {
    let address = range.split('/').next().unwrap_or_default();
    let bits = bits_of(address.parse().expect("the address of a range"));
    let flipped = (0..bits.len()).map(|at| {
        let mut bits = bits.clone();
        bits[at] ^= true;
        address_of(&bits)
    });
    let mut neighbours = vec![address_of(&bits)];
    neighbours.extend(flipped);
    let mapped = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => Some(IpAddr::from(ip.to_ipv6_mapped())),
        IpAddr::V6(_) => None,
    };
    let mapped: Vec<IpAddr> = neighbours.iter().filter_map(mapped).collect();
    neighbours.extend(mapped);
    neighbours
}

fn assert_fault(error: &CidrError, fault: Fault) {
    assert_harmless(&error.to_string());
    let said = match error {
        CidrError::NoAddress(_) => Fault::Address,
        CidrError::BadPrefix(..) => Fault::Prefix,
        CidrError::HostBits(_) => Fault::HostBits,
    };
    assert_eq!(said, fault, "{error}");
}
