//! Replacing the file of a unix socket whose process has ended without removing it.
//!
//! Invariant: a socket that a process has open keeps its file. Two servers that start at once may
//! both find a file stale; the second must not remove the new file of the first. So only a process
//! that has locked the directory removes a file, and it looks at the file after it has the lock.

use super::Obstacle;
use crate::io::address::UnixAddress;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// The unix sockets of the network namespace, unix(7): also sockets that are bound and do not
/// listen.
const SOCKETS: &str = "/proc/net/unix";

/// How often the lock is tried, and how long after one try the next comes. Another server holds it
/// for a moment; a user who may read the directory could hold it for ever.
const TRIES: u32 = 100;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// Binds with `bind` in place of the file, if it is a socket that no process has open. Tells
/// whether it was.
///
/// # Errors
///
/// What open(2), flock(2), unlink(2) or `bind` say: EACCES if this user may not change the
/// directory.
pub(super) fn replace(
    address: &UnixAddress,
    bind: impl FnOnce() -> io::Result<()>,
) -> io::Result<bool> {
    let Some(path) = address.path() else { return Ok(false) };
    if Obstacle::at(address) != Obstacle::Silent {
        return Ok(false);
    }
    let directory = File::open(path.parent().unwrap_or(path))?;
    let Some(_lock) = lock(directory)? else { return Ok(false) };
    // connect(2) tells of sockets of other network namespaces, too, if they listen.
    if Obstacle::at(address) != Obstacle::Silent || is_open(path)? {
        return Ok(false);
    }
    fs::remove_file(path)?;
    bind()?;
    Ok(true)
}

/// Locks the directory; `None` if another process does not let go of it.
fn lock(mut directory: File) -> io::Result<Option<Flock<File>>> {
    for _ in 0..TRIES {
        match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Some(lock)),
            // It replaces this file, or another one there.
            Err((unlocked, Errno::EWOULDBLOCK)) => directory = unlocked,
            Err((_, errno)) => return Err(errno.into()),
        }
        thread::sleep(BETWEEN_TRIES);
    }
    Ok(None)
}

/// Whether a process of this network namespace has bound a socket to the path.
pub(super) fn is_open(path: &Path) -> io::Result<bool> {
    let sockets = fs::read(SOCKETS)?;
    let name = path.as_os_str().as_encoded_bytes();
    Ok(sockets
        .split(|&byte| byte == b'\n')
        .any(|line| line.strip_suffix(name).is_some_and(|before| before.last() == Some(&b' '))))
}
