//! Files that the server makes and writes: traces, copies of them, captures. At the start it may do
//! so with root's rights, in a folder where others may write, too.
//!
//! Invariants: what another user has put at a path is not written to, given away or followed as a
//! symbolic link. Only a file that this process has just made gets another owner, by its
//! descriptor.

use crate::os::privileges::Credentials;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// Makes a file that only `owner` may open, or this user if there is none. A file that is there is
/// renamed to `PATH.old`: it may be what an earlier server has recorded, and another process may
/// write to it.
///
/// # Errors
///
/// What the system says, or that no regular file is there.
pub fn create(path: &Path, owner: Option<&Credentials>) -> io::Result<File> {
    set_aside(path)?;
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(path)?;
    // Without the right to give it away, or on a file system without owners, it stays ours. It is
    // open, so this server can write to it all the same.
    if let Some(owner) = owner
        && let Err(error) = owner.own(&file)
    {
        log::warn!("cannot give {} to {owner}: {error}", path.display());
    }
    Ok(file)
}

/// Opens a file for writing, with what is in it, or makes one. What is there and belongs to another
/// user is renamed to `PATH.old`, and so is a file with a second name.
///
/// # Errors
///
/// What the system says, or that no regular file is there.
pub fn open_or_create(path: &Path, owner: Option<&Credentials>) -> io::Result<File> {
    let user = owner.map_or_else(geteuid, Credentials::user).as_raw();
    let is_ours = |found: &Metadata| found.is_file() && found.nlink() == 1 && found.uid() == user;
    // Looked at before as well, because opening a device can have effects.
    if fs::symlink_metadata(path).is_ok_and(|found| is_ours(&found)) {
        let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
        let opened = OpenOptions::new().write(true).custom_flags(flags).open(path);
        let is_ours = |file: &File| file.metadata().is_ok_and(|found| is_ours(&found));
        if let Some(file) = opened.ok().filter(is_ours) {
            return Ok(file);
        }
    }
    create(path, owner)
}

/// Renames a file that is there. What is no regular file stays.
fn set_aside(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.is_file() => Err(io::Error::other("it is no regular file")),
        Ok(_) => fs::rename(path, with_suffix(path, ".old")),
    }
}

/// The path with `suffix` behind its name.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(suffix);
    name.into()
}
