//! The descriptor limit: raised as far as it goes, and what it leaves for connections.
//!
//! Invariant: a server never counts on more descriptors for connections than it will have. It
//! subtracts what is open, by /proc, and at least what this program opens, which is known where
//! /proc is missing.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fmt;
use std::fs;
use std::io;

#[cfg(test)]
mod tests;

/// Descriptors kept for what opens files later: a table's reload, the time zone.
const SPARE: usize = 8;

/// Standard input, output and error.
const STANDARD: usize = 3;

/// Descriptors of any server apart from its listeners: the standard three, epoll, epoll's copy that
/// registers sockets, the eventfd that wakes the loop, the signalfd, a description of standard
/// error of its own, and the kernel's figures of its memory.
const OF_A_SERVER: usize = STANDARD + 6;

/// More descriptors of a shard, which its supervisor passes on: the statistics' board, and their
/// socket.
const OF_A_SHARD: usize = 2;

/// Descriptors of a supervisor apart from those for its shards: the standard three, epoll, epoll's
/// copy, the eventfd, the signalfd, its log's and the shards' one, the program's file, the
/// table, and the board.
const OF_A_SUPERVISOR: usize = STANDARD + 9;

/// Fewest connections that a server starts with if no number was asked for. A limit that leaves
/// fewer was most likely set by mistake, and nearly all clients would wait.
pub const FEWEST_CONNECTIONS: usize = 16;

/// Raises the soft limit to the hard one, as any process may, and returns what holds now.
pub fn raise_limit() -> usize {
    let (soft, hard) = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok(limits) => limits,
        Err(errno) => {
            let error = io::Error::from(errno);
            log::warn!("cannot read the descriptor limit: {error}; taking it for 1024");
            return 1024;
        }
    };
    let limit = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(errno) => {
            let error = io::Error::from(errno);
            log::warn!("cannot raise the descriptor limit from {soft} to {hard}: {error}");
            soft
        }
    };
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// How many descriptors are open in this process; 0 if that cannot be counted.
fn open() -> usize {
    // One of those that are counted is open for the count alone.
    fs::read_dir("/proc/self/fd").map_or(0, |open| open.count().saturating_sub(1))
}

/// The descriptor limit, and how many descriptors are reserved for anything but connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    limit: usize,
    reserved: usize,
}

impl Budget {
    /// For a process that serves `listeners` listeners, by what this program opens.
    pub const fn of_a_server(limit: usize, listeners: usize) -> Budget {
        Budget { limit, reserved: OF_A_SERVER + listeners + SPARE }
    }

    /// For a process that a supervisor starts, by what this program opens.
    pub const fn of_a_shard(limit: usize, listeners: usize) -> Budget {
        Budget::of_a_server(limit, listeners + OF_A_SHARD)
    }

    /// Reserves at least what is open in this process now. To be called when all is open but
    /// connections.
    pub fn with_what_is_open(self) -> Budget {
        Budget { reserved: self.reserved.max(open() + SPARE), ..self }
    }

    /// The limit, in descriptors.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many connections there is room for.
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.reserved)
    }

    /// Whether the room is enough to start with: for what is `asked` for, or else for
    /// [`FEWEST_CONNECTIONS`].
    ///
    /// # Errors
    ///
    /// [`TooFewDescriptors`] if it is not.
    pub fn check(&self, asked: Option<usize>) -> Result<(), TooFewDescriptors> {
        let room = self.room();
        let fits = room >= FEWEST_CONNECTIONS || asked.is_some_and(|asked| asked <= room);
        let wanted = asked.unwrap_or(FEWEST_CONNECTIONS);
        let needed = self.reserved.saturating_add(wanted);
        if fits {
            return Ok(());
        }
        Err(TooFewDescriptors::ForConnections { limit: self.limit, room, wanted, needed })
    }
}

/// Whether a supervisor has enough for its shards: for each, a socket of each listener, one to the
/// shard itself, and one to another that drains beside it.
///
/// # Errors
///
/// [`TooFewDescriptors`] if it has not.
pub fn check_supervisor(
    limit: usize,
    shards: usize,
    listeners: usize,
) -> Result<(), TooFewDescriptors> {
    let of_shards = (listeners + 2).saturating_mul(shards);
    let needed = (OF_A_SUPERVISOR + SPARE).saturating_add(of_shards);
    if limit >= needed {
        return Ok(());
    }
    Err(TooFewDescriptors::ForShards { limit, shards, needed })
}

/// The descriptor limit is too low to start with; the fault of the system, or of the user who set
/// the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooFewDescriptors {
    /// It leaves too few places for connections.
    ForConnections {
        /// The limit.
        limit: usize,
        /// For how many it leaves room.
        room: usize,
        /// How many there should be.
        wanted: usize,
        /// The limit that would do.
        needed: usize,
    },
    /// It is too low for a supervisor.
    ForShards {
        /// The limit.
        limit: usize,
        /// How many it has to look after.
        shards: usize,
        /// The limit that would do.
        needed: usize,
    },
}

impl TooFewDescriptors {
    /// The limit that would do.
    pub fn needed(&self) -> usize {
        match self {
            TooFewDescriptors::ForConnections { needed, .. }
            | TooFewDescriptors::ForShards { needed, .. } => *needed,
        }
    }
}

impl fmt::Display for TooFewDescriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TooFewDescriptors::ForConnections { limit, room, wanted, needed } => {
                write!(
                    f,
                    "the descriptor limit of {limit} has room for {room} connections; {wanted} \
                     need a limit of {needed} (raise it with ulimit -n {needed} or \
                     LimitNOFILE={needed}"
                )?;
                match room {
                    0 => f.write_str(")"),
                    room => write!(f, ", or ask for at most {room} with --max-connections)"),
                }
            }
            TooFewDescriptors::ForShards { limit, shards, needed } => write!(
                f,
                "the descriptor limit of {limit} is too low for {shards} shards, whose listeners \
                 the supervisor keeps; they need a limit of {needed} (raise it with ulimit -n \
                 {needed} or LimitNOFILE={needed})"
            ),
        }
    }
}

impl std::error::Error for TooFewDescriptors {}
