//! What the client itself delayed: it was stopped, or others had its processor.
//!
//! Invariant: what is counted as a stall of the run is in the seconds of its series, too.

use super::RequestAccounting;
use crate::io::clock::Moment;
use std::time::Duration;

impl RequestAccounting {
    /// The loop was kept from turning for this long: the process was stopped, or others had its
    /// processor.
    pub(in crate::loadgen) fn stalled(&mut self, stall: Duration) {
        self.stall += stall;
        self.counters.stalled += stall;
    }

    /// A turn of the loop begins, late by `stall`.
    pub(in crate::loadgen) fn begin_turn(&mut self, stall: Duration, now: Moment) {
        self.absence.begin_turn(stall, now);
    }

    /// Looks whether the client was kept from its work in the middle of a turn.
    #[inline]
    pub(in crate::loadgen) fn look_for_absence(
        &mut self,
        now: Moment,
        used: impl FnOnce() -> Option<Duration>,
    ) {
        if let Some(away) = self.absence.look(now, used) {
            self.stalled(away);
            self.stalled_in_interval(away);
        }
    }

    /// A part of a stall was in the present interval.
    pub(in crate::loadgen) fn stalled_in_interval(&mut self, part: Duration) {
        self.interval.stalled += part;
    }
}
