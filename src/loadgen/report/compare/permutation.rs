//! Whether two groups of figures differ by more than chance: a permutation test.
//!
//! If it made no difference which side a run belongs to, any division of all runs into two groups
//! of these sizes would be as likely as the one that was observed. The p-value is the share of the
//! divisions whose means lie at least as far apart as those observed. Nothing is assumed of how the
//! figures are distributed.
//!
//! Invariant: up to [`MOST_DIVISIONS`] divisions, all are looked at and p is exact. Of more,
//! [`SAMPLES`] are drawn, always the same ones, so that a comparison can be repeated.

/// Divisions that are all looked at; ten runs on each side have 184,756.
const MOST_DIVISIONS: u64 = 1_000_000;

/// Divisions that are drawn where there are more.
const SAMPLES: u64 = 100_000;

/// The p-value of the difference between the means of `a` and `b`, in both directions.
pub(super) fn p_value(a: &[f64], b: &[f64]) -> f64 {
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    let (chosen, count) = (a.len(), all.len());
    let total: f64 = all.iter().sum();
    let difference = |sum: f64| {
        let rest = total - sum;
        (sum / chosen as f64 - rest / (count - chosen) as f64).abs()
    };
    // Sums of the same numbers in another order differ in their last bits.
    let scale = all.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    let observed = difference(a.iter().sum()) - scale * 1e-9;
    match divisions(count as u64, chosen as u64) {
        Some(divisions) => {
            let mut extreme = 0u64;
            each_sum(&all, chosen, 0.0, &mut |sum| {
                extreme += u64::from(difference(sum) >= observed);
            });
            extreme as f64 / divisions as f64
        }
        None => {
            let mut shuffled = all;
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            let extreme = (0..SAMPLES)
                .filter(|_| difference(random.sum_of(chosen, &mut shuffled)) >= observed);
            // The observed division counts as one of those drawn, so that p is never 0.
            (extreme.count() + 1) as f64 / (SAMPLES + 1) as f64
        }
    }
}

/// In how many ways `chosen` of `count` can be chosen; `None` if they are too many.
fn divisions(count: u64, chosen: u64) -> Option<u64> {
    let chosen = chosen.min(count - chosen);
    (0..chosen).try_fold(1u64, |ways, step| {
        let ways = ways * (count - step) / (step + 1);
        (ways <= MOST_DIVISIONS).then_some(ways)
    })
}

/// Calls `found` with the sum of each choice of `chosen` of `values`, added to `sum`.
fn each_sum(values: &[f64], chosen: usize, sum: f64, found: &mut impl FnMut(f64)) {
    if chosen == 0 {
        return found(sum);
    }
    for at in 0..=values.len() - chosen {
        each_sum(&values[at + 1..], chosen - 1, sum + values[at], found);
    }
}

/// Random numbers by xorshift64* (Vigna 2016).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    /// The sum of `chosen` of the values, drawn without replacement: the first steps of a
    /// Fisher-Yates shuffle.
    fn sum_of(&mut self, chosen: usize, values: &mut [f64]) -> f64 {
        for at in 0..chosen {
            let other = at + self.below(values.len() - at);
            values.swap(at, other);
        }
        values[..chosen].iter().sum()
    }
}

#[cfg(test)]
mod tests;
