//! Where clients live: their addresses, which of them count as one client, and in which ranges they
//! are. All of it is written down by hand, so that the oracle shares no code with what it checks.

use readyd::io::address::Peer;
use readyd::server::access::{AccessRules, ranges};
use readyd::server::limits::Limits;
use readyd::testkit::dice::Dice;
use readyd::testkit::knobs::{Knob, Knobs};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One of [`HOMES`]: what lives there has that address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Home(usize);

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
const HOMES: [(IpAddr, usize); 9] = [
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

/// How many clients that makes.
pub(crate) const CLIENTS: usize = 6;

/// Ranges, each with the homes that are in it.
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

impl Home {
    pub(crate) const ALL: [Home; HOMES.len()] = {
        let mut all = [Home(0); HOMES.len()];
        let mut number = 0;
        while number < all.len() {
            all[number] = Home(number);
            number += 1;
        }
        all
    };

    /// Its address.
    pub(crate) fn ip(self) -> IpAddr {
        HOMES[self.0].0
    }

    /// Who lives at `ip`.
    pub(crate) fn at(ip: IpAddr) -> Home {
        let number = HOMES.iter().position(|(home, _)| *home == ip);
        Home(number.expect("all connections are made from homes"))
    }

    /// The client that it counts as, below [`CLIENTS`].
    pub(crate) fn client(self) -> usize {
        HOMES[self.0].1
    }
}

/// Where a client is: all who are simulated come by way of TCP.
pub(crate) fn address_of(peer: Peer) -> Option<SocketAddr> {
    match peer {
        Peer::Inet(address) => Some(address),
        Peer::Unix(_) => None,
    }
}

/// Who there is in a world, and who of them may come.
#[derive(Clone, Debug)]
pub(crate) struct Neighbourhood {
    homes: Vec<Home>,
    welcome: [bool; HOMES.len()],
}

impl Default for Neighbourhood {
    fn default() -> Neighbourhood {
        Neighbourhood::of_all()
    }
}

impl Neighbourhood {
    pub(crate) fn of_all() -> Neighbourhood {
        Neighbourhood { homes: Home::ALL.to_vec(), welcome: [true; HOMES.len()] }
    }

    /// Draws rules and limits on addresses. Where there are some, only a few addresses are lived
    /// at, so that they matter.
    pub(crate) fn draw(
        knobs: Knobs,
        limits: &mut Limits,
        crowd: usize,
        dice: &mut Dice,
    ) -> Neighbourhood {
        let mut all = Neighbourhood::of_all();
        let matters = [Knob::AddressLimit, Knob::AddressRate, Knob::AccessLists];
        if matters.iter().any(|&knob| knobs.has(knob)) {
            all.homes = (0..dice.between(1, 4)).map(|_| dice.pick(&Home::ALL)).collect();
        }
        if knobs.has(Knob::AddressLimit) {
            limits.max_connections_per_address = Some(dice.between(1, 3));
        }
        if knobs.has(Knob::AddressRate) {
            // Large crowds that come one a second would come for minutes.
            let rates: &[u32] = if crowd > 40 { &[10, 20, 25] } else { &[1, 2, 3, 4, 5] };
            limits.accept_rate_per_address = Some(dice.pick(rates));
        }
        if knobs.has(Knob::AccessLists) {
            let mut some = |most| (0..dice.below(most)).map(|_| dice.pick(&RANGES)).collect();
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
        for (number, welcome) in self.welcome.iter_mut().enumerate() {
            let is_in =
                |list: &[(&str, &[usize])]| list.iter().any(|(_, homes)| homes.contains(&number));
            *welcome = (allow.is_empty() || is_in(allow)) && !is_in(deny);
        }
    }

    pub(crate) fn pick(&self, dice: &mut Dice) -> Home {
        dice.pick(&self.homes)
    }

    /// Whether the rules let that home in.
    pub(crate) fn welcomes(&self, home: Home) -> bool {
        self.welcome[home.0]
    }
}
