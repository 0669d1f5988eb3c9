//! What can be wrong with a table: a [`TableError`] is the fault of its author, a [`LoadError`] is
//! about the file.
//!
//! Every text says what is wrong, where, and what to do. Bytes of the table are shown escaped and
//! cut, because the text ends up in a log: a key must not be able to forge a line of it.

use crate::counted::counted;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::MAX_TEXT_BYTES;
use crate::os::files::WrongKind;

/// The most bytes of a key or a value that an error shows.
const EXCERPT_BYTES: usize = 64;

/// A fault in the text of a table. Lines and columns count from 1; columns are bytes.
///
/// Keys and values in it are escaped to printable ASCII and cut after 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableError {
    /// A control character other than tab, or a CR that no LF follows.
    ControlCharacter {
        /// The line it is on.
        line: usize,
        /// Its place in that line.
        column: usize,
        /// The character.
        byte: u8,
    },
    /// A line of one word, where `KEY VALUE` should be.
    NoValue {
        /// The line it is on.
        line: usize,
        /// The word.
        key: String,
    },
    /// A line of one word, where `VALUE KEY` should be.
    NoKey {
        /// The line it is on.
        line: usize,
        /// The word.
        value: String,
    },
    /// A line of more than two words, where `VALUE KEY` should be.
    ExtraWords {
        /// The line it is on.
        line: usize,
    },
    /// A key that an earlier line has too. Only the author knows which of the two values is right.
    DuplicateKey {
        /// The line of the second occurrence.
        line: usize,
        /// The line of the first occurrence.
        earlier_line: usize,
        /// The key.
        key: String,
    },
    /// More text than the index can address, which is [`MAX_TEXT_BYTES`].
    TooLong {
        /// The length of the text.
        bytes: usize,
    },
    /// There is no memory for the index. A server that reloads keeps its old table.
    OutOfMemory {
        /// The number of entries.
        entries: usize,
    },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TableError::ControlCharacter { line, column, byte } => write!(
                f,
                "line {line}, byte {column}: control character 0x{byte:02X}; remove it, \
                 or save the file as plain UTF-8 text"
            ),
            TableError::NoValue { line, key } => write!(
                f,
                "line {line}: key \"{key}\" has no value; write KEY VALUE, \
                 or put # at the start of the line"
            ),
            TableError::NoKey { line, value } => write!(
                f,
                "line {line}: value \"{value}\" has no key; write VALUE KEY, \
                 or put # at the start of the line"
            ),
            TableError::ExtraWords { line } => write!(
                f,
                "line {line}: more than two words; write VALUE KEY and nothing more, \
                 or put # before the rest"
            ),
            TableError::DuplicateKey { line, earlier_line, key } => write!(
                f,
                "line {line}: key \"{key}\" is already on line {earlier_line}; \
                 remove one of the two lines"
            ),
            TableError::TooLong { bytes } => write!(
                f,
                "{bytes} bytes of text, but a table holds at most {MAX_TEXT_BYTES}; shorten it"
            ),
            TableError::OutOfMemory { entries } => write!(
                f,
                "not enough memory to index {entries} entries; free some, or shorten the table"
            ),
        }
    }
}

impl Error for TableError {}

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

/// `bytes` escaped to printable ASCII, cut after [`EXCERPT_BYTES`] of them.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    match bytes.get(..EXCERPT_BYTES) {
        Some(start) if bytes.len() > EXCERPT_BYTES => format!("{}...", start.escape_ascii()),
        _ => bytes.escape_ascii().to_string(),
    }
}
