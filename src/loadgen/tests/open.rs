//! The open loop: requests by the clock.

use super::peers::{Act, Asked, Peers};
use super::plan;
use super::rig::{Rig, wide_net};
use crate::client::tests::loopback::{Loopback, Way};
use crate::io::clock::Moment;
use crate::loadgen::plan::{ConnectPolicy, ConnectionCounts, Pace, Plan, Step, StopCondition};
use crate::loadgen::report::Histogram;
use crate::loadgen::{Event, Worker};
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn at_rate(rate: f64, connections: usize, duration: Duration) -> Plan {
    Plan {
        pace: Pace::Rates(vec![Step { rate, duration: Duration::MAX }]),
        connections: ConnectionCounts { active: connections, ..ConnectionCounts::default() },
        until: StopCondition { requests: None, duration: Some(duration) },
        ..plan()
    }
}

fn histogram(times: impl IntoIterator<Item = Duration>) -> Histogram {
    let mut histogram = Histogram::default();
    times.into_iter().for_each(|time| histogram.record(time));
    histogram
}

fn times<A: FnMut(&Asked) -> Act>(rig: &Rig<Peers<A>>) -> Vec<Duration> {
    rig.other.asked.iter().map(|asked| asked.at.since(rig.start)).collect()
}

fn prompt(net: &Loopback) -> Peers<impl FnMut(&Asked) -> Act + use<>> {
    Peers::new(net, Asked::answer)
}

#[test]
fn at_each_moment_those_requests_have_been_sent_that_are_due() {
    let net = wide_net();
    let peers = prompt(&net);
    let mut rig = Rig::new(net, at_rate(250.0, 7, SECOND), peers).started();
    for moment in 0..1100u64 {
        let due = (moment / 4 + 1).min(250);
        assert_eq!(rig.other.asked.len() as u64, due, "{moment} ms after the start");
        rig.pass(MILLISECOND);
    }
    // In turn, each at its time.
    for (number, asked) in rig.other.asked.iter().enumerate() {
        assert_eq!(asked.at.since(rig.start), 4 * MILLISECOND * number as u32);
        assert_eq!(asked.connection, rig.other.asked[number % 7].connection);
    }
    let counters = rig.run_to_end();
    assert_eq!((counters.scheduled, counters.requests.sent), (250, 250));
    assert_eq!((counters.requests.late, counters.latency.max()), (0, 0));
    assert_eq!(counters.elapsed, SECOND);
}

#[test]
fn two_workers_take_turns() {
    for index in 0..2 {
        let net = wide_net();
        let peers = prompt(&net);
        let worker = Worker { index, of: 2 };
        let mut rig = Rig::of_worker(net, at_rate(100.0, 5, SECOND), worker, peers).started();
        rig.pass(2 * SECOND);
        let expected = (0..50).map(|turn| 10 * MILLISECOND * (2 * turn + index as u32));
        assert_eq!(times(&rig), Vec::from_iter(expected));
        assert_eq!(rig.run_to_end().scheduled, 50);
    }
}

/// Answers at once, but between these two moments of the run not at all.
fn stalling(
    net: &Loopback,
    from: Duration,
    to: Duration,
) -> Peers<impl FnMut(&Asked) -> Act + use<>> {
    // The rig's runs begin there.
    let start = Moment::START + SECOND;
    Peers::new(net, move |asked| match asked.at.since(start) {
        at if (from..to).contains(&at) => Act::SayAt(start + to, asked.reply()),
        _ => asked.answer(),
    })
}

#[test]
fn a_stall_is_seen_by_every_request_that_was_due_in_it() {
    let (from, to) = (400 * MILLISECOND, 600 * MILLISECOND);
    for connections in [1, 3] {
        let net = wide_net();
        let peers = stalling(&net, from, to);
        let rig = Rig::new(net, at_rate(200.0, connections, SECOND), peers).started();
        let counters = rig.run_to_end();
        // One request in flight a connection: the others that are due in the stall go out after it.
        let due = (0..200).map(|number| 5 * MILLISECOND * number);
        let waits =
            |due: Duration| if (from..to).contains(&due) { to - due } else { Duration::ZERO };
        assert!(counters.latency == histogram(due.clone().map(waits)));
        let first_in_stall = 80..80 + connections as u32;
        let in_flight = |number: u32| {
            let due = 5 * MILLISECOND * number;
            if first_in_stall.contains(&number) { to - due } else { Duration::ZERO }
        };
        assert!(counters.service == histogram((0..200).map(in_flight)));
        assert_eq!(
            (counters.scheduled, counters.requests.sent, counters.requests.verified),
            (200, 200, 200)
        );
        // Late for the server's sake, not for the client's.
        assert_eq!(counters.requests.late, 40 - connections as u64);
        assert_eq!((counters.requests.late_by_client, counters.send_lag.max()), (0, 0));
    }
}

