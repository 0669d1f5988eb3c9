//! The values that are compared, and when a change is clear.
//!
//! Invariant: a latency's change of less than [`SCHEDULING_US`] is never clear, whatever the
//! tolerance.

use super::noise::{chance, uncertainty, variation};
use super::permutation::p_value;
use super::{Basis, Change, ENOUGH_RUNS, Finding, Side, Significance};
use crate::loadgen::report::units::{micros, number, rate};
use crate::loadgen::report::{Mode, Percentiles, Report};

/// The difference that the scheduler's choice of CPU and the sleep states of an idle CPU make to a
/// latency, in microseconds.
const SCHEDULING_US: f64 = 20.0;

/// Which way a value should go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    More,
    Less,
}

/// A value: its name, how to get it, and how much it varies within a run.
struct Figure {
    name: &'static str,
    /// Its name among the percentiles, if it is one.
    percentile: Option<&'static str>,
    wanted: Wanted,
    significance: fn(&Report) -> Significance,
    /// `None` if the run does not tell it.
    of: fn(&Report) -> Option<f64>,
    noise: fn(&Report) -> f64,
    /// A change of less than this proves nothing, in the figure's own unit.
    least: f64,
    shown: fn(f64) -> String,
}

const RATE: Figure = Figure {
    name: "throughput",
    percentile: None,
    wanted: Wanted::More,
    // In an open loop the schedule sets the rate; requests that the server cannot serve are counted
    // elsewhere.
    significance: |report| match report.mode {
        Mode::Closed => Significance::Decides,
        Mode::Open => Significance::Warns,
    },
    of: |report| report.achieved.rate,
    noise: |report| variation(report, |second| Some(second.answered as f64)),
    least: 0.0,
    shown: rate,
};

const MEDIAN: Figure = Figure {
    name: "p50",
    percentile: Some("50 %"),
    wanted: Wanted::Less,
    significance: |_| Significance::Decides,
    of: |report| carried(&report.latency_us, 0.5, report.latency_us.p50),
    noise: |report| {
        variation(report, |second| second.p50_us).max(chance(&report.histograms.latency, 0.5))
    },
    least: SCHEDULING_US,
    shown: micros,
};

const P99: Figure = Figure {
    name: "p99",
    percentile: Some("99 %"),
    of: |report| carried(&report.latency_us, 0.99, report.latency_us.p99),
    noise: |report| {
        variation(report, |second| second.p99_us).max(chance(&report.histograms.latency, 0.99))
    },
    ..MEDIAN
};

const P999: Figure = Figure {
    name: "p99.9",
    percentile: Some("99.9 %"),
    // A few moments in which the machine did something else decide it.
    significance: |_| Significance::Warns,
    of: |report| carried(&report.latency_us, 0.999, report.latency_us.p999),
    // A second has too few requests for its own 99.9th percentile, so the 99th is used.
    noise: |report| {
        variation(report, |second| second.p99_us).max(chance(&report.histograms.latency, 0.999))
    },
    ..MEDIAN
};

const CPU: Figure = Figure {
    name: "client CPU per request",
    percentile: None,
    wanted: Wanted::Less,
    significance: |_| Significance::Warns,
    of: |report| cpu_per_request(report, report.client.work_s()),
    // It is not known second by second, but what slows requests down also takes CPU time.
    noise: |report| (RATE.noise)(report).max((MEDIAN.noise)(report)),
    least: 0.0,
    shown: micros,
};

/// The same with busy-waiting, where a run of an earlier version does not tell it apart.
const WHOLE_CPU: Figure =
    Figure { of: |report| cpu_per_request(report, report.client.cpu_s), ..CPU };

fn cpu_per_request(report: &Report, cpu_s: f64) -> Option<f64> {
    let answered = report.achieved.answered;
    (answered > 0).then(|| cpu_s * 1e6 / answered as f64)
}

/// The client's CPU per request, on one basis for all runs.
fn client_cpu<'a>(runs: impl IntoIterator<Item = &'a Report>) -> &'static Figure {
    let knows_work =
        |report: &Report| report.mode == Mode::Closed || report.client.cpu_busy_wait_s.is_some();
    if runs.into_iter().all(knows_work) { &CPU } else { &WHOLE_CPU }
}

/// A percentile, if there are samples enough for it.
fn carried(times: &Percentiles, quantile: f64, time: f64) -> Option<f64> {
    times.carries(quantile).then_some(time)
}

