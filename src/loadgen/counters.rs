//! The counters of a load run: plain sums, so that those of several workers add up.
//!
//! Invariant: merging loses nothing. Counts add, histograms add bucket by bucket, and of moments
//! the later one counts.

use super::ends::Requests;
use crate::io::net::{ConnectedToItself, TlsFailure};
use crate::loadgen::report::{
    ConnectionEnds, Errors, Histogram, Mismatches, PackedHistogram, ServerErrors, SlowResult,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// What is later than this is late.
pub const LATE: Duration = Duration::from_millis(1);

/// Connections, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Of all places for a connection, those that had one at least once.
    pub established: u64,
    /// Of those, the ones on which at least one reply came.
    pub served: u64,
    /// Of those established, the ones that were to make requests, and had none to make.
    pub unasked: u64,
    /// Of those established, the idle ones that were not probed.
    pub unprobed: u64,
    /// Open now.
    pub open: u64,
    /// Most that were open at once.
    pub peak: u64,
    /// Opened in all.
    pub opened: u64,
    /// How they ended, and how many attempts to connect failed.
    pub ends: ConnectionEnds,
}

/// Everything that one worker, or several, counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// Requests of the measured part.
    pub requests: Requests,
    /// Those that the schedule held.
    pub scheduled: u64,
    /// Answers that came within the measured part, to any request.
    pub answered_in_time: u64,
    /// Of these, answers to requests of the warm-up.
    pub answered_for_warmup: u64,
    /// Answers that came within [`GRACE_PERIOD`](crate::loadgen::report::GRACE_PERIOD) after it.
    pub answered_in_grace: u64,
    /// Length of the measured part.
    pub elapsed: Duration,
    /// For how long nothing was open, and could not be; of several workers, the longest.
    pub outage: Duration,
    /// Connections.
    pub connections: Connections,
    /// Errors.
    pub errors: Errors,
    /// Errors of each server of the plan; empty where there is only one.
    #[serde(default)]
    pub by_server: Vec<ServerErrors>,
    /// Wrong replies.
    pub mismatches: Mismatches,
    /// The first of them.
    pub first_mismatch: Option<String>,
    /// What came of the first answer that began and never ended.
    #[serde(default)]
    pub first_unfinished: Option<String>,
    /// Bytes sent in the measured part.
    pub bytes_sent: u64,
    /// Bytes received in the measured part.
    pub bytes_received: u64,
    /// From the intended time, or in a closed loop from sending, to the answer.
    pub latency: Histogram,
    /// From the first system call for a request to its answer.
    pub service: Histogram,
    /// From connect(2) to an established connection.
    pub connect: Histogram,
    /// Latency by kind of request, in a mixture.
    pub kinds: BTreeMap<String, Histogram>,
    /// By step of a ramp.
    pub steps: Vec<StepCounters>,
    /// By reconnect storm.
    pub storms: Vec<StormCounters>,
    /// Slow readers and writers.
    pub slow: SlowResult,
    /// Length of the loop's turns.
    pub loop_lag: Histogram,
    /// How long the client was kept from its work by others, in all: of several, the one longest.
    #[serde(default)]
    pub stalled: Duration,
    /// How late requests were sent although their connection was free.
    pub send_lag: Histogram,
    /// Of each answered request, how long the client itself delayed it: in sending it, and in
    /// reading its answer.
    #[serde(default)]
    pub client_delay: Histogram,
    /// The first reply that was not the one that a probe asked for, in words.
    pub probe_mismatch: Option<String>,
    /// Why the run ended before its time, if it did.
    pub partial: Option<String>,
}

/// One step of a ramp.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepCounters {
    /// Requests sent.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// Answers that came while it lasted, to requests of any step.
    pub answered_in_time: u64,
    /// Their latency.
    pub latency: Histogram,
}

/// One reconnect storm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StormCounters {
    /// When all connections were dropped, from the start of the measured part.
    pub at: Duration,
    /// Connections dropped.
    pub dropped: u64,
    /// Attempts to connect that failed before the next storm.
    pub failed_attempts: u64,
    /// From the drop until each was connected again and had a request answered.
    pub served: Histogram,
    /// The longest of these.
    pub last_served: Duration,
}

