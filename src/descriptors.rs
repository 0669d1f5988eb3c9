//! The descriptor limit: raised as far as it goes, and what it leaves for connections.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs;
use std::io;

/// Descriptors kept for what opens files later: a table's reload, the time zone.
const SPARE: usize = 8;

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

/// How many connections fit under a limit of `limit` descriptors, now that all else is open.
pub fn room_for_connections(limit: usize) -> usize {
    // Without /proc, guess: the standard three, epoll, a waker, signals, and some listeners.
    let in_use = fs::read_dir("/proc/self/fd").map_or(16, Iterator::count);
    limit.saturating_sub(in_use + SPARE).max(1)
}
