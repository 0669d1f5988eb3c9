//! Deadlines: one timer a key, in a hierarchical timing wheel (Varghese & Lauck, "Hashed and
//! Hierarchical Timing Wheels", SOSP 1987).
//!
//! Time is counted in ticks of one millisecond, and a tick is read as a number in base 4096. Each
//! digit has a *level* of 4096 *slots*, and a slot is a list of keys. Here the current tick is
//! 2·4096 + 17:
//!
//! ```text
//!             digit now   slots (■ has keys)            one slot is    the level spans
//! level 0        17       0 1 ... 17 18 [■] ... 4095        1 ms            4.1 s
//! level 1         2       0 1  2   ■  4  5  ... 4095       4.1 s            4.7 h
//! level 2         0       0 ■  2   3  4  5  ... 4095       4.7 h          2.2 years
//! level 3         0       0 1  2   3  4  5  ... 4095     2.2 years      8,900 years
//! ```
//!
//! The next thing to happen is in brackets: the keys for 2·4096 + 19 are due two ticks from now.
//! Then comes slot 3 of level 1. It covers 4096 ticks, so a key in it need not be due when the
//! first of them comes: its keys then move down to level 0, each to the slot of its own tick. That
//! is a *cascade*.
//!
//! **Invariant:** no armed key's deadline is before the current tick, and a key sits on the level
//! of the most significant digit in which its deadline and the current tick differ, in the slot
//! that this digit of its deadline names. (If no digit differs, it is due now: level 0.) From this
//! follows all the rest:
//!
//! - Where a key is need not be stored: its deadline says it.
//! - Everything on a level is due before anything on the level above, and slots behind the current
//!   digit are empty: nothing wraps around. The earliest keys are in the lowest occupied slot of
//!   the lowest occupied level, found by two bit scans. Hours in which nothing is due cost nothing.
//! - The current tick may move up to the start of that earliest slot and no other key has to move:
//!   the digits that placed it still differ as they did.
//! - Keys due in the same tick are always in the same list, so they fire in the order of arming.
//! - Four levels are 48 bits, and the clock's last tick needs 45. Every [`Moment`] fits, also
//!   [`Moment::NEVER`].
//!
//! # How the owner uses it
//!
//! A busy connection's deadline moves with every request, and the wheel is not told: a request only
//! notes when it came. When the timer fires, the owner works out the true deadline from its notes
//! and arms the timer again if that is still ahead. That is one re-arming a period, not one a
//! request.
//!
//! # Why not something simpler
//!
//! - A heap or a search tree costs O(log n) a change, and each of its steps is a cache miss when a
//!   million deadlines are in it. The wheel changes one list.
//! - A FIFO for each length of timeout is O(1) too, as long as keys enter it in the order of their
//!   deadlines. A key that is armed again late in its period is due earlier than others in front of
//!   it, and would fire up to one whole period late. Besides, each length needs links of its own in
//!   every connection. The wheel takes any length with one pair of links.
//!
//! The price is the cascade: when the tick reaches a coarse slot, all its keys move in one call of
//! [`Timers::pop_due`], at about 0.1 µs each when they lie scattered in memory. That is why a level
//! has 4096 slots and not 64. A million deadlines spread over ten minutes come in portions of four
//! seconds, 7,000 keys or less than a millisecond; 64-slot levels would bring them in portions of
//! four minutes, 440,000 keys at a time. What remains is one large portion every 4.7 hours, when
//! the tick enters a slot of level 2: all keys armed before that for after it.

#![cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "places in lists that only this module links")
)]

use crate::io::clock::Moment;

#[cfg(test)]
mod tests;

const NANOS_PER_TICK: u64 = 1_000_000;
const DIGIT_BITS: u32 = 12;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 4;
const WORD_BITS: usize = u64::BITS as usize;

/// The tick of [`Moment::NEVER`].
const LAST_TICK: u64 = round_up(Moment::NEVER);

/// Stands for "not armed". As it is later than every tick, [`Timers::arm_no_later`] needs a single
/// comparison to tell that there is nothing to do.
const NOT_ARMED: u64 = u64::MAX;

