//! What counters rise by a second.
//!
//! Invariant: no rate is less than zero. If a counter has gone back, the server was
//! started again, and the two samples are not compared.

use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

#[cfg(test)]
mod tests;

/// The server's own clock: by it, rates do not depend on how long an answer is under way.
const UPTIME: &str = "uptime_seconds";

/// The server's process.
const PROCESS: &str = "pid";

/// What a gauge shows goes up and down; all else only rises.
const GAUGES: [&str; 8] = [
    "pid",
    "shards",
    "shards_answering",
    "shards_with_newest_table",
    "longest_turn_microseconds",
    "table_keys",
    "landlock_abi",
    "tls_certificate_expires",
];

/// So begin the names of the gauges of output that waits.
const QUEUES: &str = "output_queue_";

/// So end the names of gauges of memory.
const MEMORY: &str = "_bytes";

/// A server's counters at one moment, by name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample(HashMap<String, f64>);

impl Sample {
    /// Before a server starts it has counted nothing.
    pub(crate) fn before_start() -> Sample {
        Sample(HashMap::new())
    }

    /// The reply to `STATS`: a name and a number a line. Other lines, such as the version,
    /// are left out; `None` if nothing is left.
    pub(crate) fn parse(reply: &[u8]) -> Option<Sample> {
        let reply = String::from_utf8_lossy(reply);
        let counters: HashMap<String, f64> = reply.lines().filter_map(counter).collect();
        (!counters.is_empty()).then_some(Sample(counters))
    }

    /// Whether the server was started anew since `last`: it is another process, or counts from 0
    /// again.
    pub(crate) fn is_of_new_start(&self, last: &Sample) -> bool {
        let is_other = |before: f64| self.get(PROCESS).is_some_and(|now| now != before);
        if last.get(PROCESS).is_some_and(is_other) {
            return true;
        }
        last.0.iter().any(|(name, before)| {
            !is_gauge(name) && self.0.get(name).is_some_and(|now| now < before)
        })
    }

    /// The numbers of all shards together, and those of each under the same names: `shard_2_turns`
    /// is `turns` of the second.
    pub(crate) fn into_shards(self) -> (Sample, Vec<Sample>) {
        let mut shards: BTreeMap<usize, HashMap<String, f64>> = BTreeMap::new();
        let mut together = HashMap::new();
        for (name, value) in self.0 {
            let of_shard = name.strip_prefix("shard_").and_then(|rest| {
                let (number, name) = rest.split_once('_')?;
                Some((number.parse().ok()?, name.to_owned()))
            });
            match of_shard {
                Some((number, name)) => shards.entry(number).or_default().insert(name, value),
                None => together.insert(name, value),
            };
        }
        (Sample(together), shards.into_values().map(Sample).collect())
    }

    /// The names that begin with `prefix`, without it, and their values.
    pub(crate) fn behind<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, *value)))
    }

    /// The value of one, if the server has it.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// The sum of those that the server has.
    fn sum(&self, names: &[&str]) -> Option<f64> {
        names.iter().filter_map(|name| self.get(name)).reduce(|sum, value| sum + value)
    }
}

fn is_gauge(name: &str) -> bool {
    let is_standing = name.starts_with("connections_")
        && !matches!(name, "connections_accepted" | "connections_closed");
    GAUGES.contains(&name) || is_standing || name.ends_with(MEMORY) || name.starts_with(QUEUES)
}

fn counter(line: &str) -> Option<(String, f64)> {
    let (name, value) = line.split_once(' ')?;
    let value: f64 = value.trim().parse().ok()?;
    (value.is_finite() && value >= 0.0).then(|| (name.to_owned(), value))
}

/// What happened between two samples. A counter that the server does not have is `None`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Rates {
    /// The server's age at the second sample.
    uptime_seconds: Option<f64>,
    /// Connections at the second sample.
    connections_open: Option<f64>,
    accepted_per_second: Option<f64>,
    closed_per_second: Option<f64>,
    requests_per_second: Option<f64>,
    bytes_in_per_second: Option<f64>,
    bytes_out_per_second: Option<f64>,
    /// Answers that begin with `Error:`.
    refusals_per_second: Option<f64>,
    /// Connections closed for want of time, of a frame, between frames, or to take output.
    timeouts_per_second: Option<f64>,
    /// Connections that broke, and accepts that failed.
    errors_per_second: Option<f64>,
}

