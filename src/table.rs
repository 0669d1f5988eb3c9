//! The lookup table: byte-string keys to byte-string values, read from a text of one entry a line.
//!
//! The text is kept once, as it was read. Beside it stands a hash index of `u32` offsets into it,
//! six and a half bytes an entry. A map of owned strings would pay two allocations an entry and
//! several times the memory; here ten million entries are two allocations. Neither has pointers, so
//! several processes can share a table.
//!
//! Invariant: every offset in the index leads to the first byte of a key, on a line that was
//! checked in full when the table was built. A lookup can therefore read the line again without
//! meeting an error. A table never changes after it is built: a reload builds another and swaps the
//! two, so a broken file leaves the old table in use.
//!
//! # The text
//!
//! One entry a line, in either [`ColumnOrder`]; words are separated by spaces or tabs.
//!
//! ```text
//! # A comment: at the start of a line, or after a space or tab.
//! 165.165.80.80   6A:08:AA:C2     # like this
//! motd            Values may hold spaces. A#B is no comment.
//! ```
//!
//! Blank lines are skipped, lines may end in LF or CRLF, the last one may lack its end, and a UTF-8
//! byte order mark at the start is skipped. Any other control character is an error. Bytes from
//! 0x80 up are taken as they are: keys match byte by byte, in no particular encoding.

use crate::io::net::Told;
use std::fmt;

mod bytes;
mod draft;
mod error;
mod index;
#[cfg(unix)]
mod load;
mod parse;
#[cfg(unix)]
mod sharing;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use draft::Draft;
pub use error::TableError;
use index::Index;
#[cfg(unix)]
pub use load::LoadError;
use parse::Extent;

/// The most bytes a table's text may have: what the index's `u32` offsets reach, 4 GiB - 1.
pub const MAX_TEXT_BYTES: u64 = u32::MAX as u64;

/// The default table, a part of the program.
const EMBEDDED: &[u8] = b"165.165.80.80 6A:08:AA:C2\n165.165.79.1 8A:BC:E3:FA\n";

/// Which word of a line is the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnOrder {
    /// `KEY VALUE`, as in hosts(5): the value is the rest of the line and may hold spaces.
    KeyValue,
    /// `VALUE KEY`, as in ethers(5), where the hardware address comes first: exactly two words.
    ValueKey,
}

/// An immutable map from keys to values, both byte strings. See the [module](self) for its format.
pub struct Table {
    text: Bytes,
    index: Index,
    order: ColumnOrder,
}

impl Table {
    /// The built-in default: two entries, from an IPv4 address to a hardware address.
    #[expect(clippy::panic, reason = "a constant, parsed by the tests too")]
    pub fn embedded() -> Table {
        match Table::parse(EMBEDDED.to_vec(), ColumnOrder::KeyValue) {
            Ok(table) => table,
            Err(error) => panic!("the embedded table: {error}"),
        }
    }

    /// Builds a table from `text`, which it keeps. A text without entries gives an empty table.
    ///
    /// Takes time linear in the text. Beyond the text it allocates the index alone, once, at its
    /// final size.
    ///
    /// # Errors
    ///
    /// The first fault in the text, as a [`TableError`]; or [`TableError::OutOfMemory`].
    pub fn parse(text: Vec<u8>, order: ColumnOrder) -> Result<Table, TableError> {
        if text.len() as u64 > MAX_TEXT_BYTES {
            return Err(TableError::TooLong { bytes: text.len() });
        }
        let mut draft = Draft::new(text, order);
        draft.check(Extent::Whole)?;
        draft.finish()
    }

    /// The value of `key`, or `None` if the table has no such key. Keys are compared byte by byte:
    /// case and spaces count.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let offset = self.index.find(&self.text, key)?;
        Some(match self.order {
            ColumnOrder::KeyValue => parse::value_after_key(&self.text, offset, key),
            ColumnOrder::ValueKey => parse::value_before_key(&self.text, offset),
        })
    }

    /// What a network is told of the table: its text, from which it can be built again.
    pub fn told(&self) -> Told<'_> {
        Told::Table { text: &self.text, is_value_first: self.order == ColumnOrder::ValueKey }
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether the table has no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory: the text, with its comments, and the index.
    pub fn memory(&self) -> usize {
        self.text.len() + self.index.buckets().len()
    }
}

impl fmt::Debug for Table {
    /// Sizes only: the contents may be gigabytes, and may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("order", &self.order)
            .field("len", &self.len())
            .field("memory", &self.memory())
            .finish_non_exhaustive()
    }
}
