//! How long the client was kept from its work: stopped, or without a processor.
//!
//! Before a turn of the loop, that is seen from how late the turn begins. Within a turn, it is time
//! that passes while the thread uses no processor time. The clock of processor time costs a system
//! call, so it is read once a millisecond at most, however many requests there are.
//!
//! Invariant: what is told is never more than the client was away; it may be up to a millisecond
//! less for each time.

use crate::io::clock::Moment;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Between two readings of the clock of processor time.
const READ_EVERY: Duration = Duration::from_millis(1);

/// The absence of the client around the present turn.
#[derive(Debug, Default)]
pub(super) struct Absence {
    turn_began: Moment,
    /// When processor time was last read, and how much it was.
    read_at: Moment,
    used: Duration,
    /// What delayed the events of this turn before it began.
    before: Duration,
    within: Duration,
}

impl Absence {
    /// A turn begins, late by `stall`. What kept the client from the turn before may have delayed
    /// events of this one, too.
    pub(super) fn begin_turn(&mut self, stall: Duration, now: Moment) {
        self.before = stall + self.within;
        self.within = Duration::ZERO;
        self.turn_began = now;
    }

    /// Looks whether the client was away since the last look; `used` reads its processor time.
    /// Returns for how long, if it was.
    #[inline]
    pub(super) fn look(
        &mut self,
        now: Moment,
        used: impl FnOnce() -> Option<Duration>,
    ) -> Option<Duration> {
        if now < self.read_at + READ_EVERY {
            return None;
        }
        let used = used()?;
        let passed = now.since(self.read_at.max(self.turn_began));
        let away = passed.saturating_sub(used.saturating_sub(self.used));
        (self.read_at, self.used) = (now, used);
        // Less than the error is nothing.
        if away < READ_EVERY {
            return None;
        }
        self.within += away;
        Some(away)
    }

    /// How long the client may have delayed an answer that it reads at `now`, in this turn. In an
    /// open loop its own work on other answers counts. In a closed loop that work is part of what
    /// is measured, and shows as the share of a processor that it uses.
    #[inline]
    pub(super) fn delay(&self, is_open_loop: bool, now: Moment) -> Duration {
        self.before + if is_open_loop { now.since(self.turn_began) } else { self.within }
    }
}
