//! How much a run varies by itself.
//!
//! Invariant: an estimate is finite and not negative; zero where there is too little to tell.
//!
//! It is estimated from the run itself, in two ways of which the larger counts:
//!
//! - from second to second: the distance between the quartiles of the per-second values, over 1.349,
//!   which is the standard deviation if they are normally distributed, and does not move for a few
//!   wild seconds. (The median absolute deviation would be zero for a run that swings between two
//!   levels and stays a little longer on one.)
//! - by chance: of n requests, the one at quantile q could as well have been one two standard
//!   deviations, √(n·q·(1−q)) ranks each, further up or down.
//!
//! Neither knows what differs from run to run: another place in memory, a neighbour on the machine.
//! Whoever wants to be certain runs each side several times.

use crate::report::{Histogram, Report, Second};

/// How many standard deviations the quartiles of a normal distribution are apart.
const QUARTILES_APART: f64 = 1.349;

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
    values.sort_by(f64::total_cmp);
    let [low, middle, high] = [0.25, 0.5, 0.75].map(|quantile| at(&values, quantile));
    if middle > 0.0 { (high - low) / QUARTILES_APART / middle } else { 0.0 }
}

/// The value that `quantile` of these are not above, between two of them if need be; they are sorted,
/// and there is one at least.
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
    let spread = 2.0 * (quantile * (1.0 - quantile) / times.count() as f64).sqrt();
    let [low, high] = [quantile - spread, quantile + spread]
        .map(|quantile| times.value_at(quantile.clamp(0.0, 1.0)) as f64);
    ((high - value) / value).max((value - low) / value)
}
