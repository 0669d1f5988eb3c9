//! Local ports: each connection from one source to one destination takes one.
//!
//! The kernel takes them from one range for IPv4 and IPv6, ip(7). It skips reserved ports, and
//! ports that a program has bound, such as a server's on this machine.

use super::{Finding, Limit, Requirements, System};
use crate::loadgen::preflight::MOST_SOURCES;
use crate::loadgen::preflight::system::{PortRange, Reading};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The widest sensible `ip_local_port_range`: lower ports are for privileged servers.
const WIDEST: PortRange = PortRange { first: 1024, last: u16::MAX };

pub(super) fn local_ports(system: &System, requirements: &Requirements) -> Finding {
    let needed = requirements.connections;
    let pairs = AddressPairs::of(requirements);
    let of_each = pairs.ports(&system.local_ports, &system.reserved_ports);
    let have = of_each.clone().map(|ports| pairs.connections(ports));
    let mut finding = Finding::new(Limit::LocalPorts, needed, &have).most(|have| have);
    finding.note = finding.note.or_else(|| pairs.without_source());
    let (Ok(of_each), Some(have)) = (of_each, finding.have) else { return finding };
    if needed <= have {
        return finding;
    }
    let widest = pairs.ports(&Ok(WIDEST), &system.reserved_ports).unwrap_or(of_each);
    if needed <= pairs.connections(widest) {
        let PortRange { first, last } = WIDEST;
        finding.remedies.push(format!(
            "sysctl -w net.ipv4.ip_local_port_range=\"{first} {last}\"   # as root; for IPv6, too"
        ));
    }
    finding.remedies.extend(pairs.more_sources(needed, of_each));
    finding.remedies.extend(pairs.more_destinations(needed, of_each));
    finding
}

/// The sources and destinations, each once. `::ffff:127.0.0.1` counts as 127.0.0.1, because the
/// kernel connects with IPv4.
struct AddressPairs {
    sources: BTreeSet<IpAddr>,
    destinations: BTreeSet<SocketAddr>,
    local: bool,
}

impl AddressPairs {
    fn of(requirements: &Requirements) -> AddressPairs {
        let canonical = |address: &SocketAddr| {
            let mut address = *address;
            address.set_ip(address.ip().to_canonical());
            address
        };
        AddressPairs {
            sources: requirements.sources.iter().map(IpAddr::to_canonical).collect(),
            destinations: requirements.destinations.iter().map(canonical).collect(),
            local: requirements.local,
        }
    }

    /// Ports that one source has for one destination.
    fn ports(
        &self,
        range: &Reading<PortRange>,
        reserved: &Reading<Vec<PortRange>>,
    ) -> Reading<u64> {
        let (range, reserved) = (range.clone()?, reserved.clone()?);
        let mut usable = vec![false; usize::from(u16::MAX) + 1];
        let places = |range: &PortRange| usize::from(range.first)..=usize::from(range.last);
        usable[places(&range)].fill(true);
        for range in &reserved {
            usable[places(range)].fill(false);
        }
        if self.local {
            let bound = self.destinations.iter().map(SocketAddr::port);
            bound.for_each(|port| usable[usize::from(port)] = false);
        }
        Ok(usable.iter().filter(|&&usable| usable).count() as u64)
    }

    /// Connections that `ports` local ports for each pair of addresses allow.
    fn connections(&self, ports: u64) -> u64 {
        ports.saturating_mul(self.pairs())
    }

    /// Pairs of a source and a destination of one family.
    fn pairs(&self) -> u64 {
        match self.destinations.len() {
            0 => self.sources.len().max(1) as u64,
            _ => self.destinations.iter().map(|destination| self.sources_for(destination)).sum(),
        }
    }

    fn sources_for(&self, destination: &SocketAddr) -> u64 {
        let fits = |source: &&IpAddr| source.is_ipv4() == destination.is_ipv4();
        match self.sources.len() {
            0 => 1,
            _ => self.sources.iter().filter(fits).count() as u64,
        }
    }

    fn without_source(&self) -> Option<String> {
        let is_without = |destination: &&SocketAddr| self.sources_for(destination) == 0;
        let destination = self.destinations.iter().find(is_without)?;
        let family = if destination.is_ipv4() { "IPv4" } else { "IPv6" };
        Some(format!("no --source is an {family} address, which is needed to reach {destination}"))
    }

    /// The option with enough sources, each towards every destination.
    fn more_sources(&self, needed: u64, ports: u64) -> Option<String> {
        let count = needed.div_ceil(nonzero(ports.saturating_mul(self.destination_count()))?);
        if count > MOST_SOURCES as u64 {
            return None;
        }
        let is_ipv4_loopback =
            |address: &SocketAddr| address.is_ipv4() && address.ip().is_loopback();
        if self.destinations.is_empty() || !self.destinations.iter().all(is_ipv4_loopback) {
            let now = self.sources.len().max(1);
            return Some(format!(
                "--source with {count} addresses of this machine, of each destination's family, \
                 instead of {now}"
            ));
        }
        // All of 127.0.0.0/8 is local. 127.0.0.1 is left to other programs.
        let first = Ipv4Addr::new(127, 0, 0, 2);
        let last = Ipv4Addr::from_bits(first.to_bits() + count.saturating_sub(1) as u32);
        Some(match first == last {
            true => format!("--source {first}"),
            false => format!("--source {first}-{last}"),
        })
    }

    fn more_destinations(&self, needed: u64, ports: u64) -> Option<String> {
        let pairs = self.pairs();
        let sources = pairs / self.destination_count();
        let count = needed.div_ceil(nonzero(ports.saturating_mul(sources))?);
        let now = self.destination_count();
        (count > now).then(|| {
            format!(
                "connect to {count} addresses or ports of the server (ADDR...), instead of {now}"
            )
        })
    }

    fn destination_count(&self) -> u64 {
        self.destinations.len().max(1) as u64
    }
}

fn nonzero(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}
