//! Ranges of addresses, bit by bit: where the code under test masks numbers, this compares lists of
//! bits; where that reads a number, this looks for the one that is written so.

use std::net::IpAddr;

/// Bits of an IPv6 address before the IPv4 address that it stands for, RFC 4291 2.5.5.2: 80 that
/// are 0, 16 that are 1.
const MAPPED: [bool; 96] = {
    let mut bits = [false; 96];
    let mut at = 80;
    while at < bits.len() {
        bits[at] = true;
        at += 1;
    }
    bits
};

/// What is wrong with a text that should be a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Address,
    Prefix,
    HostBits,
}

/// The addresses that begin with the bits of `prefix`.
#[derive(Clone, Debug)]
pub(crate) struct NaiveRange {
    prefix: Vec<bool>,
    width: usize,
}

impl NaiveRange {
    pub(crate) fn read(text: &str) -> Result<NaiveRange, Fault> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let mut bits = bits_of(address.parse().map_err(|_| Fault::Address)?);
        let len = match len {
            Some(digits) => (0..=bits.len())
                .find(|len| is_number(digits, &len.to_string()))
                .ok_or(Fault::Prefix)?,
            None => bits.len(),
        };
        if bits[len..].contains(&true) {
            return Err(Fault::HostBits);
        }
        let mut width = bits.len();
        bits.truncate(len);
        if let Some(behind) = bits.strip_prefix(&MAPPED) {
            (bits, width) = (behind.to_vec(), width - MAPPED.len());
        }
        Ok(NaiveRange { prefix: bits, width })
    }

    /// Whether the address is in the range; one that stands for an IPv4 address is that.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        let bits = bits_of(address);
        let bits = bits.strip_prefix(&MAPPED).unwrap_or(&bits);
        bits.len() == self.width && bits.starts_with(&self.prefix)
    }
}

/// Whether `text` is how `number` is written, zeros before it apart.
fn is_number(text: &str, number: &str) -> bool {
    let zeros = text.strip_suffix(number);
    zeros.is_some_and(|zeros| zeros.chars().all(|c| c == '0'))
}

/// All bits of an address, the first one first.
pub(crate) fn bits_of(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect()
}

/// The address that has these bits, 32 or 128 of them.
pub(crate) fn address_of(bits: &[bool]) -> IpAddr {
    let octet = |bits: &[bool]| bits.iter().fold(0, |octet, &bit| octet << 1 | u8::from(bit));
    let octets: Vec<u8> = bits.chunks(8).map(octet).collect();
    match <[u8; 4]>::try_from(&octets[..]) {
        Ok(octets) => octets.into(),
        Err(_) => <[u8; 16]>::try_from(&octets[..]).expect("bits of an address").into(),
    }
}
