use super::*;
use crate::server::close::CloseReason;

#[test]
fn the_kinds_are_numbered_in_the_order_of_all() {
    assert!(Activity::ALL.iter().enumerate().all(|(number, it)| *it as usize == number));
    assert!(Depth::ALL.iter().enumerate().all(|(number, it)| *it as usize == number));
}

#[test]
fn a_depth_ends_where_its_name_says() {
    let edges = [
        (0, Depth::Empty),
        (1, Depth::Small),
        (4095, Depth::Small),
        (4096, Depth::Medium),
        (65_535, Depth::Medium),
        (65_536, Depth::Large),
        ((1 << 20) - 1, Depth::Large),
        (1 << 20, Depth::Huge),
        (usize::MAX, Depth::Huge),
    ];
    for (bytes, depth) in edges {
        assert_eq!(Depth::of(bytes), depth, "{bytes}");
    }
}

/// The gauges that are not 0.
fn gauges(stats: &Stats) -> Vec<(&'static str, u64)> {
    stats.standing_gauges().filter(|(_, count)| *count > 0).collect()
}

#[test]
fn each_connection_is_counted_once_by_activity_and_once_by_depth() {
    let mut stats = Stats { accepted: 5, ..Stats::default() };
    assert_eq!(gauges(&stats), [("connections_idle", 5), ("output_queue_empty", 5)]);
    let stalled = Standing { activity: Activity::Stalled, depth: Depth::Large };
    let sending = Standing { activity: Activity::Sending, depth: Depth::Small };
    stats.standings.change(Standing::default(), stalled);
    stats.standings.change(Standing::default(), stalled);
    stats.standings.change(stalled, sending);
    let expected = [
        ("connections_idle", 3),
        ("connections_sending", 1),
        ("connections_stalled", 1),
        ("output_queue_empty", 3),
        ("output_queue_small", 1),
        ("output_queue_large", 1),
    ];
    assert_eq!(gauges(&stats), expected);
    stats.standings.change(sending, Standing::default());
    stats.count_close(CloseReason::Reset);
    let expected = [
        ("connections_idle", 3),
        ("connections_stalled", 1),
        ("output_queue_empty", 3),
        ("output_queue_large", 1),
    ];
    assert_eq!(gauges(&stats), expected);
    stats.end_all();
    assert_eq!(gauges(&stats), []);
}
