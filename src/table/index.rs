//! The hash index of a table: from a key to its offset in the text.
//!
//! It is an array of buckets, each of 64 bytes, a cache line of the processor. So a lookup mostly
//! has two cache misses: one here, and one for the line of the text:
//!
//! ```text
//! byte  0..12   the tags of 12 slots: 0 for an empty slot, else 0x80 and 7 bits of the hash
//! byte 12..16   the overflow bits: bit h is set if a key with these 5 bits of the hash did not
//!               fit into this bucket and went to the next
//! byte 16..64   the offsets of the 12 slots, a `u32` each
//! ```
//!
//! A key's hash chooses the bucket. If that is full, the key goes to the next, and sets the
//! overflow bit. A search goes to the next bucket only if the overflow bit of the hash is set. So
//! for most absent keys one bucket is enough, without a look at the text. An array of bytes has no
//! pointers: it means the same in another process that maps it.
//!
//! Invariant: every offset is where the first byte of a key stands, on a line without fault, and no
//! two keys are equal. The index does not own the text, so each call is given it, always the same.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::ColumnOrder;
use super::bytes::Bytes;
use super::error::{TableError, excerpt};
use super::parse::{self, Key};

/// A fixed seed is safe here. Hash flooding needs an attacker who *inserts*, and only the
/// operator's file inserts; a client's key is only compared.
const HASHER: FixedState = FixedState::with_seed(0x7461_626C_6500_0001);

/// The number of keys that are parsed and hashed before they are inserted.
///
/// In a large index each insertion is a cache miss. Insertions do not depend on each other, so the
/// processor overlaps the misses of a batch. With the parsing of a line between two insertions it
/// could not look ahead that far. Ten million lines are indexed twice as fast in batches as one by
/// one.
const BATCH: usize = 64;

/// Bytes of a bucket.
pub(super) const BUCKET: usize = 64;

/// Slots of a bucket.
const SLOTS: usize = 12;

/// Offset of the overflow bits in a bucket.
const OVERFLOW: usize = 12;

/// Offset of the offsets in a bucket.
const OFFSETS: usize = 16;

/// Average entries of a bucket. Fuller buckets would overflow more often.
const ENTRIES_A_BUCKET: usize = 10;

/// The highest bit of each slot's tag.
const HIGH_BITS: u128 = u128::from_le_bytes([
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 0, 0,
]);

/// The lowest bit of each slot's tag.
const LOW_BITS: u128 = HIGH_BITS >> 7;

/// See the [module](self).
pub(super) struct Index {
    buckets: Bytes,
    len: usize,
}

/// A key that waits to be inserted.
struct Hashed<'t> {
    hash: u64,
    key: Key<'t>,
}

/// A set of slots of a bucket: the highest bit of a slot's byte is set.
#[derive(Clone, Copy)]
struct Slots(u128);

impl Iterator for Slots {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let lowest = self.0.trailing_zeros() as usize / 8;
        self.0 &= self.0.wrapping_sub(1);
        (lowest < SLOTS).then_some(lowest)
    }
}

/// A view of a bucket.
#[derive(Clone, Copy)]
struct Bucket<'i>(&'i [u8; BUCKET]);

impl Bucket<'_> {
    /// The tags, and above them the overflow bits.
    fn head(self) -> u128 {
        self.0.first_chunk().map_or(0, |head| u128::from_le_bytes(*head))
    }

    /// Whether a key of this hash may stand in the next bucket.
    fn has_overflowed(self, hash: u64) -> bool {
        self.head() & overflow_bit(hash) != 0
    }

    /// The slots with this tag; rarely also the slot above one, whose tag differs. The caller
    /// compares the keys, so that does no harm.
    fn slots_with(self, tag: u8) -> Slots {
        // XOR makes a byte 0 where the tags are equal. Subtracting 1 from each byte then sets the
        // highest bit of these bytes; a borrow may set it in the bytes above one, too.
        let differences = self.head() ^ (LOW_BITS * u128::from(tag));
        Slots(differences.wrapping_sub(LOW_BITS) & !differences & HIGH_BITS)
    }

    fn empty_slots(self) -> Slots {
        Slots(!self.head() & HIGH_BITS)
    }

    fn offset(self, slot: usize) -> u32 {
        let bytes = self.0.get(OFFSETS + 4 * slot..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }
}

/// The tag of a hash: seven bits that do not choose the bucket, and the bit that no empty slot has.
fn tag(hash: u64) -> u8 {
    hash as u8 | 0x80
}

/// The bit that says of keys of this hash that they went on: five bits of it that are not in the
/// tag.
fn overflow_bit(hash: u64) -> u128 {
    1 << (8 * OVERFLOW + (hash >> 7) as usize % 32)
}

