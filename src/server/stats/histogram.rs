//! Histograms of what turns of the poll loop took: counters by powers of two, so that to note a
//! value is a few instructions.
//!
//! Invariant: each value is counted once, in the first bucket whose bound it does not exceed.

#[cfg(test)]
mod tests;

/// Values counted in `N` buckets: up to 2 to the power of `FIRST`, up to twice as much, and so on;
/// the last one has all that are greater.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram<const FIRST: u32, const N: usize> {
    counts: [u64; N],
    sum: u64,
}

/// Of times in nanoseconds: from about a microsecond to about a second.
pub type Times = Histogram<10, 22>;

/// Of events in a turn: from 1 to 1,024, the most that the loop takes at once.
pub type Events = Histogram<0, 12>;

impl<const FIRST: u32, const N: usize> Default for Histogram<FIRST, N> {
    fn default() -> Self {
        Histogram { counts: [0; N], sum: 0 }
    }
}

impl<const FIRST: u32, const N: usize> Histogram<FIRST, N> {
    /// Counts a value.
    #[inline]
    pub fn note(&mut self, value: u64) {
        // The number of the least power of two that is not less.
        let power = u64::BITS - value.saturating_sub(1).leading_zeros();
        let bucket = (power.saturating_sub(FIRST) as usize).min(N - 1);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(value);
    }

    /// Each bucket's bound, `None` for the last, and the number of values up to it.
    pub fn cumulated(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let mut total = 0;
        self.counts.iter().zip(FIRST..).enumerate().map(move |(index, (count, power))| {
            total += count;
            ((index + 1 < N).then(|| 1 << power), total)
        })
    }

    /// The sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Every number, always in the same order.
    pub(super) fn numbers(&mut self) -> impl Iterator<Item = &mut u64> {
        self.counts.iter_mut().chain([&mut self.sum])
    }

    /// The names of [`Histogram::numbers`] for a histogram called `name`.
    #[cfg(unix)]
    pub(super) fn names(name: &str) -> impl Iterator<Item = String> {
        (0..N).map(move |bucket| format!("{name}_{bucket}")).chain([format!("{name}_sum")])
    }
}
