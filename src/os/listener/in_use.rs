//! Why bind(2) says EADDRINUSE. The errno has several causes, and each needs a different remedy.
//!
//! Our sockets have SO_REUSEADDR. So the conflicting socket either listens, or is a connection
//! without SO_REUSEADDR: mostly one of a client, whose local port the kernel chose. It conflicts
//! until it is gone, TIME_WAIT included. /proc/net/tcp does not list a socket that is bound and
//! neither listens nor is connected.

use super::Port;
use crate::io::address::Address;
use crate::os::sockets::{self, Row, State};
use nix::unistd::geteuid;
use std::fmt;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::id;

#[cfg(test)]
mod tests;

/// A process that has the conflicting socket open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The name of its program, proc_pid_comm(5).
    pub name: String,
}

/// What conflicts with the bind(2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A socket that listens.
    Listener {
        /// Whose it is.
        uid: u32,
        /// The process that has it open, if we may see its descriptors.
        process: Option<Process>,
    },
    /// A connection that has the port as its local port.
    Connection {
        /// Its state.
        state: State,
        /// Whose it is.
        uid: u32,
        /// The process that has it open, if we may see its descriptors.
        process: Option<Process>,
    },
    /// A connection that no process has open any more; the kernel will end it.
    Lingering(State),
    /// Port 0 was asked for, and no port is free.
    AllPorts,
    /// No listed socket conflicts, or the lists cannot be read.
    Unknown,
}

/// Looks for the socket that conflicts with a listener on `wanted`.
///
/// Reads the list of all sockets, up to the first that listens there, and looks at the descriptors
/// of all processes. This takes long on a machine with many sockets or processes.
pub fn holder(wanted: SocketAddr) -> Holder {
    if wanted.port() == 0 {
        return Holder::AllPorts;
    }
    let rows = sockets::LISTS.iter().filter_map(|path| sockets::list(path).ok()).flatten();
    match in_the_way(wanted, rows) {
        None => Holder::Unknown,
        Some(Row { state: State::Listen, uid, inode, .. }) => {
            Holder::Listener { uid, process: process_with(inode) }
        }
        Some(Row { inode: 0, state, .. }) => Holder::Lingering(state),
        Some(Row { state, uid, inode, .. }) => {
            Holder::Connection { state, uid, process: process_with(inode) }
        }
    }
}

/// The first row that listens on `wanted`; else the first that a process has open; else the first.
fn in_the_way(wanted: SocketAddr, rows: impl Iterator<Item = Row>) -> Option<Row> {
    let mut found: Option<Row> = None;
    for row in rows.filter(|row| overlap(wanted, row.local)) {
        match (row.state, found) {
            (State::Listen, _) => return Some(row),
            (_, None) => found = Some(row),
            (_, Some(other)) if other.inode == 0 && row.inode != 0 => found = Some(row),
            _ => {}
        }
    }
    found
}

/// Whether a socket bound to `taken` may conflict with a listener on `wanted`. An IPv6 listener of
/// ours has IPV6_V6ONLY.
pub fn overlap(wanted: SocketAddr, taken: SocketAddr) -> bool {
    let is_same = match (wanted.ip(), taken.ip().to_canonical()) {
        (IpAddr::V4(wanted), IpAddr::V4(taken)) => {
            wanted == taken || wanted.is_unspecified() || taken.is_unspecified()
        }
        // Without IPV6_V6ONLY it takes IPv4 clients too; the lists do not show the option.
        (IpAddr::V4(_), IpAddr::V6(taken)) => taken.is_unspecified(),
        (IpAddr::V6(wanted), IpAddr::V6(taken)) => {
            wanted == taken || wanted.is_unspecified() || taken.is_unspecified()
        }
        (IpAddr::V6(_), IpAddr::V4(_)) => false,
    };
    is_same && wanted.port() == taken.port()
}

