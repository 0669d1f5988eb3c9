//! `--capture`: the file of a capture, and the thread that writes it.
//!
//! Invariants: the loop never waits for the disk. It leaves each turn in memory that holds
//! [`MOST_WAITING`] bytes; if that is full, or the file is, or cannot be written, the capture ends
//! between two turns, one line of the log says so, and the server serves on.

use crate::background::in_a_thread;
use crate::recordings::{RecordingError, or_without};
use crate::start::StartError;
use readyd::capture::record::EndCause;
use readyd::capture::start::Start;
use readyd::capture::wire::{BLOCK_HEADER_BYTES, block_header};
use readyd::capture::{CapturedStatistics, Sink, Tape, end_of};
use readyd::config::Config;
use readyd::config::capturing::VARIABLE;
use readyd::os::own_files;
use readyd::os::privileges::Credentials;
use readyd::server::stats::publishing::SharedStats;
use std::cell::RefCell;
use std::env;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that may wait to be written.
const MOST_WAITING: usize = 32 << 20;

/// With this many bytes, a block is written.
const BLOCK: usize = 256 << 10;

/// With fewer bytes, a block is written after this time: what is lost if the server is killed.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// How long the end of the server waits for the disk.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// What is captured, for all that capture it.
type SharedTape = Rc<RefCell<Tape>>;

fn failed(path: &Path) -> impl Fn(io::Error) -> RecordingError {
    move |error| RecordingError::at("--capture", path, error)
}

/// The file of a capture that is yet to begin.
pub(crate) struct Capture {
    file: File,
    path: PathBuf,
    size: u64,
    /// Whether the process takes the place of another, and serves without if it must.
    is_of_a_successor: bool,
}

/// What the environment asks for, if the configuration does not.
///
/// # Errors
///
/// Why the variable is not the file of a capture.
pub(crate) fn from_environment(config: &mut Config) -> Result<(), String> {
    let value = env::var_os(VARIABLE).filter(|value| config.capture.is_none() && !value.is_empty());
    let Some(value) = value else { return Ok(()) };
    let text = value.to_string_lossy();
    let file = text.parse().map_err(|why| format!("{VARIABLE}={text:?}: {why}"))?;
    config.capture = Some(file);
    Ok(())
}

/// Makes the file of `--capture`, if there is to be one. It belongs to `owner`, if it is given.
/// `pid` stands for `%p` in its path.
///
/// # Errors
///
/// The file that cannot be made.
pub(crate) fn create(
    config: &Config,
    pid: u32,
    shard: Option<usize>,
    owner: Option<&Credentials>,
) -> Result<Option<File>, RecordingError> {
    let asked = config.capture.as_ref().filter(|_| cfg!(feature = "trace"));
    let Some(asked) = asked else { return Ok(None) };
    let path = asked.path(pid, shard);
    own_files::create(&path, owner).map(Some).map_err(failed(&path))
}

impl Capture {
    /// One that writes to `file`, which [`create`] has made, perhaps in the supervisor.
    pub(crate) fn new(file: File, path: PathBuf, size: u64, is_of_a_successor: bool) -> Capture {
        Capture { file, path, size, is_of_a_successor }
    }

    /// As [`Capture::write`]; a successor captures nothing if it cannot.
    ///
    /// # Errors
    ///
    /// Those of [`Capture::write`].
    pub(crate) fn begin(self, start: &Start<'_>) -> Result<Option<SharedTape>, StartError> {
        let is_successor = self.is_of_a_successor;
        or_without(self.write(start).map(Some), is_successor)
    }

    /// Writes how the server begins, and has a thread write the rest.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or there is no thread.
    fn write(self, start: &Start<'_>) -> Result<SharedTape, RecordingError> {
        let Capture { mut file, path, size, .. } = self;
        let mut begin = || {
            let beginning = Tape::beginning(start).map_err(io::Error::other)?;
            if beginning.len() as u64 > size {
                return Err(io::Error::other("the table alone is more than its size"));
            }
            file.write_all(&beginning)?;
            Ok(beginning.len() as u64)
        };
        let written = begin().map_err(failed(&path))?;
        let disk = Arc::new(Disk::default());
        let ours = Arc::clone(&disk);
        in_a_thread(Box::new(move || ours.write(&mut file))).map_err(failed(&path))?;
        log::debug!("capturing to {}", path.display());
        let sink = FileSink { disk, path, written, size, has_ended: false };
        Ok(Rc::new(RefCell::new(Tape::new(start, Box::new(sink)))))
    }
}

