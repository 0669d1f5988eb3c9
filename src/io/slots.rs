//! Values at numbered places: a [`slab::Slab`] in portions of 4,096 places.
//!
//! A single slab of a million connections does three things in one step that take milliseconds: it
//! copies all entries when its array grows, it frees 88 MB when the last entry goes, and it
//! rebuilds its whole free list to shrink. Here each portion is a slab of its own, with an array
//! that is allocated when the portion gets its first value and freed when the portion is empty. No
//! value moves, and no step works on more than one portion.
//!
//! A key is `portion * 4096 + place`, so that a lookup is a shift, a mask and two loads.
//!
//! **Invariants:**
//!
//! - A value stays at its key until it is removed: the kernel's events name the key.
//! - A new value goes into the lowest portion that has room. So the high portions become empty, and
//!   are freed, when a crowd has left.
//! - At most one empty portion holds memory: the one that became empty last. A value that comes and
//!   goes at the edge of a portion does not allocate and free an array each time.
//! - Every operation takes constant time, amortised, in whatever order values are removed. (To find
//!   the lowest portion with room reads one word for each 262,144 places.)

#![cfg_attr(
    not(test),
    expect(
        clippy::indexing_slicing,
        reason = "numbers of portions that only this module hands out"
    )
)]

use slab::Slab;

#[cfg(test)]
mod tests;

const PLACE_BITS: u32 = 12;

/// Places in a portion.
pub const PORTION: usize = 1 << PLACE_BITS;

/// A collection of values whose keys are small numbers, such as the connections of a server.
///
/// ```
/// use readyd::io::slots::Slots;
///
/// let mut slots = Slots::new();
/// let key = slots.insert("ready");
/// assert_eq!(slots.get(key), Some(&"ready"));
/// assert_eq!(slots.remove(key), "ready");
/// assert!(slots.is_empty());
/// ```
#[derive(Debug)]
pub struct Slots<T> {
    portions: Vec<Slab<T>>,
    with_room: PortionSet,
    len: usize,
    /// Places that memory is held for.
    capacity: usize,
    /// One more than the number of the highest portion that is not empty.
    portions_in_use: usize,
    /// The portion that became empty last. It may have been filled again since.
    emptied_last: usize,
}

impl<T> Slots<T> {
    /// No values, and no memory.
    pub const fn new() -> Slots<T> {
        Slots {
            portions: Vec::new(),
            with_room: PortionSet::new(),
            len: 0,
            capacity: 0,
            portions_in_use: 0,
            emptied_last: 0,
        }
    }

    /// How many values there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no values.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many values fit into the memory that is held.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Heap memory held, in bytes. Of an array that is new, the kernel has given no pages yet.
    pub fn memory(&self) -> usize {
        self.capacity * size_of::<T>()
            + self.portions.capacity() * size_of::<Slab<T>>()
            + self.with_room.memory()
    }

    /// A bound on the keys in use: all are below. It follows the highest portion that has a value,
    /// so it goes down again.
    #[inline]
    pub fn end(&self) -> usize {
        self.portions_in_use << PLACE_BITS
    }

    /// The value at `key`, if there is one.
    #[inline]
    pub fn get(&self, key: usize) -> Option<&T> {
        self.portions.get(portion_of(key))?.get(place_of(key))
    }

    /// The value at `key`, if there is one.
    #[inline]
    pub fn get_mut(&mut self, key: usize) -> Option<&mut T> {
        self.portions.get_mut(portion_of(key))?.get_mut(place_of(key))
    }

    /// Whether there is a value at `key`.
    #[inline]
    pub fn contains(&self, key: usize) -> bool {
        self.get(key).is_some()
    }

    /// Puts `value` into a free place, and returns its key.
    pub fn insert(&mut self, value: T) -> usize {
        let entry = self.vacant_entry();
        let key = entry.key();
        entry.insert(value);
        key
    }

