//! Distributions by percentile.

use super::{described, values};
use crate::loadgen::report::histogram::carries;
use crate::loadgen::report::svg::{Axis, Chart, Line};
use crate::loadgen::report::table::{Severity, Table};
use crate::loadgen::report::units::{micros, nearly_all, unknown};
use crate::loadgen::report::{Histogram, Report};

/// With fewer samples than this, there is no percentile worth a chart.
const LEAST_SAMPLES: u64 = 10;

/// No sample distinguishes more nines than this.
const MOST_NINES: f64 = 7.0;

/// How far the maximum stands from the last percentile, in nines.
const GAP: f64 = 0.5;

/// The percentiles that are named along the axis.
const TICKS: [f64; 9] = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999, 0.9999999];

/// The percentiles in the table of a chart's values.
const LISTED: [f64; 15] = [
    0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99995, 0.99999, 0.999995,
    0.999999, 0.9999999,
];

/// Latency and service time by percentile; `None` of too few answers.
pub(crate) fn percentiles(report: &Report) -> Option<Chart> {
    let histograms = &report.histograms;
    distributions(&[("latency", &histograms.latency), ("service", &histograms.service)])
}

/// Distributions by percentile: each nine is as far from the one before as that is from its own.
/// A line ends where its samples carry no further percentile; its maximum stands alone. `None` if
/// all have too few samples.
pub(crate) fn distributions(named: &[(&'static str, &Histogram)]) -> Option<Chart> {
    let most = named.iter().map(|(_, times)| times.count()).max().unwrap_or(0);
    if most < LEAST_SAMPLES {
        return None;
    }
    let nines = (most as f64).log10().min(MOST_NINES);
    let end = nines + GAP;
    let mut lines: Vec<Line> =
        named.iter().map(|&(name, times)| line(name, times, nines)).collect();
    for (line, (_, times)) in lines.iter_mut().zip(named) {
        let max = (times.count() > 0).then(|| times.max() as f64 / 1e3);
        line.points.extend([(nines, None), (end, max)]);
    }
    let is_within = |&&quantile: &&f64| place(quantile) <= nines + 1e-9;
    let ticks = TICKS.iter().filter(is_within).map(|&quantile| (place(quantile), name(quantile)));
    let ticks = ticks.chain([(end, "max".to_owned())]).collect();
    let mut table = Table::new(TITLE, &[&["percentile"], &names(named)[..]].concat());
    let listed = LISTED.iter().filter(is_within).map(|&quantile| (quantile, name(quantile)));
    for (quantile, name) in listed.chain([(1.0, "max".to_owned())]) {
        let cells = named.iter().map(|(_, times)| time_at(times, quantile).unwrap_or_else(unknown));
        table.push(Severity::Plain, [name].into_iter().chain(cells).collect::<Vec<_>>());
    }
    let hint = |place: f64, quantile: f64, name: String| {
        let value = |(name, times): &(&str, &Histogram)| {
            Some(format!("{name} {}", time_at(times, quantile)?))
        };
        let values: Vec<String> = named.iter().filter_map(value).collect();
        (place, format!("{name}: {}", values.join(", ")))
    };
    let tenths = (0..=(nines * 10.0) as u32).map(|at| f64::from(at) / 10.0);
    let hints = tenths.map(|place| {
        let quantile = 1.0 - 10f64.powf(-place);
        hint(place, quantile, format!("p{}", nearly_all(quantile).trim_end_matches(" %")))
    });
    Some(Chart {
        title: TITLE,
        description: described(&lines, micros),
        x: Axis::new("percentile", (0.0, end), ticks),
        y: Axis::log_axis("time", values(&lines).iter().copied(), micros),
        hints: hints.chain([hint(end, 1.0, "max".to_owned())]).collect(),
        values: table,
        lines,
        shade: None,
    })
}

const TITLE: &str = "Latency by percentile";

fn names(named: &[(&'static str, &Histogram)]) -> Vec<&'static str> {
    named.iter().map(|(name, _)| *name).collect()
}

/// The distribution as far as its samples carry it.
fn line(name: &'static str, times: &Histogram, nines: f64) -> Line {
    let carried = times.spectrum().filter(|step| {
        step.quantile < 1.0
            && carries(times.count(), step.quantile)
            && place(step.quantile) <= nines
    });
    let point = |step: crate::loadgen::report::histogram::Step| {
        (place(step.quantile), Some(step.nanos as f64 / 1e3))
    };
    Line { name, points: carried.map(point).collect() }
}

/// Where a quantile stands along the axis: at the number of its nines.
fn place(quantile: f64) -> f64 {
    -(1.0 - quantile).max(1e-12).log10()
}

/// The time at a quantile, if the samples carry it.
fn time_at(times: &Histogram, quantile: f64) -> Option<String> {
    let is_known = times.count() > 0 && carries(times.count(), quantile);
    is_known.then(|| micros(times.value_at(quantile) as f64 / 1e3))
}

/// `p99.9`; without binary rounding noise.
fn name(quantile: f64) -> String {
    if quantile == 0.0 {
        return "min".to_owned();
    }
    let text = format!("{:.5}", quantile * 100.0);
    format!("p{}", text.trim_end_matches('0').trim_end_matches('.'))
}