/// A second of the run, or what there was of it. `L` is a [`Histogram`], or one put away.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval<L = Histogram> {
    /// When it began, in nanoseconds on the clock of the event handler.
    pub start: u64,
    /// Connections open at its end.
    pub connections: u64,
    /// How long it is; mostly a second.
    #[serde(default)]
    pub length: Duration,
    /// Fewest connections that were open at once in it.
    #[serde(default)]
    pub least: u64,
    /// Most connections that were open at once in it.
    #[serde(default)]
    pub most: u64,
    /// Places for a connection on which a reply had come by its end.
    #[serde(default)]
    pub served: u64,
    /// Connections opened in it.
    pub opened: u64,
    /// Requests sent in it.
    pub sent: u64,
    /// Requests answered in it.
    pub answered: u64,
    /// Errors and mismatches in it.
    pub errors: u64,
    /// How long the client was kept from its work in it: of several, the one longest.
    #[serde(default)]
    pub stalled: Duration,
    /// Requests in flight at its end.
    #[serde(default)]
    pub in_flight: u64,
    /// The longest that the client delayed a request in it beyond its time.
    #[serde(default)]
    pub lag: Duration,
    /// Latency of the answers that came in it.
    pub latency: L,
}

impl Counters {
    /// Adds what another worker counted in the same time.
    pub fn merge(&mut self, other: &Counters) {
        self.requests.add(&other.requests);
        self.connections.add(&other.connections);
        self.scheduled += other.scheduled;
        self.answered_in_time += other.answered_in_time;
        self.answered_for_warmup += other.answered_for_warmup;
        self.answered_in_grace += other.answered_in_grace;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.outage = self.outage.max(other.outage);
        self.errors.add(&other.errors);
        merge_each(&mut self.by_server, &other.by_server, ServerErrors::add);
        add_mismatches(&mut self.mismatches, &other.mismatches);
        self.first_mismatch = self.first_mismatch.take().or_else(|| other.first_mismatch.clone());
        let unfinished = self.first_unfinished.take();
        self.first_unfinished = unfinished.or_else(|| other.first_unfinished.clone());
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.latency.merge(&other.latency);
        self.service.merge(&other.service);
        self.connect.merge(&other.connect);
        for (kind, latency) in &other.kinds {
            self.kinds.entry(kind.clone()).or_default().merge(latency);
        }
        merge_each(&mut self.steps, &other.steps, StepCounters::merge);
        merge_each(&mut self.storms, &other.storms, StormCounters::merge);
        self.slow.established += other.slow.established;
        self.slow.answered += other.slow.answered;
        self.slow.closed_by_server += other.slow.closed_by_server;
        self.loop_lag.merge(&other.loop_lag);
        self.send_lag.merge(&other.send_lag);
        self.client_delay.merge(&other.client_delay);
        self.stalled = self.stalled.max(other.stalled);
        self.probe_mismatch = self.probe_mismatch.take().or_else(|| other.probe_mismatch.clone());
        self.partial = self.partial.take().or_else(|| other.partial.clone());
    }

    /// Replies that were not the right ones.
    pub fn mismatched(&self) -> u64 {
        let Mismatches { corrupt, doubled, swapped, foreign, unexpected, lost: _ } =
            self.mismatches;
        corrupt + doubled + swapped + foreign + unexpected
    }
}

impl Connections {
    /// Adds `other`. The sum of the peaks is the peak of the sum if all opened before they began.
    fn add(&mut self, other: &Connections) {
        self.established += other.established;
        self.served += other.served;
        self.unasked += other.unasked;
        self.unprobed += other.unprobed;
        self.open += other.open;
        self.peak += other.peak;
        self.opened += other.opened;
        self.ends.add(&other.ends);
    }
}

impl StepCounters {
    fn merge(&mut self, other: &StepCounters) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.answered_in_time += other.answered_in_time;
        self.latency.merge(&other.latency);
    }
}

impl StormCounters {
    /// Adds what was counted of the same storm elsewhere.
    pub(super) fn merge(&mut self, other: &StormCounters) {
        self.at = self.at.max(other.at);
        self.dropped += other.dropped;
        self.failed_attempts += other.failed_attempts;
        self.served.merge(&other.served);
        self.last_served = self.last_served.max(other.last_served);
    }
}

