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
//!   (Only a key that is armed while older keys of its tick still move down fires before those.)
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
//!   it, and would fire up to one whole period late. Each length also needs links of its own in
//!   every connection. The wheel takes any length with one pair of links.
//!
//! The price is the cascade: when the tick reaches a coarse slot, all its keys have to move, at
//! about 0.1 µs each when they lie scattered in memory. That is why a level has 4096 slots and not
//! 64. A million deadlines spread over ten minutes come in portions of four seconds, 7,000 keys
//! each; 64-slot levels would bring them in portions of four minutes, 440,000 keys at a time.
//!
//! # Large cascades
//!
//! A million connections that were made within four seconds have their idle deadlines in a single
//! slot of level 1, and to move them all takes many milliseconds. So one call of
//! [`Timers::pop_due`] moves at most 4,096 keys. The list of the slot is taken out of the wheel as
//! a whole and becomes the list of *moving* keys. While it is not empty:
//!
//! - The current tick stays at the start of that slot, so the invariant holds for all other keys.
//! - No key fires, because a moving key may be due first. `pop_due` yields `None`.
//! - [`Timers::next_wakeup`] names the current tick, so that the owner comes back at once.
//! - The list never grows: a key that is armed meanwhile goes to its own slot. So the cascade ends.

#![cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "places in lists that only this module links")
)]

mod slot;

#[cfg(test)]
mod tests;

use crate::io::clock::Moment;
use slot::{DIGIT_BITS, Occupancy, SLOTS, Slot};

const NANOS_PER_TICK: u64 = 1_000_000;
const LEVELS: usize = 4;

/// Keys that one call of [`Timers::pop_due`] moves to lower levels: 0.4 ms, if they lie scattered.
const MOVES_PER_CALL: usize = 4096;

/// Keys whose memory one call of [`Timers::shrink_to`] gives back: 1 MiB.
const SHRINK_PER_CALL: usize = 1 << 16;

/// Fewer keys above the bound than this do not count: memory that is given back, and needed again a
/// moment later, costs two system calls and new pages.
const SHRINK_SLACK: usize = 1 << 12;

/// The tick of [`Moment::NEVER`].
const LAST_TICK: u64 = round_up(Moment::NEVER);

/// Stands for "not armed". As it is later than every tick, [`Timers::arm_no_later`] needs a single
/// comparison to tell that there is nothing to do.
const NOT_ARMED: u64 = u64::MAX;

const _: () = assert!(LAST_TICK < 1 << (DIGIT_BITS * LEVELS as u32), "the levels cover the clock");
const _: () = assert!(size_of::<Link>() == 16, "a million keys take 16 MB, not more");

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

