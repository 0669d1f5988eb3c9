//! What is to be known before a comparison is believed: what differs between the two sides, and
//! which runs are in doubt.

use super::Side;
use crate::loadgen::report::units::{count, rate, span};
use crate::loadgen::report::{Report, words};

/// A setting: its name, and its value in a run.
type Setting = (&'static str, fn(&Report) -> String);

/// The settings that affect a result.
const SETTINGS: [Setting; 21] = [
    ("mode", |report| words::mode(report)),
    ("workload", |report| report.asked.workload.clone()),
    ("size", |report| words::size(&report.asked)),
    ("connections", |report| count(report.asked.connections)),
    ("idle connections", |report| count(report.asked.idle)),
    ("slow readers", |report| count(report.asked.slow_readers)),
    ("slow writers", |report| count(report.asked.slow_writers)),
    ("rate", |report| report.asked.rate.map_or_else(|| "no limit".to_owned(), rate)),
    ("requests in flight on each", |report| count(report.asked.pipeline)),
    ("a connection lives", |report| {
        report.asked.lifetime.clone().unwrap_or_else(|| "the run".to_owned())
    }),
    ("all speak at once, every", |report| every(report.asked.herd_s)),
    ("all reconnect, every", |report| every(report.asked.storm_s)),
    ("replies verified", |report| if report.asked.verify { "yes" } else { "no" }.to_owned()),
    ("workers busy-wait", |report| if report.asked.busy_wait { "yes" } else { "no" }.to_owned()),
    ("warm-up", |report| span(report.asked.warmup_s)),
    ("timeout", |report| span(report.asked.timeout_s)),
    ("workers", |report| count(report.asked.workers)),
    ("duration", |report| report.asked.duration_s.map_or_else(|| "no limit".to_owned(), span)),
    ("CPU", |report| format!("{} × {}", report.environment.cpus, report.environment.cpu)),
    ("kernel", |report| report.environment.kernel.clone()),
    ("version of the report", |report| report.schema.clone()),
];

fn every(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "never".to_owned(), span)
}

/// The settings that are not the same in all runs, a sentence each.
pub(super) fn differences(before: &Side, after: &Side) -> Vec<String> {
    let values = |side: &Side, of: fn(&Report) -> String| {
        let mut values: Vec<String> = side.reports.iter().map(of).collect();
        values.sort();
        values.dedup();
        values
    };
    let differing = |&(name, of): &Setting| {
        let (first, second) = (values(before, of), values(after, of));
        (first != second || first.len() > 1).then(|| {
            let [first, second] = [first, second].map(|values| values.join(" and "));
            format!("{name}: {first} in {}, {second} in {}", before.name, after.name)
        })
    };
    SETTINGS.iter().filter_map(differing).collect()
}

/// What is doubtful about single runs, a sentence each.
pub(super) fn doubts(before: &Side, after: &Side) -> Vec<String> {
    let mut doubts = Vec::new();
    for side in [before, after] {
        let mut tell = |is_so: fn(&Report) -> bool, what: fn(&Report) -> String| {
            if let Some(runs) = side.runs_with(is_so)
                && let Some(first) = side.reports.iter().find(|report| is_so(report))
            {
                doubts.push(format!("{runs}: {}", what(first)));
            }
        };
        tell(
            |report| report.client.bottleneck,
            |report| format!("invalid: {}", report.client.verdict),
        );
        tell(
            |report| report.partial.is_some(),
            |report| format!("partial: {}", report.partial.clone().unwrap_or_default()),
        );
        tell(|report| report.achieved.answered == 0, |_| "no answers".to_owned());
    }
    doubts
}

/// Why a figure of a run is in doubt, in a word or two. `percentile` is its name if it is one.
pub(super) fn doubt(report: &Report, percentile: Option<&str>) -> Option<&'static str> {
    let client = &report.client;
    let is_in_doubt = |name: &str| client.in_doubt.iter().any(|doubtful| doubtful == name);
    match percentile {
        Some(name) if is_in_doubt(name) => Some("client"),
        // The client was saturated, or an earlier version said no more.
        _ if client.bottleneck && client.in_doubt.is_empty() => Some("client"),
        _ if report.partial.is_some() => Some("partial"),
        _ => None,
    }
}
