//! `--trace`, `--trace-on` and `--log trace`: the file of a trace, the copies of it that are kept,
//! and the turns that are told in the log.
//!
//! Invariant: whatever clients do, at most [`COPIES`] copies are on the disk, and one is begun at
//! most every [`BETWEEN_COPIES`]. A thread makes them, so the loop does not wait.

use crate::background::in_a_thread;
use readyd::config::Config;
use readyd::config::tracing::TraceFile;
use readyd::io::clock::Moment;
use readyd::io::net::Net;
use readyd::os::trace_ring::{Medium, TraceRing};
use readyd::reactor::Reactor;
use readyd::server::Server;
use readyd::trace::encode::{Encoder, Ring};
use readyd::trace::memory_ring::Nowhere;
use readyd::trace::ring_file::read_blocks;
use readyd::trace::wire::BLOCK_BYTES;
use readyd::trace::{Recorder, Recording, Teller, Trigger};
use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// How many copies are kept, also when another process follows. The next one takes the place of the
/// oldest.
const COPIES: usize = 4;

/// From the beginning of one copy to the beginning of the next.
const BETWEEN_COPIES: Duration = Duration::from_secs(10);

/// Blocks that are copied at once.
const BLOCKS_AT_ONCE: usize = 64;

/// Why there can be no trace.
#[derive(Debug)]
pub(crate) struct TraceError {
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TraceError { path, error } = self;
        write!(f, "--trace {}: {error}", path.display())
    }
}

/// A trace that is yet to begin.
pub(crate) struct Trace {
    recorder: Recorder,
    is_paused: bool,
    keeper: Option<Keeper>,
}

/// What records, if something is to: opens the file of `--trace`, and those for copies of it; and
/// has turns told if the log's level is `trace`. Call it while the privileges to open files are
/// there.
///
/// # Errors
///
/// The file that cannot be made.
pub(crate) fn open(
    config: &Config,
    shard: Option<usize>,
    reactor: &Reactor,
) -> Result<Option<Trace>, TraceError> {
    // The configuration has refused `--trace`. Said here once more, it keeps the recorder out of a
    // program that was built without.
    if cfg!(not(feature = "trace")) {
        return Ok(None);
    }
    let teller = log::log_enabled!(log::Level::Trace)
        .then(|| Teller::new(config.limits.log_rate, Box::new(|line| log::trace!("{line}"))));
    if config.trace.is_none() && teller.is_none() {
        return Ok(None);
    }
    let (ring, keeper): (Box<dyn Ring>, _) = match &config.trace {
        Some(file) => {
            let (ring, keeper) = open_file(file, config, shard)?;
            (Box::new(ring), keeper)
        }
        None => (Box::new(Nowhere::default()), None),
    };
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let number = shard.map_or(0, |number| u16::try_from(number + 1).unwrap_or(u16::MAX));
    let now = reactor.now();
    let recording = Recording {
        ring,
        encoder: Encoder::new(process::id(), number, wall.as_nanos() as u64, now),
        clock: Box::new(reactor.clock()),
        addresses: config.trace_addresses,
        triggers: config.trace_on.clone(),
        teller,
        tap: None,
    };
    let is_paused = config.trace.as_ref().is_some_and(|file| file.is_paused);
    Ok(Some(Trace { recorder: Recorder::new(recording, now), is_paused, keeper }))
}

fn open_file(
    file: &TraceFile,
    config: &Config,
    shard: Option<usize>,
) -> Result<(TraceRing, Option<Keeper>), TraceError> {
    let path = match shard {
        Some(number) => with_suffix(&file.path, &format!(".{}", number + 1)),
        None => file.path.clone(),
    };
    let failed = |error| TraceError { path: path.clone(), error };
    let (ring, medium) = TraceRing::create(&path, file.size).map_err(failed)?;
    if medium == Medium::Other {
        log::warn!(
            "--trace {} is not on tmpfs, so the loop may wait for the disk (use /dev/shm)",
            path.display()
        );
    }
    let keeper = match config.trace_on.is_empty() {
        true => None,
        false => Some(Keeper::open(&path).map_err(failed)?),
    };
    Ok((ring, keeper))
}

impl Trace {
    /// Has `server` record, unless that is to wait for signal 40.
    pub(crate) fn begin<N: Net>(self, server: &mut Server<N>) -> Option<Keeper> {
        server.prepare_recording(self.recorder);
        if !self.is_paused {
            server.toggle_recording();
        }
        self.keeper
    }
}

/// Copies the trace so far.
#[derive(Debug)]
pub(crate) struct Keeper {
    ring: Arc<File>,
    copies: Vec<Copy>,
    last: Option<Moment>,
    is_busy: Arc<AtomicBool>,
}

/// A file that was opened at the start, while there were the privileges to do so.
#[derive(Debug)]
struct Copy {
    path: PathBuf,
    file: Arc<File>,
}

impl Copy {
    /// Since when there is something in it; `None` if it is empty.
    fn since(&self) -> Option<SystemTime> {
        let found = self.file.metadata().ok().filter(|found| found.len() > 0)?;
        found.modified().ok()
    }
}

impl Keeper {
    fn open(path: &Path) -> io::Result<Keeper> {
        let open = |number: usize| {
            let path = with_suffix(path, &format!(".kept-{number}"));
            // What an earlier process has kept stays until its turn has come.
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            Ok(Copy { path, file: Arc::new(file) })
        };
        Ok(Keeper {
            ring: Arc::new(File::open(path)?),
            copies: (1..=COPIES).map(open).collect::<io::Result<_>>()?,
            last: None,
            is_busy: Arc::default(),
        })
    }

    /// Begins a copy, unless another was begun shortly before or is not finished.
    pub(crate) fn keep(&mut self, trigger: Trigger, now: Moment) {
        let is_soon = self.last.is_some_and(|last| now.since(last) < BETWEEN_COPIES);
        if is_soon || self.is_busy.load(Ordering::Acquire) {
            return;
        }
        // Another process may have kept one since, before an upgrade or while it drains.
        let Some(Copy { path, file }) = self.copies.iter().min_by_key(|copy| copy.since()) else {
            return;
        };
        self.last = Some(now);
        self.is_busy.store(true, Ordering::Release);
        let (ring, file, is_busy) = (self.ring.clone(), file.clone(), self.is_busy.clone());
        let path = path.clone();
        let copying = in_a_thread(Box::new(move || {
            match copy(&ring, &file) {
                Ok(()) => log::info!("{trigger}: the trace so far is in {}", path.display()),
                Err(error) => log::error!("cannot keep the trace in {}: {error}", path.display()),
            }
            is_busy.store(false, Ordering::Release);
        }));
        if let Err(error) = copying {
            self.is_busy.store(false, Ordering::Release);
            log::error!("cannot keep the trace: {error}");
        }
    }
}

/// Copies all whole blocks, in the order of their places.
fn copy(ring: &File, to: &File) -> io::Result<()> {
    to.set_len(0)?;
    let mut blocks = vec![0; BLOCKS_AT_ONCE * BLOCK_BYTES];
    let mut place = 0;
    loop {
        let count = read_blocks(ring, place, &mut blocks)?;
        if count == 0 {
            return Ok(());
        }
        to.write_all_at(
            blocks.get(..count * BLOCK_BYTES).unwrap_or_default(),
            place * BLOCK_BYTES as u64,
        )?;
        place += count as u64;
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(suffix);
    name.into()
}
