//! The latency distribution in the text format of HdrHistogram, for its plotters.
//!
//! Invariant: a line of the table has the four columns that the plotters look for, except the last,
//! whose 1/(1-Percentile) would be infinite; other lines begin with `#`.
//!
//! HdrHistogram's `outputPercentileDistribution` writes this format. Times are in milliseconds, the
//! default of the plotters, with six decimals, so that nanoseconds are kept.

use super::{Histogram, Percentiles, Report, words};
use std::fmt::Write;

#[cfg(test)]
mod tests;

const NANOS_PER_MILLI: f64 = 1e6;
const MICROS_PER_MILLI: f64 = 1e3;

/// The percentile distribution of a report's latency, in milliseconds.
pub fn hgrm(report: &Report) -> String {
    let latency = &report.histograms.latency;
    let mut hgrm = format!(
        "{:>14} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    for step in latency.spectrum() {
        let value = step.nanos as f64 / NANOS_PER_MILLI;
        let _ = write!(hgrm, "{value:>14.6} {:>14.12} {:>10}", step.quantile, step.count);
        if step.quantile < 1.0 {
            let _ = write!(hgrm, " {:>14.2}", 1.0 / (1.0 - step.quantile));
        }
        hgrm.push('\n');
    }
    let _ = writeln!(hgrm, "#[{}]", words::connections(report));
    hgrm.push_str(&footer(latency));
    hgrm
}

fn footer(latency: &Histogram) -> String {
    let Percentiles { mean, stdev, max, count, .. } = latency.percentiles();
    let millis = |micros: f64| micros / MICROS_PER_MILLI;
    let (buckets, sub_buckets) = latency.layout();
    format!(
        "#[Mean    = {:>14.6}, StdDeviation   = {:>14.6}]\n\
         #[Max     = {:>14.6}, Total count    = {:>14}]\n\
         #[Buckets = {buckets:>14}, SubBuckets     = {sub_buckets:>14}]\n",
        millis(mean),
        millis(stdev),
        millis(max),
        count
    )
}