#[test]
fn in_a_wide_pipeline_nothing_is_late_and_the_stall_is_the_same() {
    let (from, to) = (400 * MILLISECOND, 600 * MILLISECOND);
    let net = wide_net();
    let peers = stalling(&net, from, to);
    let plan = Plan { pipeline: 100, ..at_rate(200.0, 1, SECOND) };
    let counters = Rig::new(net, plan, peers).started().run_to_end();
    assert_eq!((counters.requests.late, counters.requests.verified), (0, 200));
    assert!(counters.latency == counters.service);
    assert_eq!(counters.latency.max() / 1_000_000, 200);
}

#[test]
fn a_client_that_was_stopped_is_itself_late() {
    let net = wide_net();
    let peers = prompt(&net);
    let mut rig = Rig::new(net, at_rate(100.0, 10, SECOND), peers).started();
    rig.pass(300 * MILLISECOND);
    rig.jump(200 * MILLISECOND);
    let counters = rig.run_to_end();
    // Of 20 requests from 310 to 500 ms, the last was in time.
    assert_eq!((counters.requests.sent, counters.requests.late), (100, 19));
    // Each connection had two of them. The second could not go before the first was answered, but
    // that was late because of the client, too.
    assert_eq!(counters.requests.late_by_client, 19);
    assert_eq!(counters.stalled, 190 * MILLISECOND);
    assert_eq!(counters.send_lag.max() / 1_000_000, 190);
    let expected = (0..100).map(|number| match number {
        31..=50 => 10 * MILLISECOND * (50 - number),
        _ => Duration::ZERO,
    });
    assert!(counters.latency == histogram(expected));
}

#[test]
fn what_finds_no_free_connection_until_the_end_is_not_sent() {
    let net = wide_net();
    let peers = stalling(&net, 500 * MILLISECOND, 2 * SECOND);
    let rig = Rig::new(net, at_rate(100.0, 2, SECOND), peers).started();
    let counters = rig.run_to_end();
    assert_eq!((counters.scheduled, counters.requests.sent), (100, 52));
    assert_eq!((counters.requests.answered(), counters.answered_in_time), (52, 50));
    assert_eq!(counters.elapsed, SECOND);
}

#[test]
fn what_was_due_before_the_end_may_be_sent_for_a_moment_after_it() {
    let net = wide_net();
    let peers = stalling(&net, 500 * MILLISECOND, 1200 * MILLISECOND);
    let counters = Rig::new(net, at_rate(100.0, 2, SECOND), peers).started().run_to_end();
    assert_eq!((counters.scheduled, counters.requests.sent), (100, 100));
    assert_eq!(counters.answered_in_time, 50);
}

#[test]
fn a_storm_after_the_last_request_is_not_waited_for() {
    let net = wide_net();
    let peers = stalling(&net, 500 * MILLISECOND, 2 * SECOND);
    let plan = Plan { storm_every: Some(SECOND), ..at_rate(100.0, 2, SECOND) };
    let counters = Rig::new(net, plan, peers).started().run_to_end();
    assert!(counters.storms.is_empty());
}

#[test]
fn warm_up_is_scheduled_and_does_not_count() {
    let net = wide_net();
    let peers = stalling(&net, Duration::ZERO, 300 * MILLISECOND);
    let plan = Plan { warmup: 500 * MILLISECOND, ..at_rate(100.0, 4, SECOND) };
    let mut rig = Rig::new(net, plan, peers).started();
    rig.pass(2 * SECOND);
    assert_eq!(times(&rig).len(), 150);
    let counters = rig.run_to_end();
    assert_eq!((counters.scheduled, counters.requests.sent), (100, 100));
    assert_eq!(
        (counters.latency.count(), counters.latency.max(), counters.requests.late),
        (100, 0, 0)
    );
}

