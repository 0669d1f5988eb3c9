//! How counts, times and percentiles of several reports become one.

use crate::loadgen::report::Percentiles;
use time::{Date, Month, Time};

/// The sum; the largest number if it does not fit.
pub(super) fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

/// The largest number; zero if there is none.
pub(super) fn most(numbers: &[f64]) -> f64 {
    numbers.iter().copied().reduce(f64::max).unwrap_or(0.0)
}

impl Percentiles {
    /// The worst of several, percentile by percentile: without their histograms this is the best
    /// known bound, because no percentile of a whole is above the same percentile of all its parts.
    /// The count, the shortest, the mean and the standard deviation are those of the whole.
    pub(super) fn worst_of<'a>(all: impl Iterator<Item = &'a Percentiles>) -> Percentiles {
        let all: Vec<&Percentiles> = all.filter(|times| times.count > 0).collect();
        let count = sum(all.iter().map(|times| times.count));
        if count == 0 {
            return Percentiles::default();
        }
        let weighted = |of: &dyn Fn(&Percentiles) -> f64| {
            all.iter().map(|times| times.count as f64 * of(times)).sum::<f64>() / count as f64
        };
        let worst = |of: fn(&Percentiles) -> f64| {
            most(&all.iter().map(|times| of(times)).collect::<Vec<_>>())
        };
        let mean = weighted(&|times| times.mean);
        // The mean of the squares less the square of the mean, part by part.
        let variance = weighted(&|times| times.stdev.powi(2) + (times.mean - mean).powi(2));
        Percentiles {
            count,
            min: all.iter().map(|times| times.min).reduce(f64::min).unwrap_or(0.0),
            mean,
            stdev: variance.sqrt(),
            p50: worst(|times| times.p50),
            p75: worst(|times| times.p75),
            p90: worst(|times| times.p90),
            p99: worst(|times| times.p99),
            p999: worst(|times| times.p999),
            p9999: worst(|times| times.p9999),
            p99999: worst(|times| times.p99999),
            max: worst(|times| times.max),
        }
    }
}

/// Seconds since 1970 of a date in the form that RFC 3339 gives UTC, `2026-03-01T12:00:00.5Z`.
pub(in crate::loadgen::report) fn unix_seconds(date: &str) -> Option<f64> {
    let (date, clock) = date.strip_suffix('Z')?.split_once('T')?;
    let mut parts = date.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let month = Month::try_from(parts.next()?.parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, parts.next()?.parse().ok()?).ok()?;
    let mut parts = clock.splitn(3, ':');
    let (hour, minute) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let seconds: f64 = parts.next()?.parse().ok()?;
    let midnight = date.with_time(Time::from_hms(hour, minute, 0).ok()?).assume_utc();
    Some(midnight.unix_timestamp() as f64 + seconds)
}