/// The timers of all keys, each key having at most one.
///
/// A key is a small number, such as the index of a slab entry. Memory is 16 bytes for every key up
/// to the highest one armed, and 64 KiB for the wheel. Arming and disarming take constant time; a
/// timer that fires has been moved at most once a level before.
///
/// The array of keys grows by realloc(3). For a block of this size, glibc and musl do that with
/// mremap(2), which moves page table entries and copies no keys.
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
    /// The first of the keys that a cascade has still to move. They are in no slot.
    moving: Option<u32>,
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
            moving: None,
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
    #[inline]
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
    #[inline]
    pub fn deadline(&self, key: usize) -> Option<Moment> {
        match self.links.get(key)?.deadline {
            NOT_ARMED => None,
            tick => Some(moment_of(tick)),
        }
    }

    /// Whether `key`'s timer is due no later than [`arm_no_later`](Timers::arm_no_later) for
    /// `deadline` would have it be.
    #[inline]
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
    /// A call that has moved 4,096 keys to lower levels yields `None` even if a key is due. Then
    /// [`next_wakeup`](Timers::next_wakeup) is not after `now`, and the next call goes on.
    ///
    /// A `now` before one the wheel has come to already counts as that later one.
    pub fn pop_due(&mut self, now: Moment) -> Option<usize> {
        let now = round_down(now).max(self.current_tick);
        let mut moves_left = MOVES_PER_CALL;
        loop {
            if let Some(head) = self.moving {
                moves_left = self.cascade(head, moves_left);
                if self.moving.is_some() {
                    return None;
                }
            }
            let Some(earliest) = self.earliest_slot() else { break };
            let start = earliest.start(self.current_tick);
            if start > now {
                break;
            }
            self.current_tick = start;
            let head = self.heads[earliest.level][earliest.index];
            if earliest.level == 0 {
                self.remove(head as usize);
                return Some(head as usize);
            }
            self.occupied[earliest.level].remove(earliest.index);
            self.moving = Some(head);
        }
        // Short of the earliest slot, so every key stays where the invariant wants it.
        self.current_tick = now;
        None
    }

    /// When [`pop_due`](Timers::pop_due) has something to do next; `None` while nothing is armed.
    ///
    /// Never later than the earliest [`deadline`](Timers::deadline), but it may be sooner: then
    /// `pop_due` will only cascade and yield `None`, at most once a level before a key is due, and
    /// once for each 4,096 keys that move.
    pub fn next_wakeup(&self) -> Option<Moment> {
        if self.moving.is_some() {
            return Some(moment_of(self.current_tick));
        }
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

    /// Gives back memory for keys that are not below `end`, for after a mass disconnect: the owner
    /// arms no such key any more, for now. Returns whether there is more to give back.
    ///
    /// A call gives back 1 MiB at most, and does nothing if there is less than 64 KiB to give back.
    /// So call it once a turn. A key that is armed all the same stays, and so do those below it.
    pub fn shrink_to(&mut self, end: usize) -> bool {
        let surplus = self.links.len().saturating_sub(end);
        if surplus < SHRINK_SLACK {
            return false;
        }
        let part = surplus.min(SHRINK_PER_CALL);
        let start = self.links.len() - part;
        let highest_armed = self.links[start..].iter().rposition(|link| link.deadline != NOT_ARMED);
        self.links.truncate(highest_armed.map_or(start, |key| start + key + 1));
        self.links.shrink_to_fit();
        highest_armed.is_none() && surplus - part >= SHRINK_SLACK
    }

    #[inline]
    fn earliest_slot(&self) -> Option<Slot> {
        let mut levels = self.occupied.iter().enumerate();
        levels.find_map(|(level, slots)| slots.first().map(|index| Slot { level, index }))
    }

    /// Moves keys of the list that begins with `head` to lower levels: all, or as many as `moves`.
    /// Returns how many more might have moved.
    fn cascade(&mut self, head: u32, moves: usize) -> usize {
        let last = self.links[head as usize].prev;
        let mut key = head;
        for left in (0..moves).rev() {
            let next = self.links[key as usize].next;
            self.link(key);
            if key == last {
                self.moving = None;
                return left;
            }
            key = next;
        }
        // What is left is a ring again.
        self.links[key as usize].prev = last;
        self.links[last as usize].next = key;
        self.moving = Some(key);
        0
    }

    /// Takes out an armed key.
    #[inline]
    fn remove(&mut self, key: usize) {
        self.unlink(key as u32);
        self.links[key].deadline = NOT_ARMED;
        self.armed -= 1;
    }

    /// Appends `key` to the list of the slot that its deadline calls for.
    #[inline]
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
    #[inline]
    fn unlink(&mut self, key: u32) {
        let Link { prev, next, deadline } = self.links[key as usize];
        let is_alone = next == key;
        if self.moving == Some(key) {
            self.moving = (!is_alone).then_some(next);
        } else if is_alone {
            let slot = Slot::of(self.current_tick, deadline);
            self.occupied[slot.level].remove(slot.index);
        }
        if is_alone {
            return;
        }
        self.links[prev as usize].next = next;
        self.links[next as usize].prev = prev;
        // If `key` is moving, no slot begins with it; a head that is not in use may name it.
        let slot = Slot::of(self.current_tick, deadline);
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
        // `NEVER` maps to the last tick, so that a timer armed for `NEVER` is popped at `NEVER`.
        Moment::NEVER => LAST_TICK,
        _ => now.as_nanos() / NANOS_PER_TICK,
    }
}

/// The moment at which `tick` begins.
fn moment_of(tick: u64) -> Moment {
    Moment::from_nanos(tick.saturating_mul(NANOS_PER_TICK))
}
