//! The search for the greatest load that a server carries: a rate, or a number of connections.
//!
//! The search knows no clock, no server and no goal. Its owner makes the tries that it names, and
//! tells whether each was held:
//!
//! ```text
//! ramp: double until a value is missed -> narrow: halve the interval -> confirm: three more tries
//! ```
//!
//! Invariant: [`Search::held`] was held in its last try, and [`Search::missed`], if there is one,
//! is greater, and was missed twice or by far. So one hiccup of the machine does not end the ramp.

use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// The interval is narrow enough when its ends differ by this share of the lower one.
pub const PRECISION: f64 = 0.05;

/// Tries that have to confirm the value found.
pub const CONFIRMATIONS: u32 = 3;

/// A value is missed when this number of its tries has missed.
const MISSES: u32 = 2;

/// With more values whose tries differ than this, the machine is too restless to say more.
const MOST_RESTLESS: usize = 6;

/// What the owner does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Tries this value, and tells by [`Search::note`] what came of it.
    Try(u64),
    /// Nothing: the search is over.
    Done(Ending),
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// All goals were held.
    Held,
    /// A goal was missed. A hiccup of the machine may have been the cause.
    Missed,
    /// It was missed by so much that no hiccup can be the cause.
    MissedByFar,
}

/// Why the search is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The greatest value that is held is known, and confirmed.
    Confirmed,
    /// The greatest value that may be tried was held, and confirmed.
    AtTheMost,
    /// Not even the least value was held.
    NothingHeld,
    /// The same value was held in one try and missed in another too often.
    Restless,
}

/// The tries of one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tries {
    held: u32,
    missed: u32,
}

/// A search between two bounds.
#[derive(Clone, Debug)]
pub struct Search {
    start: u64,
    least: u64,
    most: u64,
    tries: BTreeMap<u64, Tries>,
}

impl Search {
    /// A search for the greatest value from `least` to `most` that is held, beginning at `start`.
    ///
    /// # Panics
    ///
    /// If `least` is 0 or greater than `most`.
    pub fn new(start: u64, least: u64, most: u64) -> Search {
        assert!((1..=most).contains(&least), "no value from {least} to {most}");
        Search { start: start.clamp(least, most), least, most, tries: BTreeMap::new() }
    }

    /// Tells what became of a try of `value`.
    pub fn note(&mut self, value: u64, tried: Tried) {
        let tries = self.tries.entry(value).or_default();
        match tried {
            Tried::Held => tries.held += 1,
            Tried::Missed => tries.missed += 1,
            Tried::MissedByFar => tries.missed += MISSES,
        }
    }

    /// The greatest value that is held: below the least one that was missed.
    pub fn held(&self) -> Option<u64> {
        let missed = self.missed().unwrap_or(u64::MAX);
        let below = self.tries.range(..missed).rev();
        below.filter(|(_, tries)| tries.held > 0).map(|(&value, _)| value).next()
    }

    /// The least value that was missed.
    pub fn missed(&self) -> Option<u64> {
        self.tries.iter().find(|(_, tries)| tries.missed >= MISSES).map(|(&value, _)| value)
    }

    /// Values that were held in one try and missed in another.
    pub fn restless(&self) -> usize {
        self.tries.values().filter(|tries| tries.held > 0 && tries.missed > 0).count()
    }

    /// How often the value found was held.
    pub fn confirmations(&self) -> u32 {
        let tries = self.held().and_then(|value| self.tries.get(&value));
        tries.map_or(0, |tries| tries.held)
    }

    /// The next try, or the end.
    pub fn next(&self) -> Next {
        if self.restless() > MOST_RESTLESS {
            return Next::Done(Ending::Restless);
        }
        // A first miss may have been a hiccup.
        let doubtful = self.tries.iter().find(|(_, tries)| tries.missed > 0 && tries.held == 0);
        if let Some((&value, tries)) = doubtful
            && tries.missed < MISSES
        {
            return Next::Try(value);
        }
        match (self.held(), self.missed()) {
            (None, None) => Next::Try(self.start),
            (None, Some(missed)) if missed <= self.least => Next::Done(Ending::NothingHeld),
            (None, Some(missed)) => Next::Try((missed / 2).max(self.least)),
            (Some(held), None) if held < self.most => {
                Next::Try(held.saturating_mul(2).min(self.most))
            }
            (Some(held), None) => self.confirm(held, Ending::AtTheMost),
            (Some(held), Some(missed)) if is_narrow(held, missed) => {
                self.confirm(held, Ending::Confirmed)
            }
            (Some(held), Some(missed)) => Next::Try(between(held, missed)),
        }
    }

    fn confirm(&self, held: u64, ending: Ending) -> Next {
        // The try that found it, and three more.
        match self.confirmations() > CONFIRMATIONS {
            true => Next::Done(ending),
            false => Next::Try(held),
        }
    }
}

fn is_narrow(held: u64, missed: u64) -> bool {
    missed - held <= 1 || (missed - held) as f64 <= held as f64 * PRECISION
}

/// The geometric mean: both ends are then as many per cent away.
fn between(held: u64, missed: u64) -> u64 {
    let mean = (held as f64 * missed as f64).sqrt().round() as u64;
    mean.clamp(held + 1, missed - 1)
}