/// The bucket in which the search for a key of this hash begins: the high bits of the hash as a
/// fraction of all buckets. That needs no division and allows any number of buckets.
fn first_bucket(hash: u64, buckets: usize) -> usize {
    ((u128::from(hash) * buckets as u128) >> 64) as usize
}

impl Index {
    /// Indexes all entries of `text`, which has been checked and has `entries` of them.
    ///
    /// An index that grows would hold its old and its new slots at once and hash every key again;
    /// so the check of the text counts its entries.
    ///
    /// # Errors
    ///
    /// The first key that an earlier line has too, or no memory.
    pub(super) fn build(
        text: &[u8],
        order: ColumnOrder,
        entries: usize,
    ) -> Result<Index, TableError> {
        let mut builder = Builder::with_capacity(entries)?;
        let mut batch = Vec::with_capacity(BATCH);
        for key in parse::keys(text, order) {
            batch.push(Hashed { hash: HASHER.hash_one(key.bytes), key });
            if batch.len() == BATCH {
                builder.insert_all(text, &mut batch)?;
            }
        }
        builder.insert_all(text, &mut batch)?;
        Ok(Index { buckets: builder.buckets.into(), len: builder.len })
    }

    /// The index that was built with these buckets, of `len` keys.
    #[cfg(unix)]
    pub(super) fn of_buckets(buckets: Bytes, len: usize) -> Index {
        Index { buckets, len }
    }

    /// Where in `text` the entry of `key` has its key.
    #[inline]
    pub(super) fn find(&self, text: &[u8], key: &[u8]) -> Option<u32> {
        // The key of the line `a b c` is `a`, though the line starts with the words `a b` too.
        if key.iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        search(&self.buckets, text, key, HASHER.hash_one(key))
    }

    /// How many keys the index has.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The buckets, as another process can use them.
    pub(super) fn buckets(&self) -> &[u8] {
        &self.buckets
    }
}

/// The offset of `key`, which is looked for from the bucket on that its hash names.
#[inline]
fn search(buckets: &[u8], text: &[u8], key: &[u8], hash: u64) -> Option<u32> {
    let (buckets, _) = buckets.as_chunks::<BUCKET>();
    let mut number = first_bucket(hash, buckets.len());
    for _ in 0..buckets.len() {
        let bucket = Bucket(buckets.get(number)?);
        for slot in bucket.slots_with(tag(hash)) {
            let offset = bucket.offset(slot);
            if parse::is_key_at(text, offset, key) {
                return Some(offset);
            }
        }
        if !bucket.has_overflowed(hash) {
            return None;
        }
        number = (number + 1) % buckets.len();
    }
    None
}

/// An index that is being built.
struct Builder {
    buckets: Vec<u8>,
    len: usize,
}

impl Builder {
    /// An empty index with room for `entries` entries, at the size that it keeps.
    fn with_capacity(entries: usize) -> Result<Builder, TableError> {
        let size = entries.div_ceil(ENTRIES_A_BUCKET) * BUCKET;
        let mut buckets = Vec::new();
        buckets.try_reserve_exact(size).map_err(|_| TableError::OutOfMemory { entries })?;
        buckets.resize(size, 0);
        Ok(Builder { buckets, len: 0 })
    }

    /// Empties `batch` into the index.
    fn insert_all(&mut self, text: &[u8], batch: &mut Vec<Hashed<'_>>) -> Result<(), TableError> {
        for Hashed { hash, key } in batch.drain(..) {
            if let Some(earlier) = search(&self.buckets, text, key.bytes, hash) {
                return Err(TableError::DuplicateKey {
                    line: parse::line_number_at(text, key.offset),
                    earlier_line: parse::line_number_at(text, earlier),
                    key: excerpt(key.bytes),
                });
            }
            self.put(hash, key.offset).ok_or(TableError::OutOfMemory { entries: self.len + 1 })?;
        }
        Ok(())
    }

    /// Puts a key that is not there into the first bucket with an empty slot, and leaves word in
    /// those that it passes. `None` if all are full.
    fn put(&mut self, hash: u64, offset: u32) -> Option<()> {
        let (buckets, _) = self.buckets.as_chunks_mut::<BUCKET>();
        let count = buckets.len();
        let mut number = first_bucket(hash, count);
        for _ in 0..count {
            let bucket = buckets.get_mut(number)?;
            if let Some(slot) = Bucket(bucket).empty_slots().next() {
                let (head, offsets) = bucket.split_at_mut(OFFSETS);
                *head.get_mut(slot)? = tag(hash);
                *offsets.as_chunks_mut().0.get_mut(slot)? = offset.to_ne_bytes();
                self.len += 1;
                return Some(());
            }
            let head = Bucket(bucket).head() | overflow_bit(hash);
            bucket.get_mut(..OFFSETS)?.copy_from_slice(&head.to_le_bytes());
            number = (number + 1) % count;
        }
        None
    }
}
