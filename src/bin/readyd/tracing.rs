//! `--trace`, `--trace-on` and `--log trace`: the file of a trace, the copies of it that are kept,
//! and the turns that are told in the log.
//!
//! Invariant: whatever clients do, at most [`COPIES`] copies are on the disk, and one is begun at
//! most every [`BETWEEN_COPIES`]. A thread makes them, so the loop does not wait.

use crate::background::in_a_thread;
use crate::recordings::RecordingError;
use readyd::config::Config;
use readyd::config::tracing::TraceFile;
use readyd::io::clock::Moment;
use readyd::io::net::Net;
use readyd::os::own_files::{self, with_suffix};
use readyd::os::privileges::Credentials;
use readyd::os::trace_ring::{Medium, TraceRing};
use readyd::reactor::Reactor;
use readyd::server::Server;
use readyd::trace::encode::{Encoder, Ring};
use readyd::trace::memory_ring::Nowhere;
use readyd::trace::ring_file::read_blocks;
use readyd::trace::wire::BLOCK_BYTES;
use readyd::trace::{Recorder, Recording, Teller, Trigger};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
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

/// A trace that is yet to begin.
pub(crate) struct Trace {
    recorder: Recorder,
    is_paused: bool,
    keeper: Option<Keeper>,
}

fn path_of(file: &TraceFile, shard: Option<usize>) -> PathBuf {
    match shard {
        Some(number) => with_suffix(&file.path, &format!(".{}", number + 1)),
        None => file.path.clone(),
    }
}

/// The path of a copy; `index` is counted from 0.
fn path_of_copy(ring: &Path, index: usize) -> PathBuf {
    with_suffix(ring, &format!(".kept-{}", index + 1))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> RecordingError {
    move |error| RecordingError::at("--trace", path, error)
}

/// Makes the file of `--trace`, and those for copies of it if something is looked out for: the
/// copies in the order of their numbers, then the ring. They belong to `owner`, if it is given.
///
/// # Errors
///
/// The file that cannot be made.
pub(crate) fn create(
    config: &Config,
    shard: Option<usize>,
    owner: Option<&Credentials>,
) -> Result<Vec<File>, RecordingError> {
    let mut files = Vec::new();
    let Some(asked) = config.trace.as_ref().filter(|_| cfg!(feature = "trace")) else {
        return Ok(files);
    };
    let ring = path_of(asked, shard);
    // The copies first: they take no room. What an earlier process has kept stays until its turn
    // has come.
    let copies = if config.trace_on.is_empty() { 0 } else { COPIES };
    for index in 0..copies {
        let path = path_of_copy(&ring, index);
        files.push(own_files::open_or_create(&path, owner).map_err(failed(&path))?);
    }
    files.push(TraceRing::create(&ring, asked.size, owner).map_err(failed(&ring))?);
    Ok(files)
}

/// What records to these files, if something is to; and has turns told if the log's level is
/// `trace`.
///
/// # Errors
///
/// Why the file cannot be mapped.
pub(crate) fn open(
    config: &Config,
    shard: Option<usize>,
    mut files: Vec<File>,
    reactor: &Reactor,
) -> Result<Option<Trace>, RecordingError> {
    let teller = log::log_enabled!(log::Level::Trace)
        .then(|| Teller::new(config.limits.log_rate, Box::new(|line| log::trace!("{line}"))));
    if files.is_empty() && teller.is_none() {
        return Ok(None);
    }
    let (ring, keeper): (Box<dyn Ring>, _) = match (&config.trace, files.pop()) {
        (Some(asked), Some(file)) => {
            let path = path_of(asked, shard);
            let ring = map(&path, &file)?;
            (Box::new(ring), Keeper::of(&path, file, files))
        }
        _ => (Box::new(Nowhere::default()), None),
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

fn map(path: &Path, file: &File) -> Result<TraceRing, RecordingError> {
    let (ring, medium) = TraceRing::open(file).map_err(failed(path))?;
    if medium == Medium::Other {
        log::warn!(
            "--trace {} is not on tmpfs, so the loop may wait for the disk (use /dev/shm)",
            path.display()
        );
    }
    Ok(ring)
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
    /// `None` if there are no files for copies.
    fn of(path: &Path, ring: File, files: Vec<File>) -> Option<Keeper> {
        if files.is_empty() {
            return None;
        }
        let mut copies = Vec::with_capacity(COPIES);
        for (index, file) in files.into_iter().enumerate() {
            copies.push(Copy { path: path_of_copy(path, index), file: Arc::new(file) });
        }
        Some(Keeper { ring: Arc::new(ring), copies, last: None, is_busy: Arc::default() })
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
            match copy_blocks(&ring, &file) {
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
fn copy_blocks(ring: &File, to: &File) -> io::Result<()> {
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
