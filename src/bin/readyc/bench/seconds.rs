//! The seconds of a run: those of all workers, put together.
//!
//! Invariant: a second holds what all workers counted in it. Before load begins each worker counts
//! its seconds from its own start, and afterwards from the start of the measured part.

use super::live::Live;
use super::worker::monotonic_nanos;
use readyd::loadgen::Interval;
use readyd::loadgen::report::PackedHistogram;
use std::collections::BTreeMap;
use std::time::Duration;

#[cfg(test)]
mod tests;

const SECOND: i64 = 1_000_000_000;

/// Seconds by their start in nanoseconds, relative to the start of the measured part.
pub(super) type Placed = BTreeMap<i64, Interval<PackedHistogram>>;

/// The seconds that workers have told so far.
#[derive(Debug, Default)]
pub(super) struct Seconds {
    warmup: Duration,
    /// On the monotonic clock.
    opening_began: u64,
    /// When load began.
    started_at: Option<u64>,
    /// Seconds before load began, by number.
    opening: BTreeMap<u64, SharedSecond>,
    /// Seconds since, by their start relative to the start of the measured part.
    running: BTreeMap<i64, SharedSecond>,
}

impl Seconds {
    /// The opening of connections begins now.
    pub(super) fn new(warmup: Duration) -> Seconds {
        Seconds { warmup, opening_began: monotonic_nanos(), ..Seconds::default() }
    }

    /// Load begins at this time of the monotonic clock.
    pub(super) fn begin(&mut self, at_nanos: u64) {
        self.started_at = Some(at_nanos);
    }

    /// Adds an interval of a worker, one of `count`, and shows how the run goes.
    pub(super) fn add(
        &mut self,
        worker: usize,
        count: usize,
        interval: &Interval,
        live: &mut Live,
    ) {
        match self.started_at {
            Some(started_at) if interval.start >= started_at => {
                // If the warm-up is no whole number of seconds, its first second is shorter.
                let relative = interval.start as i64 - self.measured_from() as i64;
                let sum = self.running.entry(relative).or_default().add(worker, interval);
                live.running(relative, &sum, count);
            }
            _ => {
                let number = interval.start.saturating_sub(self.opening_began) / SECOND as u64;
                let second = self.opening.entry(number).or_default();
                second.add(worker, interval);
                live.opening(second.open.values().sum());
            }
        }
    }

    fn measured_from(&self) -> u64 {
        let warmup = self.warmup.as_nanos() as u64;
        self.started_at.map_or(self.opening_began, |started_at| started_at + warmup)
    }

    /// All seconds in their order, and for how long of the measured part a worker was stopped.
    /// `stops` has for each worker when it was stopped by a signal and when it went on, on the
    /// monotonic clock; what the workers noticed themselves is in their intervals.
    pub(super) fn placed(mut self, stops: &[&[(u64, u64)]]) -> (Placed, Duration) {
        let measured_from = self.measured_from();
        let mut seconds = std::mem::take(&mut self.running);
        for (number, second) in std::mem::take(&mut self.opening) {
            let start = self.opening_began as i64 + number as i64 * SECOND;
            seconds.insert(start - measured_from as i64, second);
        }
        let relative = |nanos: u64| nanos as i64 - measured_from as i64;
        let mut stopped = Duration::ZERO;
        for stops in stops {
            let stops = stops.iter().map(|&(from, to)| (relative(from), relative(to)));
            stopped = stopped.max(add_stops(&mut seconds, stops.collect()));
        }
        let (mut open, mut served) = (BTreeMap::new(), BTreeMap::new());
        let place = |(start, mut second): (i64, SharedSecond)| {
            // A worker that sent no interval for this second still has its earlier connections.
            open.append(&mut second.open);
            second.sum.connections = open.values().sum();
            served.append(&mut second.served);
            second.sum.served = served.values().sum();
            (start, second.sum)
        };
        (seconds.into_iter().map(place).collect(), stopped)
    }
}

/// Adds a worker's stops to the seconds that they were in. Of several workers, the one that was
/// stopped longest counts. Returns how long it was stopped since the start of the measured part.
fn add_stops(seconds: &mut BTreeMap<i64, SharedSecond>, stops: Vec<(i64, i64)>) -> Duration {
    for &(from, to) in &stops {
        // A worker that was killed has told nothing of these seconds.
        for number in from.max(0) / SECOND..=to.max(-1).div_euclid(SECOND) {
            seconds.entry(number * SECOND).or_default();
        }
    }
    let within = |start: i64, end: i64| -> Duration {
        stops.iter().map(|&(from, to)| overlap(from, to, start, end)).sum()
    };
    for (&start, second) in seconds.iter_mut() {
        let stopped = within(start, start.saturating_add(SECOND));
        second.sum.stalled = second.sum.stalled.max(stopped);
    }
    within(0, i64::MAX)
}

/// How long two spans overlap, both given by their start and end in nanoseconds.
fn overlap(from: i64, to: i64, start: i64, end: i64) -> Duration {
    Duration::from_nanos(u64::try_from(to.min(end) - from.max(start)).unwrap_or(0))
}

/// One second of all workers. It is packed, since a run keeps one for each of its seconds.
#[derive(Debug, Default)]
struct SharedSecond {
    sum: Interval<PackedHistogram>,
    /// Connections open at its end, by worker.
    open: BTreeMap<usize, u64>,
    /// Places that had been served by its end, by worker.
    served: BTreeMap<usize, u64>,
}

impl SharedSecond {
    /// Adds a worker's interval, and returns the sum of all so far.
    fn add(&mut self, worker: usize, interval: &Interval) -> Interval {
        let mut sum = self.sum.unpack();
        sum.merge(interval);
        self.open.insert(worker, interval.connections);
        sum.connections = self.open.values().sum();
        self.served.insert(worker, interval.served);
        sum.served = self.served.values().sum();
        self.sum = sum.pack();
        sum
    }
}
