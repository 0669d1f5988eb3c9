//! The addresses of clients, which of them count as one client, and in which ranges they are. All
//! is written by hand, so that the oracle shares no code with the server that it checks.

use readyd::io::address::Peer;
use readyd::server::access::{AccessRules, ranges};
use readyd::server::limits::Limits;
use readyd::testkit::knobs::{Knob, Knobs};
use readyd::testkit::prng::Prng;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The number of one of [`ADDRESSES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientAddress(usize);

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

/// An address that is written `2001:db8:0:NETWORK:HIGH::LOW`.
const fn v6(network: u16, high: u16, low: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, network, high, 0, 0, low))
}

/// An IPv4 address as a socket for both versions shows it.
const fn mapped(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V6(Ipv4Addr::new(a, b, c, d).to_ipv6_mapped())
}

/// Addresses, each with the number of the client that it counts as.
const ADDRESSES: [(IpAddr, usize); 9] = [
    (v4(198, 51, 100, 1), 0),
    (v4(198, 51, 100, 2), 1),
    (mapped(198, 51, 100, 1), 0),
    (v6(1, 0, 1), 2),
    (v6(1, 0xffff, 2), 2),
    (v6(2, 0, 1), 3),
    (v4(203, 0, 113, 1), 4),
    (v4(203, 0, 113, 9), 5),
    (mapped(203, 0, 113, 9), 5),
];

/// How many different clients [`ADDRESSES`] has.
pub(crate) const CLIENTS: usize = 6;

/// Ranges, each with the numbers of the addresses in it.
const RANGES: [(&str, &[usize]); 8] = [
    ("198.51.100.0/24", &[0, 1, 2]),
    ("198.51.100.2", &[1]),
    ("203.0.113.8/29", &[7, 8]),
    ("0.0.0.0/0", &[0, 1, 2, 6, 7, 8]),
    ("::ffff:203.0.113.0/120", &[6, 7, 8]),
    ("2001:db8:0:1::/64", &[3, 4]),
    ("2001:db8::/32", &[3, 4, 5]),
    ("::/0", &[3, 4, 5]),
];

impl ClientAddress {
    pub(crate) const ALL: [ClientAddress; ADDRESSES.len()] = {
        let mut all = [ClientAddress(0); ADDRESSES.len()];
        let mut number = 0;
        while number < all.len() {
            all[number] = ClientAddress(number);
            number += 1;
        }
        all
    };

    /// Its address.
    pub(crate) fn ip(self) -> IpAddr {
        ADDRESSES[self.0].0
    }

    /// The number of the address `ip`.
    pub(crate) fn at(ip: IpAddr) -> ClientAddress {
        let number = ADDRESSES.iter().position(|(client_address, _)| *client_address == ip);
        ClientAddress(number.expect("all connections are made from these addresses"))
    }

    /// The client that it counts as, below [`CLIENTS`].
    pub(crate) fn client(self) -> usize {
        ADDRESSES[self.0].1
    }
}

/// The address of a client. All simulated clients use TCP.
pub(crate) fn address_of(peer: Peer) -> Option<SocketAddr> {
    match peer {
        Peer::Inet(address) => Some(address),
        Peer::Unix(_) | Peer::Proxied => None,
    }
}

/// The addresses of the clients in one world, and which of them the rules allow.
#[derive(Clone, Debug)]
pub(crate) struct ClientAddresses {
    addresses: Vec<ClientAddress>,
    is_allowed: [bool; ADDRESSES.len()],
}

impl Default for ClientAddresses {
    fn default() -> ClientAddresses {
        ClientAddresses::of_all()
    }
}

impl ClientAddresses {
    pub(crate) fn of_all() -> ClientAddresses {
        ClientAddresses {
            addresses: ClientAddress::ALL.to_vec(),
            is_allowed: [true; ADDRESSES.len()],
        }
    }

    /// Draws rules and limits on addresses. A world with such rules or limits has only a few
    /// addresses, so that they matter.
    pub(crate) fn draw(
        knobs: Knobs,
        limits: &mut Limits,
        crowd: usize,
        prng: &mut Prng,
    ) -> ClientAddresses {
        let mut all = ClientAddresses::of_all();
        let matters = [Knob::AddressLimit, Knob::AddressRate, Knob::AccessLists];
        if matters.iter().any(|&knob| knobs.has(knob)) {
            all.addresses =
                (0..prng.between(1, 4)).map(|_| prng.pick(&ClientAddress::ALL)).collect();
        }
        if knobs.has(Knob::AddressLimit) {
            limits.max_connections_per_address = Some(prng.between(1, 3));
        }
        if knobs.has(Knob::AddressRate) {
            // Large crowds that come one a second would come for minutes.
            let rates: &[u32] = if crowd > 40 { &[10, 20, 25] } else { &[1, 2, 3, 4, 5] };
            limits.accept_rate_per_address = Some(prng.pick(rates));
        }
        if knobs.has(Knob::AccessLists) {
            let mut some = |most| (0..prng.below(most)).map(|_| prng.pick(&RANGES)).collect();
            let (allow, deny): (Vec<_>, Vec<_>) = (some(4), some(3));
            all.set_rules(&allow, &deny, limits);
        }
        all
    }

    fn set_rules(
        &mut self,
        allow: &[(&str, &[usize])],
        deny: &[(&str, &[usize])],
        limits: &mut Limits,
    ) {
        let parsed = |list: &[(&str, &[usize])]| {
            let texts: Vec<&str> = list.iter().map(|(text, _)| *text).collect();
            match texts.is_empty() {
                true => Vec::new(),
                false => ranges(&texts.join(",")).expect("these are ranges"),
            }
        };
        limits.access = AccessRules { allow: parsed(allow), deny: parsed(deny) };
        for (number, is_allowed) in self.is_allowed.iter_mut().enumerate() {
            let is_in =
                |list: &[(&str, &[usize])]| list.iter().any(|(_, inside)| inside.contains(&number));
            *is_allowed = (allow.is_empty() || is_in(allow)) && !is_in(deny);
        }
    }

    pub(crate) fn pick(&self, prng: &mut Prng) -> ClientAddress {
        prng.pick(&self.addresses)
    }

    /// Whether the rules allow that address.
    pub(crate) fn allows(&self, client_address: ClientAddress) -> bool {
        self.is_allowed[client_address.0]
    }
}
