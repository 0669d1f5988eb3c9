//! The hash index of a table: from a key to the offset in the text at which it stands.
//!
//! Invariant: every offset is that of the first byte of a key, on a line without fault, and no two
//! are of equal keys. The index does not own the text, so each call is given it, always the same.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::Order;
use super::error::{TableError, excerpt};
use super::parse::{self, Key};

/// A fixed seed is safe here. Hash flooding needs an attacker who *inserts*, and only the
/// operator's file inserts; a client's key is compared with what stands there and leaves no trace.
const HASHER: FixedState = FixedState::with_seed(0x7461_626C_6500_0001);

/// How many keys are parsed and hashed before they are inserted.
///
/// In a large index each insertion touches a place that is in no cache, and the processor waits
/// for main memory. Insertions close together do not depend on each other, so it waits for many of
/// them at once, unless the parsing of a line stands in between: then it sees no further than that.
/// Ten million lines are indexed twice as fast in batches as one by one.
const BATCH: usize = 64;

/// See the [module](self).
pub(super) struct Index {
    offsets: HashTable<u32>,
}

/// A key that waits to be inserted.
struct Hashed<'t> {
    hash: u64,
    key: Key<'t>,
}

impl Index {
    /// Indexes every entry of `text`, or returns the first fault in it.
    pub(super) fn build(text: &[u8], order: Order) -> Result<Index, TableError> {
        let mut index = Index::with_capacity(parse::count_entries(text))?;
        let mut batch = Vec::with_capacity(BATCH);
        for key in parse::keys(text, order) {
            match key {
                Ok(key) => batch.push(Hashed { hash: HASHER.hash_one(key.bytes), key }),
                Err(fault) => {
                    // A duplicate among the lines before this one is the earlier fault.
                    index.insert_all(text, &mut batch)?;
                    return Err(fault);
                }
            }
            if batch.len() == BATCH {
                index.insert_all(text, &mut batch)?;
            }
        }
        index.insert_all(text, &mut batch)?;
        Ok(index)
    }

    /// An empty index that will not grow before it has more than `entries` entries.
    ///
    /// An index that grows holds its old and its new slots at once and hashes every key again. To
    /// count the entries first costs far less, and reserves nothing for comments.
    fn with_capacity(entries: usize) -> Result<Index, TableError> {
        let mut offsets = HashTable::new();
        let nothing_to_rehash = |_: &u32| 0;
        offsets
            .try_reserve(entries, nothing_to_rehash)
            .map_err(|_| TableError::OutOfMemory { entries })?;
        Ok(Index { offsets })
    }

    /// Empties `batch` into the index.
    fn insert_all(&mut self, text: &[u8], batch: &mut Vec<Hashed<'_>>) -> Result<(), TableError> {
        let hash_at = |&offset: &u32| HASHER.hash_one(parse::key_at(text, offset));
        for Hashed { hash, key } in batch.drain(..) {
            let is_same = |&offset: &u32| parse::is_key_at(text, offset, key.bytes);
            match self.offsets.entry(hash, is_same, hash_at) {
                Entry::Vacant(vacant) => {
                    vacant.insert(key.offset);
                }
                Entry::Occupied(earlier) => {
                    return Err(TableError::DuplicateKey {
                        line: key.line,
                        earlier_line: parse::line_number_at(text, *earlier.get()),
                        key: excerpt(key.bytes),
                    });
                }
            }
        }
        Ok(())
    }

    /// Where in `text` the entry of `key` has its key.
    pub(super) fn find(&self, text: &[u8], key: &[u8]) -> Option<u32> {
        // The key of the line `a b c` is `a`, though the line starts with the words `a b` too.
        if key.iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        let is_key = |&offset: &u32| parse::is_key_at(text, offset, key);
        self.offsets.find(HASHER.hash_one(key), is_key).copied()
    }

    /// How many keys the index has.
    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Bytes of heap the index holds.
    pub(super) fn memory(&self) -> usize {
        self.offsets.allocation_size()
    }
}
