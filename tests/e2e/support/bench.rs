//! Load runs: `readyc bench`, and the document that it leaves.
//!
//! Invariant: whatever a test asks a [`Run`] for, the document as a whole was found to add up
//! first.

use super::readyc::{self, Ended};
use serde_json::Value;
use std::fmt::Display;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// A load run that has ended, and its report.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: Option<i32>,
    pub(crate) stderr: String,
    pub(crate) report: Value,
}

/// Runs `readyc bench` with these arguments, words with a space between, against `targets`.
pub(crate) fn bench<A: Display>(targets: &[A], arguments: &str) -> Run {
    bench_words(targets, &arguments.split_whitespace().collect::<Vec<_>>())
}

/// As [`bench`], with words that may hold spaces.
pub(crate) fn bench_words<A: Display>(targets: &[A], words: &[&str]) -> Run {
    run_command(&mut bench_command(targets, words))
}

/// A load run about to be started, with these words, so that its surroundings can be set. The
/// server sees the load alone: readyc does not ask it for its statistics.
pub(crate) fn bench_command<A: Display>(targets: &[A], words: &[&str]) -> Command {
    asking_bench_command(targets, &[&["--no-server-stats"], words].concat())
}

/// As [`bench_command`], but readyc asks the server for its statistics.
pub(crate) fn asking_bench_command<A: Display>(targets: &[A], words: &[&str]) -> Command {
    let mut command = readyc::command(&["bench", "--json", "-", "--quiet"]);
    command.args(words).args(targets.iter().map(A::to_string));
    command
}

/// Runs what [`bench_command`] made, or a program that runs it.
pub(crate) fn run_command(command: &mut Command) -> Run {
    let Ended { status, stdout, stderr } = readyc::run(command, b"");
    let report = serde_json::from_str(&stdout)
        .unwrap_or_else(|error| panic!("{command:?}: {status:?} {error}: {stdout:?}; {stderr}"));
    let run = Run { status, stderr, report };
    run.assert_adds_up();
    run
}

/// Loads each of these plain services with few connections for a moment; says which of them fell
/// short, and of what.
pub(crate) fn plain_services_that_fall_short(
    services: impl IntoIterator<Item = (&'static str, SocketAddr)>,
) -> Vec<String> {
    let mut short = Vec::new();
    for (service, address) in services {
        let run = bench(&[address], &format!("--plain {service} -c 4 -d 200ms"));
        let moved = run.count("achieved.bytes_sent") + run.count("achieved.bytes_received");
        let is_mismatched = run.count("achieved.mismatched") > 0;
        if run.status != Some(0) || is_mismatched || moved == 0 {
            short.push(format!("{service}: {:#}", run.short()));
        }
    }
    short
}

/// Every bucket of a histogram in JSON: its highest time in nanoseconds, and how many fell into it.
fn buckets(histogram: &Value) -> impl Iterator<Item = (u64, u64)> + '_ {
    let buckets = histogram["counts"].as_array().expect("a histogram has counts");
    buckets.iter().map(|bucket| {
        let number = |at: usize| bucket[at].as_u64().expect("whole numbers in a bucket");
        (number(0), number(1))
    })
}

impl Run {
    /// The value at `path`, fields with dots between.
    pub(crate) fn value(&self, path: &str) -> &Value {
        let pointer = format!("/{}", path.replace('.', "/"));
        self.report
            .pointer(&pointer)
            .unwrap_or_else(|| panic!("no {path} in the report: {:#}", self.report))
    }

    /// The whole number at `path`.
    pub(crate) fn count(&self, path: &str) -> u64 {
        let value = self.value(path);
        value.as_u64().unwrap_or_else(|| panic!("{path} is {value}"))
    }

    /// The number at `path`.
    pub(crate) fn number(&self, path: &str) -> f64 {
        let value = self.value(path);
        value.as_f64().unwrap_or_else(|| panic!("{path} is {value}"))
    }

    /// The list at `path`.
    pub(crate) fn list(&self, path: &str) -> &[Value] {
        let value = self.value(path);
        value.as_array().unwrap_or_else(|| panic!("{path} is {value}"))
    }

    /// How many times in the histogram `name` are longer than `time`.
    pub(crate) fn longer_than(&self, time: Duration, name: &str) -> u64 {
        let histogram = &self.value("histograms")[name];
        let is_longer = |&(nanos, _): &(u64, u64)| u128::from(nanos) > time.as_nanos();
        buckets(histogram).filter(is_longer).map(|(_, count)| count).sum()
    }

