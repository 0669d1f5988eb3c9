//! What can be wrong with the text of a table: its author's to mend.
//!
//! Every message says what is wrong, where, and what to do. Bytes of the table are shown escaped
//! and cut, because the text ends up in a log: a key must not be able to forge a line of it.

use std::error::Error;
use std::fmt;

use super::MAX_TEXT_BYTES;

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

/// `bytes` escaped to printable ASCII, cut after [`EXCERPT_BYTES`] of them.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    match bytes.get(..EXCERPT_BYTES) {
        Some(start) if bytes.len() > EXCERPT_BYTES => format!("{}...", start.escape_ascii()),
        _ => bytes.escape_ascii().to_string(),
    }
}
