//! The values that are compared, and when a change is clear.
//!
//! Invariant: a latency's change of less than [`SCHEDULING_US`] is never clear, whatever the
//! tolerance.

use super::noise::{chance, uncertainty, variation};
use super::{Change, Finding, Significance};
use crate::loadgen::report::units::{micros, number, rate};
use crate::loadgen::report::{Mode, Report};

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
    wanted: Wanted,
    significance: fn(&Report) -> Significance,
    of: fn(&Report) -> f64,
    noise: fn(&Report) -> f64,
    /// A change of less than this proves nothing, in the figure's own unit.
    least: f64,
    shown: fn(f64) -> String,
}

const RATE: Figure = Figure {
    name: "rate",
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
    name: "latency 50 %",
    wanted: Wanted::Less,
    significance: |_| Significance::Decides,
    of: |report| report.latency_us.p50,
    noise: |report| {
        variation(report, |second| second.p50_us).max(chance(&report.histograms.latency, 0.5))
    },
    least: SCHEDULING_US,
    shown: micros,
};

const P99: Figure = Figure {
    name: "latency 99 %",
    of: |report| report.latency_us.p99,
    noise: |report| {
        variation(report, |second| second.p99_us).max(chance(&report.histograms.latency, 0.99))
    },
    ..MEDIAN
};

const P999: Figure = Figure {
    name: "latency 99.9 %",
    // A few moments in which the machine did something else decide it.
    significance: |_| Significance::Warns,
    of: |report| report.latency_us.p999,
    // A second has too few requests for its own 99.9th percentile, so the 99th is used.
    noise: |report| {
        variation(report, |second| second.p99_us).max(chance(&report.histograms.latency, 0.999))
    },
    ..MEDIAN
};

const CPU: Figure = Figure {
    name: "client CPU a request",
    wanted: Wanted::Less,
    significance: |_| Significance::Warns,
    of: |report| match report.achieved.answered {
        0 => 0.0,
        answered => report.client.cpu_s * 1e6 / answered as f64,
    },
    // It is not known second by second, but what slows requests down also takes CPU time.
    noise: |report| (RATE.noise)(report).max((MEDIAN.noise)(report)),
    least: 0.0,
    shown: micros,
};

/// All values of both runs. A relative change of at most `threshold` is tolerated.
pub(super) fn changes(before: &Report, after: &Report, threshold: f64) -> Vec<Change> {
    let uncertainty = uncertainty(before).max(uncertainty(after));
    let judged = |figure: &Figure| {
        let noise = (figure.noise)(before).max((figure.noise)(after));
        judged(figure, before, after, threshold.max(noise) * uncertainty)
    };
    let counted = |count: &Count| counted(count, before, after, threshold * uncertainty);
    vec![
        judged(&RATE),
        judged(&MEDIAN),
        judged(&P99),
        judged(&P999),
        counted(&ERRORS),
        counted(&UNSERVED),
        judged(&CPU),
    ]
}

fn judged(figure: &Figure, before: &Report, after: &Report, tolerance: f64) -> Change {
    let significance = (figure.significance)(before);
    let [before, after] = [before, after].map(figure.of);
    let relative = (before > 0.0).then(|| (after - before) / before);
    let tolerance = if before > 0.0 { tolerance.max(figure.least / before) } else { tolerance };
    let finding = match relative {
        _ if after <= 0.0 => Finding::Unknown,
        None => Finding::Unknown,
        Some(relative) if relative.abs() <= tolerance => Finding::NoClearChange,
        Some(relative) if (relative > 0.0) == (figure.wanted == Wanted::More) => Finding::Better,
        Some(_) => Finding::Worse,
    };
    let (name, shown) = (figure.name, figure.shown);
    Change { name, before, after, relative, tolerance, finding, significance, shown }
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
    name: "errors a thousand",
    of: |report| {
        let (errors, achieved) = (&report.errors, &report.achieved);
        [errors.connect, errors.read, errors.write, errors.timeout, achieved.mismatched]
            .iter()
            .fold(0, |all, number| all.saturating_add(*number))
    },
    first: First::Tells,
};

const UNSERVED: Count = Count {
    name: "unserved a thousand",
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
    let [(number_before, of_before), (number_after, of_after)] = [before, after].map(|report| {
        let achieved = &report.achieved;
        ((count.of)(report) as f64, achieved.requested.max(achieved.sent).max(1) as f64)
    });
    let (before, after) = (number_before / of_before, number_after / of_after);
    let spread = 3.0 * (number_before.sqrt() / of_before).hypot(number_after.sqrt() / of_after);
    let tolerated = spread.max(before * threshold);
    let is_first = before == 0.0 && after > 0.0 && count.first == First::Tells;
    let finding = match after - before {
        _ if is_first => Finding::Worse,
        change if change.abs() <= tolerated => Finding::NoClearChange,
        change if change > 0.0 => Finding::Worse,
        _ => Finding::Better,
    };
    let relative = (before > 0.0).then(|| (after - before) / before);
    let tolerance = if before > 0.0 { tolerated / before } else { 0.0 };
    let shown = |share: f64| number(share * 1000.0);
    let (name, significance) = (count.name, Significance::Decides);
    Change { name, before, after, relative, tolerance, finding, significance, shown }
}
