//! The result of a load run: one document, from which every output is made.
//!
//! Invariant: a [`Report`] is complete. Text, CSV, HTML, comparison and merging read nothing else,
//! so a stored report can be shown again years later, on another machine.
//!
//! The schema is versioned by [`SCHEMA`]. Fields may be added under the same name; a field that
//! changes its meaning gets a new one. docs/report-schema.md describes it for readers of the JSON.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod achieved;
pub mod by_server;
mod charts;
mod client;
pub mod compare;
pub mod csv;
mod distribution;
pub mod doubt;
mod ends;
pub mod file;
pub mod hgrm;
pub mod histogram;
pub mod html;
mod identity;
pub mod ladder;
mod markup;
pub mod merge;
pub mod output;
#[cfg(test)]
pub(crate) mod sample;
mod server;
mod server_side;
mod svg;
pub(crate) mod table;
mod tables;
#[cfg(test)]
mod tests;
pub mod text;
pub mod units;
mod words;

pub use achieved::{Achieved, GRACE_PERIOD, TlsAchieved};
pub use by_server::{ByServer, ServerErrors};
pub use client::{Client, Validity};
pub use compare::{Comparison, Side, Verdict};
pub use csv::csv;
pub use ends::ConnectionEnds;
pub use file::ReadError;
pub use hgrm::hgrm;
pub use histogram::{Histogram, PackedHistogram, Percentiles};
pub use html::html;
pub use identity::random_id;
pub use ladder::{FIND_SCHEMA, FindEnding, Ladder, Outcome, Quantity, Rung};
pub use merge::{MergeError, merge};
pub use output::{Output, SaveError, save};
pub use server_side::{Levels, Load, ServerCounts, ServerFigures, ServerSide};
pub use text::{NARROWEST, TextOptions, text};
pub use words::errors_in_words;

/// The name and version of this document's schema.
pub const SCHEMA: &str = "readyc.bench/2";

/// The schema before: it is still read. [`Report::older_schema`] tells what differs in it.
pub const OLDER_SCHEMA: &str = "readyc.bench/1";

/// Counts by the name of the error, such as `ECONNREFUSED`; `EOF` is a peer's unexpected FIN.
pub type ByErrno = BTreeMap<String, u64>;

/// One load run, or several merged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// The identity of the run, by which a report that is given twice is recognised. A report that
    /// was stored without one gets a hash of its document when it is read.
    #[serde(default)]
    pub id: String,
    /// Whether everything that was asked for was achieved.
    pub met: bool,
    /// Where the result falls short of what was asked, a sentence each.
    pub shortfalls: Vec<String>,
    /// Why the run ended before its time, if it did.
    pub partial: Option<String>,
    /// What else a reader should know, a sentence each; mostly of merged reports.
    #[serde(default)]
    pub notes: Vec<String>,
    /// How requests were paced.
    pub mode: Mode,
    /// When the run began, RFC 3339, UTC.
    pub started_at: String,
    /// What was asked for.
    pub asked: Asked,
    /// What was achieved.
    pub achieved: Achieved,
    /// Replies that were not the right ones, by kind.
    pub mismatches: Mismatches,
    /// The first reply that was not the right one, in words.
    #[serde(default)]
    pub first_mismatch: Option<String>,
    /// What came of the first answer that began and never ended, in words.
    #[serde(default)]
    pub first_unfinished: Option<String>,
    /// Errors, by what was being done.
    pub errors: Errors,
    /// The same of each server, where there were several.
    #[serde(default, skip_serializing_if = "ByServer::is_empty")]
    pub errors_by_server: ByServer,
    /// Time from when a request was to be sent (open loop), or was sent (closed), to its reply.
    pub latency_us: Percentiles,
    /// Time from the first system call for a request to its reply.
    pub service_us: Percentiles,
    /// Time from connect(2) to an established connection.
    pub connect_us: Percentiles,
    /// For each kind of request of a mix, its latency.
    pub kinds: BTreeMap<String, Percentiles>,
    /// For each step of a ramp, what it achieved.
    pub steps: Vec<StepResult>,
    /// For each reconnect storm, how it went.
    pub storms: Vec<StormResult>,
    /// The figures of slow readers and writers, if there were any.
    pub slow: Option<SlowResult>,
    /// The run second by second, the opening of connections included.
    pub series: Vec<Second>,
    /// Whether the load generator itself kept up.
    pub client: Client,
    /// What the servers spent, if it is known.
    #[serde(default)]
    pub server: Option<ServerSide>,
    /// Where this was measured; of merged reports, the first one's.
    pub environment: Environment,
    /// Of merged reports, what each was; empty for a single run.
    #[serde(default)]
    pub merged: Vec<Origin>,
    /// The distributions behind the percentiles, for exact merging and plotting.
    pub histograms: Histograms,
}

