//! Who may connect: ranges of addresses that are allowed, and ranges that are denied.
//!
//! Invariant: one host has one address. A socket for both versions of IP shows an IPv4 client as
//! `::ffff:192.0.2.1` (an IPv4-mapped address, RFC 4291 2.5.5.2); it is taken for `192.0.2.1` here,
//! so that no rule depends on how a listener was made.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// A range of addresses, RFC 4632: those that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    first: IpAddr,
    prefix: u32,
}

/// Why a text is not a range of addresses; the operator's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CidrError {
    /// What stands before the `/`, or the whole, is not an address.
    NoAddress(String),
    /// What stands behind the `/` is not a number of bits that an address of this kind has.
    BadPrefix(String, u32),
    /// The address has bits beyond the prefix. Which range is meant, cannot be known; this may be
    /// it.
    HostBits(Cidr),
}

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CidrError::NoAddress(text) => {
                write!(f, "{text:?} is not an address (write 192.0.2.0/24 or 2001:db8::/32)")
            }
            CidrError::BadPrefix(text, bits) => {
                write!(f, "{text:?} is not a prefix length (write a number from 0 to {bits})")
            }
            CidrError::HostBits(range) => {
                write!(f, "the address has bits beyond the prefix (for the range write {range})")
            }
        }
    }
}

impl std::error::Error for CidrError {}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    /// `192.0.2.0/24`, `2001:db8::/32`; an address alone is a range of one.
    fn from_str(text: &str) -> Result<Cidr, CidrError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr =
            address.parse().map_err(|_| CidrError::NoAddress(address.to_owned()))?;
        let bits = width(address);
        let prefix = match prefix {
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|&prefix| prefix <= bits && digits.bytes().all(|b| b.is_ascii_digit()))
                .ok_or_else(|| CidrError::BadPrefix(digits.to_owned(), bits))?,
            None => bits,
        };
        let range = Cidr { first: first_of(address, prefix), prefix };
        if range.first != address {
            return Err(CidrError::HostBits(range));
        }
        Ok(range.canonical())
    }
}

impl Cidr {
    /// Whether the address is in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && first_of(address, self.prefix) == self.first
    }

    /// A range of IPv4-mapped addresses is one of IPv4 addresses.
    fn canonical(self) -> Cidr {
        const MAPPED_BITS: u32 = 96;
        match (self.first.to_canonical(), self.prefix.checked_sub(MAPPED_BITS)) {
            (IpAddr::V4(first), Some(prefix)) if self.first.is_ipv6() => {
                Cidr { first: first.into(), prefix }
            }
            _ => self,
        }
    }
}

fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The first address of those that share `prefix` bits with this one.
fn first_of(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(u32::BITS - prefix).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(u128::BITS - prefix).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

/// Rules on which addresses may connect. Without any, all may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessRules {
    /// If there are any, only these may connect.
    pub allow: Vec<Cidr>,
    /// These may not, even if they are allowed too.
    pub deny: Vec<Cidr>,
}

impl AccessRules {
    /// Whether a client at this address may connect. The ranges are looked at one by one.
    pub fn admit(&self, address: IpAddr) -> bool {
        let is_in = |ranges: &[Cidr]| ranges.iter().any(|range| range.contains(address));
        !is_in(&self.deny) && (self.allow.is_empty() || is_in(&self.allow))
    }
}

/// Ranges as a flag takes them: one, or several with commas between them.
///
/// # Errors
///
/// [`CidrError`] for the first that is not a range.
pub fn ranges(text: &str) -> Result<Vec<Cidr>, CidrError> {
    text.split(',').map(|range| range.trim().parse()).collect()
}
