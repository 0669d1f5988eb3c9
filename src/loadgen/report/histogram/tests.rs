use super::Histogram;

fn spread() -> Histogram {
    let mut histogram = Histogram::default();
    for nanos in (0..1_000).map(|n| 20_000 + n * n) {
        histogram.record_nanos(nanos);
    }
    histogram
}

#[test]
fn what_was_packed_is_unpacked_with_the_same_percentiles() {
    let histogram = spread();
    let unpacked = histogram.pack().unpack();
    assert_eq!(unpacked.buckets().collect::<Vec<_>>(), histogram.buckets().collect::<Vec<_>>());
    assert_eq!(unpacked.count(), 1_000);
    for quantile in [0.0, 0.5, 0.99, 0.999, 1.0] {
        assert_eq!(unpacked.value_at(quantile), histogram.value_at(quantile), "{quantile}");
    }
}

#[test]
fn field_load_15_of_one_sample_shortest_mean_and_longest_are_the_same() {
    for nanos in [1, 999, 1_234_567, 98_765_432_109] {
        for count in [1, 3] {
            let mut histogram = Histogram::default();
            (0..count).for_each(|_| histogram.record_nanos(nanos));
            let times = histogram.percentiles();
            assert_eq!((times.count, times.stdev), (count, 0.0));
            assert!(
                [times.mean, times.p50, times.p99999, times.max].iter().all(|&t| t == times.min)
            );
            assert!((times.min * 1e3 - nanos as f64).abs() <= nanos as f64 / 1e3, "{times:?}");
        }
    }
    assert_eq!(Histogram::default().percentiles(), Default::default());
}

#[test]
fn field_load_15_a_percentile_needs_a_sample_above_it() {
    for (quantile, enough) in [(0.5, 2), (0.75, 4), (0.9, 10), (0.99, 100), (0.999, 1_000)] {
        let of = |count| super::Percentiles { count, ..Default::default() };
        assert!(of(enough).carries(quantile), "{quantile}");
        assert!(!of(enough - 1).carries(quantile), "{quantile}");
    }
    let one = super::Percentiles { count: 1, ..Default::default() };
    assert!(one.carries(1.0) && !one.carries(0.5));
}

#[test]
fn packed_it_takes_memory_for_what_was_recorded_and_not_for_what_could_have_been() {
    assert_eq!(Histogram::default().pack().memory(), 0);
    let buckets = spread().buckets().count();
    // A vector that grows doubles at most.
    assert!(spread().pack().memory() <= 2 * 16 * buckets);
}
