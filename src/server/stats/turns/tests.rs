use super::*;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn micros(count: u64) -> Duration {
    Duration::from_micros(count)
}

#[test]
fn field_server_20_the_longest_turn_is_known_for_ten_to_twenty_seconds() {
    let mut turns = LongestTurn::default();
    assert_eq!(turns.micros(seconds(5)), 0);
    turns.note(micros(70), seconds(12));
    turns.note(micros(900), seconds(13));
    turns.note(micros(80), seconds(19));
    for time in 19..30 {
        assert_eq!(turns.micros(seconds(time)), 900, "at {time} s");
    }
    assert_eq!(turns.micros(seconds(30)), 0, "nothing has happened for more than 10 s");
    turns.note(micros(50), seconds(29));
    assert_eq!(turns.micros(seconds(29)), 900);
    assert_eq!(turns.micros(seconds(30)), 50);
    turns.note(micros(1), seconds(1000));
    assert_eq!(turns.micros(seconds(1000)), 1);
}

#[test]
fn field_server_20_of_two_processes_the_longest_turn_counts_while_it_is_recent() {
    let mut busy = LongestTurn::default();
    busy.note(micros(30), seconds(25));
    let mut resting = LongestTurn::default();
    resting.note(micros(500), seconds(14));
    for sum in [busy.merge(resting), resting.merge(busy)] {
        assert_eq!(sum.micros(seconds(25)), 500);
        assert_eq!(sum.micros(seconds(30)), 30);
    }
    // It has rested for longer than a window.
    let mut later = LongestTurn::default();
    later.note(micros(30), seconds(31));
    for sum in [later.merge(resting), resting.merge(later)] {
        assert_eq!(sum.micros(seconds(31)), 30);
    }
}

#[test]
fn no_duration_is_too_long() {
    let mut turns = LongestTurn::default();
    turns.note(Duration::MAX, Duration::MAX);
    assert_eq!(turns.micros(Duration::MAX), u64::MAX);
}

#[test]
fn a_slow_turn_counts_under_each_time_that_it_exceeds() {
    let mut slow = SlowTurns::default();
    for micros in [999, 1_000, 1_001, 10_000, 10_001, 100_000, 100_001, 5_000_000] {
        slow.note(Duration::from_micros(micros));
    }
    assert_eq!(slow, SlowTurns { over_1ms: 6, over_10ms: 4, over_100ms: 2 });
}