impl Interval {
    /// Whether nothing was there and nothing happened.
    pub fn is_empty(&self) -> bool {
        self.connections + self.opened + self.sent + self.answered + self.errors == 0
            && self.stalled.is_zero()
    }

    /// Adds what another worker counted in the same second.
    pub fn merge(&mut self, other: &Interval) {
        self.connections += other.connections;
        self.length = self.length.max(other.length);
        self.least += other.least;
        self.most += other.most;
        self.served += other.served;
        self.opened += other.opened;
        self.sent += other.sent;
        self.answered += other.answered;
        self.errors += other.errors;
        self.stalled = self.stalled.max(other.stalled);
        self.in_flight += other.in_flight;
        self.lag = self.lag.max(other.lag);
        self.latency.merge(&other.latency);
    }

    /// The same in little memory.
    pub fn pack(&self) -> Interval<PackedHistogram> {
        self.with_latency(self.latency.pack())
    }
}

impl Interval<PackedHistogram> {
    /// The interval that was packed.
    pub fn unpack(&self) -> Interval {
        self.with_latency(self.latency.unpack())
    }
}

impl<L> Interval<L> {
    fn with_latency<M>(&self, latency: M) -> Interval<M> {
        let &Interval { start, connections, length, least, most, served, opened, sent, .. } = self;
        let &Interval { answered, errors, stalled, in_flight, lag, .. } = self;
        Interval {
            start,
            connections,
            length,
            least,
            most,
            served,
            opened,
            sent,
            answered,
            errors,
            stalled,
            in_flight,
            lag,
            latency,
        }
    }
}

fn merge_each<T: Default + Clone>(ours: &mut Vec<T>, others: &[T], merge: impl Fn(&mut T, &T)) {
    if ours.len() < others.len() {
        ours.resize_with(others.len(), T::default);
    }
    ours.iter_mut().zip(others).for_each(|(ours, other)| merge(ours, other));
}

fn add_mismatches(ours: &mut Mismatches, other: &Mismatches) {
    ours.corrupt += other.corrupt;
    ours.doubled += other.doubled;
    ours.swapped += other.swapped;
    ours.foreign += other.foreign;
    ours.unexpected += other.unexpected;
    ours.lost += other.lost;
}

/// What was being done when a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Connecting.
    Connecting,
    /// Reading.
    Reading,
    /// Writing.
    Writing,
}

/// Counts a failed call.
pub fn count_error(errors: &mut Errors, operation: Operation, error: &io::Error) {
    let name = error_name(error);
    match operation {
        Operation::Connecting => {
            errors.connect += 1;
            *errors.connect_by_errno.entry(name.clone()).or_default() += 1;
        }
        Operation::Reading => errors.read += 1,
        Operation::Writing => errors.write += 1,
    }
    *errors.by_errno.entry(name).or_default() += 1;
}

fn tls_error_name(error: &io::Error) -> &'static str {
    match TlsFailure::of(error) {
        Some(TlsFailure::Certificate) => "TLS_CERTIFICATE",
        Some(TlsFailure::Alert) => "TLS_ALERT",
        Some(TlsFailure::NotTls) => "NOT_TLS",
        Some(TlsFailure::Truncated) => "TLS_TRUNCATED",
        Some(TlsFailure::Handshake | TlsFailure::Record) | None => "TLS",
    }
}

/// The name of an error as in errno(3). An error without an errno is `EOF` for a FIN that came too
/// early, `ETIMEDOUT` for a timeout of the generator, `OUT_OF_STEP` for a stream that cannot be
/// read, a name with `TLS` for a failure of encryption, `connected to itself` for a connection that
/// reached its own socket.
pub fn error_name(error: &io::Error) -> String {
    match (error.raw_os_error(), error.kind()) {
        _ if ConnectedToItself::is(error) => "connected to itself".to_owned(),
        _ if TlsFailure::of(error).is_some() => tls_error_name(error).to_owned(),
        (Some(number), _) => format!("{:?}", nix::errno::Errno::from_raw(number)),
        (None, io::ErrorKind::UnexpectedEof) => "EOF".to_owned(),
        (None, io::ErrorKind::TimedOut) => "ETIMEDOUT".to_owned(),
        (None, io::ErrorKind::InvalidData) => "OUT_OF_STEP".to_owned(),
        (None, kind) => format!("{kind:?}"),
    }
}
