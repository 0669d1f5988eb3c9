use super::*;

const START: u64 = 50 * SECOND as u64;

/// Seconds of a run without warm-up, in which a worker told of seconds 0 and 1.
fn two_seconds() -> Seconds {
    let mut seconds = Seconds { opening_began: START - 10, ..Seconds::default() };
    seconds.begin(START);
    let mut live = Live::hidden();
    for start in [START, START + SECOND as u64] {
        let interval = Interval { start, connections: 1, answered: 5, ..Interval::default() };
        seconds.add(0, 1, &interval, &mut live);
    }
    seconds
}

fn stalled(placed: &Placed) -> Vec<(i64, u128)> {
    placed.iter().map(|(start, second)| (start / SECOND, second.stalled.as_millis())).collect()
}

fn at(millis: u64) -> u64 {
    START + millis * 1_000_000
}

#[test]
fn field_load_09_a_stop_is_divided_among_the_seconds_that_it_was_in() {
    let (placed, stopped) = two_seconds().placed(&[&[(at(600), at(1_100))]]);
    assert_eq!(stalled(&placed), [(0, 400), (1, 100)]);
    assert_eq!(stopped.as_millis(), 500);
    // The one that was stopped longest counts, second by second.
    let stops: [&[(u64, u64)]; 2] =
        [&[(at(0), at(100)), (at(200), at(300))], &[(at(900), at(1_050))]];
    let (placed, stopped) = two_seconds().placed(&stops);
    assert_eq!(stalled(&placed), [(0, 200), (1, 50)]);
    assert_eq!(stopped.as_millis(), 200);
}

#[test]
fn field_load_09_seconds_of_which_nothing_was_told_are_in_the_series() {
    let (placed, stopped) = two_seconds().placed(&[&[(at(1_500), at(3_250))]]);
    assert_eq!(stalled(&placed), [(0, 0), (1, 500), (2, 1000), (3, 250)]);
    assert_eq!(stopped.as_millis(), 1_750);
    assert_eq!(placed[&(2 * SECOND)].answered, 0);
    assert_eq!(placed[&(2 * SECOND)].connections, 1, "it is open as before");
}

#[test]
fn a_stop_before_the_measured_part_is_no_part_of_its_sum() {
    let (_, stopped) = two_seconds().placed(&[&[(at(0) - 500_000_000, at(100))]]);
    assert_eq!(stopped.as_millis(), 100);
}
