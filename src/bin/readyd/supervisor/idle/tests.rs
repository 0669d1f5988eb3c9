use super::*;

const LIMIT: Duration = Duration::from_secs(1);

fn millis(count: u64) -> Moment {
    Moment::START + Duration::from_millis(count)
}

fn accepted(accepted: u64, closed: u64) -> Stats {
    let mut stats = Stats { accepted, ..Stats::default() };
    stats.closed[0] = closed;
    stats
}

/// A watch over the shards with the scoreboard slots 0 and 2, which has asked its first question at
/// 1.25 s.
fn asking() -> IdleWatch {
    let mut watch = IdleWatch::new(LIMIT, Moment::START);
    for time in (0..1250).step_by(250) {
        assert_eq!(turn(&mut watch, time, &Stats::default()), Step::Wait, "at {time}");
    }
    assert_eq!(turn(&mut watch, 1250, &Stats::default()), Step::Ask { question: 1 });
    watch
}

fn turn(watch: &mut IdleWatch, time: u64, total: &Stats) -> Step {
    watch.turn(millis(time), || total.clone(), [0, 2].into_iter())
}

#[test]
fn it_stops_when_all_have_said_that_they_are_idle() {
    let mut watch = asking();
    assert_eq!(turn(&mut watch, 1250, &Stats::default()), Step::Wait);
    watch.on_answer(1, 0, true);
    watch.on_answer(1, 0, true);
    assert_eq!(turn(&mut watch, 1251, &Stats::default()), Step::Wait);
    watch.on_answer(1, 2, true);
    assert_eq!(turn(&mut watch, 1251, &Stats::default()), Step::Stop);
}

#[test]
fn it_goes_on_when_one_has_clients_and_waits_the_whole_limit_again() {
    let mut watch = asking();
    watch.on_answer(1, 0, true);
    watch.on_answer(1, 2, false);
    assert_eq!(turn(&mut watch, 1252, &accepted(1, 0)), Step::GoOn);
    assert_eq!(turn(&mut watch, 1502, &accepted(1, 1)), Step::Wait);
    for time in (1752..2752).step_by(250) {
        assert_eq!(turn(&mut watch, time, &accepted(1, 1)), Step::Wait, "at {time}");
    }
    assert_eq!(turn(&mut watch, 2752, &accepted(1, 1)), Step::Ask { question: 2 });
    // An answer to the question before is none to this.
    watch.on_answer(1, 0, true);
    watch.on_answer(2, 2, true);
    assert_eq!(turn(&mut watch, 2753, &accepted(1, 1)), Step::Wait);
}

#[test]
fn it_goes_on_when_one_does_not_answer() {
    let mut watch = asking();
    watch.on_answer(1, 0, true);
    assert_eq!(watch.looks_at(), millis(2250));
    assert_eq!(turn(&mut watch, 2249, &Stats::default()), Step::Wait);
    assert_eq!(turn(&mut watch, 2250, &Stats::default()), Step::GoOn);
    watch.on_answer(1, 2, true);
    assert_eq!(turn(&mut watch, 2251, &Stats::default()), Step::Wait);
}

#[test]
fn it_does_not_ask_while_somebody_is_there_or_has_just_been() {
    let mut watch = IdleWatch::new(LIMIT, Moment::START);
    for time in (0..10_000).step_by(250) {
        assert_eq!(turn(&mut watch, time, &accepted(3, 2)), Step::Wait, "at {time}");
    }
    for time in (10_000..20_000).step_by(250) {
        let come_and_gone = accepted(time, time);
        assert_eq!(turn(&mut watch, time, &come_and_gone), Step::Wait, "at {time}");
    }
}