/// A process that has the socket with this inode open, among those whose descriptors we may see.
fn process_with(inode: u64) -> Option<Process> {
    processes_with(&[format!("socket:[{inode}]")]).next()
}

/// The processes that have one of these open, by what their descriptors link to in proc(5).
fn processes_with(links: &[String]) -> impl Iterator<Item = Process> {
    let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    processes.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let mut descriptors = fs::read_dir(entry.path().join("fd")).ok()?.filter_map(Result::ok);
        let is_one = |to: &PathBuf| links.iter().any(|link| to.as_os_str() == &**link);
        descriptors.find(|fd| fs::read_link(fd.path()).is_ok_and(|to| is_one(&to)))?;
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        Some(Process { pid, name: name.trim_end().to_owned() })
    })
}

/// The processes that listen on `address`, among those whose descriptors we may see: our own
/// user's, or all for root. None if nobody listens there, or in another network namespace.
pub fn listening(address: &Address) -> Vec<Process> {
    let inodes: Vec<u64> = match address {
        Address::Inet(address) => {
            let rows = sockets::LISTS.iter().filter_map(|path| sockets::list(path).ok());
            // The kernel lists listening sockets first.
            let rows = rows.flat_map(|rows| rows.take_while(|row| row.state == State::Listen));
            rows.filter(|row| overlap(*address, row.local)).map(|row| row.inode).collect()
        }
        Address::Unix(address) => sockets::listening_unix(address.as_str()),
    };
    if inodes.is_empty() {
        return Vec::new();
    }
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    processes_with(&links).collect()
}

/// `process 4711 ("nginx") of user 33`, or the parts that are known.
struct Owner<'a>(u32, &'a Option<Process>);

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owner(uid, process) = self;
        match process {
            Some(Process { pid, name }) => write!(f, "process {pid} ({name:?}) of user {uid}"),
            None => write!(f, "a process of user {uid}"),
        }
    }
}

impl Holder {
    /// What conflicts with a socket that was to be bound as `port` says, and what to do: one
    /// sentence.
    pub fn advice(&self, port: Port) -> String {
        match (self, port) {
            (Holder::Listener { process: Some(Process { pid, .. }), .. }, _) if *pid == id() => {
                "this process has another listener there: one that it inherited, or one whose port \
                 the kernel chose; leave one of them out"
                    .to_owned()
            }
            (Holder::Listener { uid, process }, Port::Exclusive) => format!(
                "another program listens there: {}; stop it, or choose another port",
                Owner(*uid, process)
            ),
            (Holder::Listener { uid, process }, Port::Shared) if *uid == geteuid().as_raw() => {
                format!(
                    "another program listens there without sharing the port: {}; stop it, start it \
                     with --reuse-port if it is readyd, or choose another port",
                    Owner(*uid, process)
                )
            }
            (Holder::Listener { uid, process }, Port::Shared) => format!(
                "another program listens there: {}, and only processes of one user can share a \
                 port; stop it, or choose another port",
                Owner(*uid, process)
            ),
            (Holder::Connection { state, uid, process }, _) => format!(
                "no program listens there, but {} has a connection with this local port ({}); wait \
                 until it is closed, or choose a port outside net.ipv4.ip_local_port_range, from \
                 which the kernel takes local ports",
                Owner(*uid, process),
                state.name()
            ),
            (Holder::Lingering(state), _) => format!(
                "no program listens there, but the kernel keeps a connection with this local port \
                 that was closed ({}); wait a minute, or choose another port",
                state.name()
            ),
            (Holder::AllPorts, _) => "all ports of net.ipv4.ip_local_port_range are taken on this \
                                      address; close connections, or widen the range"
                .to_owned(),
            (Holder::Unknown, _) => "another socket has this address: of a program that listens \
                                     there or will, or of a connection with this local port, which \
                                     may linger for a minute after it was closed; look with ss \
                                     -tanp, or choose another port"
                .to_owned(),
        }
    }
}