    /// Checks that the run achieved what was asked, without a fault.
    pub(crate) fn assert_met(&self) {
        assert_eq!(self.status, Some(0), "{}\n{:#}", self.stderr, self.short());
        assert_eq!(self.count("achieved.mismatched"), 0, "{:#}", self.short());
        assert_eq!(self.count("achieved.unanswered"), 0, "{:#}", self.short());
        assert_eq!(self.count("achieved.unsent"), 0, "{:#}", self.short());
    }

    /// Checks that the run says that it fell short, and in how many sentences more than none.
    pub(crate) fn assert_fell_short(&self) {
        assert_eq!(self.status, Some(3), "{}\n{:#}", self.stderr, self.short());
        assert!(!self.list("shortfalls").is_empty(), "{:#}", self.short());
    }

    /// Checks that every kind of mismatch has been counted as often as `expected` says, and the
    /// others never.
    pub(crate) fn assert_mismatches(&self, expected: &[(&str, u64)]) {
        let kinds = self.value("mismatches").as_object().expect("mismatches by kind");
        let counted: Vec<(&str, u64)> = kinds
            .iter()
            .map(|(kind, count)| (kind.as_str(), count.as_u64().expect("a count")))
            .filter(|&(_, count)| count > 0)
            .collect();
        assert_eq!(counted, expected, "{:#}", self.short());
    }

    /// The report without its longest parts, for messages.
    pub(crate) fn short(&self) -> Value {
        let mut report = self.report.clone();
        if let Some(fields) = report.as_object_mut() {
            fields.retain(|name, _| !["histograms", "series", "environment"].contains(&&**name));
        }
        report
    }

    /// Checks what must hold of every report, whatever happened.
    fn assert_adds_up(&self) {
        let short = self.short();
        assert_eq!(self.value("schema"), "readyc.bench/2");
        let met = self.value("met").as_bool().expect("met is true or false");
        assert_eq!(met, self.list("shortfalls").is_empty(), "{short:#}");
        match self.status {
            Some(0) => assert!(met, "{short:#}"),
            Some(1 | 3) => assert!(!met, "{short:#}"),
            status => panic!("{status:?}: {} {short:#}", self.stderr),
        }
        let achieved = |name: &str| self.count(&format!("achieved.{name}"));
        assert_eq!(achieved("requested"), achieved("sent") + achieved("unsent"), "{short:#}");
        // Each request has one end, and so has each connection.
        let ends = ["verified", "unverified", "wrong", "timed_out", "lost", "abandoned", "unsent"];
        let ends = ends.map(achieved);
        assert_eq!(achieved("requested"), ends.iter().sum::<u64>(), "{short:#}");
        assert_eq!(achieved("answered"), ends[..3].iter().sum::<u64>(), "{short:#}");
        assert_eq!(achieved("unanswered"), ends[3..5].iter().sum::<u64>(), "{short:#}");
        let ends = self.value("achieved.connection_ends").as_object().expect("ends by name");
        let ends: u64 = ends.values().map(|count| count.as_u64().expect("a count")).sum();
        let tried = achieved("connections_opened") + achieved("connections_failed");
        assert_eq!(tried, ends, "{short:#}");
        let mismatches = ["corrupt", "doubled", "swapped", "foreign", "unexpected"];
        let mismatches = mismatches.map(|kind| self.count(&format!("mismatches.{kind}")));
        assert_eq!(achieved("mismatched"), mismatches.iter().sum::<u64>(), "{short:#}");
        assert!(achieved("verified") <= achieved("answered"), "{short:#}");
        assert!(achieved("connections_established") <= achieved("connections_opened"));
        assert!(achieved("connections_peak") <= achieved("connections_opened"), "{short:#}");
        for name in ["latency", "service", "connect"] {
            let total: u64 = buckets(&self.value("histograms")[name]).map(|(_, count)| count).sum();
            assert_eq!(total, self.count(&format!("{name}_us.count")), "{name}: {short:#}");
        }
        let busy_waits = self.value("mode") == "open" && self.value("asked.busy_wait") == true;
        let (all, waited) = (self.number("client.cpu_s"), self.number("client.cpu_busy_wait_s"));
        assert!(waited <= if busy_waits { all } else { 0.0 }, "{short:#}");
        let errors = ["connect", "read", "write"].map(|kind| self.count(&format!("errors.{kind}")));
        let named = self.value("errors.by_errno").as_object().expect("errors by name");
        let named: u64 = named.values().map(|count| count.as_u64().expect("a count")).sum();
        assert_eq!(named, errors.iter().sum::<u64>(), "{short:#}");
    }
}