#[test]
fn as_many_requests_are_scheduled_as_asked_and_the_warm_up_is_extra() {
    let net = wide_net();
    let peers = prompt(&net);
    let until = StopCondition { requests: Some(30), duration: None };
    let plan = Plan { warmup: 500 * MILLISECOND, until, ..at_rate(100.0, 4, SECOND) };
    let mut rig = Rig::new(net, plan, peers).started();
    rig.pass(2 * SECOND);
    assert_eq!(times(&rig).len(), 80);
    assert_eq!(rig.elapsed(), 2 * SECOND);
    let counters = rig.run_to_end();
    assert_eq!(
        (counters.scheduled, counters.requests.sent, counters.requests.answered()),
        (30, 30, 30)
    );
    // The next request would have been due then.
    assert_eq!(counters.elapsed, 300 * MILLISECOND);
}

#[test]
fn each_step_of_a_ramp_has_its_own_account() {
    let net = wide_net();
    let peers = stalling(&net, 1500 * MILLISECOND, 1600 * MILLISECOND);
    let steps = [(10.0, SECOND), (100.0, SECOND), (20.0, SECOND)];
    let steps = steps.map(|(rate, duration)| Step { rate, duration });
    let plan = Plan { pace: Pace::Rates(steps.into()), ..at_rate(1.0, 100, 3 * SECOND) };
    let counters = Rig::new(net, plan, peers).started().run_to_end();
    let sent: Vec<(u64, u64)> =
        counters.steps.iter().map(|step| (step.sent, step.answered)).collect();
    assert_eq!(sent, [(10, 10), (100, 100), (20, 20)]);
    let worst: Vec<u64> =
        counters.steps.iter().map(|step| step.latency.max() / 1_000_000).collect();
    assert_eq!(worst, [0, 100, 0]);
    assert_eq!(counters.requests.sent, 130);
}

#[test]
fn a_herd_speaks_all_at_once_and_then_not_at_all() {
    let net = wide_net();
    let peers = prompt(&net);
    let plan = Plan { pace: Pace::Herd(SECOND), ..at_rate(1.0, 9, 3500 * MILLISECOND) };
    let mut rig = Rig::new(net, plan, peers).started();
    // The first herd speaks at once.
    for (time, sent) in [(0, 9), (999, 9), (1, 18), (999, 18), (1, 27), (1000, 36), (400, 36)] {
        rig.pass(MILLISECOND * time);
        assert_eq!(rig.other.asked.len(), sent);
    }
    let counters = rig.run_to_end();
    assert_eq!((counters.scheduled, counters.requests.verified), (36, 36));
}

#[test]
fn a_second_is_told_of_with_what_happened_in_it() {
    let net = wide_net();
    let peers = stalling(&net, 1200 * MILLISECOND, 1300 * MILLISECOND);
    let plan = Plan { warmup: 1550 * MILLISECOND, ..at_rate(10.0, 5, 2 * SECOND) };
    let mut rig = Rig::new(net, plan, peers).started();
    let start = rig.start;
    rig.run_until(start + 4 * SECOND);
    let told: Vec<(i64, u64, u64)> = rig
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Interval(interval) => {
                let from_start = interval.start as i64 - start.as_nanos() as i64;
                Some((from_start / 1_000_000, interval.sent, interval.latency.max() / 1_000_000))
            }
            _ => None,
        })
        .collect();
    // Seconds are whole where the measured part begins, so the first is only a part of one.
    assert_eq!(told, [(-1000, 0, 0), (0, 6, 0), (550, 10, 100), (1550, 10, 0), (2550, 10, 0)]);
    let counters = rig.run_to_end();
    assert_eq!(counters.requests.sent, 20);
}

#[test]
fn a_worker_without_a_connection_to_speak_does_not_spin() {
    let net = wide_net();
    let peers = prompt(&net);
    let connections = ConnectionCounts { active: 1, idle: 1, ..ConnectionCounts::default() };
    let plan = Plan { connections, ..at_rate(100.0, 0, SECOND) };
    let counters =
        Rig::of_worker(net, plan, Worker { index: 1, of: 2 }, peers).started().run_to_end();
    assert_eq!((counters.scheduled, counters.requests.sent), (50, 0));
}