/// Compared only if all runs of both sides know it.
const SERVER_CPU: Figure = Figure { name: "server CPU per request", of: server_cpu, ..CPU };

fn server_cpu(report: &Report) -> Option<f64> {
    report.server.as_ref()?.cpu_us_per_request
}

/// All values of one run on each side. A relative change of at most `threshold` is tolerated.
pub(super) fn changes_of_pair(before: &Report, after: &Report, threshold: f64) -> Vec<Change> {
    let uncertainty = uncertainty(before).max(uncertainty(after));
    let judged = |figure: &Figure| {
        let noise = (figure.noise)(before).max((figure.noise)(after));
        judged(figure, before, after, threshold.max(noise) * uncertainty)
    };
    let counted = |count: &Count| counted(count, before, after, threshold * uncertainty);
    let knows_server = [before, after].iter().all(|report| server_cpu(report).is_some());
    let changes = [
        judged(&RATE),
        judged(&MEDIAN),
        judged(&P99),
        judged(&P999),
        counted(&ERRORS),
        counted(&UNSERVED),
        judged(client_cpu([before, after])),
    ];
    changes.into_iter().chain(knows_server.then(|| judged(&SERVER_CPU))).collect()
}

/// All values of several runs on at least one side: their means. A change is clear if it is
/// significant, which takes [`ENOUGH_RUNS`] runs on each side, and exceeds `threshold`.
pub(super) fn changes_of_many(before: &Side, after: &Side, threshold: f64) -> Vec<Change> {
    let figure = |figure: &Figure| {
        let kind = Kind {
            name: figure.name,
            percentile: figure.percentile,
            wanted: figure.wanted,
            significance: before.reports.first().map_or(Significance::Warns, figure.significance),
            shown: figure.shown,
        };
        of_many(kind, before, after, figure.of, threshold)
    };
    let count = |count: &Count| {
        let kind = Kind {
            name: count.name,
            percentile: None,
            wanted: Wanted::Less,
            significance: Significance::Decides,
            shown: per_thousand,
        };
        let of = |report: &Report| Some((count.of)(report) as f64 / requests(report));
        of_many(kind, before, after, of, threshold)
    };
    let knows_server = [before, after]
        .iter()
        .all(|side| side.reports.iter().all(|report| server_cpu(report).is_some()));
    let changes = [
        figure(&RATE),
        figure(&MEDIAN),
        figure(&P99),
        figure(&P999),
        count(&ERRORS),
        count(&UNSERVED),
        figure(client_cpu(before.reports.iter().chain(&after.reports))),
    ];
    changes.into_iter().chain(knows_server.then(|| figure(&SERVER_CPU))).collect()
}

/// A p-value below this is called significant. Five figures decide, so of comparisons without any
/// change one in twenty has one by chance. Five runs on each side can just reach it: the least p of
/// those is 2/252, and of four 2/70.
const SIGNIFICANT: f64 = 0.01;

/// What is told of a value apart from its size.
struct Kind {
    name: &'static str,
    percentile: Option<&'static str>,
    wanted: Wanted,
    significance: Significance,
    shown: fn(f64) -> String,
}