/// The statistics of a shard, captured.
pub(crate) fn statistics(
    shared: Box<dyn SharedStats>,
    tape: &Rc<RefCell<Tape>>,
) -> Box<dyn SharedStats> {
    Box::new(CapturedStatistics::new(shared, Rc::clone(tape)))
}

/// Where the loop leaves turns, and the thread takes them.
#[derive(Default)]
struct Disk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Whole turns.
    waiting: Vec<u8>,
    /// No turn will come any more.
    is_closed: bool,
    /// All was written, or nothing can be.
    is_done: bool,
    error: Option<io::Error>,
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes blocks until there is nothing more to write.
    fn write(&self, file: &mut File) {
        let mut block = Vec::new();
        let outcome = loop {
            self.take(&mut block);
            if block.is_empty() {
                break Ok(());
            }
            let written =
                file.write_all(&block_header(&block)).and_then(|()| file.write_all(&block));
            if written.is_err() {
                break written;
            }
            block.clear();
            block.shrink_to(2 * BLOCK);
        };
        let mut state = self.state();
        state.error = outcome.err();
        state.is_done = true;
        self.changed.notify_all();
    }

    /// Waits for a block, and takes it in exchange for an empty one. It stays empty at the end.
    fn take(&self, block: &mut Vec<u8>) {
        let mut state = self.state();
        while state.waiting.is_empty() && !state.is_closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let waits = |state: &mut State| state.waiting.len() < BLOCK && !state.is_closed;
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, LONGEST_WAIT, waits)
            .unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut state.waiting, block);
    }
}

/// The loop's end.
struct FileSink {
    disk: Arc<Disk>,
    path: PathBuf,
    written: u64,
    size: u64,
    /// Whether the capture ended before the server.
    has_ended: bool,
}

impl Sink for FileSink {
    fn turn(&mut self, records: &[u8]) -> bool {
        // As if each turn were a block: then the size is kept whatever becomes a block.
        let bytes = (records.len() + BLOCK_HEADER_BYTES) as u64;
        let mut state = self.disk.state();
        let ends = if state.is_done {
            let error = state.error.take().unwrap_or_else(|| ErrorKind::Other.into());
            Some((error.to_string(), None))
        } else if self.written + bytes > self.size {
            Some((format!("its size is reached ({} bytes)", self.size), Some(EndCause::Size)))
        } else if state.waiting.len() + records.len() > MOST_WAITING {
            Some(("the disk is slower than the server".to_owned(), Some(EndCause::Lag)))
        } else {
            None
        };
        let before = state.waiting.len();
        let Some((why, cause)) = ends else {
            state.waiting.extend_from_slice(records);
            self.written += bytes;
            let after = state.waiting.len();
            drop(state);
            if before == 0 || (before < BLOCK && after >= BLOCK) {
                self.disk.changed.notify_all();
            }
            return true;
        };
        if let Some(cause) = cause {
            state.waiting.extend_from_slice(&end_of(cause));
        }
        state.is_closed = true;
        self.has_ended = true;
        drop(state);
        self.disk.changed.notify_all();
        log::warn!("the capture in {} ends here: {why}", self.path.display());
        false
    }
}

impl Drop for FileSink {
    /// The server ends: waits until what was captured is written, but not for ever.
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let mut state = self.disk.state();
        state.is_closed = true;
        self.disk.changed.notify_all();
        let (state, _) = self
            .disk
            .changed
            .wait_timeout_while(state, LAST_WAIT, |state| !state.is_done)
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = &state.error {
            log::warn!("the capture in {} is cut off: {error}", self.path.display());
        }
    }
}
