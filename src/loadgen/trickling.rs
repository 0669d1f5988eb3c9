//! Slow readers and slow writers: clients on bad lines, or with bad intentions.
//!
//! A slow writer dribbles its requests; a slow reader sends many, and takes the answers a few bytes
//! at a time, so that they pile up in the server. Neither's requests are part of the result: what
//! they do to the others' is.
//!
//! Invariant: an armed timer means that it is not yet time for the next portion.

#![cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "numbers of slots, which are never taken away")
)]

use super::book::Pending;
use super::slot::{Role, Slot};
use super::visiting::Break;
use super::{Load, Phase};
use crate::io::clock::Moment;
use crate::io::host::MonotonicClock;
use crate::io::net::Connect;
use std::time::Duration;

/// Portions are moved this often, or as often as there is a whole byte to be moved.
const PORTIONS_PER_SECOND: usize = 10;

/// A slow reader has this many requests under way, so that there is always more to read.
const READER_PIPELINE: usize = 64;

impl<N: Connect + MonotonicClock> Load<N> {
    pub(super) fn trickle(&mut self, index: usize, now: Moment) -> Result<(), Break> {
        let Phase::Running(run) = &self.phase else { return Ok(()) };
        let is_time = self.timers.deadline(index).is_none();
        let (portion, until_next) = portion(self.plan.crowd.slow_rate.max(1), now.since(run.start));
        if is_time {
            self.timers.arm(index, run.start + until_next);
        }
        let portion = if is_time { portion } else { 0 };
        let (may_read, may_send) = match self.slots[index].role {
            Role::SlowReader => (portion, usize::MAX),
            _ => (usize::MAX, portion),
        };
        if may_read > 0 && self.slots[index].ready.read {
            self.read(index, may_read)?;
        }
        if may_send > 0 {
            self.send_slowly(index, may_send, now)?;
        }
        Ok(())
    }

    fn send_slowly(&mut self, index: usize, most: usize, now: Moment) -> Result<(), Break> {
        let pipeline = if most == usize::MAX { READER_PIPELINE } else { 1 };
        loop {
            let Slot { ready, talk: Some(talk), .. } = &mut self.slots[index] else {
                return Ok(());
            };
            let has_room = talk.unsent.is_empty() && talk.under_way() < pipeline;
            if has_room {
                let request = Pending::one(now, now);
                self.side_book.sent(&request, now, Duration::ZERO, now);
                talk.begin(request, &mut self.wire, &mut self.out);
            }
            if !ready.write {
                talk.unsent.extend(&self.out, now);
                self.out.clear();
                return Ok(());
            }
            self.send(index, most, now)?;
            if !has_room || most != usize::MAX {
                return Ok(());
            }
        }
    }
}

/// The bytes to move at a time `since_start` of the run, and when the next are due. Both follow from
/// the time alone, so that neither fractions of bytes nor wake-ups that come late add up.
fn portion(rate: usize, since_start: Duration) -> (usize, Duration) {
    const NANOS: u128 = 1_000_000_000;
    let portions = rate.min(PORTIONS_PER_SECOND) as u128;
    let number = since_start.as_nanos() * portions / NANOS;
    let moved_by = |number: u128| number * rate as u128 / portions;
    let bytes = moved_by(number + 1) - moved_by(number);
    let next = ((number + 1) * NANOS).div_ceil(portions);
    (bytes as usize, Duration::from_nanos(next as u64))
}