#[test]
fn a_rate_of_connecting_is_kept_and_not_waited_for_with_impatience() {
    let net = wide_net();
    let peers = prompt(&net);
    let mut plan = at_rate(100.0, 10, SECOND);
    plan.connecting.rate = Some(20.0);
    let mut rig = Rig::new(net, plan, peers);
    for opened in 1..=10 {
        rig.settle();
        assert_eq!(rig.counters().connections.opened, opened);
        rig.pass(49 * MILLISECOND);
        assert_eq!(rig.counters().connections.opened, opened);
        rig.pass(MILLISECOND);
    }
}

#[test]
fn while_no_more_connections_may_be_made_nothing_wakes_the_loop() {
    for parallel in [3, 10] {
        let net = wide_net();
        let peers = prompt(&net);
        let mut plan = at_rate(100.0, 10, SECOND);
        plan.connecting = ConnectPolicy { rate: Some(20.0), parallel, timeout: 2 * SECOND };
        net.set_way(plan.destinations[0].clone(), Way::Silent);
        let mut rig = Rig::new(net, plan, peers);
        rig.pass(SECOND);
        assert_eq!(rig.net.attempts().len(), parallel);
        rig.open();
        assert_eq!(
            (rig.counters().connections.ends.never_connected, rig.counters().connections.opened),
            (10, 0)
        );
    }
}

/// Answers a request after a millisecond.
fn hesitant(net: &Loopback) -> Peers<impl FnMut(&Asked) -> Act + use<>> {
    Peers::new(net, |asked| Act::SayAt(asked.at + MILLISECOND, asked.reply()))
}

#[test]
fn field_load_06_a_rate_that_cannot_be_kept_ends_on_time_with_an_account_of_all_requests() {
    for rate in [1e4, 1e8, 1e9] {
        let net = wide_net();
        let peers = hesitant(&net);
        let mut rig = Rig::new(net, at_rate(rate, 3, SECOND), peers).started();
        rig.pass(1251 * MILLISECOND);
        assert!(rig.load.is_over(), "{rate}: it ends when the grace period has passed");
        let counters = rig.run_to_end();
        assert_eq!((counters.scheduled, counters.elapsed), (rate as u64, SECOND));
        // Three connections, each with a request a millisecond, as in a closed loop.
        assert_eq!(counters.requests.sent, 3 * 1250, "{rate}");
        assert_eq!(counters.requests.verified, 3 * 1250, "{rate}");
        // The last three come when the measured part is over.
        assert_eq!(counters.answered_in_time, 3 * 999, "{rate}");
    }
}

#[test]
fn field_load_09_a_stall_is_in_the_seconds_that_it_was_in() {
    let net = wide_net();
    let peers = prompt(&net);
    let mut rig = Rig::new(net, at_rate(100.0, 10, 4 * SECOND), peers).started();
    let start = rig.start;
    rig.pass(1305 * MILLISECOND);
    rig.jump(1400 * MILLISECOND);
    rig.pass(400 * MILLISECOND);
    let told: Vec<(Duration, u64)> = rig
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Interval(interval) if interval.start >= start.as_nanos() => {
                Some((interval.stalled, interval.answered))
            }
            _ => None,
        })
        .collect();
    // Its loop was to turn again for the request that is due after 1,310 ms. In the rest of second
    // 1 nothing was answered, and all of that in second 2.
    let none = Duration::ZERO;
    let expected = [(none, 100), (690 * MILLISECOND, 31), (705 * MILLISECOND, 169)];
    assert_eq!(told, expected);
}

#[test]
fn field_load_10_what_the_client_delayed_is_known_for_each_request() {
    let net = wide_net();
    let peers = prompt(&net);
    let mut rig = Rig::new(net, at_rate(100.0, 10, SECOND), peers).started();
    rig.pass(300 * MILLISECOND);
    rig.jump(200 * MILLISECOND);
    let counters = rig.run_to_end();
    // The server answers at once, so all latency is the client's.
    assert!(counters.latency == counters.client_delay);
    let net = wide_net();
    let (from, to) = (300 * MILLISECOND, 500 * MILLISECOND);
    let peers = stalling(&net, from, to);
    let counters = Rig::new(net, at_rate(100.0, 10, SECOND), peers).started().run_to_end();
    assert_eq!(counters.client_delay.max(), 0, "the server was the one that stalled");
    assert!(counters.latency.max() > 0);
}
