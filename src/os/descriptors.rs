//! RLIMIT_NOFILE, the descriptor limit: raising it, and how many connections it leaves room for.
//!
//! Invariant: a server never counts on more descriptors for connections than it will have. It
//! subtracts the descriptors that are open, as /proc/self/fd lists them, and at least those that
//! this program always opens.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fmt;
use std::fs;
use std::io;

#[cfg(test)]
mod tests;

/// Descriptors kept free for files that are opened later: a reload of the table or the time zone.
const SPARE: usize = 8;

/// Standard input, output and error.
const STANDARD: usize = 3;

/// Descriptors of any server apart from its listeners: the standard three, epoll, epoll's copy that
/// registers sockets, the eventfd that wakes the loop, the signalfd, a description of standard
/// error of its own, and the kernel's figures of its memory.
const OF_A_SERVER: usize = STANDARD + 6;

/// Further descriptors of a shard, which it inherits from its supervisor: the scoreboard of the
/// statistics, and the socket between the two.
const OF_A_SHARD: usize = 2;

/// Descriptors of a supervisor apart from those for its shards: the standard three, epoll, epoll's
/// copy, the eventfd, the signalfd, its log's and the shards' one, the program's file, the
/// table, the configuration of a shard, and the scoreboard.
const OF_A_SUPERVISOR: usize = STANDARD + 10;

/// Fewest connections that a server starts with if no number was asked for. A limit that leaves
/// fewer was most likely set by mistake, and nearly all clients would wait.
pub const FEWEST_CONNECTIONS: usize = 16;

/// Raises the soft limit to the hard one, which needs no privilege, and returns the limit that
/// holds now.
pub fn raise_limit() -> usize {
    let (soft, hard) = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok(limits) => limits,
        Err(errno) => {
            let error = io::Error::from(errno);
            log::warn!("cannot read the descriptor limit: {error}; assuming 1024");
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

/// The number of open descriptors of this process; 0 if /proc/self/fd cannot be read.
fn open() -> usize {
    // One of them is the descriptor of /proc/self/fd itself.
    fs::read_dir("/proc/self/fd").map_or(0, |open| open.count().saturating_sub(1))
}

/// The descriptor limit, and the number of descriptors that are reserved for other uses than
/// connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    limit: usize,
    reserved: usize,
}

impl Budget {
    /// The budget of a process with `listeners` listeners, by what this program opens.
    pub const fn of_a_server(limit: usize, listeners: usize) -> Budget {
        Budget { limit, reserved: OF_A_SERVER + listeners + SPARE }
    }

    /// The budget of a shard, by what this program opens.
    pub const fn of_a_shard(limit: usize, listeners: usize) -> Budget {
        Budget::of_a_server(limit, listeners + OF_A_SHARD)
    }

    /// Reserves at least the descriptors that are open now. Call it when everything but connections
    /// is open.
    pub fn with_what_is_open(self) -> Budget {
        Budget { reserved: self.reserved.max(open() + SPARE), ..self }
    }

    /// Reserves as many more.
    pub fn with_reserved(self, more: usize) -> Budget {
        Budget { reserved: self.reserved.saturating_add(more), ..self }
    }

    /// The limit, in descriptors.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many connections there is room for.
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.reserved)
    }

    /// Checks that the room is enough to start: for the `asked` connections, or else for
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

/// Checks that a supervisor has enough for its shards. Each needs the socket of each listener, a
/// socket to the shard, and a socket to a predecessor that still drains.
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
    /// It leaves room for too few connections.
    ForConnections {
        /// The limit.
        limit: usize,
        /// Connections that it has room for.
        room: usize,
        /// Connections that are wanted.
        wanted: usize,
        /// The limit that would do.
        needed: usize,
    },
    /// It is too low for a supervisor.
    ForShards {
        /// The limit.
        limit: usize,
        /// The number of shards.
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
                    room => write!(f, ", or set --max-connections to at most {room})"),
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
