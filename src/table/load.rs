//! Reading the file of a table into memory, up to a limit, and checking it meanwhile.

use super::draft::Draft;
use super::parse::Extent;
use super::{ColumnOrder, MAX_TEXT_BYTES, Table, TableError};
use crate::counted::counted;
use crate::os::files::{self, Accepted, OpenError, WrongKind};
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Bytes that are read before they are checked: few enough to stay in the processor's cache.
const CHUNK: usize = 256 * 1024;

impl Table {
    /// Reads the file at `path`, of at most `max_bytes` bytes, and builds a table from it.
    ///
    /// [`MAX_TEXT_BYTES`] is a limit, too. The file may be a FIFO or another pipe, such as
    /// `/dev/stdin`: opening a FIFO waits until it has a writer, and reading waits until all
    /// writers have closed it. A server that reloads while it serves uses [`Table::load_again`].
    ///
    /// The file is read, not mapped: if a process truncates a mapped file, the next access beyond
    /// its new end is a SIGBUS, which kills the process.
    ///
    /// Lines are checked as they are read: after a fault nothing more is read. Only duplicate keys
    /// are found at the end. Memory: the text once, and for a regular file at its exact size from
    /// the start. During a reload the old table is in memory, too.
    ///
    /// # Errors
    ///
    /// A [`LoadError`], which names the path: the file cannot be opened or read, is a directory, a
    /// device (other than /dev/null) or a socket, is over the limit, or its text is at fault. Never
    /// reads on once the limit is passed.
    pub fn load(path: &Path, order: ColumnOrder, max_bytes: u64) -> Result<Table, LoadError> {
        load(path, order, max_bytes, Accepted::Streams)
    }

    /// As [`Table::load`], but only for a regular file: other kinds are refused before open(2),
    /// which therefore never blocks.
    ///
    /// # Errors
    ///
    /// As [`Table::load`], and if the file is a pipe or /dev/null.
    pub fn load_again(path: &Path, order: ColumnOrder, max_bytes: u64) -> Result<Table, LoadError> {
        load(path, order, max_bytes, Accepted::RegularFiles)
    }
}

/// Why a table could not be loaded from a file.
#[derive(Debug)]
pub enum LoadError {
    /// The file cannot be opened.
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file was opened, but read(2) failed, or there was no memory for it.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The path leads to a directory, a device, or something else that is not read.
    Kind {
        /// The path.
        path: PathBuf,
        /// What it leads to.
        wrong: WrongKind,
    },
    /// The file is longer than the limit.
    OverLimit {
        /// The file.
        path: PathBuf,
        /// The limit, in bytes.
        limit: u64,
        /// The line, counted from 1, that holds the first byte beyond the limit.
        line: usize,
    },
    /// The file was read, but its text is at fault.
    Content {
        /// The file.
        path: PathBuf,
        /// The fault.
        error: TableError,
    },
}

impl fmt::Display for LoadError {
    /// Paths are printed as Rust string literals, so that they cannot forge a line of a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Open { path, error } => {
                write!(f, "cannot open table {path:?}: {error}; check its path and permissions")
            }
            LoadError::Read { path, error } => {
                write!(f, "cannot read table {path:?}: {error}; load it again once that is mended")
            }
            LoadError::Kind { path, wrong } => write!(f, "table {path:?} {wrong}"),
            LoadError::OverLimit { path, limit, line } => write!(
                f,
                "table {path:?} passes the limit of {} on line {line}; \
                 shorten it, or raise the limit ({MAX_TEXT_BYTES} at most)",
                counted(*limit, "byte")
            ),
            LoadError::Content { path, error } => write!(f, "table {path:?}: {error}"),
        }
    }
}

/// Has no `source`: the text already contains the text of the source.
impl Error for LoadError {}

/// Loads the table in the file at `path`, which has at most `max_bytes` bytes.
fn load(
    path: &Path,
    order: ColumnOrder,
    max_bytes: u64,
    accepted: Accepted,
) -> Result<Table, LoadError> {
    let path_buf = || path.to_path_buf();
    let (mut file, size) = files::open(path, accepted).map_err(|error| match error {
        OpenError::Kind(wrong) => LoadError::Kind { path: path_buf(), wrong },
        OpenError::System(error) => LoadError::Open { path: path_buf(), error },
    })?;
    let unreadable = |error| LoadError::Read { path: path_buf(), error };
    let at_fault = |error| LoadError::Content { path: path_buf(), error };
    let limit = max_bytes.min(MAX_TEXT_BYTES);

    let text = room_for(size.min(limit)).map_err(unreadable)?;
    let mut draft = Draft::new(text, order);
    loop {
        // One byte beyond the limit shows that the file is too long.
        let most = (limit + 1 - draft.bytes_read() as u64).min(CHUNK as u64) as usize;
        let count = read_chunk(&mut file, &mut draft.text, most).map_err(unreadable)?;
        let extent = if count == 0 { Extent::Whole } else { Extent::Beginning };
        draft.check(extent).map_err(at_fault)?;
        if draft.bytes_read() as u64 > limit {
            let line = draft.line_of(limit as usize);
            return Err(LoadError::OverLimit { path: path_buf(), limit, line });
        }
        if extent == Extent::Whole {
            return draft.finish().map_err(at_fault);
        }
    }
}

/// A buffer for a file of `size` bytes and one more, which shows whether the file has grown. A
/// vector that grows by itself doubles, and may hold its old and its new bytes at once; only a
/// pipe, whose size is unknown, pays for that.
fn room_for(size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if size > 0 {
        bytes.try_reserve_exact(usize::try_from(size + 1).unwrap_or(usize::MAX))?;
    }
    Ok(bytes)
}

/// Appends the bytes of one read(2), at most `most`, to `bytes`. Returns their number: 0 at the end
/// of the file.
fn read_chunk(file: &mut File, bytes: &mut Vec<u8>, most: usize) -> io::Result<usize> {
    let length = bytes.len();
    if length == bytes.capacity() {
        bytes.try_reserve(most)?;
    }
    let room = (bytes.capacity() - length).min(most);
    bytes.resize(length + room, 0);
    let result = loop {
        match file.read(bytes.get_mut(length..).unwrap_or_default()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => break result,
        }
    };
    bytes.truncate(length + result.as_ref().map_or(0, |&count| count));
    result
}