/// How requests are paced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By a schedule, whatever the server does.
    Open,
    /// A new request for each reply.
    Closed,
}

/// What was asked for. Absent numbers were not limited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The servers, `address:port`.
    pub targets: Vec<String>,
    /// Local addresses to connect from; none: the kernel chooses.
    pub sources: Vec<String>,
    /// What is requested, in words: `echo`, `echo=80,daytime=20`, `plain echo`, `custom`.
    pub workload: String,
    /// Connections that make requests.
    pub connections: u64,
    /// Connections that are held open and say nothing.
    pub idle: u64,
    /// Connections that read slowly.
    pub slow_readers: u64,
    /// Connections that write slowly.
    pub slow_writers: u64,
    /// Requests a second over all connections; absent in a closed loop.
    pub rate: Option<f64>,
    /// Requests in all.
    pub requests: Option<u64>,
    /// Length of the measured part, in seconds.
    pub duration_s: Option<f64>,
    /// Before the measured part, in seconds.
    pub warmup_s: f64,
    /// Requests in flight per connection.
    pub pipeline: u64,
    /// Length of a request's payload in bytes; of a range, the longest.
    pub size: u64,
    /// Of a range, the shortest.
    pub size_min: u64,
    /// Processes that the load is spread over.
    pub workers: u64,
    /// Connections opened a second.
    pub connect_rate: Option<f64>,
    /// When a connection is replaced by a new one: `5s`, `1 request`.
    pub lifetime: Option<String>,
    /// Seconds between moments at which all connections speak at once.
    pub herd_s: Option<f64>,
    /// Seconds between moments at which all connections are dropped and return.
    pub storm_s: Option<f64>,
    /// Seconds after which a request counts as unanswered.
    pub timeout_s: f64,
    /// Whether workers may busy-wait for intended times. Earlier versions always did.
    #[serde(default = "yes")]
    pub busy_wait: bool,
    /// Whether replies are verified.
    pub verify: bool,
    /// What asks idle connections whether they are served: `echo`, `request`, or `off`. Empty in
    /// [`OLDER_SCHEMA`], where nothing did.
    #[serde(default)]
    pub probe: String,
}

fn yes() -> bool {
    true
}

/// How a report calls the workload that has no answers.
pub const DISCARD: &str = "plain discard";

impl Asked {
    /// Whether requests are answered, so that there are replies to verify and latencies to tell.
    pub fn is_answered(&self) -> bool {
        self.workload != DISCARD
    }
}

/// Replies that were not the right ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatches {
    /// The right request's reply with wrong bytes.
    pub corrupt: u64,
    /// A reply that was received twice.
    pub doubled: u64,
    /// A reply that was received after a later one.
    pub swapped: u64,
    /// A reply to a request of another connection.
    pub foreign: u64,
    /// Bytes that were received when no reply was expected.
    pub unexpected: u64,
    /// Of the requests that timed out, those after which a later reply came on the same connection.
    /// Not among `achieved.mismatched`: there was no answer.
    pub lost: u64,
}

/// Errors, by what was being done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// Attempts to connect that failed.
    pub connect: u64,
    /// Connections that broke while reading, the peer's unexpected FIN included.
    pub read: u64,
    /// Connections that broke while writing.
    pub write: u64,
    /// Requests that were not answered in time.
    pub timeout: u64,
    /// All of `connect`, `read` and `write` by the error's name.
    pub by_errno: ByErrno,
    /// `connect` by the error's name.
    pub connect_by_errno: ByErrno,
}

