//! Histograms of times, which can be merged exactly.
//!
//! Invariant: merging adds counts bucket by bucket, so the merged histogram is the same as one of
//! all samples.

use hdrhistogram::Histogram as Hdr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Significant decimal digits: a recorded time is off by less than 0.1 %.
const PRECISION: u8 = 3;

/// The longest time that is recorded exactly: an hour.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// The resolution that other HdrHistogram programs print.
const STEPS_PER_HALVING: u32 = 5;

/// A step of a percentile spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The time at `quantile`, in nanoseconds.
    pub nanos: u64,
    /// The share of all samples, 0 to 1.
    pub quantile: f64,
    /// The number of samples that are not longer.
    pub count: u64,
}

/// Times, in nanoseconds, with three significant digits, from 1 ns to an hour.
///
/// As JSON: `{"unit": "ns", "significant_digits": 3, "counts": [[value, count], ...]}`, values
/// ascending; each value is the highest of its bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram(Hdr<u64>);

impl Default for Histogram {
    #[cfg_attr(not(test), expect(clippy::expect_used, reason = "constants"))]
    fn default() -> Histogram {
        Histogram(Hdr::new_with_bounds(1, LONGEST_NS, PRECISION).expect("the bounds are valid"))
    }
}

impl Histogram {
    /// Adds a time. One over an hour counts as an hour, and still raises the count.
    #[inline]
    pub fn record(&mut self, time: Duration) {
        self.record_nanos(time.as_nanos() as u64);
    }

    /// Adds a time in nanoseconds.
    #[inline]
    pub fn record_nanos(&mut self, nanos: u64) {
        self.0.saturating_record(nanos);
    }

    /// Adds the same time `count` times.
    #[inline]
    pub fn record_many(&mut self, time: Duration, count: u64) {
        self.0.saturating_record_n(time.as_nanos() as u64, count);
    }

    /// Adds all that `other` holds.
    #[cfg_attr(not(test), expect(clippy::expect_used, reason = "all have the same bounds"))]
    pub fn merge(&mut self, other: &Histogram) {
        self.0.add(&other.0).expect("all histograms have the same bounds");
    }

    /// Removes all samples.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// The number of samples.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time at `quantile` (0 to 1), in nanoseconds; 0 if empty.
    pub fn value_at(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// The longest, in nanoseconds; 0 if empty.
    pub fn max(&self) -> u64 {
        self.0.max()
    }

    /// The mean, in nanoseconds; 0 if empty.
    pub fn mean(&self) -> f64 {
        self.0.mean()
    }

    /// The standard deviation, in nanoseconds; 0 if empty.
    pub fn stdev(&self) -> f64 {
        self.0.stdev()
    }

    /// The percentiles one by one, ever finer towards the longest times: five steps for each
    /// halving of the distance to 100 %.
    pub fn spectrum(&self) -> impl Iterator<Item = Step> + '_ {
        self.0.iter_quantiles(STEPS_PER_HALVING).scan(0, |count, step| {
            *count += step.count_since_last_iteration();
            Some(Step {
                nanos: step.value_iterated_to(),
                quantile: step.quantile_iterated_to(),
                count: *count,
            })
        })
    }

    /// The layout in HdrHistogram's own terms: how many buckets, of how many sub-buckets.
    pub fn layout(&self) -> (u64, u64) {
        // HdrHistogram needs twice as many as the precision tells apart, as a power of two.
        let sub_buckets = (2 * 10u64.pow(u32::from(PRECISION))).next_power_of_two();
        (u64::from(self.0.buckets()), sub_buckets)
    }

    /// The number of samples longer than `nanos`, to the precision of the histogram.
    pub fn count_above(&self, nanos: u64) -> u64 {
        self.0.len() - self.0.count_between(0, nanos)
    }

    /// All buckets that are not empty: the highest value in nanoseconds, and the count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()))
    }

    /// Packs the histogram into little memory.
    pub fn pack(&self) -> PackedHistogram {
        PackedHistogram(self.buckets().collect())
    }

    /// The usual percentiles.
    pub fn percentiles(&self) -> Percentiles {
        // Of a single time, the ends and the middle of its bucket would be three times.
        if self.buckets().nth(1).is_none() {
            return Percentiles::of_one_time(self.count(), micros(self.max() as f64));
        }
        let at = |quantile| micros(self.value_at(quantile) as f64);
        Percentiles {
            count: self.count(),
            min: micros(if self.count() == 0 { 0.0 } else { self.0.min() as f64 }),
            mean: micros(self.mean()),
            stdev: micros(self.stdev()),
            p50: at(0.5),
            p75: at(0.75),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            p99999: at(0.99999),
            max: micros(self.max() as f64),
        }
    }
}

/// A packed [`Histogram`]: 16 bytes for each bucket that is not empty, instead of 8 for each of all
/// buckets, 270 KB. So a run of hours can keep one for each second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackedHistogram(Vec<(u64, u64)>);

impl PackedHistogram {
    /// The histogram that was packed.
    pub fn unpack(&self) -> Histogram {
        let mut histogram = Histogram::default();
        for &(value, count) in &self.0 {
            histogram.0.saturating_record_n(value, count);
        }
        histogram
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        self.0.capacity() * size_of::<(u64, u64)>()
    }
}

fn micros(nanos: f64) -> f64 {
    // Whole nanoseconds: the clock is not more precise.
    nanos.round() / 1000.0
}

/// A distribution in short: times in microseconds; all zero without samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Number of samples.
    pub count: u64,
    /// The shortest.
    pub min: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The standard deviation.
    pub stdev: f64,
    /// The median.
    pub p50: f64,
    /// 75 % are at most this.
    pub p75: f64,
    /// 90 % are at most this.
    pub p90: f64,
    /// 99 % are at most this.
    pub p99: f64,
    /// 99.9 % are at most this.
    pub p999: f64,
    /// 99.99 % are at most this.
    pub p9999: f64,
    /// 99.999 % are at most this.
    pub p99999: f64,
    /// The longest.
    pub max: f64,
}

impl Percentiles {
    /// `count` samples of the same time.
    fn of_one_time(count: u64, time: f64) -> Percentiles {
        Percentiles {
            count,
            min: time,
            mean: time,
            stdev: 0.0,
            p50: time,
            p75: time,
            p90: time,
            p99: time,
            p999: time,
            p9999: time,
            p99999: time,
            max: time,
        }
    }

    /// Whether there are enough samples to tell the percentile at `quantile`: at least one of them
    /// lies above it. The 99th needs 100 samples, the 99.9th 1,000. The longest is always known.
    pub fn carries(&self, quantile: f64) -> bool {
        carries(self.count, quantile)
    }
}

/// Whether `count` samples tell the percentile at `quantile`, as in [`Percentiles::carries`].
pub(crate) fn carries(count: u64, quantile: f64) -> bool {
    // Rounded, because 1 - 0.99 is a little more than a hundredth.
    quantile >= 1.0 || (count as f64 * (1.0 - quantile) * 1e6).round() >= 1e6
}

#[derive(Serialize, Deserialize)]
struct Stored {
    unit: String,
    significant_digits: u8,
    counts: Vec<(u64, u64)>,
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stored =
            Stored { unit: "ns".to_owned(), significant_digits: PRECISION, counts: self.pack().0 };
        stored.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Histogram, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        if stored.unit != "ns" || stored.significant_digits != PRECISION {
            return Err(serde::de::Error::custom("a histogram of another unit or precision"));
        }
        Ok(PackedHistogram(stored.counts).unpack())
    }
}
