//! The slots of the wheel: which one a deadline belongs to, and which ones have keys.

/// The width of a digit of a tick.
pub(super) const DIGIT_BITS: u32 = 12;

/// Slots of a level: one for each value of its digit.
pub(super) const SLOTS: usize = 1 << DIGIT_BITS;

const WORD_BITS: usize = u64::BITS as usize;

const _: () = assert!(SLOTS == WORD_BITS * WORD_BITS, "one word sums up a level's occupancy");

/// A place in the wheel.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub(super) level: usize,
    pub(super) index: usize,
}

impl Slot {
    /// Where the invariant puts a `deadline` that is not before `current_tick`.
    #[inline]
    pub(super) fn of(current_tick: u64, deadline: u64) -> Slot {
        // `| 1` puts a deadline that equals the current tick on level 0 like one that differs in
        // the last bit.
        let highest_differing_bit = ((current_tick ^ deadline) | 1).ilog2();
        let level = highest_differing_bit / DIGIT_BITS;
        let digit = (deadline >> (level * DIGIT_BITS)) % SLOTS as u64;
        Slot { level: level as usize, index: digit as usize }
    }

    /// The slot's first tick: the digits above its own are those of `current_tick`, the ones below
    /// are zero.
    #[inline]
    pub(super) fn start(self, current_tick: u64) -> u64 {
        let shift = self.level as u32 * DIGIT_BITS;
        let digits_above = current_tick >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS);
        digits_above | (self.index as u64) << shift
    }
}

/// Which slots of a level have keys, as a bit each, in two layers to find the first one fast.
#[derive(Clone, Copy)]
pub(super) struct Occupancy {
    /// Bit i is set while `words[i]` is not zero.
    summary: u64,
    words: [u64; WORD_BITS],
}

impl Occupancy {
    pub(super) const EMPTY: Occupancy = Occupancy { summary: 0, words: [0; WORD_BITS] };

    #[inline]
    pub(super) fn contains(&self, slot: usize) -> bool {
        self.words[slot / WORD_BITS] & 1 << (slot % WORD_BITS) != 0
    }

    #[inline]
    pub(super) fn insert(&mut self, slot: usize) {
        let word = slot / WORD_BITS;
        self.words[word] |= 1 << (slot % WORD_BITS);
        self.summary |= 1 << word;
    }

    #[inline]
    pub(super) fn remove(&mut self, slot: usize) {
        let word = slot / WORD_BITS;
        self.words[word] &= !(1 << (slot % WORD_BITS));
        if self.words[word] == 0 {
            self.summary &= !(1 << word);
        }
    }

    #[inline]
    pub(super) fn first(&self) -> Option<usize> {
        if self.summary == 0 {
            return None;
        }
        let word = self.summary.trailing_zeros() as usize;
        Some(word * WORD_BITS + self.words[word].trailing_zeros() as usize)
    }
}