const _: () = assert!(LAST_TICK < 1 << (DIGIT_BITS * LEVELS as u32), "the levels cover the clock");
const _: () = assert!(size_of::<Link>() == 16, "a million keys take 16 MB, not more");
const _: () = assert!(SLOTS == WORD_BITS * WORD_BITS, "one word sums up a level's occupancy");

/// What the wheel keeps for one key.
///
/// The list of a slot is a ring, so its first key's `prev` is its last: one head a slot is enough
/// to append at the end.
#[derive(Clone, Copy)]
struct Link {
    prev: u32,
    next: u32,
    /// A tick, or [`NOT_ARMED`]; then `prev` and `next` mean nothing.
    deadline: u64,
}

impl Link {
    const UNARMED: Link = Link { prev: 0, next: 0, deadline: NOT_ARMED };
}

/// A place in the wheel.
#[derive(Clone, Copy)]
struct Slot {
    level: usize,
    index: usize,
}

impl Slot {
    /// Where the invariant puts a `deadline` that is not before `current_tick`.
    fn of(current_tick: u64, deadline: u64) -> Slot {
        // `| 1` puts a deadline that equals the current tick on level 0 like one that differs in
        // the last bit.
        let highest_differing_bit = ((current_tick ^ deadline) | 1).ilog2();
        let level = highest_differing_bit / DIGIT_BITS;
        let digit = (deadline >> (level * DIGIT_BITS)) % SLOTS as u64;
        Slot { level: level as usize, index: digit as usize }
    }

    /// The slot's first tick: the digits above its own are those of `current_tick`, the ones below
    /// are zero.
    fn start(self, current_tick: u64) -> u64 {
        let shift = self.level as u32 * DIGIT_BITS;
        let digits_above = current_tick >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS);
        digits_above | (self.index as u64) << shift
    }
}

/// Which slots of a level have keys, as a bit each, in two layers to find the first one fast.
#[derive(Clone, Copy)]
struct Occupancy {
    /// Bit i is set while `words[i]` is not zero.
    summary: u64,
    words: [u64; WORD_BITS],
}

impl Occupancy {
    const EMPTY: Occupancy = Occupancy { summary: 0, words: [0; WORD_BITS] };

    fn contains(&self, slot: usize) -> bool {
        self.words[slot / WORD_BITS] & 1 << (slot % WORD_BITS) != 0
    }

    fn insert(&mut self, slot: usize) {
        let word = slot / WORD_BITS;
        self.words[word] |= 1 << (slot % WORD_BITS);
        self.summary |= 1 << word;
    }

    fn remove(&mut self, slot: usize) {
        let word = slot / WORD_BITS;
        self.words[word] &= !(1 << (slot % WORD_BITS));
        if self.words[word] == 0 {
            self.summary &= !(1 << word);
        }
    }

    fn first(&self) -> Option<usize> {
        if self.summary == 0 {
            return None;
        }
        let word = self.summary.trailing_zeros() as usize;
        Some(word * WORD_BITS + self.words[word].trailing_zeros() as usize)
    }
}

/// The timers of all keys, each key having at most one.
///
/// A key is a small number, such as the index of a slab entry. Memory is 16 bytes for every key up
/// to the highest one armed, and 64 KiB for the wheel. Arming and disarming take constant time; a
/// timer that fires has been moved at most once a level before.
///
/// Deadlines are rounded *up* to a whole millisecond: a timer never fires early, and
/// [`pop_due`](Timers::pop_due) yields it as soon as it is called at or after the rounded deadline.
///
/// ```
/// use readyd::io::clock::Moment;
/// use readyd::io::timer::Timers;
/// use std::time::Duration;
///
/// let now = Moment::START;
/// let mut timers = Timers::new(now);
/// timers.arm(7, now + Duration::from_millis(50));
/// assert_eq!(timers.pop_due(now), None);
///
/// let later = now + Duration::from_secs(3600);
/// assert_eq!(timers.pop_due(later), Some(7));
/// assert_eq!(timers.pop_due(later), None);
/// ```
pub struct Timers {
    /// How far the wheel has turned. Never goes back, and never passes an armed key.
    current_tick: u64,
    /// By level.
    occupied: [Occupancy; LEVELS],
    /// By level, the first key of each slot; means nothing while the slot is not occupied.
    heads: Box<[[u32; SLOTS]]>,
    /// By key.
    links: Vec<Link>,
    armed: usize,
}

