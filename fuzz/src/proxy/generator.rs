//! Headers by chance: most of them right or nearly so.
//!
//! Invariant: what is made depends on the seed alone.

use super::{check_prefix, compare};
use readyd::protocol::proxy_header::Versions;

/// Words that stand in lines, right ones and wrong ones.
const WORDS: [&[u8]; 24] = [
    b"TCP4",
    b"TCP6",
    b"UNKNOWN",
    b"PROXY",
    b"UDP4",
    b"127.0.0.1",
    b"255.255.255.255",
    b"0.0.0.0",
    b"1.2.3.04",
    b"256.1.1.1",
    b"::",
    b"::1",
    b"2001:db8::7",
    b"::ffff:1.2.3.4",
    b"1:2:3:4:5:6:7:8",
    b"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    b"0",
    b"65535",
    b"65536",
    b"443",
    b"+443",
    b"00",
    b"",
    b"\xff",
];

const PROTOCOLS: [u8; 14] =
    [0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32, 0x01, 0x10, 0x20, 0x30, 0x13, 0x41, 0xff];

/// A source of headers.
#[derive(Clone, Debug)]
pub struct Generator {
    state: u64,
    bytes: Vec<u8>,
}

impl Generator {
    /// The headers of a seed.
    pub fn new(seed: u64) -> Generator {
        Generator { state: seed ^ 0x9e37_79b9_7f4a_7c15, bytes: Vec::new() }
    }

    /// Compares the parsers for one header, and for one of its prefixes.
    pub fn check_next(&mut self) {
        let versions = if self.below(8) == 0 { Versions::V2 } else { Versions::Any };
        self.make();
        let whole = compare(&self.bytes, versions);
        let len = self.below(self.bytes.len() as u64 + 1) as usize;
        let prefix = compare(&self.bytes[..len], versions);
        check_prefix(prefix, len, whole, &self.bytes);
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    fn make(&mut self) {
        self.bytes.clear();
        match self.below(8) {
            0..=3 => self.block(),
            4..=6 => self.line(),
            _ => self.any(),
        }
        // Every other one is changed somewhere.
        if self.below(2) == 0 && !self.bytes.is_empty() {
            self.mutate();
        }
        let behind = self.below(24);
        self.push_any(behind);
    }

    fn block(&mut self) {
        self.bytes.extend(super::SIGNATURE);
        let command = if self.below(4) == 0 { 0x20 } else { 0x21 };
        let protocol = PROTOCOLS[self.below(PROTOCOLS.len() as u64) as usize];
        let needed = match protocol >> 4 {
            1 => 12,
            2 => 36,
            3 => 216,
            _ => self.below(40),
        };
        let follow = match self.below(8) {
            0 => self.below(needed + 1),
            1 => needed + self.below(4200),
            2..=4 => needed + self.below(80),
            _ => needed,
        };
        self.bytes.extend([command, protocol]);
        self.bytes.extend((follow as u16).to_be_bytes());
        self.push_any(follow);
    }

    fn line(&mut self) {
        self.bytes.extend(b"PROXY ");
        let is_v6 = self.below(2) == 0;
        match self.below(8) {
            0 => self.bytes.extend(b"UNKNOWN"),
            1 => {
                for _ in 0..self.below(8) {
                    let word = WORDS[self.below(WORDS.len() as u64) as usize];
                    self.bytes.extend(word);
                    self.bytes.push(b' ');
                }
            }
            _ => {
                self.bytes.extend(if is_v6 { b"TCP6" } else { b"TCP4" });
                for _ in 0..2 {
                    let bits = self.next();
                    let text = if is_v6 {
                        // Zeros in a row are left out.
                        let high = u128::from(self.next() & self.next() & self.next());
                        std::net::Ipv6Addr::from(high << (bits & 63)).to_string()
                    } else {
                        std::net::Ipv4Addr::from(bits as u32).to_string()
                    };
                    self.bytes.push(b' ');
                    self.bytes.extend(text.as_bytes());
                }
                for _ in 0..2 {
                    let port = self.below(66_000) >> self.below(16);
                    self.bytes.push(b' ');
                    self.bytes.extend(port.to_string().as_bytes());
                }
            }
        }
        if self.below(8) == 0 {
            let more = self.below(120);
            self.bytes.push(b' ');
            self.push_any(more);
        }
        self.bytes.extend(b"\r\n");
    }

    fn any(&mut self) {
        let beginning: [&[u8]; 4] = [b"", b"P", b"\r\n\r\n\0", b"GET / HTTP/1.1\r\n"];
        let chosen = beginning[self.below(4) as usize];
        self.bytes.extend(chosen);
        let count = self.below(200);
        self.push_any(count);
    }

    fn mutate(&mut self) {
        for _ in 0..=self.below(2) {
            let (bit, at) = (self.below(8), self.below(self.bytes.len() as u64) as usize);
            let byte = self.byte();
            match self.below(4) {
                0 => _ = self.bytes.remove(at),
                1 => self.bytes.insert(at, byte),
                2 => self.bytes[at] = byte,
                _ => self.bytes[at] ^= 1 << bit,
            }
            if self.bytes.is_empty() {
                return;
            }
        }
    }

    fn byte(&mut self) -> u8 {
        const OFTEN: &[u8; 16] = b"\r\n +0159:.aF\0\xff\x20\x21";
        let bits = self.next();
        if bits & 1 == 0 { OFTEN[(bits >> 8) as usize & 15] } else { (bits >> 8) as u8 }
    }

    fn push_any(&mut self, count: u64) {
        let end = self.bytes.len() + count as usize;
        if count > 64 {
            // Beyond the addresses nothing is read, so one byte is as good as another.
            let byte = self.byte();
            self.bytes.resize(end - 64, byte);
        }
        while self.bytes.len() < end {
            let bits = self.next().to_le_bytes();
            let left = end - self.bytes.len();
            self.bytes.extend(&bits[..left.min(8)]);
        }
    }
}
