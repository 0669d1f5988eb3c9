//! The accounting: every request and what became of it.
//!
//! Invariant: each request that was sent has one [`RequestEnd`]. It is counted in the part of the
//! run in which it was *intended* to be sent. So a request of the warm-up that is answered late
//! cannot improve the result, and none of the measured part is left out.

mod connections;
mod own_delay;
mod servers;

use super::absence::Absence;
use super::codec::Kind;
use super::counters::{Counters, Interval, LATE, Operation, StepCounters, count_error};
use super::ends::{RequestEnd, Requests};
use super::pending::Pending;
use super::plan::{Pace, Plan};
use crate::io::clock::Moment;
use crate::loadgen::report::{
    ConnectionEnds, Errors, GRACE_PERIOD, Histogram, Mismatches, ServerErrors,
};
use std::io;
use std::time::Duration;

/// What a look at a reply has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verification {
    /// It is the right reply.
    Verified,
    /// The run does not verify replies, or this one cannot be verified.
    Unverified,
    /// It is not the right reply.
    Corrupt,
    /// It is the right reply, and came behind the reply to a later request.
    Swapped,
}

impl Verification {
    fn end(self) -> RequestEnd {
        match self {
            Verification::Verified => RequestEnd::Verified,
            Verification::Unverified => RequestEnd::Unverified,
            Verification::Corrupt | Verification::Swapped => RequestEnd::Wrong,
        }
    }
}

#[derive(Debug)]
pub(super) struct RequestAccounting {
    counters: Counters,
    warmup: Requests,
    in_flight: u64,
    /// How long the client was kept from its work since it last had nothing to catch up with.
    stall: Duration,
    /// When the measured part begins.
    measured_from: Moment,
    /// When it ends, as far as that is known.
    measured_until: Moment,
    /// When each step of a ramp ends, if there is more than one.
    step_ends: Vec<Moment>,
    is_open_loop: bool,
    /// Whether all connections speak at once. The client has to send on one after the other, and
    /// that is no fault.
    is_herd: bool,
    absence: Absence,
    /// What the opening of connections had brought before the run began.
    opening: ConnectionEnds,
    errors_of_opening: (Errors, Vec<ServerErrors>),
    mismatches_of_opening: (Mismatches, Option<String>),
    interval: Interval,
    /// Of the interval, the latency of the measured part's requests; moved to the counters at its
    /// end, so that an answer costs one histogram, not two.
    interval_measured: Histogram,
    last_answer: Moment,
    /// The server of the connection that is seen to, by its place in the plan.
    server: usize,
}

impl RequestAccounting {
    pub(super) fn new(plan: &Plan) -> RequestAccounting {
        let mut counters = Counters::default();
        if plan.destinations.len() > 1 {
            counters.by_server.resize_with(plan.destinations.len(), ServerErrors::default);
        }
        if let Pace::Rates(steps) = &plan.pace
            && steps.len() > 1
        {
            counters.steps.resize_with(steps.len(), StepCounters::default);
        }
        RequestAccounting {
            counters,
            warmup: Requests::default(),
            in_flight: 0,
            stall: Duration::ZERO,
            measured_from: Moment::NEVER,
            measured_until: Moment::NEVER,
            step_ends: Vec::new(),
            is_open_loop: plan.is_open_loop(),
            is_herd: matches!(plan.pace, Pace::Herd(_)),
            absence: Absence::default(),
            opening: ConnectionEnds::default(),
            errors_of_opening: (Errors::default(), Vec::new()),
            mismatches_of_opening: (Mismatches::default(), None),
            interval: Interval::default(),
            interval_measured: Histogram::default(),
            last_answer: Moment::START,
            server: 0,
        }
    }

    /// Says when the measured part begins, of a run that begins at `start`.
    pub(super) fn begin(&mut self, plan: &Plan, start: Moment) {
        self.errors_of_opening = (self.counters.errors.clone(), self.counters.by_server.clone());
        self.mismatches_of_opening =
            (self.counters.mismatches.clone(), self.counters.first_mismatch.clone());
        self.opening = self.counters.connections.ends;
        self.measured_from = start + plan.warmup;
        self.measured_until =
            plan.until.duration.map_or(Moment::NEVER, |length| self.measured_from + length);
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
        request.intended() >= self.measured_from
    }

    fn requests(&mut self, is_measured: bool) -> &mut Requests {
        if is_measured { &mut self.counters.requests } else { &mut self.warmup }
    }

    fn step(&mut self, request: &Pending) -> Option<&mut StepCounters> {
        self.step_at(request.intended())
    }

    fn step_at(&mut self, moment: Moment) -> Option<&mut StepCounters> {
        let last = self.step_ends.len().checked_sub(1)?;
        let index = self.step_ends.iter().position(|&end| moment < end).unwrap_or(last);
        self.counters.steps.get_mut(index)
    }