impl Timers {
    /// No timers, at `now`.
    pub fn new(now: Moment) -> Timers {
        Timers {
            current_tick: round_down(now),
            occupied: [Occupancy::EMPTY; LEVELS],
            heads: vec![[0; SLOTS]; LEVELS].into_boxed_slice(),
            links: Vec::new(),
            armed: 0,
        }
    }

    /// Makes `key`'s timer due at `deadline`, moving it if it is armed already.
    ///
    /// A deadline in the past is due at once, after the keys whose turn it is already. A key that
    /// is armed for the same tick keeps its place.
    ///
    /// # Panics
    ///
    /// If `key` is above `u32::MAX`.
    #[cfg_attr(
        not(test),
        expect(clippy::expect_used, reason = "a bug of the caller, and documented")
    )]
    pub fn arm(&mut self, key: usize, deadline: Moment) {
        let link_index = u32::try_from(key).expect("a timer's key has at most 32 bits");
        let deadline = round_up(deadline).max(self.current_tick);
        if key >= self.links.len() {
            self.links.resize(key + 1, Link::UNARMED);
        }
        match self.links[key].deadline {
            same if same == deadline => return,
            NOT_ARMED => self.armed += 1,
            _ => self.unlink(link_index),
        }
        self.links[key].deadline = deadline;
        self.link(link_index);
    }

    /// Like [`arm`](Timers::arm), but does nothing if `key` is armed for `deadline` or earlier.
    ///
    /// This is the one to call often: having nothing to do costs one load and one comparison.
    ///
    /// # Panics
    ///
    /// If `key` is above `u32::MAX`.
    pub fn arm_no_later(&mut self, key: usize, deadline: Moment) {
        if self.links.get(key).is_some_and(|link| link.deadline <= round_up(deadline)) {
            return;
        }
        self.arm(key, deadline);
    }

    /// Takes `key`'s timer out; does nothing if it is not armed.
    pub fn disarm(&mut self, key: usize) {
        if self.deadline(key).is_some() {
            self.remove(key);
        }
    }

    /// When `key`'s timer is due, if it is armed: the deadline rounded up to a whole millisecond,
    /// or, if it was in the past when armed, the moment the wheel had come to.
    pub fn deadline(&self, key: usize) -> Option<Moment> {
        match self.links.get(key)?.deadline {
            NOT_ARMED => None,
            tick => Some(moment_of(tick)),
        }
    }

    /// Whether `key`'s timer is due no later than [`arm_no_later`](Timers::arm_no_later) for `deadline`
    /// would have it be.
    pub fn is_due_by(&self, key: usize, deadline: Moment) -> bool {
        let latest = round_up(deadline).max(self.current_tick);
        self.links.get(key).is_some_and(|link| link.deadline <= latest)
    }

    /// Takes out one key whose deadline is at or before `now`. Call it until it yields `None`, or
    /// stop sooner and go on later: nothing is lost.
    ///
    /// Keys come in the order of their ticks, and those of one tick in the order of arming. So a
    /// key that is armed for `now` while `now` is being drained comes again, but after all others
    /// due by then; an owner that arms for `now` each time it fires never reaches `None`.
    ///
    /// A `now` before one the wheel has come to already counts as that later one.
    pub fn pop_due(&mut self, now: Moment) -> Option<usize> {
        let now = round_down(now).max(self.current_tick);
        while let Some(earliest) = self.earliest_slot() {
            let start = earliest.start(self.current_tick);
            if start > now {
                break;
            }
            self.current_tick = start;
            if earliest.level == 0 {
                let key = self.heads[0][earliest.index] as usize;
                self.remove(key);
                return Some(key);
            }
            self.cascade(earliest);
        }
        // Short of the earliest slot, so every key stays where the invariant wants it.
        self.current_tick = now;
        None
    }

    /// When [`pop_due`](Timers::pop_due) has something to do next; `None` while nothing is armed.
    ///
    /// Never later than the earliest [`deadline`](Timers::deadline), but it may be sooner: then
    /// `pop_due` will only cascade and yield `None`, at most once a level before a key is due.
    pub fn next_wakeup(&self) -> Option<Moment> {
        self.earliest_slot().map(|slot| moment_of(slot.start(self.current_tick)))
    }

    /// How many keys are armed.
    pub fn len(&self) -> usize {
        self.armed
    }

    /// Whether no key is armed.
    pub fn is_empty(&self) -> bool {
        self.armed == 0
    }

    /// Heap memory held, in bytes.
    pub fn memory(&self) -> usize {
        size_of_val(&*self.heads) + self.links.capacity() * size_of::<Link>()
    }

    /// Gives back the memory for keys above the highest one armed.
    ///
    /// Takes time in proportion to the keys given back, and may move the rest: for after a mass
    /// disconnect, not for every close.
    pub fn shrink(&mut self) {
        let highest_armed = self.links.iter().rposition(|link| link.deadline != NOT_ARMED);
        self.links.truncate(highest_armed.map_or(0, |key| key + 1));
        self.links.shrink_to_fit();
    }

    fn earliest_slot(&self) -> Option<Slot> {
        let mut levels = self.occupied.iter().enumerate();
        levels.find_map(|(level, slots)| slots.first().map(|index| Slot { level, index }))
    }

    /// Moves the keys of `slot`, whose first tick is now the current one, to lower levels.
    fn cascade(&mut self, slot: Slot) {
        self.occupied[slot.level].remove(slot.index);
        let head = self.heads[slot.level][slot.index];
        let mut key = head;
        loop {
            let next = self.links[key as usize].next;
            self.link(key);
            if next == head {
                break;
            }
            key = next;
        }
    }

    /// Takes out an armed key.
    fn remove(&mut self, key: usize) {
        self.unlink(key as u32);
        self.links[key].deadline = NOT_ARMED;
        self.armed -= 1;
    }

    /// Appends `key` to the list of the slot that its deadline calls for.
    fn link(&mut self, key: u32) {
        let slot = Slot::of(self.current_tick, self.links[key as usize].deadline);
        let (mut prev, mut next) = (key, key);
        if !self.occupied[slot.level].contains(slot.index) {
            self.occupied[slot.level].insert(slot.index);
            self.heads[slot.level][slot.index] = key;
        } else {
            next = self.heads[slot.level][slot.index];
            prev = self.links[next as usize].prev;
            self.links[next as usize].prev = key;
            self.links[prev as usize].next = key;
        }
        self.links[key as usize].prev = prev;
        self.links[key as usize].next = next;
    }

    /// Takes `key` out of the list it is in.
    fn unlink(&mut self, key: u32) {
        let Link { prev, next, deadline } = self.links[key as usize];
        let slot = Slot::of(self.current_tick, deadline);
        if next == key {
            self.occupied[slot.level].remove(slot.index);
            return;
        }
        self.links[prev as usize].next = next;
        self.links[next as usize].prev = prev;
        let head = &mut self.heads[slot.level][slot.index];
        if *head == key {
            *head = next;
        }
    }
}

impl Default for Timers {
    /// No timers, at [`Moment::START`].
    fn default() -> Timers {
        Timers::new(Moment::START)
    }
}

/// The first tick that is not before `deadline`.
const fn round_up(deadline: Moment) -> u64 {
    deadline.as_nanos().div_ceil(NANOS_PER_TICK)
}

/// The last tick that is not after `now`.
fn round_down(now: Moment) -> u64 {
    match now {
        // The last tick begins where the clock ends; so that it begins at all, let it begin there.
        Moment::NEVER => LAST_TICK,
        _ => now.as_nanos() / NANOS_PER_TICK,
    }
}

/// The moment at which `tick` begins.
fn moment_of(tick: u64) -> Moment {
    Moment::from_nanos(tick.saturating_mul(NANOS_PER_TICK))
}
