//! A table that several processes share: written to a memfd once, sealed, then mapped by all.
//!
//! ```text
//! byte  0..8    what it is: a name and a version
//! byte  8..16   the order of its words, 0 or 1
//! byte 16..24   how many keys it has
//! byte 24..32   how many bytes of buckets
//! byte 64..     the buckets, each on a cache line of its own, then the text
//! ```
//!
//! Numbers have the machine's byte order, and the hash is that version's own: processes of one
//! program share a table, nothing stores it.

use super::bytes::Bytes;
use super::index::{BUCKET, Index};
use super::{ColumnOrder, Table};
use crate::os::sealed_memfd::{self, SealedMemfd};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

const NAME: u64 = u64::from_le_bytes(*b"readyd 1");

/// Bytes of the header: a multiple of the bucket size, so that buckets stay on cache lines.
const HEADER: usize = BUCKET;

impl Table {
    /// Copies the table into a sealed memfd, which other processes can [map](Table::map).
    ///
    /// # Errors
    ///
    /// When the system has no descriptor or not enough memory.
    pub fn seal(&self) -> io::Result<OwnedFd> {
        let order = match self.order {
            ColumnOrder::KeyValue => 0,
            ColumnOrder::ValueKey => 1,
        };
        let buckets = self.index.buckets();
        let numbers = [NAME, order, self.len() as u64, buckets.len() as u64];
        let mut header = [0; HEADER];
        for (place, number) in header.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
        sealed_memfd::seal(c"readyd table", &[&header, buckets, &self.text])
    }

    /// Maps a table that a process of the same program has [sealed](Table::seal). All processes
    /// that map it share the pages.
    ///
    /// # Errors
    ///
    /// When the memfd is not such a table, or mmap(2) fails.
    pub fn map(descriptor: impl AsFd) -> io::Result<Table> {
        let mapping = Arc::new(SealedMemfd::of_sealed(descriptor)?);
        let no_table = || io::Error::new(ErrorKind::InvalidData, "not a table of this program");
        let number = |place: usize| -> Option<u64> {
            let bytes = mapping.get(place * 8..)?.first_chunk()?;
            Some(u64::from_ne_bytes(*bytes))
        };
        let order = match (number(0), number(1)) {
            (Some(NAME), Some(0)) => ColumnOrder::KeyValue,
            (Some(NAME), Some(1)) => ColumnOrder::ValueKey,
            _ => return Err(no_table()),
        };
        let size = |place| number(place).and_then(|number| usize::try_from(number).ok());
        let (len, buckets) = size(2).zip(size(3)).ok_or_else(no_table)?;
        let text = HEADER.checked_add(buckets).filter(|&text| text <= mapping.len());
        let text = text.ok_or_else(no_table)?;
        let end = mapping.len();
        let part = |range| Bytes::Shared(Arc::clone(&mapping), range);
        let index = Index::of_buckets(part(HEADER..text), len);
        Ok(Table { text: part(text..end), index, order })
    }
}
