//! How much a run varies by itself.
//!
//! Invariant: an estimate is finite and not negative; zero where there is too little to tell.
//!
//! It is estimated from the run itself in two ways, three standard deviations each. The larger one
//! counts:
//!
//! - from second to second: the spread of the per-second values. It is not divided by the square
//!   root of their number, as the error of a mean would be: seconds of one run are alike, and what
//!   differs from run to run is rather as large as a second's spread. Of ten seconds or more it is
//!   the distance between the quartiles over 1.349, which is the standard deviation if they are
//!   normally distributed, and does not move for a few wild seconds. (The median absolute deviation
//!   would be zero for a run that swings between two levels and stays a little longer on one.) Of
//!   fewer, it is the standard deviation, wild seconds and all.
//! - by chance: of n requests, the one at quantile q could as well have been one three standard
//!   deviations, √(n·q·(1−q)) ranks each, further up or down.
//!
//! Neither knows what differs from run to run: another place in memory, a neighbour on the machine.
//! To be certain, run each side several times.

use crate::loadgen::report::{Histogram, Report, Second};

/// The distance between the quartiles of a normal distribution, in standard deviations.
const QUARTILES_APART: f64 = 1.349;

/// The number of standard deviations that a change must exceed.
const DEVIATIONS: f64 = 3.0;

/// With fewer seconds than this, the variation of a run is uncertain.
const ENOUGH_SECONDS: usize = 10;

/// A last second counts as whole if it lacks at most this: clocks are read a little early or late.
const SLACK_S: f64 = 0.05;

/// The whole seconds of the measured part. The last one is seldom whole, and would look like a
/// slump.
fn whole_seconds(report: &Report) -> impl Iterator<Item = &Second> {
    let end = report.achieved.elapsed_s + SLACK_S;
    report.series.iter().filter(move |second| second.t_s >= 0.0 && second.t_s + 1.0 <= end)
}

/// The factor by which the variation of a short run is enlarged: it falls with the square root of
/// the number of seconds. 1 for a run that is long enough.
pub(super) fn uncertainty(report: &Report) -> f64 {
    let seconds = whole_seconds(report).count().clamp(1, ENOUGH_SECONDS);
    (ENOUGH_SECONDS as f64 / seconds as f64).sqrt()
}

/// How much a per-second value varies over the measured part, relative to its median.
pub(super) fn variation(report: &Report, of: fn(&Second) -> Option<f64>) -> f64 {
    let values = whole_seconds(report).filter_map(of).filter(|value| value.is_finite());
    let mut values: Vec<f64> = values.collect();
    if values.len() < 2 {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    let [low, middle, high] = [0.25, 0.5, 0.75].map(|quantile| at(&values, quantile));
    let spread = match values.len() {
        ..ENOUGH_SECONDS => deviation(&values),
        _ => (high - low) / QUARTILES_APART,
    };
    if middle > 0.0 { DEVIATIONS * spread / middle } else { 0.0 }
}

/// The sample standard deviation of `values`, at least two.
fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// The value at `quantile` of `sorted`, interpolated; there is at least one value.
fn at(sorted: &[f64], quantile: f64) -> f64 {
    let place = quantile * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// How far a percentile could be off by chance, relative to it.
pub(super) fn chance(times: &Histogram, quantile: f64) -> f64 {
    let value = times.value_at(quantile) as f64;
    if value == 0.0 {
        return 0.0;
    }
    let spread = DEVIATIONS * (quantile * (1.0 - quantile) / times.count() as f64).sqrt();
    let [low, high] = [quantile - spread, quantile + spread]
        .map(|quantile| times.value_at(quantile.clamp(0.0, 1.0)) as f64);
    ((high - value) / value).max((value - low) / value)
}
