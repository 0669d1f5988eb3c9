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
use crate::tracing::{self, Trace, TraceFiles};
use nix::unistd::getppid;
use readyd::config::Config;
use readyd::os::privileges::Credentials;
use readyd::reactor::Reactor;
use std::fmt;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process;

/// The files that one process records to.
#[derive(Default)]
pub(crate) struct Recordings {
    trace: Option<TraceFiles>,
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
        let of_a_shard = |number| match is_upgrade {
            true => Ok(Recordings::default()),
            false => Recordings::create(config, Some(number), owner, false),
        };
        (0..config.shards).map(of_a_shard).collect()
    }

    fn create(
        config: &Config,
        shard: Option<usize>,
        owner: Option<&Credentials>,
        is_successor: bool,
    ) -> Result<Recordings, StartError> {
        let trace = or_without(tracing::create(config, shard, owner), is_successor);
        let trace = trace.map_err(StartError::Trace)?;
        let capture = capturing::create(config, process::id(), shard, owner);
        let capture = or_without(capture, is_successor).map_err(StartError::Capture)?;
        Ok(Recordings { trace, capture })
    }

    /// The descriptors, for the shard to inherit.
    pub(crate) fn numbers(&self) -> Vec<RawFd> {
        let traced = self.trace.iter().flat_map(TraceFiles::all);
        traced.chain(&self.capture).map(AsRawFd::as_raw_fd).collect()
    }

    /// What a shard with this configuration has inherited, in the order of [`Recordings::numbers`].
    fn inherited(config: &Config, files: Vec<OwnedFd>) -> Recordings {
        let mut files = files.into_iter().map(File::from);
        let trace = config.trace.as_ref().and_then(|_| TraceFiles::inherited(config, &mut files));
        Recordings { trace, capture: files.next() }
    }
}

/// Whose files a process records to.
pub(crate) enum Source<'a> {
    /// It is the first, and makes them for this user.
    First(Option<&'a Credentials>),
    /// It is a shard, and has these from its supervisor.
    Supervisor(Vec<OwnedFd>),
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
    let (opener, files) = match source {
        Source::Supervisor(files) => {
            (getppid().as_raw().unsigned_abs(), Recordings::inherited(config, files))
        }
        Source::First(owner) => (process::id(), Recordings::create(config, shard, owner, false)?),
        Source::Successor => (process::id(), Recordings::create(config, shard, None, true)?),
    };
    let trace = tracing::open(config, shard, files.trace, reactor);
    let trace = or_without(trace, is_successor).map_err(StartError::Trace)?;
    let capture = files.capture.zip(config.capture.as_ref());
    let capture = capture.map(|(file, asked)| {
        Capture::new(file, asked.path(opener, shard), asked.size, is_successor)
    });
    Ok((trace, capture))
}

/// Has a successor serve without what it cannot record.
pub(crate) fn or_without<T, E: fmt::Display>(
    outcome: Result<Option<T>, E>,
    is_successor: bool,
) -> Result<Option<T>, E> {
    match outcome {
        Err(error) if is_successor => {
            log::warn!("serving without {error}");
            Ok(None)
        }
        outcome => outcome,
    }
}
