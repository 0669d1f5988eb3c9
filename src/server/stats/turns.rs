//! The longest turn of the poll loop lately: what made clients wait, if anything here did.
//!
//! Time is cut into windows of ten seconds since the start. The longest turn of this window and of
//! the one before is known, so the answer is of the last 10 to 20 seconds, and costs nothing to
//! keep.
//!
//! Invariant: where several processes serve as one, all count time from the start of the first, so
//! their windows are the same.

use std::time::Duration;

#[cfg(test)]
mod tests;

/// How long a window is.
pub const WINDOW: Duration = Duration::from_secs(10);

/// See the [module](self). In plain numbers, for the shards' scoreboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LongestTurn {
    /// The number of the window, from 0.
    window: u64,
    /// The longest turn that ended in it, in microseconds.
    longest: u64,
    /// The longest of the window before.
    before: u64,
}

/// Turns that took longer than these times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlowTurns {
    /// Longer than a millisecond.
    pub(super) over_1ms: u64,
    /// Those of them that took longer than 10 ms.
    pub(super) over_10ms: u64,
    /// Those of them that took longer than 100 ms.
    pub(super) over_100ms: u64,
}

impl SlowTurns {
    /// A turn has ended that took this long.
    #[inline]
    pub fn note(&mut self, took: Duration) {
        const MILLISECOND: Duration = Duration::from_millis(1);
        if took > MILLISECOND {
            self.over_1ms += 1;
            self.over_10ms += u64::from(took > 10 * MILLISECOND);
            self.over_100ms += u64::from(took > 100 * MILLISECOND);
        }
    }
}

impl LongestTurn {
    /// A turn has ended: it took `took`, and `uptime` has passed since the start.
    pub fn note(&mut self, took: Duration, uptime: Duration) {
        self.advance(uptime);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.longest = self.longest.max(micros);
    }

    /// The longest of the last 10 to 20 seconds, in microseconds.
    pub fn micros(mut self, uptime: Duration) -> u64 {
        self.advance(uptime);
        self.longest.max(self.before)
    }

    /// The longer turns of two processes.
    pub fn merge(mut self, mut other: LongestTurn) -> LongestTurn {
        self.open(other.window);
        other.open(self.window);
        LongestTurn {
            window: self.window,
            longest: self.longest.max(other.longest),
            before: self.before.max(other.before),
        }
    }

    /// Every number, always in the same order.
    pub(super) fn numbers(&mut self) -> [&mut u64; 3] {
        [&mut self.window, &mut self.longest, &mut self.before]
    }

    /// It is so long since the start: what was before the window before this one is forgotten.
    pub fn advance(&mut self, uptime: Duration) {
        self.open(uptime.as_secs() / WINDOW.as_secs());
    }

    /// Goes on to a window, unless it is an earlier one.
    fn open(&mut self, window: u64) {
        match window.saturating_sub(self.window) {
            0 => return,
            1 => self.before = self.longest,
            _ => self.before = 0,
        }
        self.longest = 0;
        self.window = window;
    }
}
