//! What it costs to count one reply's time: the load generator does it twice a reply.

mod support;

use criterion::{Throughput, criterion_group, criterion_main};
use readyd::loadgen::report::Histogram;
use std::hint::black_box;
use support::{Criterion, scattered};

/// Times recorded in one go. Enough that reading the clock costs each of them nothing.
const BATCH: usize = 4096;

/// `BATCH` times in nanoseconds, up to `longest` and in no order.
fn times(longest: usize) -> Vec<u64> {
    scattered(longest).map(|nanos| nanos as u64 + 1).take(BATCH).collect()
}

fn record_nanos(c: &mut Criterion) {
    // A loopback's microseconds stay within a few buckets that the cache holds; seconds do not.
    let cases = [("to_100us", 100_000), ("to_10ms", 10_000_000), ("to_4s", 4_000_000_000)];
    let mut group = c.benchmark_group("record_nanos");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, longest) in cases {
        let times = times(longest);
        let mut histogram = Histogram::default();
        let record_all = |histogram: &mut Histogram| {
            for &nanos in black_box(&times) {
                histogram.record_nanos(nanos);
            }
        };
        record_all(&mut histogram);
        assert_eq!(histogram.count(), BATCH as u64);
        assert!(histogram.max() >= *times.iter().max().expect("a batch is not empty"));
        group.bench_function(name, |b| b.iter(|| record_all(&mut histogram)));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = support::criterion();
    targets = record_nanos
}
criterion_main!(benches);
