use super::*;

/// From 2 on: 2, 4, 8, and all that is greater.
type Small = Histogram<1, 4>;

fn cumulated(values: &[u64]) -> Vec<(Option<u64>, u64)> {
    let mut histogram = Small::default();
    values.iter().for_each(|&value| histogram.note(value));
    histogram.cumulated().collect()
}

#[test]
fn each_value_is_up_to_the_first_bound_that_it_does_not_exceed() {
    let bounds = [Some(2), Some(4), Some(8), None];
    for (value, first) in [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (8, 2), (9, 3)] {
        let counts = (0..4).map(|bucket| u64::from(bucket >= first));
        let expected: Vec<_> = bounds.into_iter().zip(counts).collect();
        assert_eq!(cumulated(&[value]), expected, "{value}");
    }
    assert_eq!(cumulated(&[u64::MAX]).last(), Some(&(None, 1)));
}

#[test]
fn counts_add_up() {
    let counts: Vec<u64> = cumulated(&[1, 3, 3, 100]).into_iter().map(|(_, count)| count).collect();
    assert_eq!(counts, [1, 3, 3, 4]);
    let mut histogram = Small::default();
    [1, 3, u64::MAX].iter().for_each(|&value| histogram.note(value));
    assert_eq!(histogram.sum(), u64::MAX);
    let names: Vec<String> = Small::names("it").collect();
    assert_eq!(names, ["it_0", "it_1", "it_2", "it_3", "it_sum"]);
    assert_eq!(histogram.numbers().count(), names.len());
}

#[test]
fn the_bounds_suit_what_is_measured() {
    fn ends<const FIRST: u32, const N: usize>() -> (Option<u64>, Option<u64>) {
        let histogram = Histogram::<FIRST, N>::default();
        let bounds: Vec<u64> = histogram.cumulated().filter_map(|(bound, _)| bound).collect();
        (bounds.first().copied(), bounds.last().copied())
    }
    assert_eq!(ends::<10, 22>(), (Some(1 << 10), Some(1 << 30)));
    assert_eq!(ends::<0, 12>(), (Some(1), Some(1024)));
}
