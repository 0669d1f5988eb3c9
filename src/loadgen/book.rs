//! The book: every request and what became of it.
//!
//! Invariant: each request that was sent is closed once, as answered, unanswered or abandoned, in
//! the part of the run that it belongs to: the one in which it was *intended* to be sent. So a
//! request of the warm-up that is answered late cannot improve the result, and one of the measured
//! part that is answered after the end is not left out.

use super::plan::{Pace, Plan};
use super::tally::{Connections, Doing, Interval, LATE, Requests, StepTally, Tally, count_error};
use super::wire::Kind;
use crate::io::clock::Moment;
use crate::loadgen::report::{Errors, Histogram, Mismatches};
use std::io;
use std::time::Duration;

/// Requests under way that were sent together, mostly one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) count: u32,
    /// When it was to be sent; in a closed loop, when it was.
    pub(super) intended: Moment,
    /// When the first system call for it was made.
    pub(super) sent: Moment,
}

impl Pending {
    /// One request.
    pub(super) fn one(intended: Moment, sent: Moment) -> Pending {
        Pending { count: 1, intended, sent }
    }
}

/// How an answer compares to what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quality {
    Verified,
    Unverified,
    Corrupt,
    Swapped,
}

#[derive(Debug)]
pub(super) struct Book {
    pub(super) tally: Tally,
    warmup: Requests,
    /// Requests under way.
    pub(super) in_flight: u64,
    /// When the measured part begins.
    measured_from: Moment,
    /// When each step of a ramp ends, if there is more than one.
    step_ends: Vec<Moment>,
    is_open_loop: bool,
    /// What the opening of connections had brought before the run began.
    opening: Connections,
    errors_of_opening: Errors,
    interval: Interval,
    /// Of the interval, the latency of the measured part's requests; moved to the tally at its end,
    /// so that an answer costs one histogram, not two.
    interval_measured: Histogram,
    last_answer: Moment,
}

impl Book {
    pub(super) fn new(plan: &Plan) -> Book {
        let mut tally = Tally::default();
        if let Pace::Rates(steps) = &plan.pace
            && steps.len() > 1
        {
            tally.steps.resize_with(steps.len(), StepTally::default);
        }
        Book {
            tally,
            warmup: Requests::default(),
            in_flight: 0,
            measured_from: Moment::NEVER,
            step_ends: Vec::new(),
            is_open_loop: plan.is_open_loop(),
            opening: Connections::default(),
            errors_of_opening: Errors::default(),
            interval: Interval::default(),
            interval_measured: Histogram::default(),
            last_answer: Moment::START,
        }
    }

    /// Says when the measured part begins, of a run that begins at `start`.
    pub(super) fn begin(&mut self, plan: &Plan, start: Moment) {
        self.errors_of_opening = self.tally.errors.clone();
        self.opening = self.tally.connections;
        self.measured_from = start + plan.warmup;
        if let Pace::Rates(steps) = &plan.pace
            && steps.len() > 1
        {
            self.step_ends = steps
                .iter()
                .scan(start, |end, step| {
                    *end = *end + step.duration;
                    Some(*end)
                })
                .collect();
        }
    }

    fn is_measured(&self, request: &Pending) -> bool {
        request.intended >= self.measured_from
    }

    fn requests(&mut self, is_measured: bool) -> &mut Requests {
        if is_measured { &mut self.tally.requests } else { &mut self.warmup }
    }

    fn step(&mut self, request: &Pending) -> Option<&mut StepTally> {
        let last = self.step_ends.len().checked_sub(1)?;
        let index = self.step_ends.iter().position(|&end| request.intended < end).unwrap_or(last);
        self.tally.steps.get_mut(index)
    }

    /// Requests go out. Their connection could have taken them since `free_since`, and the client was
    /// away for `absence` since it last had nothing to make up for.
    #[inline]
    pub(super) fn sent(
        &mut self,
        request: &Pending,
        free_since: Moment,
        absence: Duration,
        now: Moment,
    ) {
        let count = u64::from(request.count);
        self.in_flight += count;
        self.interval.sent += count;
        let (is_measured, is_open_loop) = (self.is_measured(request), self.is_open_loop);
        let requests = self.requests(is_measured);
        requests.sent += count;
        if !is_open_loop {
            return;
        }
        let lateness = now.since(request.intended);
        // What piled up while the client was away is late through its fault, although connections are
        // busy now with what piled up before.
        let lag = now.since(request.intended.max(free_since)).max(lateness.min(absence));
        requests.late += if lateness > LATE { count } else { 0 };
        requests.late_by_client += if lag > LATE && lag * 2 >= lateness { count } else { 0 };
        if is_measured {
            self.tally.send_lag.record_many(lag, count);
            if let Some(step) = self.step(request) {
                step.sent += count;
            }
        }
    }

