//! The messages between the coordinator and its workers, a line of JSON each.

use crate::encryption::{Handshakes, TlsTexts};
use readyd::loadgen::{Counters, Interval, Plan, Worker};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The first line that a worker reads.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) plan: Plan,
    pub(super) worker: Worker,
    /// What encrypts its connections, if something does.
    pub(super) tls: Option<TlsTexts>,
}

/// Every other line that a worker reads. At the end of its input the worker exits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Command {
    /// Load begins at this time of the system's monotonic clock, in nanoseconds.
    Start { at_nanos: u64 },
    /// No more requests are sent, for this reason.
    Stop { why: String },
}

/// What a worker writes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// All connections are open or have failed.
    Opened { established: u64, elapsed: Duration },
    /// A second has passed; its start is on the system's monotonic clock.
    Interval(Box<Interval>),
    /// The measured part is over; answers are still awaited.
    Measured,
    /// The run is over.
    Done(Box<Outcome>),
    /// The worker cannot work.
    Failed(String),
    /// The server speaks first: what it sent, and what to do about it.
    SpeaksFirst(String),
}

/// The result of a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) counters: Counters,
    /// Processor time of the measured part.
    pub(super) cpu: Duration,
    /// Of that, time spent on waiting for intended times without sleeping.
    pub(super) cpu_busy_wait: Duration,
    /// The time in which `cpu` was used: up to the end of the turn of the loop in which the
    /// measured part ended, which may be a long one.
    pub(super) cpu_elapsed: Duration,
    /// Time in which the worker was ready to run while other processes had the processor.
    pub(super) cpu_wait: Duration,
    /// Resident memory while all connections were open, in bytes.
    pub(super) resident_bytes: u64,
    /// Handshakes of TLS, if connections were encrypted.
    pub(super) handshakes: Option<Handshakes>,
}
