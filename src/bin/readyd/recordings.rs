//! The files of `--trace` and `--capture`: who makes them, and with which rights.
//!
//! A server makes its files before it gives up root's rights for `--user`, and a supervisor makes
//! those of its shards' first processes, which inherit the descriptors. A process that takes the
//! place of another (of a shard that ends or drains, or in an upgrade) makes new files with the
//! rights that are left.
//!
//! Invariants: no two processes write to one ring or capture. Recording keeps no process from
//! taking the place of another: without a file it serves, and says so.

use crate::capturing::{self, Capture};
use crate::shard::Shard;
use crate::start::StartError;
use crate::tracing::{self, Trace};
use nix::unistd::getppid;
use readyd::config::Config;
use readyd::os::privileges::Credentials;
use readyd::reactor::Reactor;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::process;

/// Why nothing can be recorded.
#[derive(Debug)]
pub(crate) struct RecordingError {
    flag: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl RecordingError {
    /// With the file of this flag.
    pub(crate) fn at(flag: &'static str, path: &Path, error: io::Error) -> RecordingError {
        RecordingError { flag, path: path.to_owned(), error }
    }
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordingError { flag, path, error } = self;
        write!(f, "{flag} {}: {error}", path.display())
    }
}

/// The files that one process records to.
#[derive(Default)]
pub(crate) struct Recordings {
    /// As [`tracing::create`] returns them.
    trace: Vec<File>,
    capture: Option<File>,
}

impl Recordings {
    /// Makes the files of the first process of each shard, for `owner` if it is given. Call it
    /// while the privileges to do so are there. The new process of an upgrade has no more than its
    /// shards, and leaves it to them.
    ///
    /// # Errors
    ///
    /// The file that cannot be made.
    pub(crate) fn of_shards(
        config: &Config,
        is_upgrade: bool,
        owner: Option<&Credentials>,
    ) -> Result<Vec<Recordings>, StartError> {
        let mut all = Vec::with_capacity(config.shards);
        for number in 0..config.shards {
            all.push(match is_upgrade {
                true => Recordings::default(),
                false => Recordings::create(config, Some(number), owner, false)?,
            });
        }
        Ok(all)
    }

    fn create(
        config: &Config,
        shard: Option<usize>,
        owner: Option<&Credentials>,
        is_successor: bool,
    ) -> Result<Recordings, StartError> {
        let trace = or_without(tracing::create(config, shard, owner), is_successor)?;
        let capture = capturing::create(config, process::id(), shard, owner);
        Ok(Recordings { trace, capture: or_without(capture, is_successor)? })
    }

    /// The descriptors, for the shard to inherit.
    pub(crate) fn numbers(&self) -> Vec<RawFd> {
        let mut numbers = Vec::new();
        for file in self.trace.iter().chain(&self.capture) {
            numbers.push(file.as_raw_fd());
        }
        numbers
    }

    /// What a shard with this configuration has inherited, in the order of [`Recordings::numbers`].
    fn inherited(config: &Config, mut files: Vec<File>) -> Recordings {
        let capture = config.capture.as_ref().and_then(|_| files.pop());
        Recordings { trace: files, capture }
    }
}

/// Whose files a process records to.
pub(crate) enum Source<'a> {
    /// It is the first, and makes them for this user.
    First(Option<&'a Credentials>),
    /// It is a shard, and has these from its supervisor.
    Supervisor(Vec<File>),
    /// It takes the place of another process, and makes them with the rights that it has.
    Successor,
}

impl<'a> Source<'a> {
    /// Of this process, which is a `shard` or not. The files are for `owner`, if it makes them.
    pub(crate) fn of(
        shard: Option<&mut Shard>,
        is_upgrade: bool,
        owner: Option<&'a Credentials>,
    ) -> Source<'a> {
        match shard.map(Shard::take_recordings) {
            Some(files) if !files.is_empty() => Source::Supervisor(files),
            None if !is_upgrade => Source::First(owner),
            Some(_) | None => Source::Successor,
        }
    }
}

/// What this process records, if it is to. Call it while the privileges to open files are there.
///
/// # Errors
///
/// The file that cannot be made or used, but for a successor.
pub(crate) fn open(
    config: &Config,
    shard: Option<usize>,
    source: Source<'_>,
    reactor: &Reactor,
) -> Result<(Option<Trace>, Option<Capture>), StartError> {
    // The configuration has refused both flags. Said here once more, it keeps the recorder out of a
    // program that was built without.
    if cfg!(not(feature = "trace")) {
        return Ok((None, None));
    }
    let is_successor = matches!(source, Source::Successor);
    let mut maker = process::id();
    let files = match source {
        Source::Supervisor(files) => {
            maker = getppid().as_raw().unsigned_abs();
            Recordings::inherited(config, files)
        }
        Source::First(owner) => Recordings::create(config, shard, owner, false)?,
        Source::Successor => Recordings::create(config, shard, None, true)?,
    };
    let trace = or_without(tracing::open(config, shard, files.trace, reactor), is_successor)?;
    let capture = files.capture.zip(config.capture.as_ref());
    let capture = capture.map(|(file, asked)| {
        Capture::new(file, asked.path(maker, shard), asked.size, is_successor)
    });
    Ok((trace, capture))
}

/// Has a successor serve without what it cannot record.
pub(crate) fn or_without<T: Default>(
    outcome: Result<T, RecordingError>,
    is_successor: bool,
) -> Result<T, StartError> {
    outcome.or_else(|error| tolerate(error, is_successor).map(|()| T::default()))
}

fn tolerate(error: RecordingError, is_successor: bool) -> Result<(), StartError> {
    if !is_successor {
        return Err(StartError::Recording(error));
    }
    log::warn!("serving without {error}");
    Ok(())
}