    /// Requests were answered.
    #[inline]
    pub(super) fn answered(
        &mut self,
        request: &Pending,
        quality: Quality,
        kind: Option<Kind>,
        now: Moment,
    ) {
        let count = u64::from(request.count);
        self.in_flight -= count;
        self.interval.answered += count;
        self.last_answer = now;
        let latency = now.since(request.intended);
        let is_measured = self.is_measured(request);
        let requests = self.requests(is_measured);
        requests.answered += count;
        match quality {
            Quality::Verified => requests.verified += count,
            Quality::Unverified => {}
            Quality::Corrupt | Quality::Swapped => self.wrong(quality, is_measured, count),
        }
        if !is_measured {
            return self.interval.latency.record_many(latency, count);
        }
        self.interval_measured.record_many(latency, count);
        if self.is_open_loop {
            self.tally.service.record_many(now.since(request.sent), count);
        }
        if let Some(kind) = kind {
            match self.tally.kinds.get_mut(kind.name()) {
                Some(histogram) => histogram.record_many(latency, count),
                None => {
                    let histogram = self.tally.kinds.entry(kind.name().to_owned()).or_default();
                    histogram.record_many(latency, count);
                }
            }
        }
        if let Some(step) = self.step(request) {
            step.answered += count;
            step.latency.record_many(latency, count);
        }
    }

    fn wrong(&mut self, quality: Quality, is_measured: bool, count: u64) {
        self.interval.errors += count;
        let mismatches = &mut self.tally.mismatches;
        match quality {
            Quality::Corrupt if is_measured => mismatches.corrupt += count,
            Quality::Swapped if is_measured => mismatches.swapped += count,
            _ => {}
        }
    }

    /// Requests will not be answered: their connection was lost.
    pub(super) fn unanswered(&mut self, request: &Pending) {
        self.in_flight -= u64::from(request.count);
        let is_measured = self.is_measured(request);
        self.requests(is_measured).unanswered += u64::from(request.count);
    }

    /// Requests were not answered in time; `is_lost` says that their connection goes on without the
    /// reply. Tells whether that counts.
    pub(super) fn timed_out(&mut self, request: &Pending, is_lost: bool) -> bool {
        let is_measured = self.is_measured(request);
        if is_measured {
            self.tally.errors.timeout += u64::from(request.count);
            self.tally.mismatches.lost += if is_lost { u64::from(request.count) } else { 0 };
        }
        self.interval.errors += u64::from(request.count);
        self.unanswered(request);
        is_measured && is_lost
    }

    /// The requests' connection was dropped on purpose.
    pub(super) fn abandoned(&mut self, request: &Pending) {
        self.in_flight -= u64::from(request.count);
        let is_measured = self.is_measured(request);
        self.requests(is_measured).abandoned += u64::from(request.count);
    }

    /// A reply came that answers no request under way.
    pub(super) fn stray(&mut self, count: impl FnOnce(&mut Mismatches)) {
        count(&mut self.tally.mismatches);
        self.interval.errors += 1;
    }

    /// A call failed.
    pub(super) fn error(&mut self, doing: Doing, error: &io::Error) {
        count_error(&mut self.tally.errors, doing, error);
        self.interval.errors += 1;
    }

    /// The client was away for so long when it should have been at work.
    pub(super) fn absent(&mut self, absence: Duration) {
        self.tally.stalled += absence;
    }

    /// The measured part begins: what the warm-up did to connections is no part of it.
    pub(super) fn begin_measuring(&mut self) {
        let tally = &mut self.tally;
        tally.errors = std::mem::take(&mut self.errors_of_opening);
        tally.connections.lost = self.opening.lost;
        tally.connections.failed = self.opening.failed;
        tally.mismatches = Mismatches::default();
        tally.first_mismatch = None;
        tally.stalled = Duration::ZERO;
    }

    /// A connection was opened.
    pub(super) fn opened(&mut self) {
        self.interval.opened += 1;
        let connections = &mut self.tally.connections;
        connections.opened += 1;
        connections.open += 1;
        connections.peak = connections.peak.max(connections.open);
    }

    /// Bytes came at `now`.
    pub(super) fn received(&mut self, count: usize, now: Moment) {
        if now >= self.measured_from {
            self.tally.bytes_received += count as u64;
        }
    }

    /// Bytes were given to the kernel at `now`.
    pub(super) fn gave(&mut self, count: usize, now: Moment) {
        if now >= self.measured_from {
            self.tally.bytes_sent += count as u64;
        }
    }

    /// A connection that a storm dropped had a request answered, this long after.
    pub(super) fn served_after_storm(&mut self, after: Duration) {
        if let Some(storm) = self.tally.storms.last_mut() {
            storm.served.record(after);
            storm.last_served = storm.last_served.max(after);
        }
    }

    /// When the last answer came.
    pub(super) fn last_answer(&self) -> Moment {
        self.last_answer
    }

    /// Ends the interval, and begins the next at `now`.
    pub(super) fn end_interval(&mut self, now: Moment) -> Interval {
        self.tally.latency.merge(&self.interval_measured);
        self.interval.latency.merge(&self.interval_measured);
        self.interval_measured.clear();
        self.interval.connections = self.tally.connections.open;
        let next = Interval { start: now.as_nanos(), ..Interval::default() };
        std::mem::replace(&mut self.interval, next)
    }
}

impl Kind {
    /// Its name in a mixture.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Echo => "echo",
            Kind::Lookup => "lookup",
            Kind::Daytime => "daytime",
        }
    }
}
