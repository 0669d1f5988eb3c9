//! A distribution as a few bars, whose width grows with the time.

use super::Histogram;
use super::units::micros;

/// The most bars.
const MOST_BARS: usize = 14;

/// Where bars may begin, within each power of ten: the finest that gives few enough bars is taken.
const STEPS: [&[u64]; 4] = [
    &[100, 120, 150, 180, 220, 270, 330, 390, 470, 560, 680, 820],
    &[100, 150, 200, 300, 500, 700],
    &[100, 200, 500],
    &[100],
];

/// How many times lie in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    pub(crate) count: u64,
}

impl Bar {
    /// The range of the bar, in columns of equal width.
    pub(crate) fn range(&self) -> String {
        let [from, to] = [self.from_ns, self.to_ns].map(|nanos| micros(nanos as f64 / 1e3));
        format!("{from:>7} – {to:>7}")
    }

    /// Its part of `all`.
    pub(crate) fn share(&self, all: u64) -> String {
        match self.count {
            0 => String::new(),
            count => format!("{:.2} %", count as f64 * 100.0 / all.max(1) as f64),
        }
    }
}

/// The bars from the shortest time to the longest, those without any between them included.
pub(crate) fn bars(histogram: &Histogram) -> Vec<Bar> {
    let Some((shortest, _)) = histogram.buckets().next() else { return Vec::new() };
    let longest = histogram.max();
    let mut bars = Vec::new();
    for steps in STEPS {
        bars = empty_bars(steps, shortest, longest);
        if bars.len() <= MOST_BARS {
            break;
        }
    }
    for (value, count) in histogram.buckets() {
        let at = bars.partition_point(|bar| bar.to_ns <= value);
        if let Some(bar) = bars.get_mut(at) {
            bar.count += count;
        }
    }
    bars
}

fn empty_bars(steps: &[u64], shortest: u64, longest: u64) -> Vec<Bar> {
    // A power of ten below the hundreds of the steps, so that they stay whole; under a microsecond
    // the resolution is not worth it.
    let edges: Vec<u64> = std::iter::once(0)
        .chain((0..12).flat_map(|power| steps.iter().map(move |step| step * 10u64.pow(power))))
        .collect();
    edges
        .windows(2)
        .map(|edge| Bar { from_ns: edge[0], to_ns: edge[1], count: 0 })
        .filter(|bar| bar.to_ns > shortest && bar.from_ns <= longest)
        .collect()
}
