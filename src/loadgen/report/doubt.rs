//! Which percentiles the load generator itself has distorted.
//!
//! A percentile p is in doubt if the client delayed more of the requests than the share 1 − p by
//! more than a tenth of the percentile's value. Then all requests above it can be such that the
//! client delayed, and it tells of the client. If the share is smaller, the percentile would be
//! nearly the same without these requests.

use super::Histogram;

/// The percentiles that are stated: name and quantile. What is the longest is not judged: a single
/// request decides it.
pub const STATED: [(&str, f64); 7] = [
    ("50 %", 0.5),
    ("75 %", 0.75),
    ("90 %", 0.9),
    ("99 %", 0.99),
    ("99.9 %", 0.999),
    ("99.99 %", 0.9999),
    ("99.999 %", 0.99999),
];

/// A delay of more than this share of a percentile's value matters to it.
const SHARE_THAT_MATTERS: f64 = 0.1;

/// The names of the stated percentiles of `latency` that are in doubt. `delay` has for each of its
/// requests how long the client delayed it.
pub fn in_doubt(latency: &Histogram, delay: &Histogram) -> Vec<String> {
    let (all, percentiles) = (delay.count() as f64, latency.percentiles());
    let is_in_doubt = |quantile: f64| {
        let least = latency.value_at(quantile) as f64 * SHARE_THAT_MATTERS;
        let delayed = delay.count_above(least as u64) as f64;
        // A little more, for quantiles that no binary fraction meets.
        let allowed = all * (1.0 - quantile) + 1e-6;
        percentiles.carries(quantile) && delayed > allowed
    };
    let doubtful = STATED.iter().filter(|(_, quantile)| is_in_doubt(*quantile));
    doubtful.map(|(name, _)| (*name).to_owned()).collect()
}
