use super::*;

const TIMEOUT: Duration = Duration::from_secs(10);

fn seconds(count: f64) -> Moment {
    Moment::START + Duration::from_secs_f64(count)
}

/// Looks at a process at each of these times, in seconds, which has turned so often by then.
fn findings(looks: &[(f64, u64)]) -> Vec<Finding> {
    let mut watchdog = Watchdog::new(TIMEOUT, Moment::START);
    let mut pulse = Pulse::new(0);
    pulse.see(1);
    let look = |&(time, turns): &(f64, u64)| {
        let look = watchdog.look(seconds(time)).expect("it is time");
        pulse.look(turns, look)
    };
    looks.iter().map(look).collect()
}

#[test]
fn it_looks_four_times_within_the_timeout() {
    let mut watchdog = Watchdog::new(TIMEOUT, Moment::START);
    assert_eq!(watchdog.looks_at(), seconds(2.5));
    assert!(watchdog.look(seconds(2.4)).is_none());
    assert!(watchdog.look(seconds(2.5)).is_some());
    assert_eq!(watchdog.looks_at(), seconds(5.0));
}

#[test]
fn who_turns_when_told_to_is_well() {
    use Finding::{StandsStill, Turns};
    let looks = [(2.5, 1), (5.0, 2), (7.5, 2), (10.0, 3), (12.5, 90), (15.0, 91)];
    let expected = [StandsStill, Turns, StandsStill, Turns, Turns, Turns];
    assert_eq!(findings(&looks), expected);
}

#[test]
fn who_never_turns_is_stuck_after_the_timeout() {
    use Finding::{Silent, StandsStill, Stuck};
    let looks = [(2.5, 1), (5.0, 1), (7.5, 1), (10.0, 1)];
    assert_eq!(findings(&looks), [StandsStill, Silent, Silent, Stuck]);
}

#[test]
fn who_turns_again_is_forgiven() {
    use Finding::{Silent, StandsStill, Stuck, Turns};
    let looks = [(2.5, 1), (5.0, 1), (7.5, 1), (10.0, 2), (12.5, 2), (15.0, 2), (17.5, 2)];
    let expected = [StandsStill, Silent, Silent, Turns, StandsStill, Silent, Silent];
    assert_eq!(findings(&looks), expected);
    let looks = [(2.5, 2), (5.0, 2), (7.5, 2), (10.0, 2), (12.5, 2)];
    assert_eq!(findings(&looks), [Turns, StandsStill, Silent, Silent, Stuck]);
}

#[test]
fn a_pause_of_the_whole_machine_accuses_nobody() {
    use Finding::{Silent, StandsStill, Turns};
    // An hour passes between two looks. The shard had it no better.
    let looks = [(2.5, 1), (3605.0, 1), (3607.5, 2)];
    assert_eq!(findings(&looks), [StandsStill, Silent, Turns]);
}

#[test]
fn who_has_not_turned_yet_has_more_time() {
    let mut watchdog = Watchdog::new(TIMEOUT, Moment::START);
    let mut pulse = Pulse::new(7);
    let mut find = |time, turns| {
        let look = watchdog.look(seconds(time)).expect("it is time");
        let finding = pulse.look(turns, look);
        (finding, pulse.has_turned())
    };
    for look in 1..=11 {
        assert_ne!(find(f64::from(look) * 2.5, 7).0, Finding::Stuck, "look {look}");
    }
    assert_eq!(find(30.0, 7), (Finding::Stuck, false));
    assert_eq!(find(32.5, 8), (Finding::Turns, true));
}
