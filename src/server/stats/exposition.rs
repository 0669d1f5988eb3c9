//! The statistics in the text format of Prometheus, version 0.0.4.
//!
//! Each number is one sample. With shards, `readyd_NAME` has the numbers of all together, and
//! `readyd_shard_NAME` those of each, with the label `shard`: a sum over the samples of one name
//! counts nothing twice.
//!
//! Invariant: the text is made of the counters alone, so it takes the same time however many
//! connections are open.

use super::Stats;
use super::VERSION;
use super::histogram::Histogram;
use super::publishing::Shards;
use super::standing::{Activity, Depth};
use crate::server::close::CloseReason;
use std::fmt::Write as _;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Enough for one server, so that the text is not moved while it grows.
const USUAL_LENGTH: usize = 24 * 1024;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const MICROS_PER_SECOND: u64 = 1_000_000;

/// A metric: a name, and all samples that have it.
struct Metric {
    /// Behind `readyd_` or `readyd_shard_`.
    name: &'static str,
    kind: Kind,
    help: &'static str,
    /// Writes the samples of one server, which has run for this long.
    write: fn(&Stats, Duration, &mut Samples<'_>),
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

const fn counter(
    name: &'static str,
    help: &'static str,
    write: fn(&Stats, Duration, &mut Samples<'_>),
) -> Metric {
    Metric { name, kind: Kind::Counter, help, write }
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    write: fn(&Stats, Duration, &mut Samples<'_>),
) -> Metric {
    Metric { name, kind: Kind::Gauge, help, write }
}

const fn histogram(
    name: &'static str,
    help: &'static str,
    write: fn(&Stats, Duration, &mut Samples<'_>),
) -> Metric {
    Metric { name, kind: Kind::Histogram, help, write }
}

/// All metrics of a server or a shard.
const METRICS: &[Metric] = &[
    gauge("connections_open", "Connections open now.", |stats, _, to| to.count(stats.open())),
    gauge("connections_peak", "Most connections open at once.", |stats, _, to| {
        to.count(stats.peak);
    }),
    gauge("connections_max", "Limit of open connections (--max-connections).", |stats, _, to| {
        to.count(stats.max_connections);
    }),
    gauge("connections", "Open connections by what they do.", |stats, _, to| {
        for (name, count) in stats.standing_gauges().take(Activity::ALL.len()) {
            to.labelled("state", name.trim_start_matches("connections_"), count);
        }
    }),
    gauge("output_queues", "Open connections by how much output waits.", |stats, _, to| {
        let queues = stats.standing_gauges().skip(Activity::ALL.len()).take(Depth::ALL.len());
        for (name, count) in queues {
            to.labelled("depth", name.trim_start_matches("output_queue_"), count);
        }
    }),
    gauge("metrics_connections_open", "Open connections of metrics listeners.", |stats, _, to| {
        to.count(stats.metrics_open());
    }),
    counter("connections_accepted_total", "Connections accepted.", |stats, _, to| {
        to.count(stats.accepted);
    }),
    counter("connections_closed_total", "Connections closed, by reason.", |stats, _, to| {
        for (reason, count) in CloseReason::ALL.iter().zip(stats.closed) {
            to.labelled("reason", reason.word(), count);
        }
    }),
    counter("connections_refused_total", "Clients rejected, by the rule.", |stats, _, to| {
        to.labelled("rule", "denied", stats.refused_denied);
        to.labelled("rule", "address_limit", stats.refused_address_limit);
        to.labelled("rule", "address_rate", stats.refused_address_rate);
        to.labelled("rule", "tls_rate", stats.refused_tls_rate);
    }),
    counter("tls_handshakes_total", "TLS handshakes that succeeded.", |stats, _, to| {
        to.labelled("kind", "full", stats.tls_handshakes.saturating_sub(stats.tls_resumed));
        to.labelled("kind", "resumed", stats.tls_resumed);
    }),
    gauge(
        "tls_certificate_expiry_timestamp_seconds",
        "When the first certificate expires; 0: there is none.",
        |stats, _, to| to.count(stats.tls_certificate_expires),
    ),
    counter("accept_errors_total", "Accepts that failed for one client.", |stats, _, to| {
        to.count(stats.accept_errors);
    }),
    counter("accept_pauses_total", "Times that accepting was paused.", |stats, _, to| {
        to.count(stats.accept_pauses);
    }),
    counter("requests_total", "Requests served.", |stats, _, to| to.count(stats.requests)),
    counter("frames_total", "Requests that arrived as padded frames.", |stats, _, to| {
        to.count(stats.frames);
    }),
    counter("request_errors_total", "Requests answered with an error.", |stats, _, to| {
        to.count(stats.refusals);
    }),
    counter("received_bytes_total", "Bytes read from clients.", |stats, _, to| {
        to.count(stats.bytes_in);
    }),
    counter("sent_bytes_total", "Bytes the kernel took to send.", |stats, _, to| {
        to.count(stats.bytes_out);
    }),
    gauge("buffered_bytes", "Bytes in the buffers of connections.", |stats, _, to| {
        to.labelled("direction", "in", stats.buffered.saturating_sub(stats.buffered_output));
        to.labelled("direction", "out", stats.buffered_output);
    }),
    gauge("memory_limit_bytes", "Limit of buffered bytes (--memory-limit).", |stats, _, to| {
        to.count(stats.memory_limit);
    }),
    gauge("connection_places_bytes", "Memory of the connections' places.", |stats, _, to| {
        to.count(stats.places_memory);
    }),
    gauge("address_limits_bytes", "Memory of the limits by address.", |stats, _, to| {
        to.count(stats.addresses_memory);
    }),
    gauge("resident_memory_bytes", "Memory of the process.", |stats, _, to| {
        to.count(stats.resident);
    }),
    counter("cpu_seconds_total", "Processor time, user and kernel mode.", |stats, _, to| {
        to.fraction(stats.cpu_micros, MICROS_PER_SECOND);
    }),
    gauge("table_keys", "Keys in the lookup table.", |stats, _, to| to.count(stats.table_keys)),
    gauge("table_bytes", "Memory of the lookup table.", |stats, _, to| {
        to.count(stats.table_memory);
    }),
    counter("table_reloads_total", "Tables loaded in place of another.", |stats, _, to| {
        to.count(stats.table_reloads);
    }),
    counter("table_reload_failures_total", "Tables that could not be loaded.", |stats, _, to| {
        to.count(stats.table_failures);
    }),
    counter("log_lines_suppressed_total", "Log lines over --log-rate.", |stats, _, to| {
        to.count(stats.log_suppressed);
    }),
    gauge(
        "draining",
        "Processes that were told to stop: 0 or 1 without shards.",
        |stats, _, to| {
            to.count(stats.draining);
        },
    ),
    gauge("landlock_abi", "ABI of Landlock in force (--sandbox); 0 is none.", |stats, _, to| {
        to.count(stats.landlock_abi);
    }),
    counter("turns_total", "Turns of the poll loop.", |stats, _, to| to.count(stats.turns)),
    counter("visits_total", "Visits to connections that were ready.", |stats, _, to| {
        to.count(stats.visits);
    }),
    counter("stale_events_total", "Events for connections closed before.", |stats, _, to| {
        to.count(stats.stale_events);
    }),
    gauge("longest_turn_seconds", "Longest turn of the last 10 to 20 s.", |stats, uptime, to| {
        to.fraction(stats.longest_turn.micros(uptime), MICROS_PER_SECOND);
    }),
    histogram("turn_duration_seconds", "How long turns of the loop took.", |stats, _, to| {
        to.histogram(&stats.turn_times, NANOS_PER_SECOND);
    }),
    histogram("turn_events", "How many events a turn of the loop had.", |stats, _, to| {
        to.histogram(&stats.turn_events, 1);
    }),
    histogram(
        "queue_wait_seconds",
        "From the turn's start to a visit, of one visit in 64.",
        |stats, _, to| to.histogram(&stats.queue_waits, NANOS_PER_SECOND),
    ),
];

/// The metrics of a server that is one process.
pub(super) fn of_server(stats: &Stats, uptime: Duration) -> String {
    let mut text = String::with_capacity(USUAL_LENGTH);
    write_about(&mut text, uptime);
    write_metrics(&mut text, stats, uptime);
    text
}

/// The metrics of several shards: together, and of each.
pub(super) fn of_shards(shards: Shards, each: &[Stats], uptime: Duration) -> String {
    let mut total = Stats::default();
    each.iter().for_each(|stats| total.add(stats));
    let mut text = String::with_capacity(USUAL_LENGTH * (1 + each.len()));
    write_about(&mut text, uptime);
    let Shards { count, answering, with_newest_table } = shards;
    for (name, help, value) in [
        ("shards", "Processes that are to serve.", count),
        ("shards_answering", "Processes whose loop turns.", answering),
        ("shards_with_newest_table", "Processes with the newest table.", with_newest_table),
    ] {
        head(&mut text, "readyd_", name, Kind::Gauge, help);
        Samples { text: &mut text, prefix: "readyd_", name, shard: None }.count(value);
    }
    write_metrics(&mut text, &total, uptime);
    let prefix = "readyd_shard_";
    for Metric { name, kind, help, write } in METRICS {
        head(&mut text, prefix, name, *kind, help);
        for (number, stats) in (1..).zip(each) {
            let text = &mut text;
            write(stats, uptime, &mut Samples { text, prefix, name, shard: Some(number) });
        }
    }
    text
}

fn write_about(text: &mut String, uptime: Duration) {
    head(text, "readyd_", "build_info", Kind::Gauge, "The version of the program.");
    let mut samples = Samples { text, prefix: "readyd_", name: "build_info", shard: None };
    samples.labelled("version", VERSION, 1);
    let (name, help) = ("uptime_seconds", "Since the start of the server.");
    head(text, "readyd_", name, Kind::Gauge, help);
    let nanos = u64::try_from(uptime.as_nanos()).unwrap_or(u64::MAX);
    Samples { text, prefix: "readyd_", name, shard: None }.fraction(nanos, NANOS_PER_SECOND);
}

fn write_metrics(text: &mut String, stats: &Stats, uptime: Duration) {
    let prefix = "readyd_";
    for Metric { name, kind, help, write } in METRICS {
        head(text, prefix, name, *kind, help);
        write(stats, uptime, &mut Samples { text, prefix, name, shard: None });
    }
}

fn head(text: &mut String, prefix: &str, name: &str, kind: Kind, help: &str) {
    for part in ["# HELP ", prefix, name, " ", help, "\n# TYPE ", prefix, name, " "] {
        text.push_str(part);
    }
    text.push_str(kind.name());
    text.push('\n');
}

/// Where the samples of one metric are written.
struct Samples<'a> {
    text: &'a mut String,
    prefix: &'static str,
    name: &'static str,
    /// The number of the shard, from 1.
    shard: Option<usize>,
}

impl Samples<'_> {
    fn count(&mut self, count: u64) {
        self.begin("", None);
        self.end(count, 1);
    }

    /// `value` of `whole` parts.
    fn fraction(&mut self, value: u64, whole: u64) {
        self.begin("", None);
        self.end(value, whole);
    }

    fn labelled(&mut self, label: &str, word: &str, count: u64) {
        self.begin("", Some(label));
        self.text.push_str(word);
        self.text.push_str("\"}");
        self.end(count, 1);
    }

    /// A histogram of values in parts of `whole`.
    fn histogram<const FIRST: u32, const N: usize>(
        &mut self,
        histogram: &Histogram<FIRST, N>,
        whole: u64,
    ) {
        let mut total = 0;
        for (bound, count) in histogram.cumulated() {
            self.begin("_bucket", Some("le"));
            match bound {
                Some(bound) => push_fraction(self.text, bound, whole),
                None => self.text.push_str("+Inf"),
            }
            self.text.push_str("\"}");
            self.end(count, 1);
            total = count;
        }
        self.begin("_sum", None);
        self.end(histogram.sum(), whole);
        self.begin("_count", None);
        self.end(total, 1);
    }

    /// The name and the labels; of a last `label` all that stands before its value.
    fn begin(&mut self, suffix: &str, label: Option<&str>) {
        let text = &mut *self.text;
        text.push_str(self.prefix);
        text.push_str(self.name);
        text.push_str(suffix);
        if let Some(number) = self.shard {
            // Writing to a String cannot fail.
            let _ = write!(text, "{{shard=\"{number}\"");
            text.push_str(if label.is_some() { "," } else { "}" });
        } else if label.is_some() {
            text.push('{');
        }
        if let Some(label) = label {
            text.push_str(label);
            text.push_str("=\"");
        }
    }

    fn end(&mut self, value: u64, whole: u64) {
        self.text.push(' ');
        push_fraction(self.text, value, whole);
        self.text.push('\n');
    }
}

/// `value` of `whole` parts, a power of ten, as a decimal number. The code that prints floats would
/// be 20 KB of the program, and these are exact.
fn push_fraction(text: &mut String, value: u64, whole: u64) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{}", value / whole);
    let part = value % whole;
    if part > 0 {
        let digits = whole.ilog10() as usize;
        let _ = write!(text, ".{part:0digits$}");
        text.truncate(text.trim_end_matches('0').len());
    }
}