    /// A request goes out that was to be sent at `intended`, the first system call for it at
    /// `sent`. Its connection could have taken it since `free_since`.
    #[inline]
    pub(super) fn sent(
        &mut self,
        intended: Moment,
        sent: Moment,
        free_since: Moment,
        now: Moment,
    ) -> Pending {
        let mut request = Pending::one(intended, sent);
        self.in_flight += 1;
        self.interval.sent += 1;
        let (is_measured, is_open_loop) = (self.is_measured(&request), self.is_open_loop);
        let (stall, is_herd) = (self.stall, self.is_herd);
        let requests = self.requests(is_measured);
        requests.sent += 1;
        if !is_open_loop {
            return request;
        }
        let lateness = now.since(intended);
        // Requests that piled up during a stall of the client are late through its fault, although
        // their connections are busy now with earlier ones.
        let lag = now.since(intended.max(free_since)).max(lateness.min(stall));
        requests.late += u64::from(lateness > LATE);
        requests.late_by_client += u64::from(lag > LATE && lag * 2 >= lateness);
        if !is_herd {
            request.set_lag(lag);
        }
        self.interval.lag = self.interval.lag.max(lag);
        if is_measured {
            self.counters.send_lag.record(lag);
            if let Some(step) = self.step(&request) {
                step.sent += 1;
            }
        }
        request
    }

    /// Requests go out again, on a new connection.
    pub(super) fn resent(&mut self, request: &Pending) {
        let is_measured = self.is_measured(request);
        self.requests(is_measured).resent += u64::from(request.count());
    }

    /// The only place where a request that was sent comes to its end.
    #[inline]
    fn close(&mut self, request: Pending, end: RequestEnd) {
        let count = u64::from(request.count());
        self.in_flight -= count;
        let is_measured = self.is_measured(&request);
        self.requests(is_measured).end(end, count);
    }

    /// Requests were answered.
    #[inline]
    pub(super) fn answered(
        &mut self,
        request: Pending,
        verification: Verification,
        kind: Option<Kind>,
        now: Moment,
    ) {
        let count = u64::from(request.count());
        self.interval.answered += count;
        self.last_answer = now;
        let latency = now.since(request.intended());
        let is_measured = self.is_measured(&request);
        if verification.end() == RequestEnd::Wrong {
            self.wrong(verification, is_measured, count);
        }
        if now >= self.measured_from {
            self.count_for_throughput(is_measured, count, now);
        }
        if is_measured {
            self.record(&request, latency, kind, now);
        } else {
            self.interval.latency.record_many(latency, count);
        }
        self.close(request, verification.end());
    }

    /// Throughput is of the answers that come in a time, also if their requests went out before it:
    /// with a warm-up, the first answers of the measured part are to requests of that.
    #[inline]
    fn count_for_throughput(&mut self, is_measured: bool, count: u64, now: Moment) {
        if now < self.measured_until {
            self.counters.answered_in_time += count;
            self.counters.answered_for_warmup += if is_measured { 0 } else { count };
            if let Some(step) = self.step_at(now) {
                step.answered_in_time += count;
            }
        } else if is_measured && now < self.measured_until + GRACE_PERIOD {
            self.counters.answered_in_grace += count;
        }
    }

    /// Records the times of requests of the measured part.
    #[inline]
    fn record(&mut self, request: &Pending, latency: Duration, kind: Option<Kind>, now: Moment) {
        let count = u64::from(request.count());
        self.interval_measured.record_many(latency, count);
        let unread = self.absence.delay(self.is_open_loop, now).min(now.since(request.sent()));
        let delay = unread + request.lag();
        // Mostly there is none. Those without are added at the end, all at once.
        if !delay.is_zero() {
            self.counters.client_delay.record_many(delay, count);
        }
        if self.is_open_loop {
            self.counters.service.record_many(now.since(request.sent()), count);
        }
        if let Some(kind) = kind {
            match self.counters.kinds.get_mut(kind.name()) {
                Some(histogram) => histogram.record_many(latency, count),
                None => {
                    let histogram = self.counters.kinds.entry(kind.name().to_owned()).or_default();
                    histogram.record_many(latency, count);
                }
            }
        }
        if let Some(step) = self.step(request) {
            step.answered += count;
            step.latency.record_many(latency, count);
        }
    }

    fn wrong(&mut self, verification: Verification, is_measured: bool, count: u64) {
        self.interval.errors += count;
        let mismatches = &mut self.counters.mismatches;
        match verification {
            Verification::Corrupt if is_measured => mismatches.corrupt += count,
            Verification::Swapped if is_measured => mismatches.swapped += count,
            _ => return,
        }
        if let Some(server) = self.of_server() {
            server.mismatched += count;
        }
    }

