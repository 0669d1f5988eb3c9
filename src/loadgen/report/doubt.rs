//! Which percentiles the load generator itself has distorted.
//!
//! A percentile p is in doubt if the client delayed more of the requests than the share 1 − p by
//! more than a tenth of the percentile's value. Then all requests above it can be such that the
//! client delayed, and it tells of the client. If the share is smaller, the percentile would be
//! nearly the same without these requests.

use super::Histogram;
use super::tables::PERCENTILES;

/// A delay of more than this share of a percentile's value matters to it.
pub const SHARE_THAT_MATTERS: f64 = 0.1;

/// The percentiles beyond this one are left to the detailed report. Few requests decide them, so
/// that one moment without a processor is enough to distort them.
pub(super) const LAST_OF_SUMMARY: f64 = 0.999;

/// A percentile that fewer requests than this lie above is a matter of chance anyway.
const LEAST_BEYOND: f64 = 10.0;

/// A percentile in doubt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubtful {
    /// Its name, such as `p99.9`.
    pub name: &'static str,
    /// How `client.in_doubt` of the JSON report names it, such as `99.9 %`.
    pub in_json: &'static str,
    /// The share of the requests that it exceeds, 0 to 1.
    pub quantile: f64,
    /// Whether it makes the run invalid, and not only itself.
    pub decides: bool,
}

/// The stated percentiles of `latency` that are in doubt, lowest first. `delay` has for each of its
/// requests how long the client delayed it. The maximum is not judged: a single request decides it.
pub fn in_doubt(latency: &Histogram, delay: &Histogram) -> Vec<Doubtful> {
    let (all, percentiles) = (delay.count() as f64, latency.percentiles());
    let stated = PERCENTILES.iter().filter(|stated| stated.quantile < 1.0);
    let doubtful = stated.filter_map(|stated| {
        let quantile = stated.quantile;
        let least = latency.value_at(quantile) as f64 * SHARE_THAT_MATTERS;
        let delayed = delay.count_above(least as u64) as f64;
        // A little more, for quantiles that no binary fraction meets.
        let allowed = all * (1.0 - quantile) + 1e-6;
        let decides = quantile <= LAST_OF_SUMMARY && allowed >= LEAST_BEYOND;
        let is_in_doubt = percentiles.carries(quantile) && delayed > allowed;
        let (name, in_json) = (stated.name, stated.in_json);
        is_in_doubt.then_some(Doubtful { name, in_json, quantile, decides })
    });
    doubtful.collect()
}

/// Percentiles in doubt, as the JSON report names them.
pub fn names_in_json(doubtful: &[Doubtful]) -> Vec<String> {
    doubtful.iter().map(|percentile| percentile.in_json.to_owned()).collect()
}
