//! A naive reference for admission: rules are checked bit by bit, connections are counted by
//! looking at each, and a rate is a bucket that fills with time.

use crate::naive_range::NaiveRange;
use arbitrary::Arbitrary;
use readyd::io::clock::Moment;
use readyd::server::access::{self, AccessRules, Cidr};
use readyd::server::limits::Limits;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Where peers come from.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Source {
    First,
    /// The same IPv4 address as a socket for both versions of IP shows it.
    FirstMapped,
    Second,
    Network,
    /// Another address of the same 64 bits.
    SameNetwork,
    NextNetwork,
}

/// How many sources are not the same client.
const CLIENTS: usize = 4;

impl Source {
    pub(super) fn ip(self) -> IpAddr {
        let (first, second) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let in_network = |network, host| Ipv6Addr::new(0x2001, 0xdb8, 0, network, host, 0, 0, 1);
        match self {
            Source::First => first.into(),
            Source::FirstMapped => first.to_ipv6_mapped().into(),
            Source::Second => second.into(),
            Source::Network => in_network(0, 0).into(),
            Source::SameNetwork => in_network(0, 0x8000).into(),
            Source::NextNetwork => in_network(1, 0).into(),
        }
    }

    /// The number of the client: sources that share it share its limits.
    pub(super) fn client(self) -> usize {
        match self {
            Source::First | Source::FirstMapped => 0,
            Source::Second => 1,
            Source::Network | Source::SameNetwork => 2,
            Source::NextNetwork => 3,
        }
    }
}

/// Ranges for the rules to be made of.
const RANGES: [&str; 9] = [
    "10.0.0.1",
    "10.0.0.2/31",
    "::ffff:10.0.0.0/104",
    "0.0.0.0/0",
    "2001:db8::1",
    "2001:db8::/64",
    "2001:db8::/63",
    "::/0",
    "2001:db8:0:1::/64,10.0.0.0/31",
];

/// One of the ranges, or some of them; for the server and for the reference.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) struct Ranges(u8);

impl Ranges {
    fn text(self) -> &'static str {
        RANGES[usize::from(self.0) % RANGES.len()]
    }

    fn for_server(self) -> Vec<Cidr> {
        access::ranges(self.text()).expect("ranges without fault")
    }

    fn for_reference(self) -> Vec<NaiveRange> {
        let read = |range| NaiveRange::read(range).expect("a range without fault");
        self.text().split(',').map(read).collect()
    }
}

/// Who may connect.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) struct Rules {
    allow: Option<Ranges>,
    deny: Option<Ranges>,
}

impl Rules {
    pub(super) fn for_server(self) -> AccessRules {
        AccessRules {
            allow: self.allow.map(Ranges::for_server).unwrap_or_default(),
            deny: self.deny.map(Ranges::for_server).unwrap_or_default(),
        }
    }

    fn admit(self, ip: IpAddr) -> bool {
        let is_in = |ranges: Ranges| ranges.for_reference().iter().any(|range| range.holds(ip));
        self.allow.is_none_or(is_in) && !self.deny.is_some_and(is_in)
    }
}

/// Why a peer is to be turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Denied,
    TooMany,
    TooFast,
}

/// What a client has left of a second that is shared out among its arrivals.
#[derive(Clone, Copy)]
struct Bucket {
    left: Duration,
    at: Moment,
}

const FULL: Duration = Duration::from_secs(1);

pub(super) struct AdmissionReference {
    rules: Rules,
    max_connections: Option<usize>,
    rate: Option<u32>,
    buckets: [Bucket; CLIENTS],
}

impl AdmissionReference {
    pub(super) fn new(rules: Rules, limits: &Limits) -> AdmissionReference {
        AdmissionReference {
            rules,
            max_connections: limits.max_connections_per_address,
            rate: limits.accept_rate_per_address,
            buckets: [Bucket { left: FULL, at: Moment::START }; CLIENTS],
        }
    }

    /// What is to become of a peer whose client has `open` connections already.
    pub(super) fn decide(
        &mut self,
        source: Source,
        open: usize,
        now: Moment,
    ) -> Result<(), Refusal> {
        if !self.rules.admit(source.ip()) {
            return Err(Refusal::Denied);
        }
        if self.max_connections.is_some_and(|most| open >= most) {
            return Err(Refusal::TooMany);
        }
        let Some(rate) = self.rate else { return Ok(()) };
        let bucket = &mut self.buckets[source.client()];
        let filled = bucket.left + now.since(bucket.at);
        *bucket = Bucket { left: filled.min(FULL), at: now };
        bucket.left = bucket.left.checked_sub(FULL / rate).ok_or(Refusal::TooFast)?;
        Ok(())
    }
}
