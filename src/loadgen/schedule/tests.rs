use super::*;
use crate::loadgen::plan::Step;
use crate::loadgen::tests::plan;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const NANOS: u128 = 1_000_000_000;

fn rates(steps: &[(f64, Duration)]) -> Plan {
    let steps = steps.iter().map(|&(rate, duration)| Step { rate, duration }).collect();
    Plan { pace: Pace::Rates(steps), ..plan() }
}

fn alone(plan: &Plan, active_slots: usize) -> Schedule {
    Schedule::new(plan, Worker::ALONE, active_slots).expect("an open loop has a schedule")
}

/// The times, in order, at which any worker sends one of the run's first `count` requests.
fn times_of_all(plan: &Plan, workers: usize, active_slots: usize, count: u64) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..workers)
        .flat_map(|index| {
            let worker = Worker { index, of: workers };
            let schedule = Schedule::new(plan, worker, active_slots).expect("it is an open loop");
            (0..worker.share_of_requests(count)).map(move |local| schedule.intended(local))
        })
        .collect();
    times.sort();
    times
}

/// Whether `time` is `number / rate` seconds, to the nanosecond.
fn is_exactly(time: Duration, number: u128, rate: u128) -> bool {
    (time.as_nanos() * rate).abs_diff(number * NANOS) < rate
}

#[test]
fn a_closed_loop_has_no_schedule() {
    assert!(Schedule::new(&plan(), Worker::ALONE, 1).is_none());
}

#[test]
fn a_rate_begins_with_a_request_at_once() {
    let schedule = alone(&rates(&[(4.0, Duration::MAX)]), 3);
    let times: Vec<u128> = (0..5).map(|local| schedule.intended(local).as_millis()).collect();
    assert_eq!(times, [0, 250, 500, 750, 1000]);
}

#[test]
fn each_step_keeps_its_rate_from_its_start_to_its_end() {
    let schedule = alone(&rates(&[(2.0, 2 * SECOND), (4.0, SECOND), (1.0, SECOND)]), 1);
    let times: Vec<u128> = (0..11).map(|local| schedule.intended(local).as_millis()).collect();
    assert_eq!(times, [0, 500, 1000, 1500, 2000, 2250, 2500, 2750, 3000, 4000, 5000]);
}

#[test]
fn a_step_that_ends_within_a_request_does_not_shift_the_next() {
    // 4.5 requests in the first step: the sixth is due half a request after the second begins.
    let schedule = alone(&rates(&[(3.0, SECOND * 3 / 2), (10.0, SECOND)]), 1);
    assert_eq!(schedule.intended(4).as_micros(), 1_333_333);
    assert_eq!(schedule.intended(5).as_millis(), 1550);
    assert_eq!(schedule.count_before(SECOND * 3 / 2), 5);
    assert_eq!(schedule.count_before(SECOND * 5 / 2), 15);
}

#[test]
fn a_herd_speaks_together() {
    let plan = Plan { pace: Pace::Herd(3 * SECOND), ..plan() };
    for index in 0..2 {
        let schedule = Schedule::new(&plan, Worker { index, of: 2 }, 3).unwrap();
        let times: Vec<u64> = (0..7).map(|local| schedule.intended(local).as_secs()).collect();
        assert_eq!(times, [0, 0, 0, 3, 3, 3, 6]);
        assert_eq!(schedule.count_before(3 * SECOND), 3);
        assert_eq!(schedule.count_before(3 * SECOND + Duration::from_nanos(1)), 6);
        assert_eq!(schedule.count_before(9 * SECOND), 9);
    }
}

#[test]
fn a_schedule_does_not_drift_in_hours() {
    const BILLION: u128 = 1_000_000_000;
    for rate in [9_973u128, 30_000, 99_991, 1_000_000] {
        let schedule = alone(&rates(&[(rate as f64, Duration::MAX)]), 1);
        for number in [BILLION - 1, BILLION, BILLION + 1, rate * 3600 * 24, rate * 3600 * 24 + 1] {
            let time = schedule.intended(number as u64);
            assert!(is_exactly(time, number, rate), "request {number} at {rate}/s: {time:?}");
        }
    }
}

