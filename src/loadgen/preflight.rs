//! Whether this machine can open N connections, told before the first of them is opened.
//!
//! [`System::read`] reads the limits from files, [`examine`] compares [`Requirements`] with them,
//! and the [`PreflightReport`] prints as a table, with a command for each limit that is too low.
//!
//! Invariant: a report without [`Verdict::Unknown`] is consistent: the requirements fit exactly if
//! they ask for at most as many connections as [`MaxConnections`] says.
//!
//! It does not see the limits of another machine, local ports in use by other programs or in
//! TIME-WAIT, or firewalls other than conntrack.

use crate::io::address::Address;
use serde::Serialize;
use std::net::{IpAddr, SocketAddr, UdpSocket};

mod checks;
mod display;
pub mod sources;
pub mod system;
#[cfg(test)]
mod tests;
mod text;

pub use sources::{MOST_SOURCES, SourceError, parse_sources};
pub use system::System;

/// The connections that a run needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// Connections at once, at least one: those that make requests, idle and slow ones together.
    pub connections: u64,
    /// Those of them that are idle.
    pub idle: u64,
    /// Worker processes that they are spread over; 0 counts as 1.
    pub workers: u64,
    /// Handshakes in progress at once.
    pub connect_parallel: u64,
    /// Addresses to connect from. None: the kernel chooses one for each destination.
    pub sources: Vec<IpAddr>,
    /// Servers of TCP to connect to. None counts as one, unless all servers listen on unix
    /// sockets.
    pub destinations: Vec<SocketAddr>,
    /// Whether all servers listen on unix sockets: such connections need nothing that belongs to
    /// TCP, such as ports.
    pub unix_only: bool,
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
            unix_only: false,
            local: false,
        }
    }
}

/// Whether `address` is this machine's own: a loopback address, the unspecified address, which
/// connect(2) takes for loopback, or one of an interface.
pub fn is_local(address: IpAddr) -> bool {
    let address = address.to_canonical();
    // bind(2) refuses an address that no interface has.
    address.is_loopback() || address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok()
}

impl Requirements {
    /// The same, of connections to `servers`.
    pub fn of_servers(self, servers: &[Address]) -> Requirements {
        let inet = |server: &Address| match server {
            Address::Inet(address) => Some(*address),
            Address::Unix(_) => None,
        };
        let destinations: Vec<SocketAddr> = servers.iter().filter_map(inet).collect();
        Requirements {
            local: destinations.iter().all(|destination| is_local(destination.ip())),
            unix_only: destinations.is_empty() && !servers.is_empty(),
            destinations,
            ..self
        }
    }
}

/// A limit on the number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// `fs.nr_open`: how far the next limit can be raised.
    NrOpen,
    /// `RLIMIT_NOFILE` of each worker.
    WorkerDescriptors,
    /// `RLIMIT_NOFILE` of the server, if it is on this machine; taken to be the same as ours.
    ServerDescriptors,
    /// `fs.file-max`: open files of all processes together. Processes with CAP_SYS_ADMIN may go
    /// beyond.
    OpenFiles,
    /// `net.ipv4.ip_local_port_range`, for each pair of a source and a destination.
    LocalPorts,
    /// `nf_conntrack_max`.
    Conntrack,
    /// Memory of the kernel and the programs for idle connections.
    Memory,
    /// `net.ipv4.tcp_mem`, for connections with data in flight.
    TcpMemory,
    /// `net.core.somaxconn`: connections that wait to be accepted. Beyond it the kernel drops the
    /// last segment of the handshake, which is sent again a second later.
    AcceptQueue,
    /// `net.ipv4.tcp_max_syn_backlog`: handshakes that the server has not completed.
    SynQueue,
}

impl Limit {
    /// Whether connections beyond it certainly fail. Other limits are estimates, or only cause
    /// delays.
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

    /// The unit of its numbers.
    pub fn unit(self) -> Unit {
        match self {
            Limit::Memory => Unit::Bytes,
            Limit::TcpMemory => Unit::Pages,
            _ => Unit::Count,
        }
    }
}

/// The unit of the numbers of a finding.
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
    /// The limit is high enough.
    Enough,
    /// The limit is certainly too low.
    Short,
    /// The limit is too low by an estimate, or will cause delays.
    Tight,
    /// The limit is not known.
    Unknown,
}

/// A limit compared with what the run needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which limit.
    pub what: Limit,
    /// The unit of [`Finding::needed`] and [`Finding::have`].
    pub unit: Unit,
    /// How much the run needs.
    pub needed: u64,
    /// How much there is; `None` if unknown.
    pub have: Option<u64>,
    /// The result of the comparison.
    pub verdict: Verdict,
    /// The most connections that the limit allows, if [`Limit::is_certain`].
    pub most: Option<u64>,
    /// A remark, such as why the limit is unknown.
    pub note: Option<String>,
    /// Remedies if it is too low: shell commands, some for root, and options of readyc. Each alone
    /// is enough, if the limits above are remedied, too.
    pub remedies: Vec<String>,
}

/// The most connections that the present limits allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MaxConnections {
    /// The number.
    pub connections: u64,
    /// The limit that decides it.
    pub limited_by: Limit,
}

/// Requirements compared with all limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PreflightReport {
    /// Connections asked for.
    pub connections: u64,
    /// Whether they fit, see [`PreflightReport::fits`].
    fits: bool,
    /// One for each limit, in an order in which their remedies can be followed.
    pub findings: Vec<Finding>,
    /// The most connections that the known limits allow; `None` if no limit is known.
    pub largest: Option<MaxConnections>,
}

impl PreflightReport {
    /// Whether no limit is certainly too low. An unknown one may be.
    pub fn fits(&self) -> bool {
        self.fits
    }
}

/// Compares `requirements` with the limits of `system`.
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
