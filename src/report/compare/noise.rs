//! How much a run varies by itself.
//!
//! Invariant: an estimate is finite and not negative; zero where there is too little to tell.
//!
//! It is estimated from the run itself, in two ways of which the larger counts:
//!
//! - from second to second: the median absolute deviation of the per-second values, times 1.4826,
//!   which is the standard deviation if they are normally distributed, and hardly moves for a few
//!   wild seconds;
//! - by chance: of n requests, the one at quantile q could as well have been one two standard
//!   deviations, √(n·q·(1−q)) ranks each, further up or down.
//!
//! Neither knows what differs from run to run: another place in memory, a neighbour on the machine.
//! Whoever wants to be certain runs each side several times.

use crate::report::{Histogram, Report, Second};

/// From the median absolute deviation to the standard deviation of a normal distribution.
const MAD_TO_DEVIATION: f64 = 1.4826;

/// Fewer seconds than this say nothing about how seconds vary.
const FEWEST_SECONDS: usize = 3;

/// How much a per-second value varies over the measured part, relative to its median.
pub(super) fn variation(report: &Report, of: fn(&Second) -> Option<f64>) -> f64 {
    let measured = report.series.iter().filter(|second| second.t_s >= 0.0);
    let mut values: Vec<f64> = measured.filter_map(of).filter(|value| value.is_finite()).collect();
    // The last second of a run is seldom a whole one.
    values.pop();
    if values.len() < FEWEST_SECONDS {
        return 0.0;
    }
    let middle = median(&mut values);
    let mut deviations: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    if middle > 0.0 { MAD_TO_DEVIATION * median(&mut deviations) / middle } else { 0.0 }
}

/// The median of at least one value.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

/// How far a percentile could be off by chance, relative to it.
pub(super) fn chance(times: &Histogram, quantile: f64) -> f64 {
    let value = times.value_at(quantile) as f64;
    if value == 0.0 {
        return 0.0;
    }
    let spread = 2.0 * (quantile * (1.0 - quantile) / times.count() as f64).sqrt();
    let [low, high] = [quantile - spread, quantile + spread]
        .map(|quantile| times.value_at(quantile.clamp(0.0, 1.0)) as f64);
    ((high - value) / value).max((value - low) / value)
}
