//! Limits of the configuration that exceed those of the system.
//!
//! The server starts nevertheless, with what the system gives. A warning tells the operator.

use super::{Config, Located, Origins};
use crate::os::descriptors::{Budget, FEWEST_CONNECTIONS};
use crate::table::MAX_TEXT_BYTES;
use std::fmt;
use std::fs;

#[cfg(test)]
mod tests;

/// The limits of the system; `None` if one cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemLimits {
    /// Descriptors that a process may open, and what it needs of them for other things than
    /// connections.
    pub descriptors: Budget,
    /// `net.core.somaxconn`: the longest queue of connections to be accepted, listen(2).
    pub somaxconn: Option<u64>,
    /// Memory of the machine, or of the control group, in bytes.
    pub memory: Option<u64>,
}

impl SystemLimits {
    /// Reads the limits of this system.
    pub fn read(descriptors: Budget) -> SystemLimits {
        let text = fs::read_to_string("/proc/sys/net/core/somaxconn").ok();
        SystemLimits {
            descriptors,
            somaxconn: text.and_then(|text| text.trim().parse().ok()),
            memory: crate::os::memory::of_the_system(),
        }
    }
}

/// A limit of the configuration that exceeds the one of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// More connections than descriptors.
    Connections {
        /// Connections of one process.
        asked: usize,
        /// Number of processes. Each has its own descriptor limit.
        shards: usize,
        /// Connections that each process has room for.
        room: usize,
        /// The descriptor limit.
        limit: usize,
    },
    /// A longer queue than `net.core.somaxconn`.
    Backlog {
        /// As the command line says.
        asked: u32,
        /// What there is.
        limit: u64,
    },
    /// More memory than there is.
    Memory {
        /// As the command line says, in bytes.
        asked: usize,
        /// What there is, in bytes.
        limit: u64,
    },
    /// A longer table than there can be.
    Table {
        /// As the command line says, in bytes.
        asked: u64,
    },
}

impl Excess {
    /// The flag that asks for it, without dashes.
    pub fn flag(&self) -> &'static str {
        match self {
            Excess::Connections { .. } => "max-connections",
            Excess::Backlog { .. } => "backlog",
            Excess::Memory { .. } => "memory-limit",
            Excess::Table { .. } => "table-limit",
        }
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Excess::Connections { asked, shards, room, limit } => {
                write!(f, "--max-connections {asked} is more than ")?;
                match shards {
                    1 => write!(f, "the {room}")?,
                    shards => write!(f, "{shards} times the {room}")?,
                }
                write!(
                    f,
                    " that the descriptor limit of {limit} has room for (raise it with ulimit -n \
                     or LimitNOFILE=)"
                )
            }
            Excess::Backlog { asked, limit } => write!(
                f,
                "--backlog {asked} is more than net.core.somaxconn, {limit}, to which the kernel \
                 cuts it (raise that with sysctl -w net.core.somaxconn={asked})"
            ),
            Excess::Memory { asked, limit } => write!(
                f,
                "--memory-limit {asked} is more than the {limit} bytes of memory that there are \
                 (ask for less: the kernel ends a process that fills the memory)"
            ),
            Excess::Table { asked } => write!(
                f,
                "--table-limit {asked} is more than a table can have (at most {MAX_TEXT_BYTES} \
                 bytes)"
            ),
        }
    }
}

/// All limits that exceed those of the system, each with its place in the configuration.
pub fn excesses(config: &Config, origins: &Origins, system: &SystemLimits) -> Vec<Located<Excess>> {
    let Config { max_connections, backlog, memory_limit, table_limit, shards, .. } = *config;
    let (room, limit) = (system.descriptors.room(), system.descriptors.limit());
    let is_over = |asked: usize, limit: u64| u64::try_from(asked).is_ok_and(|asked| asked > limit);
    let connections = max_connections
        // With fewer, the server does not start: `Budget::check` says why.
        .filter(|asked| room >= FEWEST_CONNECTIONS && *asked > room.saturating_mul(shards))
        .map(|asked| Excess::Connections { asked, shards, room, limit });
    let backlog = system
        .somaxconn
        .filter(|limit| u64::from(backlog) > *limit)
        .map(|limit| Excess::Backlog { asked: backlog, limit });
    let memory = memory_limit.zip(system.memory);
    let memory = memory
        .filter(|(asked, limit)| is_over(*asked, *limit))
        .map(|(asked, limit)| Excess::Memory { asked, limit });
    let table = (table_limit > MAX_TEXT_BYTES).then_some(Excess::Table { asked: table_limit });
    let located = |excess: Excess| {
        // A default that is cut needs no warning.
        origins.of(excess.flag()).map(|origin| Located::new(Some(origin), excess))
    };
    [connections, backlog, memory, table].into_iter().flatten().filter_map(located).collect()
}
