//! Whether this machine can open N connections, told before the first of them is opened.
//!
//! [`System::read`] reads the limits from files, [`examine`] weighs [`Requirements`] against them,
//! and the [`PreflightReport`] prints as a table, with a command for each limit that is too low.
//!
//! Invariant: an examination without [`Verdict::Unknown`] is consistent with itself. The demand
//! fits if it is for no more connections than [`MaxConnections`] says, and else it does not.
//!
//! What is not seen: the limits of another machine, ports that connections of other programs hold
//! or have just given up (TIME-WAIT), and what firewalls other than conntrack allow.

use serde::Serialize;
use std::net::{IpAddr, SocketAddr, UdpSocket};

mod checks;
mod display;
pub mod sources;
pub mod system;
#[cfg(test)]
mod tests;

pub use sources::{MOST_SOURCES, SourceError, parse_sources};
pub use system::System;

/// What is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// Connections at once, at least one: those that make requests, idle and slow ones together.
    pub connections: u64,
    /// Those of them that say nothing.
    pub idle: u64,
    /// Processes that they are spread over; 0 counts as 1.
    pub workers: u64,
    /// Connections being made at once.
    pub connect_parallel: u64,
    /// Addresses to connect from. None: the kernel chooses one for each destination.
    pub sources: Vec<IpAddr>,
    /// Servers to connect to. None counts as one.
    pub destinations: Vec<SocketAddr>,
    /// Whether the server is on this machine: then its ends of the connections count as well. See
    /// [`is_local`].
    pub local: bool,
}

impl Default for Requirements {
    /// One connection of one process to one server elsewhere.
    fn default() -> Requirements {
        Requirements {
            connections: 1,
            idle: 0,
            workers: 1,
            connect_parallel: 256,
            sources: Vec::new(),
            destinations: Vec::new(),
            local: false,
        }
    }
}

/// Whether `address` is this machine's own: a loopback address, the unspecified one, to which
/// connecting means the same, or one of an interface.
pub fn is_local(address: IpAddr) -> bool {
    let address = address.to_canonical();
    // bind(2) refuses an address that no interface has.
    address.is_loopback() || address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok()
}

/// What bounds the number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// `fs.nr_open`: how far the next limit can be raised.
    NrOpen,
    /// `RLIMIT_NOFILE` of each worker.
    WorkerDescriptors,
    /// `RLIMIT_NOFILE` of the server, if that is on this machine and has the limits we have.
    ServerDescriptors,
    /// `fs.file-max`: open files of all processes together. Processes with CAP_SYS_ADMIN may go
    /// beyond.
    OpenFiles,
    /// `net.ipv4.ip_local_port_range`, for each pair of a source and a destination.
    LocalPorts,
    /// `nf_conntrack_max`.
    Conntrack,
    /// What the kernel and the programs need for connections that do nothing.
    Memory,
    /// `net.ipv4.tcp_mem`, for connections with data under way.
    TcpMemory,
    /// `net.core.somaxconn`: connections that wait to be accepted. One more, and its last handshake
    /// segment is dropped: it is made a second later.
    AcceptQueue,
    /// `net.ipv4.tcp_max_syn_backlog`: connections half made.
    SynQueue,
}

impl Limit {
    /// Whether what goes beyond it certainly fails. The others are estimates, or only slow things
    /// down.
    pub fn is_certain(self) -> bool {
        match self {
            Limit::NrOpen
            | Limit::WorkerDescriptors
            | Limit::OpenFiles
            | Limit::LocalPorts
            | Limit::Conntrack
            | Limit::Memory => true,
            Limit::ServerDescriptors | Limit::TcpMemory | Limit::AcceptQueue | Limit::SynQueue => {
                false
            }
        }
    }

    /// What its numbers count.
    pub fn unit(self) -> Unit {
        match self {
            Limit::Memory => Unit::Bytes,
            Limit::TcpMemory => Unit::Pages,
            _ => Unit::Count,
        }
    }
}

/// What a finding's numbers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Descriptors, files, ports, connections.
    Count,
    /// Bytes.
    Bytes,
    /// Pages of memory, 4 KiB on most machines.
    Pages,
}

/// Whether a limit allows what is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Enough,
    /// It certainly does not.
    Short,
    /// By an estimate it does not, or it does with delays.
    Tight,
    /// The limit is not known.
    Unknown,
}

/// One limit against what is needed of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which limit.
    pub what: Limit,
    /// What [`Finding::needed`] and [`Finding::have`] count.
    pub unit: Unit,
    /// How much is needed.
    pub needed: u64,
    /// How much there is, unless that is unknown.
    pub have: Option<u64>,
    /// What that means.
    pub verdict: Verdict,
    /// The most connections for which it would be enough, if it is a limit that is certain.
    pub most: Option<u64>,
    /// What to know about it, such as why it is unknown.
    pub note: Option<String>,
    /// What to do if it is too low: commands, for root if they say so, and options of readyc. Each
    /// of them is enough, if the commands for the limits above are followed, too.
    pub remedies: Vec<String>,
}

/// The most connections that can be had as things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MaxConnections {
    /// How many.
    pub connections: u64,
    /// What bounds them.
    pub limited_by: Limit,
}

/// A demand weighed against all limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PreflightReport {
    /// Connections asked for.
    pub connections: u64,
    /// Whether they fit, see [`PreflightReport::fits`].
    fits: bool,
    /// One for each limit, in an order in which their remedies can be followed.
    pub findings: Vec<Finding>,
    /// The most connections that can be had, by the limits that are known; `None` if none is.
    pub largest: Option<MaxConnections>,
}

impl PreflightReport {
    /// Whether no limit is certain to be too low. One that is unknown may be.
    pub fn fits(&self) -> bool {
        self.fits
    }
}

/// Weighs `requirements` against the limits of `system`.
pub fn examine(system: &System, requirements: &Requirements) -> PreflightReport {
    let findings = checks::all(system, requirements);
    let bounds = findings.iter().filter_map(|finding| {
        finding.most.map(|most| MaxConnections { connections: most, limited_by: finding.what })
    });
    PreflightReport {
        connections: requirements.connections,
        fits: findings.iter().all(|finding| finding.verdict != Verdict::Short),
        largest: bounds.min_by_key(|bound| bound.connections),
        findings,
    }
}
