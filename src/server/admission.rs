//! Whom to let in: the rules on addresses, and what one client may have of the server.
//!
//! *One client* is an IPv4 address, or an IPv6 network of 64 bits: that much a single host is commonly
//! given (RFC 6177), and it may use a new address of it for each connection.
//!
//! Invariants:
//!
//! - A count exists for each client that has an address and a connection, and for no other.
//! - Memory follows the clients that are connected, or came during the last second. None is needed for a
//!   limit that is not set.
//! - What a look-up costs does not depend on which addresses clients choose, and nothing depends on chance:
//!   the clients are in trees, in order. Hashes would need a seed that nobody can guess.

use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::server::limits::Limits;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Arrivals that may be forgotten, looked at for each that is noted: two, so that the memory of a crowd
/// shrinks while others still come.
const FORGOTTEN_PER_ARRIVAL: usize = 2;

/// Why a client is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// By the rules on addresses.
    Denied,
    /// It has as many connections as one client may have.
    TooMany,
    /// It connects more often than one client may.
    TooFast,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Denied => "its address is not allowed (--allow, --deny)",
            Refusal::TooMany => "its address has enough (--max-connections-per-address)",
            Refusal::TooFast => "its address comes too often (--accept-rate-per-address)",
        })
    }
}

/// What counts as one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Client {
    V4(u32),
    V6Network(u64),
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Client {
        match address.to_canonical() {
            IpAddr::V4(address) => Client::V4(address.to_bits()),
            IpAddr::V6(address) => Client::V6Network((address.to_bits() >> 64) as u64),
        }
    }
}

/// Keeps the count of each client, and knows the limits on it.
#[derive(Debug, Default)]
pub(super) struct Admission {
    connections: BTreeMap<Client, usize>,
    arrivals: Arrivals,
}

impl Admission {
    /// Whether a client may have one more connection, which is counted then.
    pub(super) fn admit(
        &mut self,
        peer: &Peer,
        limits: &Limits,
        now: Moment,
    ) -> Result<(), Refusal> {
        // A client of a unix socket has no address: the modes of the file say who may connect.
        let Some(address) = peer.ip() else { return Ok(()) };
        if !limits.access.admit(address) {
            return Err(Refusal::Denied);
        }
        if limits.max_connections_per_address.is_none() && limits.accept_rate_per_address.is_none()
        {
            return Ok(());
        }
        let client = Client::from(address);
        if let Some(most) = limits.max_connections_per_address
            && self.connections.get(&client).is_some_and(|&count| count >= most)
        {
            return Err(Refusal::TooMany);
        }
        if let Some(rate) = limits.accept_rate_per_address {
            self.arrivals.note(client, rate, now)?;
        }
        if limits.max_connections_per_address.is_some() {
            *self.connections.entry(client).or_insert(0) += 1;
        }
        Ok(())
    }

    /// A connection that had been admitted has been closed.
    pub(super) fn closed(&mut self, peer: &Peer) {
        if self.connections.is_empty() {
            return;
        }
        let Some(client) = peer.ip().map(Client::from) else { return };
        if let Some(count) = self.connections.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                self.connections.remove(&client);
            }
        }
    }

    /// Heap bytes held, as far as it matters: a tree's nodes are at least half full.
    pub(super) fn memory(&self) -> usize {
        let Arrivals { next, fading } = &self.arrivals;
        let connected = self.connections.len() * size_of::<(Client, usize)>();
        let next = next.len() * size_of::<(Client, Moment)>();
        2 * (connected + next) + fading.capacity() * size_of::<(Moment, Client)>()
    }

    /// Clients whose connections are counted.
    pub(super) fn counted(&self) -> usize {
        self.connections.len()
    }

    /// Clients that something is remembered of.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> (usize, usize) {
        (self.connections.len(), self.arrivals.next.len())
    }
}

/// How often clients come: for each the time at which its arrivals, had they been spread evenly, would
/// allow the next. This is the generic cell rate algorithm (ITU-T I.371), with a tolerance of a second.
#[derive(Debug, Default)]
struct Arrivals {
    next: BTreeMap<Client, Moment>,
    /// When to look whether a client can be forgotten; each of `next` is in here once, in order.
    fading: VecDeque<(Moment, Client)>,
}

impl Arrivals {
    fn note(&mut self, client: Client, rate: u32, now: Moment) -> Result<(), Refusal> {
        self.forget(now);
        let interval = SECOND / rate;
        let known = self.next.get(&client).copied();
        let next = known.map_or(now, |next| next.max(now)) + interval;
        if next > now + SECOND {
            return Err(Refusal::TooFast);
        }
        self.next.insert(client, next);
        if known.is_none() {
            self.fading.push_back((now + SECOND, client));
        }
        Ok(())
    }

    fn forget(&mut self, now: Moment) {
        for _ in 0..FORGOTTEN_PER_ARRIVAL {
            let Some(&(_, client)) = self.fading.front().filter(|(due, _)| *due <= now) else {
                return;
            };
            self.fading.pop_front();
            let is_over = self.next.get(&client).is_some_and(|&next| next <= now);
            if is_over {
                self.next.remove(&client);
            } else {
                self.fading.push_back((now + SECOND, client));
            }
        }
    }
}