impl Rates {
    /// The rates from `last` to `now`, two samples of one start of the server.
    pub(super) fn between(last: &Sample, now: &Sample) -> Rates {
        let uptime_seconds = now.get(UPTIME);
        let seconds = uptime_seconds
            .map(|uptime| uptime - last.get(UPTIME).unwrap_or(0.0))
            .filter(|&seconds| seconds > 0.0);
        let rate_of_all = |names: &[&str]| {
            Some((now.sum(names)? - last.sum(names).unwrap_or(0.0)).max(0.0) / seconds?)
        };
        let rate = |name: &str| rate_of_all(&[name]);
        Rates {
            uptime_seconds,
            connections_open: now.get("connections_open"),
            accepted_per_second: rate("connections_accepted"),
            closed_per_second: rate("connections_closed"),
            requests_per_second: rate("requests"),
            bytes_in_per_second: rate("bytes_in"),
            bytes_out_per_second: rate("bytes_out"),
            refusals_per_second: rate_of_all(&[
                "refusals",
                "refused_denied",
                "refused_address_limit",
                "refused_address_rate",
                "refused_not_proxy",
            ]),
            timeouts_per_second: rate_of_all(&[
                "closed_frame_timeout",
                "closed_idle_timeout",
                "closed_write_timeout",
                "closed_proxy_header_timeout",
            ]),
            errors_per_second: rate_of_all(&[
                "closed_reset",
                "closed_shed",
                "closed_system_error",
                "accept_errors",
            ]),
        }
    }

    /// What stands over the columns, as many as fit `width`.
    pub(super) fn header(width: usize) -> String {
        let names = [
            "open",
            "accept/s",
            "close/s",
            "req/s",
            "B-in/s",
            "B-out/s",
            "refused/s",
            "timeout/s",
            "error/s",
        ];
        row(names.map(str::to_owned), width)
    }

    /// The rates under the names of [`Rates::header`].
    pub(super) fn line(&self, width: usize) -> String {
        let cells = [
            self.connections_open,
            self.accepted_per_second,
            self.closed_per_second,
            self.requests_per_second,
            self.bytes_in_per_second,
            self.bytes_out_per_second,
            self.refusals_per_second,
            self.timeouts_per_second,
            self.errors_per_second,
        ];
        row(cells.map(short), width)
    }

    /// As one line of JSON; what the server does not count is null.
    pub(super) fn json(&self) -> String {
        // A struct of numbers, none of them infinite, always becomes JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The columns that are left out where a terminal is too narrow, the first of them first.
const SPARE: [usize; 9] = [5, 4, 7, 6, 2, 1, 8, 0, 3];

/// Columns that a cell takes, with the gap before it.
const CELL: usize = 10;

fn row(cells: [String; 9], width: usize) -> String {
    let left_out = SPARE.get(..cells.len().saturating_sub((width + 1) / CELL)).unwrap_or(&[]);
    let kept = cells.iter().enumerate().filter(|(column, _)| !left_out.contains(column));
    let cells: Vec<String> = kept.map(|(_, cell)| format!("{cell:>9}")).collect();
    cells.join(" ")
}

/// A number in at most six characters: `0`, `0.25`, `42`, `99999`, `1.2M`.
fn short(number: Option<f64>) -> String {
    const UNITS: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let Some(number) = number else { return "-".to_owned() };
    if number < 9.995 && number.fract() != 0.0 {
        return format!("{number:.2}");
    }
    if number < 99_999.5 {
        return format!("{number:.0}");
    }
    let (size, unit) = UNITS.into_iter().find(|(size, _)| number >= *size).unwrap_or((1.0, ""));
    let scaled = number / size;
    if scaled < 9.95 { format!("{scaled:.1}{unit}") } else { format!("{scaled:.0}{unit}") }
}