fn of_many(
    kind: Kind,
    before: &Side,
    after: &Side,
    of: impl Fn(&Report) -> Option<f64>,
    threshold: f64,
) -> Change {
    let [a, b] =
        [before, after].map(|side| side.reports.iter().filter_map(&of).collect::<Vec<_>>());
    let (mean_a, mean_b) = (mean(&a), mean(&b));
    let relative = relative(mean_a, mean_b);
    let spread = spread(&a).max(spread(&b));
    let p = (a.len() >= ENOUGH_RUNS && b.len() >= ENOUGH_RUNS).then(|| p_value(&a, &b));
    let is_clear = relative.is_none_or(|relative| relative.abs() > threshold);
    let finding = match p {
        _ if a.is_empty() || b.is_empty() => Finding::Unknown,
        None => Finding::NotEnoughRuns,
        Some(p) if p >= SIGNIFICANT => Finding::NotSignificant,
        Some(_) if !is_clear => Finding::BelowThreshold,
        Some(_) if (mean_b > mean_a) == (kind.wanted == Wanted::More) => Finding::Better,
        Some(_) => Finding::Worse,
    };
    let Kind { name, percentile, significance, shown, .. } = kind;
    let basis = Basis::Runs { spread, p };
    let (before, after) = (mean_a, mean_b);
    Change { name, percentile, before, after, relative, basis, finding, significance, shown }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The change relative to the first value, if both are known and the first is not zero.
fn relative(before: Option<f64>, after: Option<f64>) -> Option<f64> {
    let before = before.filter(|&before| before > 0.0)?;
    Some((after? - before) / before)
}

/// The sample standard deviation of the runs of a side, relative to their mean.
fn spread(values: &[f64]) -> f64 {
    let Some(mean) = mean(values).filter(|&mean| values.len() > 1 && mean > 0.0) else {
        return 0.0;
    };
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt() / mean
}

fn judged(figure: &Figure, before: &Report, after: &Report, tolerance: f64) -> Change {
    let significance = (figure.significance)(before);
    let [before, after] = [before, after].map(figure.of);
    let relative = relative(before, after);
    let least = before.filter(|&before| before > 0.0).map_or(0.0, |before| figure.least / before);
    let tolerance = tolerance.max(least);
    let is_none_left = after.is_none_or(|after| after <= 0.0);
    let finding = match relative {
        None => Finding::Unknown,
        // Nothing was answered any more.
        Some(_) if is_none_left && figure.wanted == Wanted::More => Finding::Worse,
        Some(_) if is_none_left => Finding::Unknown,
        Some(relative) if relative.abs() <= tolerance => Finding::NoClearChange,
        Some(relative) if (relative > 0.0) == (figure.wanted == Wanted::More) => Finding::Better,
        Some(_) => Finding::Worse,
    };
    let &Figure { name, percentile, shown, .. } = figure;
    let basis = Basis::Pair { tolerance };
    Change { name, percentile, before, after, relative, basis, finding, significance, shown }
}

/// A count of failures of one kind; a run should have none.
struct Count {
    name: &'static str,
    of: fn(&Report) -> u64,
    /// What a first failure means if there was none before.
    first: First,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    /// Worse: it does not happen by chance.
    Tells,
    /// A few may be chance: the last requests of a schedule can miss the end of the run.
    MayBeChance,
}

const ERRORS: Count = Count {
    name: "errors per 1,000",
    of: |report| {
        let (errors, achieved) = (&report.errors, &report.achieved);
        [errors.connect, errors.read, errors.write, errors.timeout, achieved.mismatched]
            .iter()
            .fold(0, |all, number| all.saturating_add(*number))
    },
    first: First::Tells,
};

const UNSERVED: Count = Count {
    name: "not answered per 1,000",
    of: |report| {
        let achieved = &report.achieved;
        // A closed loop has no schedule, so no request can remain unsent.
        let unsent = if report.mode == Mode::Open { achieved.unsent } else { 0 };
        unsent.saturating_add(achieved.unanswered)
    },
    first: First::MayBeChance,
};

/// A count per thousand requests, judged by the standard deviation of a count, its square root.
fn counted(count: &Count, before: &Report, after: &Report, threshold: f64) -> Change {
    let [(number_before, of_before), (number_after, of_after)] =
        [before, after].map(|report| ((count.of)(report) as f64, requests(report)));
    let (before, after) = (number_before / of_before, number_after / of_after);
    let spread = 3.0 * (number_before.sqrt() / of_before).hypot(number_after.sqrt() / of_after);
    let tolerated = spread.max(before * threshold);
    let tolerance = if before > 0.0 { tolerated / before } else { 0.0 };
    let is_first = before == 0.0 && after > 0.0 && count.first == First::Tells;
    let finding = match after - before {
        _ if is_first => Finding::Worse,
        change if change.abs() <= tolerated => Finding::NoClearChange,
        change if change > 0.0 => Finding::Worse,
        _ => Finding::Better,
    };
    let (before, after) = (Some(before), Some(after));
    let relative = relative(before, after);
    let (name, significance, shown) = (count.name, Significance::Decides, per_thousand);
    let (basis, percentile) = (Basis::Pair { tolerance }, None);
    Change { name, percentile, before, after, relative, basis, finding, significance, shown }
}

fn per_thousand(share: f64) -> String {
    number(share * 1000.0)
}

/// The requests of a run, at least one.
fn requests(report: &Report) -> f64 {
    report.achieved.requested.max(report.achieved.sent).max(1) as f64
}