    /// Requests were not answered in time. Tells whether they belong to the measured part.
    pub(super) fn timed_out(&mut self, request: Pending) -> bool {
        let is_measured = self.is_measured(&request);
        if is_measured {
            let count = u64::from(request.count());
            self.counters.errors.timeout += count;
            if let Some(server) = self.of_server() {
                server.errors.timeout += count;
            }
        }
        self.interval.errors += u64::from(request.count());
        self.close(request, RequestEnd::TimedOut);
        is_measured
    }

    /// The connection of requests has gone: they are lost with it, or abandoned.
    pub(super) fn cut_off(&mut self, request: Pending, end: RequestEnd) {
        self.close(request, end);
    }

    /// A later reply came than that to a request which has timed out.
    pub(super) fn reply_was_lost(&mut self) {
        self.counters.mismatches.lost += 1;
    }

    /// A reply came that answers no request in flight.
    pub(super) fn unsolicited(&mut self, count: impl FnOnce(&mut Mismatches)) {
        count(&mut self.counters.mismatches);
        if let Some(server) = self.of_server() {
            server.mismatched += 1;
        }
        self.interval.errors += 1;
    }

    /// A call failed.
    pub(super) fn failed(&mut self, operation: Operation, error: &io::Error) {
        count_error(&mut self.counters.errors, operation, error);
        if let Some(server) = self.of_server() {
            count_error(&mut server.errors, operation, error);
        }
        self.interval.errors += 1;
    }

    /// No request that was due during a stall is still to be sent.
    pub(super) fn caught_up(&mut self) {
        self.stall = Duration::ZERO;
    }

    /// A turn of the loop has taken this long, with all that kept the loop from it.
    pub(super) fn turned(&mut self, lag: Duration) {
        self.counters.loop_lag.record(lag);
    }

    /// The measured part begins: what the warm-up did to connections is no part of it.
    pub(super) fn begin_measuring(&mut self) {
        let counters = &mut self.counters;
        (counters.errors, counters.by_server) = std::mem::take(&mut self.errors_of_opening);
        counters.connections.ends.begin_measuring(&self.opening);
        (counters.mismatches, counters.first_mismatch) =
            std::mem::take(&mut self.mismatches_of_opening);
        counters.first_unfinished = None;
        counters.stalled = Duration::ZERO;
    }

    /// The run ends before its time, for the first reason that is given.
    pub(super) fn ends_early(&mut self, why: impl FnOnce(&Counters) -> String) {
        if self.counters.partial.is_none() {
            self.counters.partial = Some(why(&self.counters));
        }
    }

    /// The measured part is over: it was this long, and later answers are no part of the rate.
    pub(super) fn end_measuring(&mut self, until: Moment) {
        self.counters.elapsed = until.since(self.measured_from);
        self.measured_until = self.measured_until.min(until);
    }

    /// The schedule had this many requests in the measured part.
    pub(super) fn scheduled(&mut self, count: u64) {
        self.counters.scheduled = count;
    }

    /// A reply was not the expected one; the first is described for the report.
    pub(super) fn mismatch(&mut self, describe: impl FnOnce() -> String) {
        self.counters.first_mismatch.get_or_insert_with(describe);
    }

    /// An answer has begun to come and will not end; the first is described for the report.
    pub(super) fn unfinished(&mut self, describe: impl FnOnce() -> String) {
        self.counters.first_unfinished.get_or_insert_with(describe);
    }

    /// A reply that was counted as lost has come after all. That it was late stays true.
    pub(super) fn lost_reply_came(&mut self) {
        self.counters.mismatches.lost -= 1;
    }

    /// Bytes came at `now`.
    pub(super) fn received(&mut self, count: usize, now: Moment) {
        if now >= self.measured_from {
            self.counters.bytes_received += count as u64;
        }
    }

    /// Bytes were given to the kernel at `now`.
    pub(super) fn gave(&mut self, count: usize, now: Moment) {
        if now >= self.measured_from {
            self.counters.bytes_sent += count as u64;
        }
    }

    /// Whether a request was ever answered.
    pub(super) fn has_answers(&self) -> bool {
        self.last_answer > Moment::START
    }

    /// When the last answer came.
    pub(super) fn last_answer(&self) -> Moment {
        self.last_answer
    }

    /// Requests in flight.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// All that was counted so far.
    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// All that was counted.
    pub(super) fn into_counters(self) -> Counters {
        self.counters
    }

    /// Ends the interval, and begins the next at `now`.
    pub(super) fn end_interval(&mut self, now: Moment) -> Interval {
        self.counters.latency.merge(&self.interval_measured);
        self.interval.latency.merge(&self.interval_measured);
        self.interval_measured.clear();
        self.interval.connections = self.counters.connections.open;
        self.interval.served = self.counters.connections.served;
        self.interval.in_flight = self.in_flight;
        self.interval.length = now.since(Moment::from_nanos(self.interval.start));
        let open = self.counters.connections.open;
        let next =
            Interval { start: now.as_nanos(), least: open, most: open, ..Interval::default() };
        std::mem::replace(&mut self.interval, next)
    }
}