#[test]
fn what_is_due_at_the_end_of_a_second_is_not_due_before_it() {
    for rate in [3, 7, 11, 49, 1000, 99_991] {
        let schedule = alone(&rates(&[(f64::from(rate), Duration::MAX)]), 1);
        for second in 1..200 {
            let count = schedule.count_before(SECOND * second);
            assert_eq!(count, u64::from(rate * second), "{rate}/s for {second} s");
        }
    }
}

#[test]
fn requests_of_a_billion_are_counted() {
    let schedule = alone(&rates(&[(100_000.0, Duration::MAX)]), 10);
    assert_eq!(schedule.count_before(10_000 * SECOND), 1_000_000_000);
    assert_eq!(schedule.count_before(10_000 * SECOND + Duration::from_nanos(1)), 1_000_000_001);
}

proptest! {
    #[test]
    fn all_workers_together_keep_the_rate(
        rate in 1u128..200_000,
        workers in 1usize..9,
        active_slots in 1usize..100,
        count in 1u64..500,
    ) {
        let plan = rates(&[(rate as f64, Duration::MAX)]);
        let times = times_of_all(&plan, workers, active_slots, count);
        prop_assert_eq!(times.len() as u64, count);
        for (number, time) in (0..).zip(times) {
            prop_assert!(is_exactly(time, number, rate), "request {number}: {time:?}");
        }
    }

    #[test]
    fn a_ramp_is_the_same_for_any_number_of_workers(
        steps in prop::collection::vec((0.5f64..500.0, 10u64..3000), 1..5),
        workers in 2usize..9,
    ) {
        let steps: Vec<(f64, Duration)> =
            steps.into_iter().map(|(rate, millis)| (rate, Duration::from_millis(millis))).collect();
        let plan = rates(&steps);
        let times = times_of_all(&plan, 1, 1, 1000);
        prop_assert!(times.is_sorted());
        prop_assert_eq!(&times_of_all(&plan, workers, 5, 1000), &times);
        // Each step holds what its rate makes in its time, to one request.
        let mut start = Duration::ZERO;
        for &(rate, duration) in &steps {
            let end = start + duration;
            let held = times.iter().filter(|&time| (start..end).contains(time)).count() as f64;
            let asked = rate * duration.as_secs_f64();
            prop_assert!((held - asked).abs() <= 1.0 + 1e-6 || times[999] < end);
            start = end;
        }
    }

    #[test]
    fn counting_agrees_with_looking_at_each(
        pace in prop_oneof![
            prop::collection::vec((0.5f64..500.0, 10u64..3000), 1..4).prop_map(|steps| {
                let step = |(rate, millis)| Step { rate, duration: Duration::from_millis(millis) };
                Pace::Rates(steps.into_iter().map(step).collect())
            }),
            (1u64..2000).prop_map(|millis| Pace::Herd(Duration::from_millis(millis))),
        ],
        (index, of) in (1usize..5).prop_flat_map(|of| (0..of, Just(of))),
        active_slots in 1usize..20,
        end in prop_oneof![
            Just(0),
            0..10_000_000_000u64,
            (0u64..10_000).prop_map(|ms| ms * 1_000_000),
        ],
    ) {
        let plan = Plan { pace, ..plan() };
        let schedule = Schedule::new(&plan, Worker { index, of }, active_slots).unwrap();
        let end = Duration::from_nanos(end);
        let counted = (0..).take_while(|&local| schedule.intended(local) < end).count();
        prop_assert_eq!(schedule.count_before(end), counted as u64);
    }
}

proptest! {
    #[test]
    fn those_are_due_whose_time_has_come(
        rate in 0.1f64..2e9,
        then in 0.1f64..2e9,
        known in 0.0f64..=1.0,
        nanos in 0u64..3_000,
        most in prop_oneof![Just(u64::MAX), 0u64..5_000],
        workers in 1usize..4,
    ) {
        let (length, time) = (Duration::from_nanos(1_000), Duration::from_nanos(nanos));
        let plan = rates(&[(rate, length), (then, Duration::MAX)]);
        let worker = Worker { index: workers - 1, of: workers };
        let schedule = Schedule::new(&plan, worker, 1).expect("an open loop has a schedule");
        let due = (0..most).take_while(|&number| schedule.intended(number) <= time).count() as u64;
        let known = (due as f64 * known) as u64;
        prop_assert_eq!(schedule.count_due(known, most, time), due);
    }
}
