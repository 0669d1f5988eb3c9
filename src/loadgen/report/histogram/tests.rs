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
fn packed_it_takes_memory_for_what_was_recorded_and_not_for_what_could_have_been() {
    assert_eq!(Histogram::default().pack().memory(), 0);
    let buckets = spread().buckets().count();
    // A vector that grows doubles at most.
    assert!(spread().pack().memory() <= 2 * 16 * buckets);
}