/// One step of a ramp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// Requests a second that were asked for.
    pub rate: f64,
    /// Length in seconds.
    pub duration_s: f64,
    /// Requests of this step that were sent.
    pub sent: u64,
    /// Requests of this step that were answered.
    pub answered: u64,
    /// Answers that came while the step lasted, per second; absent if all of it was warm-up.
    pub achieved_rate: Option<f64>,
    /// Latency of this step's requests.
    pub latency_us: Percentiles,
}

/// One reconnect storm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StormResult {
    /// When all connections were dropped, in seconds from the start of the measured part.
    pub at_s: f64,
    /// Connections dropped.
    pub dropped: u64,
    /// Of these, those that were connected again and had a request answered.
    pub served: u64,
    /// Seconds until the last of them was served; absent if some never were.
    pub all_served_s: Option<f64>,
    /// Attempts to connect that failed meanwhile.
    pub failed_attempts: u64,
    /// Time from the drop until each was served.
    pub served_us: Percentiles,
}

/// Slow readers and writers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowResult {
    /// Established.
    pub established: u64,
    /// Replies they read.
    pub answered: u64,
    /// Closed or reset by the server.
    pub closed_by_server: u64,
}

/// One second of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Its start, in seconds from the start of the measured part; negative while connections are
    /// opened and during warm-up.
    pub t_s: f64,
    /// Connections open at its end.
    pub connections: u64,
    /// Connections opened in it.
    pub opened: u64,
    /// Requests sent in it.
    pub sent: u64,
    /// Requests answered in it.
    pub answered: u64,
    /// Errors and mismatches in it.
    pub errors: u64,
    /// Median latency of the answers that came in it; absent without answers.
    pub p50_us: Option<f64>,
    /// 99th percentile.
    pub p99_us: Option<f64>,
    /// Longest.
    pub max_us: Option<f64>,
    /// Seconds for which the client was kept from its work in it: stopped, or without a CPU. Of
    /// several workers, the one that was longest.
    #[serde(default)]
    pub stalled_s: f64,
    /// How long it was, in seconds: the last before the end of the measured part may be shorter,
    /// and what came after the end stands in a second of its own.
    #[serde(default = "one_second")]
    pub length_s: f64,
    /// Fewest connections open at once in it.
    #[serde(default)]
    pub connections_least: Option<u64>,
    /// Most connections open at once in it.
    #[serde(default)]
    pub connections_most: Option<u64>,
    /// Connections that were asked for.
    #[serde(default)]
    pub asked: u64,
    /// Connections, as in `achieved.connections_served`, that had been served by its end.
    #[serde(default)]
    pub served: u64,
}

fn one_second() -> f64 {
    1.0
}

/// Where this was measured. Fields that could not be determined are empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// This program's version.
    pub readyc: String,
    /// The command line.
    pub command: Vec<String>,
    /// Name and release of the kernel.
    pub kernel: String,
    /// The processor.
    pub cpu: String,
    /// Processors that this process may run on.
    pub cpus: u64,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Share of the CPU time of all processors that all processes used during the run, 0 to 1.
    pub machine_busy: Option<f64>,
    /// Descriptor limit of a process.
    pub nofile: u64,
    /// Sysctls that bear on the result, by name.
    pub sysctls: BTreeMap<String, String>,
}

/// One of several reports that were merged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The identity of its run; empty if an earlier version merged it.
    #[serde(default)]
    pub id: String,
    /// When its run began, RFC 3339, UTC.
    pub started_at: String,
    /// Connections that it established.
    pub connections_established: u64,
    /// Requests that it had answered.
    pub answered: u64,
    /// Where it was measured.
    pub environment: Environment,
}

/// The distributions behind the percentiles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histograms {
    /// Behind `latency_us`.
    pub latency: Histogram,
    /// Behind `service_us`.
    pub service: Histogram,
    /// Behind `connect_us`.
    pub connect: Histogram,
    /// Behind `client.delay_us`; empty in reports of an earlier version.
    #[serde(default)]
    pub client_delay: Histogram,
    /// Behind `kinds`.
    pub kinds: BTreeMap<String, Histogram>,
}
