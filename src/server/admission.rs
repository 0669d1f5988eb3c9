//! Which clients are let in: the rules on addresses, and the limits on one client.
//!
//! *One client* is an IPv4 address, or an IPv6 network of 64 bits: a single host is commonly given
//! that much (RFC 6177), and it may use a new address of it for each connection. On a unix socket
//! it is a user.
//!
//! Invariants:
//!
//! - A count exists for each client that has a connection, and for no other.
//! - Memory follows the clients that are connected, or connected during the last second. A limit
//!   that is not set needs none.
//! - The cost of a look-up does not depend on the addresses that clients choose: the clients are in
//!   trees, in order. A hash table would need a seed that no client can guess.

use crate::io::address::{Credentials, Peer};
use crate::io::clock::Moment;
use crate::server::limits::Limits;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// RateLimiter that may be forgotten, looked at for each that is noted: two, so that the memory of
/// a crowd shrinks while others still come.
const FORGOTTEN_PER_ARRIVAL: usize = 2;

/// Why a client is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// By the rules on addresses.
    Denied,
    /// It has as many connections as one client may have.
    TooMany,
    /// It connects more often than one client may.
    TooFast,
    /// The listener lets proxies in only, and it is none of them.
    NotAProxy,
    /// As many handshakes of TLS have begun as may in a second.
    TooManyHandshakes,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Denied => "this address is not allowed (--allow, --deny)",
            Refusal::TooMany => {
                "too many connections from this address or user (--max-connections-per-address)"
            }
            Refusal::TooFast => {
                "too many connections per second from this address or user \
                 (--accept-rate-per-address)"
            }
            Refusal::NotAProxy => "this listener is for proxies, and this is not one (from=)",
            Refusal::TooManyHandshakes => {
                "too many TLS handshakes per second (--tls-handshake-rate)"
            }
        })
    }
}

/// What counts as one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum AddressKey {
    V4(u32),
    V6Network(u64),
    User(u32),
}

impl AddressKey {
    /// `None` if it cannot be told apart from others: a proxy told no address of it.
    fn of(peer: &Peer) -> Option<AddressKey> {
        match *peer {
            Peer::Inet(address) => Some(address.ip().into()),
            Peer::Unix(Credentials { uid, .. }) => Some(AddressKey::User(uid)),
            Peer::Proxied => None,
        }
    }
}

impl From<IpAddr> for AddressKey {
    fn from(address: IpAddr) -> AddressKey {
        match address.to_canonical() {
            IpAddr::V4(address) => AddressKey::V4(address.to_bits()),
            IpAddr::V6(address) => AddressKey::V6Network((address.to_bits() >> 64) as u64),
        }
    }
}

/// Keeps the count of each client, and knows the limits on it.
#[derive(Debug, Default)]
pub(super) struct Admission {
    connections: BTreeMap<AddressKey, usize>,
    rates: RateLimiter,
}

impl Admission {
    /// Whether a client may have one more connection, which is counted then.
    pub(super) fn admit(
        &mut self,
        peer: &Peer,
        limits: &Limits,
        now: Moment,
    ) -> Result<(), Refusal> {
        // A client of a unix socket has no address: the mode of the file says who may connect.
        if peer.ip().is_some_and(|address| !limits.access.admit(address)) {
            return Err(Refusal::Denied);
        }
        if limits.max_connections_per_address.is_none() && limits.accept_rate_per_address.is_none()
        {
            return Ok(());
        }
        let Some(client) = AddressKey::of(peer) else { return Ok(()) };
        if let Some(most) = limits.max_connections_per_address
            && self.connections.get(&client).is_some_and(|&count| count >= most)
        {
            return Err(Refusal::TooMany);
        }
        if let Some(rate) = limits.accept_rate_per_address {
            self.rates.note(client, rate, now)?;
        }
        if limits.max_connections_per_address.is_some() {
            *self.connections.entry(client).or_insert(0) += 1;
        }
        Ok(())
    }

    /// Other limits hold from now on: what they need is known of the clients that are connected,
    /// `peers`, and nothing else is.
    pub(super) fn change_limits<'a>(
        &mut self,
        before: &Limits,
        after: &Limits,
        peers: impl Iterator<Item = &'a Peer>,
    ) {
        let is_counted = |limits: &Limits| limits.max_connections_per_address.is_some();
        match (is_counted(before), is_counted(after)) {
            (false, true) => {
                let clients = peers.filter_map(AddressKey::of);
                clients.for_each(|client| *self.connections.entry(client).or_insert(0) += 1);
            }
            (true, false) => self.connections.clear(),
            (true, true) | (false, false) => {}
        }
        if after.accept_rate_per_address.is_none() {
            self.rates = RateLimiter::default();
        }
    }

    /// A connection that had been admitted has been closed.
    pub(super) fn closed(&mut self, peer: &Peer) {
        if self.connections.is_empty() {
            return;
        }
        let Some(client) = AddressKey::of(peer) else { return };
        if let Some(count) = self.connections.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                self.connections.remove(&client);
            }
        }
    }

    /// Heap bytes held, as far as it matters: a tree's nodes are at least half full.
    pub(super) fn memory(&self) -> usize {
        let RateLimiter { next, expiry_queue } = &self.rates;
        let connected = self.connections.len() * size_of::<(AddressKey, usize)>();
        let next = next.len() * size_of::<(AddressKey, Moment)>();
        2 * (connected + next) + expiry_queue.capacity() * size_of::<(Moment, AddressKey)>()
    }

    /// Clients whose connections are counted.
    pub(super) fn counted(&self) -> usize {
        self.connections.len()
    }

    /// Clients with a count, and clients with a record of their arrivals.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> (usize, usize) {
        (self.connections.len(), self.rates.next.len())
    }
}

/// How often clients connect. For each it keeps the time at which its arrivals, had they been
/// spread evenly, would allow the next one. This is the generic cell rate algorithm (ITU-T I.371),
/// with a tolerance of a second.
#[derive(Debug, Default)]
struct RateLimiter {
    next: BTreeMap<AddressKey, Moment>,
    /// When to check whether a client's record has expired; each client of `next` is in here once.
    expiry_queue: VecDeque<(Moment, AddressKey)>,
}

impl RateLimiter {
    fn note(&mut self, client: AddressKey, rate: u32, now: Moment) -> Result<(), Refusal> {
        self.forget(now);
        let interval = SECOND / rate;
        let known = self.next.get(&client).copied();
        let next = known.map_or(now, |next| next.max(now)) + interval;
        if next > now + SECOND {
            return Err(Refusal::TooFast);
        }
        self.next.insert(client, next);
        if known.is_none() {
            self.expiry_queue.push_back((now + SECOND, client));
        }
        Ok(())
    }

    fn forget(&mut self, now: Moment) {
        for _ in 0..FORGOTTEN_PER_ARRIVAL {
            let Some(&(_, client)) = self.expiry_queue.front().filter(|(due, _)| *due <= now)
            else {
                return;
            };
            self.expiry_queue.pop_front();
            let is_over = self.next.get(&client).is_some_and(|&next| next <= now);
            if is_over {
                self.next.remove(&client);
            } else {
                self.expiry_queue.push_back((now + SECOND, client));
            }
        }
    }
}
