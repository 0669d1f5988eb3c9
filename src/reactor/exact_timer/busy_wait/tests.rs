use super::*;

const fn us(count: u64) -> Duration {
    Duration::from_micros(count)
}

fn at(micros: u64) -> Moment {
    Moment::START + us(micros)
}

const AWAKE: bool = false;

#[test]
fn looks_and_turns_without_an_event_are_busy_waiting_until_the_moment_comes() {
    let mut wait = BusyWait::default();
    let waited = wait.waited();
    wait.turn_ended(at(107), at(100), AWAKE);
    // Three looks in vain, and the turns between them.
    wait.turn_began(at(102), false);
    wait.turn_ended(at(107), at(103), AWAKE);
    wait.turn_began(at(105), false);
    wait.turn_ended(at(107), at(106), AWAKE);
    wait.turn_began(at(108), false);
    assert_eq!(waited.so_far(), us(8));
    // The moment has come: this turn works.
    wait.turn_ended(at(200), at(120), AWAKE);
    assert_eq!(waited.so_far(), us(8));
    wait.turn_began(at(121), false);
    assert_eq!(waited.so_far(), us(9));
}

#[test]
fn a_loop_that_is_behind_does_not_wait() {
    let mut wait = BusyWait::default();
    wait.turn_ended(at(100), at(100), AWAKE);
    wait.turn_began(at(102), false);
    wait.turn_ended(at(90), at(110), AWAKE);
    wait.turn_began(at(112), false);
    assert_eq!(wait.waited().so_far(), us(0));
}

#[test]
fn a_look_that_finds_an_event_is_work_as_in_a_loop_that_sleeps() {
    let mut wait = BusyWait::default();
    wait.turn_ended(at(200), at(100), AWAKE);
    wait.turn_began(at(102), true);
    wait.turn_ended(at(200), at(110), AWAKE);
    assert_eq!(wait.waited().so_far(), us(0));
}

#[test]
fn a_thread_that_sleeps_does_not_busy_wait() {
    let mut wait = BusyWait::default();
    wait.turn_ended(at(200), at(100), true);
    wait.turn_began(at(190), true);
    wait.turn_ended(at(200), at(191), AWAKE);
    wait.turn_began(at(193), false);
    wait.turn_ended(at(300), at(194), true);
    wait.turn_began(at(290), false);
    assert_eq!(wait.waited().so_far(), us(3));
}

/// A turn after which there is work at once ends without a wait.
#[test]
fn a_turn_that_finds_work_without_an_event_is_not_counted() {
    let mut wait = BusyWait::default();
    wait.turn_ended(at(200), at(100), AWAKE);
    wait.turn_began(at(101), false);
    wait.turn_began(at(140), false);
    assert_eq!(wait.waited().so_far(), us(1));
}

#[test]
fn a_look_during_which_another_process_ran_is_not_counted_as_long_as_it_took() {
    let mut wait = BusyWait::default();
    wait.turn_ended(at(20_000), at(100), AWAKE);
    wait.turn_began(at(10_100), false);
    assert_eq!(wait.waited().so_far(), LONGEST_LOOK);
}