    /// The place that the next value gets, for a value that has to know its key.
    #[inline]
    pub fn vacant_entry(&mut self) -> VacantEntry<'_, T> {
        let portion = self.with_room.first().unwrap_or_else(|| self.add_portion());
        VacantEntry { slots: self, portion }
    }

    /// Takes the value at `key` out.
    ///
    /// # Panics
    ///
    /// If there is no value at `key`.
    #[inline]
    pub fn remove(&mut self, key: usize) -> T {
        let portion = portion_of(key);
        let slab = &mut self.portions[portion];
        let value = slab.remove(place_of(key));
        self.len -= 1;
        self.with_room.insert(portion);
        if slab.is_empty() {
            self.emptied(portion);
        }
        value
    }

    /// All values with their keys, in the order of the keys.
    ///
    /// This looks at every place, which takes milliseconds for a million: see
    /// [`next_occupied`](Slots::next_occupied).
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, &T)> {
        let in_use = self.portions.iter().take(self.portions_in_use).enumerate();
        in_use.flat_map(|(portion, slab)| {
            slab.iter().map(move |(place, value)| (key_of(portion, place), value))
        })
    }

    /// All values with their keys, in the order of the keys. As [`iter`](Slots::iter), it looks at
    /// every place.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (usize, &mut T)> {
        let in_use = self.portions.iter_mut().take(self.portions_in_use).enumerate();
        in_use.flat_map(|(portion, slab)| {
            slab.iter_mut().map(move |(place, value)| (key_of(portion, place), value))
        })
    }

    /// The lowest key that is in use and not below `from`.
    ///
    /// To visit all values over several turns, start at 0, go on at the last key plus 1, and let
    /// each turn stop a fixed *distance* from where it began, not after a number of values: free
    /// places take time, too. One call passes over the free places of two portions at most, and
    /// over empty portions at a load each.
    ///
    /// ```
    /// use readyd::io::slots::{PORTION, Slots};
    ///
    /// /// Visits some values from `from` on. Returns where to go on, unless this was all.
    /// fn visit_some(slots: &mut Slots<u64>, from: usize) -> Option<usize> {
    ///     let mut next = slots.next_occupied(from);
    ///     let end = next? + PORTION;
    ///     while let Some(key) = next.filter(|&key| key < end) {
    ///         *slots.get_mut(key)? += 1;
    ///         next = slots.next_occupied(key + 1);
    ///     }
    ///     next
    /// }
    ///
    /// let mut slots = Slots::new();
    /// for _ in 0..10_000 {
    ///     slots.insert(0);
    /// }
    /// let mut from = Some(0);
    /// while let Some(key) = from {
    ///     from = visit_some(&mut slots, key);
    /// }
    /// assert!(slots.iter().all(|(_, &visits)| visits == 1));
    /// ```
    pub fn next_occupied(&self, from: usize) -> Option<usize> {
        let first = portion_of(from);
        (first..self.portions_in_use).find_map(|portion| {
            let slab = &self.portions[portion];
            if slab.is_empty() {
                return None;
            }
            let start = if portion == first { place_of(from) } else { 0 };
            let place = (start..slab.capacity()).find(|&place| slab.contains(place))?;
            Some(key_of(portion, place))
        })
    }

    #[cold]
    fn add_portion(&mut self) -> usize {
        let portion = self.portions.len();
        self.portions.push(Slab::new());
        self.with_room.insert(portion);
        portion
    }

    /// Frees the portion that became empty before, unless it has been filled again.
    #[cold]
    fn emptied(&mut self, portion: usize) {
        let before = std::mem::replace(&mut self.emptied_last, portion);
        if before != portion && self.portions[before].is_empty() {
            self.capacity -= self.portions[before].capacity();
            self.portions[before] = Slab::new();
        }
        let in_use = &self.portions[..self.portions_in_use];
        let highest = in_use.iter().rposition(|slab| !slab.is_empty());
        self.portions_in_use = highest.map_or(0, |portion| portion + 1);
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Slots<T> {
        Slots::new()
    }
}

/// A free place in [`Slots`].
#[derive(Debug)]
pub struct VacantEntry<'a, T> {
    slots: &'a mut Slots<T>,
    portion: usize,
}

impl<'a, T> VacantEntry<'a, T> {
    /// The key that a value put here has.
    #[inline]
    pub fn key(&self) -> usize {
        key_of(self.portion, self.slots.portions[self.portion].vacant_key())
    }

    /// Puts `value` here.
    #[inline]
    pub fn insert(self, value: T) -> &'a mut T {
        let VacantEntry { slots, portion } = self;
        let slab = &mut slots.portions[portion];
        let capacity = slab.capacity();
        if capacity == 0 && portion > 0 {
            // At once, so that it is never copied. The first portion grows by doubling: a server
            // with ten clients holds memory for sixteen.
            *slab = Slab::with_capacity(PORTION);
        }
        slots.len += 1;
        slots.portions_in_use = slots.portions_in_use.max(portion + 1);
        let key = slab.insert(value);
        slots.capacity += slab.capacity() - capacity;
        if slab.len() == PORTION {
            slots.with_room.remove(portion);
        }
        &mut slab[key]
    }
}

#[inline]
fn portion_of(key: usize) -> usize {
    key >> PLACE_BITS
}

#[inline]
fn place_of(key: usize) -> usize {
    key % PORTION
}

#[inline]
fn key_of(portion: usize, place: usize) -> usize {
    portion << PLACE_BITS | place
}

/// Numbers of portions, as a bit each.
#[derive(Debug)]
struct PortionSet(Vec<u64>);

const WORD_BITS: usize = u64::BITS as usize;

impl PortionSet {
    const fn new() -> PortionSet {
        PortionSet(Vec::new())
    }

    #[inline]
    fn first(&self) -> Option<usize> {
        let word = self.0.iter().position(|&word| word != 0)?;
        Some(word * WORD_BITS + self.0[word].trailing_zeros() as usize)
    }

    #[inline]
    fn insert(&mut self, portion: usize) {
        let word = portion / WORD_BITS;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (portion % WORD_BITS);
    }

    #[inline]
    fn remove(&mut self, portion: usize) {
        self.0[portion / WORD_BITS] &= !(1 << (portion % WORD_BITS));
    }

    fn memory(&self) -> usize {
        self.0.capacity() * size_of::<u64>()
    }
}
