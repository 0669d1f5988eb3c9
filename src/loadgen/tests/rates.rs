//! Rates have one basis: answers within the measured part, by its length.

use super::peers::{Act, Asked, Peers};
use super::plan;
use super::rig::{Rig, wide_net};
use crate::loadgen::plan::{ConnectionCounts, Pace, Plan, Step, StopCondition};
use crate::loadgen::{Counters, Event};
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn with_pace(pace: Pace, connections: usize, duration: Option<Duration>) -> Plan {
    Plan {
        pace,
        connections: ConnectionCounts { active: connections, ..ConnectionCounts::default() },
        until: StopCondition { requests: None, duration },
        ..plan()
    }
}

fn rate(rate: f64) -> Pace {
    Pace::Rates(vec![Step { rate, duration: Duration::MAX }])
}

fn answered_after(plan: Plan, delay: Duration) -> Counters {
    let net = wide_net();
    let peers = Peers::new(&net, move |asked| Act::SayAt(asked.at + delay, asked.reply()));
    Rig::new(net, plan, peers).started().run_to_end()
}

#[test]
fn field_load_04_answers_after_the_end_are_told_apart() {
    // Due every 20 ms. Those of the first half are answered within the second, 13 within the
    // 250 ms after it, and the rest later.
    let counters = answered_after(with_pace(rate(50.0), 50, Some(SECOND)), 500 * MILLISECOND);
    assert_eq!(counters.requests.answered(), 50);
    assert_eq!((counters.answered_in_time, counters.answered_in_grace), (25, 13));
    assert_eq!(counters.elapsed, SECOND);
}

/// A server that takes half a second for each answer gives as many per second as it is asked, once
/// the first half second is over.
#[test]
fn field_load_04_the_first_answers_of_the_window_are_to_requests_of_the_warm_up() {
    let plan = Plan { warmup: SECOND, ..with_pace(rate(50.0), 50, Some(SECOND)) };
    let counters = answered_after(plan, 500 * MILLISECOND);
    assert_eq!(counters.requests.answered(), 50);
    assert_eq!((counters.answered_in_time, counters.answered_for_warmup), (50, 25));
    assert_eq!(counters.answered_in_grace, 13);
}

#[test]
fn field_load_04_the_window_of_a_schedule_lasts_until_its_next_request() {
    for (per_second, requests, window) in [(10.0, 1, 100), (10.0, 3, 300), (1000.0, 2, 5)] {
        let until = StopCondition { requests: Some(requests), duration: None };
        let plan = Plan { until, ..with_pace(rate(per_second), 2, None) };
        let counters = answered_after(plan, 4 * MILLISECOND);
        assert_eq!(counters.elapsed, window * MILLISECOND, "{requests} at {per_second}/s");
        assert_eq!(counters.answered_in_time, requests);
    }
}

#[test]
fn field_load_04_a_herd_of_half_a_second_speaks_four_times_in_two() {
    let herd = Pace::Herd(500 * MILLISECOND);
    let counters = answered_after(with_pace(herd, 3, Some(2 * SECOND)), MILLISECOND);
    assert_eq!((counters.scheduled, counters.answered_in_time), (12, 12));
}

#[test]
fn field_load_04_answers_of_steps_add_up_to_those_of_the_run() {
    let step = |rate| Step { rate, duration: SECOND };
    let pace = Pace::Rates(vec![step(10.0), step(20.0), step(40.0)]);
    let counters = answered_after(with_pace(pace, 100, Some(3 * SECOND)), 500 * MILLISECOND);
    let in_time: Vec<u64> = counters.steps.iter().map(|step| step.answered_in_time).collect();
    assert_eq!(in_time, [5, 5 + 10, 10 + 20]);
    assert_eq!(counters.answered_in_time, in_time.iter().sum::<u64>());
    assert_eq!(counters.requests.answered(), 70);
}

#[test]
fn field_load_04_the_last_part_of_a_second_ends_with_the_measured_part() {
    let net = wide_net();
    let peers = Peers::new(&net, |asked| Act::SayAt(asked.at + 300 * MILLISECOND, asked.reply()));
    let plan = with_pace(rate(10.0), 10, Some(1500 * MILLISECOND));
    let mut rig = Rig::new(net, plan, peers).started();
    let start = rig.start;
    rig.run_until(start + 3 * SECOND);
    let told: Vec<(i64, u128, u64)> = rig
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Interval(interval) => Some(interval),
            _ => None,
        })
        .filter(|interval| interval.start >= start.as_nanos())
        .map(|interval| {
            let from_start = interval.start as i64 - start.as_nanos() as i64;
            (from_start / 1_000_000, interval.length.as_millis(), interval.answered)
        })
        .take(2)
        .collect();
    assert_eq!(told, [(0, 1000, 7), (1000, 500, 5)]);
    assert_eq!(rig.run_to_end().requests.answered(), 15);
}

#[test]
fn field_load_04_a_storm_shows_in_the_fewest_and_the_most() {
    let net = wide_net();
    let peers = Peers::new(&net, Asked::answer);
    let plan = Plan {
        storm_every: Some(1500 * MILLISECOND),
        ..with_pace(rate(10.0), 5, Some(3 * SECOND))
    };
    let mut rig = Rig::new(net, plan, peers).started();
    let start = rig.start;
    rig.run_until(start + 2900 * MILLISECOND);
    let told: Vec<(u64, u64, u64)> = rig
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Interval(interval) if interval.start >= start.as_nanos() => {
                Some((interval.least, interval.most, interval.connections))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, [(5, 5, 5), (0, 5, 5)]);
    rig.finish();
}
