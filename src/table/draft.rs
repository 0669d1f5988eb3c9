//! A table whose text is still being read.
//!
//! Invariant: a fault is reported as soon as its line has been read, and it is the first fault of
//! the text, as if the whole text had been read.

use super::bytes::Bytes;
use super::error::TableError;
use super::index::Index;
use super::parse::{Checker, Extent};
use super::{ColumnOrder, Table};

/// The bytes that some editors put at the start of a text in UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Whether the text began with a byte order mark, which is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// Too little of the text has been read.
    Unknown,
    /// It did.
    Marked,
    /// It did not.
    Plain,
}

/// See the [module](self).
pub(super) struct Draft {
    /// The text so far, without a byte order mark. More is appended at its end.
    pub(super) text: Vec<u8>,
    order: ColumnOrder,
    start: Start,
    checker: Checker,
}

impl Draft {
    /// A draft of the text `text`, to which more may be added.
    pub(super) fn new(text: Vec<u8>, order: ColumnOrder) -> Draft {
        Draft { text, order, start: Start::Unknown, checker: Checker::new(order) }
    }

    /// Checks the lines that were added since the last call.
    pub(super) fn check(&mut self, extent: Extent) -> Result<(), TableError> {
        if self.start == Start::Unknown {
            if self.text.len() < BYTE_ORDER_MARK.len() && extent == Extent::Beginning {
                return Ok(());
            }
            self.take_byte_order_mark();
        }
        self.checker.check(&self.text, extent).map_err(|fault| self.first_fault(fault))
    }

    fn take_byte_order_mark(&mut self) {
        self.start = Start::Plain;
        if self.text.starts_with(BYTE_ORDER_MARK) {
            self.text.drain(..BYTE_ORDER_MARK.len());
            self.start = Start::Marked;
        }
    }

    /// A duplicate key before the line with `fault` is the earlier fault.
    fn first_fault(&self, fault: TableError) -> TableError {
        let before = self.checker.checked(&self.text);
        match Index::build(before, self.order, self.checker.entries()) {
            Err(duplicate @ TableError::DuplicateKey { .. }) => duplicate,
            Ok(_) | Err(_) => fault,
        }
    }

    /// The table, once the whole text has been checked.
    pub(super) fn finish(self) -> Result<Table, TableError> {
        let text = Bytes::from(self.text);
        let index = Index::build(&text, self.order, self.checker.entries())?;
        Ok(Table { text, index, order: self.order })
    }
}

/// What reading a file needs: only Unix has files.
#[cfg(unix)]
impl Draft {
    /// The number of bytes read, a byte order mark included.
    pub(super) fn bytes_read(&self) -> usize {
        self.text.len() + self.bytes_taken_away()
    }

    /// The number, counted from 1, of the line with byte number `offset` of all bytes read.
    pub(super) fn line_of(&self, offset: usize) -> usize {
        let end = offset.saturating_sub(self.bytes_taken_away());
        1 + super::parse::count_line_ends(self.text.get(..end).unwrap_or_default())
    }

    fn bytes_taken_away(&self) -> usize {
        if self.start == Start::Marked { BYTE_ORDER_MARK.len() } else { 0 }
    }
}
