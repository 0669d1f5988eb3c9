//! The schedule of an open loop: when each request is to be sent, whatever the server does.
//!
//! Invariant: the intended time of a request depends on its number and nothing else. So there is no
//! queue of times to keep: the number of a late request tells how late it is.

use super::plan::{Pace, Plan, Worker};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// One worker's schedule.
///
/// Requests are dealt out to workers in turn, and by each worker to its active connections in turn:
/// worker `w` of `W` has the requests `w`, `w + W`, `w + 2W`... of the whole run, and of those its
/// connection `p` of `C` has its `p`-th, `p + C`-th...
#[derive(Clone, Debug)]
pub struct Schedule {
    worker: Worker,
    /// Active connections of this worker.
    active_slots: u64,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Rates(Vec<Stretch>),
    Herd(Duration),
}

/// A time of constant rate.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// When it begins, in nanoseconds.
    start: f64,
    /// How many requests of the whole run are before it.
    first: f64,
    /// Requests a second.
    rate: f64,
}

impl Schedule {
    /// The schedule that `plan` asks `worker` to keep with `active_slots` connections; none for a
    /// closed loop.
    pub fn new(plan: &Plan, worker: Worker, active_slots: usize) -> Option<Schedule> {
        let kind = match &plan.pace {
            Pace::Closed => return None,
            Pace::Herd(every) => Kind::Herd(*every),
            Pace::Rates(steps) => {
                let (mut start, mut first) = (0.0, 0.0);
                let stretches = steps.iter().map(|step| {
                    let stretch = Stretch { start, first, rate: step.rate };
                    start += step.duration.as_nanos() as f64;
                    first += step.rate * step.duration.as_secs_f64();
                    stretch
                });
                Kind::Rates(stretches.collect())
            }
        };
        Some(Schedule { worker, active_slots: active_slots as u64, kind })
    }

    /// When this worker's request number `local` is to be sent, from the start of the run.
    pub fn intended(&self, local: u64) -> Duration {
        match &self.kind {
            Kind::Herd(every) => {
                let turn = local / self.active_slots.max(1);
                Duration::from_nanos((every.as_nanos() as u64).saturating_mul(turn))
            }
            Kind::Rates(stretches) => {
                let number = (local * self.worker.of as u64 + self.worker.index as u64) as f64;
                let stretch = stretches
                    .iter()
                    .rev()
                    .find(|stretch| stretch.first <= number)
                    .or(stretches.first());
                let Some(stretch) = stretch else { return Duration::ZERO };
                // Multiplied first, then divided: a whole second stays one, to the nanosecond.
                let since_start = (number - stretch.first) * 1e9 / stretch.rate;
                Duration::from_nanos((stretch.start + since_start) as u64)
            }
        }
    }

    /// How many of this worker's first `most` requests are to be sent by `time`, from the start of
    /// the run. Those of the first `known` are.
    pub fn count_due(&self, known: u64, most: u64, time: Duration) -> u64 {
        let is_due = |number: u64| number < most && self.intended(number) <= time;
        // Mostly none or one has come due since the last look, so steps are small at first.
        let (mut count, mut step) = (known, 1);
        while is_due(count.saturating_add(step - 1)) {
            count += step;
            step = count - known;
        }
        let mut end = count.saturating_add(step - 1);
        while count < end {
            let middle = count + (end - count) / 2;
            if is_due(middle) { count = middle + 1 } else { end = middle }
        }
        count
    }

    /// How many of this worker's requests are to be sent before `end`, from the start of the run.
    pub fn count_before(&self, end: Duration) -> u64 {
        // The intended times only ever grow: a search by halves finds the first that is not before.
        let (mut low, mut high) = (0, 1);
        while self.intended(high) < end {
            (low, high) = (high, high.saturating_mul(2));
        }
        if self.intended(low) >= end {
            return low;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.intended(middle) < end { low = middle } else { high = middle }
        }
        high
    }
}
