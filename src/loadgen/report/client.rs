//! How the load generator itself fared, as a part of a report.

use super::Percentiles;
use serde::{Deserialize, Serialize};

/// How far the load generator itself shows in the figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validity {
    /// It does not. An earlier version told only [`Client::bottleneck`].
    #[default]
    Valid,
    /// It does a little: the figures hold, and something is worth knowing.
    Noted,
    /// It does, and the figures must not be taken for the server's.
    Invalid,
}

/// Whether the load generator itself kept up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// CPU time of the measured part, all workers, in seconds.
    pub cpu_s: f64,
    /// Share of one CPU that the busiest worker used, 0 to 1.
    pub cpu_share: f64,
    /// Busy-waiting of all workers, in seconds of `cpu_s`: in an open loop, they had nothing to do
    /// and looked for events without sleeping until the next intended time. 0 in a closed loop;
    /// absent from older reports.
    #[serde(default)]
    pub cpu_busy_wait_s: Option<f64>,
    /// Share of one CPU that the busiest worker used without busy-waiting, 0 to 1; absent from
    /// older reports.
    #[serde(default)]
    pub cpu_work_share: Option<f64>,
    /// CPU wait of the worker that waited longest, in seconds: it was ready to run, and other
    /// processes had the CPU.
    #[serde(default)]
    pub cpu_wait_s: f64,
    /// The stall of the worker that stalled longest, in seconds: it was stopped, or had no CPU, for
    /// more than a moment.
    #[serde(default)]
    pub stalled_s: f64,
    /// Whether the figures show limits of the client rather than the server: a worker was
    /// saturated, or percentiles are in doubt.
    pub bottleneck: bool,
    /// The same, or whether there is something less to note.
    #[serde(default)]
    pub validity: Validity,
    /// The percentiles of latency that are in doubt, by name: of more than their share of the
    /// requests, the client delayed each by more than a tenth of the percentile's value.
    #[serde(default)]
    pub in_doubt: Vec<String>,
    /// Why, or why not, in a sentence.
    pub verdict: String,
    /// How long events waited in the client's own loop: the length of a turn, 99th percentile.
    pub loop_lag_us_p99: f64,
    /// The longest.
    pub loop_lag_us_max: f64,
    /// How late requests were sent although their connection was free; open loop only.
    pub send_lag_us: Option<Percentiles>,
    /// Requests sent more than a millisecond late although their connection was free.
    pub late_by_client: u64,
    /// How long the client delayed each answered request, in sending it and in reading its answer.
    #[serde(default)]
    pub delay_us: Percentiles,
    /// Memory of all workers while connections were open, resident, in bytes.
    pub resident_bytes: u64,
}

impl Client {
    /// CPU time of all workers without busy-waiting, in seconds; with it, where it is unknown.
    pub fn work_s(&self) -> f64 {
        self.cpu_s - self.cpu_busy_wait_s.unwrap_or_default()
    }

    /// Share of one CPU that the busiest worker used without busy-waiting; with it, where it is
    /// unknown.
    pub fn work_share(&self) -> f64 {
        self.cpu_work_share.unwrap_or(self.cpu_share)
    }
}
