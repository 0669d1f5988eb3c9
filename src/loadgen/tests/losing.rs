//! Connections that are lost or never made, answers that do not come, and a run that is stopped.

use super::peers::{Act, Asked, Peers};
use super::plan;
use super::rig::{Rig, wide_net};
use crate::client::tests::loopback::Way;
use crate::loadgen::plan::{
    ConnectionCounts, Lifetime, Pace, Plan, ReconnectPolicy, Step, StopCondition,
};
use nix::errno::Errno;
use std::net::SocketAddr;
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const BACKOFF: Duration = Duration::from_millis(100);

fn at_rate(rate: f64, connections: usize, duration: Duration) -> Plan {
    Plan {
        pace: Pace::Rates(vec![Step { rate, duration: Duration::MAX }]),
        connections: ConnectionCounts { active: connections, ..ConnectionCounts::default() },
        until: StopCondition { requests: None, duration: Some(duration) },
        ..plan()
    }
}

fn count_of(counts: &crate::loadgen::report::ByErrno, name: &str) -> u64 {
    counts.get(name).copied().unwrap_or_default()
}

#[test]
fn a_lost_connection_returns_and_what_was_due_meanwhile_is_sent() {
    for act in [Act::Reset, Act::Fin(Vec::new())] {
        let net = wide_net();
        let name = if matches!(act, Act::Reset) { "ECONNRESET" } else { "EOF" };
        let lose_tenth = move |asked: &Asked| match (asked.connection, asked.turn) {
            (0, 9) => act.clone(),
            _ => asked.answer(),
        };
        let peers = Peers::new(&net, lose_tenth);
        let mut rig = Rig::new(net, at_rate(100.0, 1, SECOND), peers).started();
        rig.pass(95 * MILLISECOND);
        assert_eq!(
            (rig.counters().connections.open, rig.counters().connections.ends.lost()),
            (0, 1)
        );
        rig.pass(BACKOFF);
        assert_eq!(rig.counters().connections.open, 1);
        let counters = rig.run_to_end();
        let requests = counters.requests;
        assert_eq!((requests.sent, requests.answered(), requests.unanswered()), (100, 99, 1));
        assert_eq!((counters.connections.opened, counters.connections.established), (2, 1));
        assert_eq!((counters.errors.read, count_of(&counters.errors.by_errno, name)), (1, 1));
        assert_eq!(requests.late_by_client, 0);
        assert!(counters.latency.max() <= BACKOFF.as_nanos() as u64);
    }
}

#[test]
fn attempts_to_return_are_ever_rarer_until_one_succeeds() {
    let net = wide_net();
    let peers = Peers::new(&net, Asked::answer);
    // A connection elsewhere keeps the run from its early end.
    let mut plan = at_rate(100.0, 2, 60 * SECOND);
    plan.destinations.push(SocketAddr::from(([127, 0, 0, 2], 9999)).into());
    let here = plan.destinations[0].clone();
    let mut rig = Rig::new(net, plan, peers).started();
    rig.net.set_way(here.clone(), Way::Refused(Errno::ECONNREFUSED));
    let active = rig.other.asked[0].connection;
    rig.other.fin(active);
    let mut attempts = Vec::new();
    while rig.elapsed() < 20 * SECOND {
        rig.pass(MILLISECOND);
        let made = rig.net.attempts().len() - 2;
        attempts.resize(made, rig.elapsed());
    }
    let gaps = attempts.windows(2).map(|pair| pair[1] - pair[0]);
    for (failures, gap) in (1..).zip(gaps.clone()) {
        let longest = BACKOFF * (1 << failures.min(5));
        assert!(gap <= longest + 2 * MILLISECOND, "after {failures} failures: {gap:?}");
    }
    assert!(gaps.skip(5).any(|gap| gap > BACKOFF * 8), "{attempts:?}");
    assert_eq!(rig.counters().connections.ends.never_connected, attempts.len() as u64);
    rig.net.set_way(here, Way::Open);
    rig.pass(40 * BACKOFF);
    assert_eq!(rig.counters().connections.open, 2);
    rig.other.reset_all();
    rig.pass(BACKOFF + MILLISECOND);
    assert_eq!(rig.counters().connections.open, 2);
    let counters = rig.run_to_end();
    assert_eq!((counters.scheduled, counters.requests.sent), (6000, 6000));
    assert_eq!(counters.partial, None);
}

#[test]
fn without_reconnecting_what_is_due_on_a_lost_connection_is_not_sent() {
    let net = wide_net();
    let peers = Peers::new(&net, Asked::answer);
    let reconnecting = ReconnectPolicy { reconnect: false, give_up_after: None, backoff: BACKOFF };
    let plan = Plan { reconnecting, ..at_rate(100.0, 2, SECOND) };
    let mut rig = Rig::new(net, plan, peers).started();
    rig.pass(495 * MILLISECOND);
    rig.other.reset(0);
    let counters = rig.run_to_end();
    assert_eq!(
        (counters.scheduled, counters.requests.sent, counters.requests.answered()),
        (100, 75, 75)
    );
    assert_eq!((counters.connections.opened, counters.connections.ends.lost()), (2, 1));
    assert_eq!((counters.partial, counters.elapsed), (None, SECOND));
}

#[test]
fn when_the_last_connection_is_lost_for_good_the_run_is_over() {
    for pace in [Pace::Closed, at_rate(100.0, 2, SECOND).pace] {
        let net = wide_net();
        let peers =
            Peers::new(&net, |asked| Act::SayAt(asked.at + 10 * MILLISECOND, asked.reply()));
        let reconnecting =
            ReconnectPolicy { reconnect: false, give_up_after: None, backoff: BACKOFF };
        let plan = Plan { reconnecting, pace, ..at_rate(100.0, 2, SECOND) };
        let mut rig = Rig::new(net, plan, peers).started();
        rig.pass(495 * MILLISECOND);
        rig.other.reset_all();
        rig.settle();
        assert!(rig.load.is_over());
        let counters = rig.run_to_end();
        assert!(counters.partial.unwrap().contains("ECONNRESET"));
        assert_eq!((counters.connections.ends.lost(), counters.elapsed), (2, 495 * MILLISECOND));
    }
}

#[test]
fn connections_that_are_refused_are_counted_by_their_error() {
    for (way, name) in [
        (Way::Refused(Errno::ECONNREFUSED), "ECONNREFUSED"),
        (Way::Barred(Errno::EADDRNOTAVAIL), "EADDRNOTAVAIL"),
    ] {
        let net = wide_net();
        let mut plan = at_rate(100.0, 5, SECOND);
        plan.destinations.push(SocketAddr::from(([127, 0, 0, 2], 9999)).into());
        net.set_way(plan.destinations[1].clone(), way);
        let peers = Peers::new(&net, Asked::answer);
        let counters = Rig::new(net, plan, peers).started().run_to_end();
        let connections = counters.connections;
        assert_eq!(
            (connections.established, connections.opened, connections.ends.never_connected),
            (3, 3, 2)
        );
        assert_eq!(
            (counters.errors.connect, count_of(&counters.errors.connect_by_errno, name)),
            (2, 2)
        );
        assert_eq!(counters.errors.by_errno, counters.errors.connect_by_errno);
        // The others have taken their turns.
        assert_eq!((counters.scheduled, counters.requests.answered()), (100, 100));
    }
}

#[test]
fn a_registration_that_fails_is_a_failed_attempt() {
    let net = wide_net();
    net.fail_register(Errno::ENOSPC);
    let peers = Peers::new(&net, Asked::answer);
    let mut rig = Rig::new(net, at_rate(100.0, 2, SECOND), peers);
    rig.open();
    assert_eq!(
        (rig.counters().connections.established, rig.counters().connections.ends.never_connected),
        (1, 1)
    );
    rig.begin();
    assert_eq!(rig.run_to_end().requests.answered(), 100);
}

#[test]
fn an_attempt_without_an_answer_fails_in_time() {
    let net = wide_net();
    let plan = at_rate(100.0, 3, SECOND);
    net.set_way(plan.destinations[0].clone(), Way::Silent);
    let peers = Peers::new(&net, Asked::answer);
    let mut rig = Rig::new(net, plan, peers);
    rig.pass(5 * SECOND - MILLISECOND);
    assert_eq!(rig.counters().connections.ends.never_connected, 0);
    rig.pass(MILLISECOND);
    assert_eq!(rig.counters().connections.ends.never_connected, 3);
    assert_eq!(count_of(&rig.counters().errors.connect_by_errno, "ETIMEDOUT"), 3);
    assert_eq!(rig.net.held(crate::client::tests::loopback::Side::Client), 0);
    rig.begin();
    let counters = rig.run_to_end();
    assert_eq!((counters.scheduled, counters.requests.sent), (100, 0));
}

#[test]
fn when_the_server_dies_the_run_ends_with_the_reason() {
    for pace in [Pace::Closed, at_rate(100.0, 2, SECOND).pace] {
        let net = wide_net();
        let peers = Peers::new(&net, |asked| Act::SayAt(asked.at + 3 * MILLISECOND, asked.reply()));
        let give_up_after = Some(SECOND);
        let reconnecting = ReconnectPolicy { give_up_after, ..plan().reconnecting };
        let plan = Plan { pace, reconnecting, ..at_rate(100.0, 20, 60 * SECOND) };
        let address = plan.destinations[0].clone();
        let mut rig = Rig::new(net, plan, peers).started();
        rig.pass(501 * MILLISECOND);
        rig.net.set_way(address, Way::Refused(Errno::ECONNREFUSED));
        rig.other.reset_all();
        rig.pass(SECOND - MILLISECOND);
        assert!(!rig.load.is_over());
        rig.pass(BACKOFF + 2 * MILLISECOND);
        assert!(rig.load.is_over());
        let counters = rig.run_to_end();
        assert!(counters.partial.unwrap().contains("ECONNREFUSED"));
        assert!(counters.elapsed >= 1500 * MILLISECOND && counters.elapsed < 1610 * MILLISECOND);
        assert_eq!((counters.connections.ends.lost(), counters.connections.opened), (20, 20));
    }
}

#[test]
fn field_load_07_an_outage_is_in_the_figures_and_the_run_goes_on() {
    for pace in [Pace::Closed, at_rate(100.0, 2, SECOND).pace] {
        let net = wide_net();
        let peers = Peers::new(&net, |asked| Act::SayAt(asked.at + 3 * MILLISECOND, asked.reply()));
        let plan = Plan { pace, ..at_rate(100.0, 4, 10 * SECOND) };
        let address = plan.destinations[0].clone();
        let mut rig = Rig::new(net, plan, peers).started();
        rig.pass(2 * SECOND);
        rig.net.set_way(address.clone(), Way::Refused(Errno::ECONNREFUSED));
        rig.other.reset_all();
        rig.pass(3 * SECOND);
        rig.net.set_way(address, Way::Open);
        let counters = rig.run_to_end();
        assert_eq!((counters.partial, counters.elapsed), (None, 10 * SECOND));
        assert!((3 * SECOND..7 * SECOND).contains(&counters.outage), "{:?}", counters.outage);
        assert!(counters.connections.opened >= 8, "{:?}", counters.connections);
    }
}

#[test]
fn field_load_07_an_outage_that_does_not_end_lasts_until_the_end() {
    let net = wide_net();
    let peers = Peers::new(&net, Asked::answer);
    let plan = at_rate(100.0, 4, 10 * SECOND);
    let address = plan.destinations[0].clone();
    let mut rig = Rig::new(net, plan, peers).started();
    rig.pass(2 * SECOND);
    rig.net.set_way(address, Way::Refused(Errno::ECONNREFUSED));
    rig.other.reset_all();
    let counters = rig.run_to_end();
    assert_eq!((counters.partial, counters.elapsed), (None, 10 * SECOND));
    assert_eq!((counters.outage, counters.scheduled), (8 * SECOND, 1000));
}

#[test]
fn field_load_08_without_ports_nobody_waits_longer_than_for_the_next_one() {
    let net = wide_net();
    let peers = Peers::new(&net, Asked::answer);
    let plan = at_rate(100.0, 2, 3 * SECOND);
    let plan = Plan { lifetime: Lifetime::Requests(1), ..plan };
    let address = plan.destinations[0].clone();
    let mut rig = Rig::new(net, plan, peers).started();
    rig.pass(SECOND);
    rig.net.set_way(address.clone(), Way::Barred(Errno::EADDRNOTAVAIL));
    rig.pass(SECOND);
    rig.net.set_way(address, Way::Open);
    let back = rig.elapsed();
    rig.pass(12 * MILLISECOND);
    assert!(rig.counters().connections.opened > 100, "at {back:?}");
    let counters = rig.run_to_end();
    assert_eq!(counters.requests.verified, 300);
    assert!(count_of(&counters.errors.connect_by_errno, "EADDRNOTAVAIL") > 100);
}

#[test]
fn where_replies_have_tags_one_that_does_not_come_costs_nothing_else() {
    let net = wide_net();
    let drop_third = |asked: &Asked| if asked.turn == 2 { Act::Nothing } else { asked.answer() };
    let peers = Peers::new(&net, drop_third);
    let rig = Rig::new(net, at_rate(1.0, 1, 10 * SECOND), peers).started();
    let counters = rig.run_to_end();
    let requests = counters.requests;
    assert_eq!((requests.sent, requests.verified, requests.unanswered()), (10, 9, 1));
    assert_eq!(
        (counters.errors.timeout, counters.mismatches.lost, counters.mismatched()),
        (1, 1, 0)
    );
    assert_eq!((counters.connections.opened, counters.connections.ends.lost()), (1, 0));
    // Due at 2 s, and timed out at 7 s; until then nothing could be sent.
    assert_eq!(requests.late, 4);
}

#[test]
fn where_replies_have_no_tags_the_connection_is_replaced() {
    let net = wide_net();
    let drop_third = |asked: &Asked| match (asked.connection, asked.turn) {
        (0, 2) => Act::SayAt(asked.at + 6 * SECOND, asked.reply()),
        _ => asked.answer(),
    };
    let peers = Peers::new(&net, drop_third);
    let plan = Plan { verify: false, ..at_rate(1.0, 1, 10 * SECOND) };
    let counters = Rig::new(net, plan, peers).started().run_to_end();
    let requests = counters.requests;
    assert_eq!((requests.sent, requests.answered(), requests.unanswered()), (10, 9, 1));
    assert_eq!((counters.errors.timeout, counters.mismatched()), (1, 0));
    assert_eq!((counters.connections.opened, counters.connections.ends.lost()), (2, 1));
}

#[test]
fn a_reply_that_comes_after_its_timeout_is_neither_lost_nor_doubled() {
    // In a wide pipeline, many time out at once.
    for pipeline in [1, 200, 2000] {
        let net = wide_net();
        let late = move |asked: &Asked| match asked.turn {
            turn if turn < pipeline => Act::SayAt(asked.at + 7 * SECOND, asked.reply()),
            _ => asked.answer(),
        };
        let peers = Peers::new(&net, late);
        let until = StopCondition { requests: Some(2 * pipeline as u64), duration: None };
        let mut rig = Rig::new(net, Plan { pipeline, until, ..plan() }, peers).started();
        rig.pass(6 * SECOND);
        assert_eq!(rig.counters().mismatches.lost, pipeline as u64);
        // The run is kept open until the late ones have come.
        rig.pass(2 * SECOND);
        let counters = rig.finish();
        assert_eq!(counters.mismatched(), 0, "of {pipeline}: {:?}", counters.mismatches);
    }
}

#[test]
fn a_run_that_is_stopped_says_why_and_awaits_its_answers() {
    let net = wide_net();
    let peers = Peers::new(&net, |asked| Act::SayAt(asked.at + 15 * MILLISECOND, asked.reply()));
    let plan = Plan { pipeline: 10, ..at_rate(100.0, 1, 10 * SECOND) };
    let mut rig = Rig::new(net, plan, peers).started();
    rig.pass(295 * MILLISECOND);
    rig.load.stop("interrupted", rig.now);
    rig.settle();
    assert!(!rig.load.is_over());
    let counters = rig.run_to_end();
    assert_eq!(counters.partial.as_deref(), Some("interrupted"));
    assert_eq!(
        (counters.scheduled, counters.requests.sent, counters.requests.verified),
        (30, 30, 30)
    );
    assert_eq!((counters.answered_in_time, counters.elapsed), (29, 295 * MILLISECOND));
}

#[test]
fn a_run_that_is_stopped_twice_awaits_nothing() {
    let net = wide_net();
    let peers = Peers::new(&net, |asked| Act::SayAt(asked.at + SECOND, asked.reply()));
    let mut rig = Rig::new(net, at_rate(100.0, 4, 10 * SECOND), peers).started();
    rig.pass(295 * MILLISECOND);
    rig.load.stop("interrupted", rig.now);
    rig.load.stop("interrupted again", rig.now);
    let counters = rig.run_to_end();
    assert_eq!(counters.partial.as_deref(), Some("interrupted"));
    assert_eq!((counters.requests.sent, counters.requests.unanswered()), (4, 4));
}

#[test]
fn a_run_that_is_stopped_before_it_began_is_over() {
    let net = wide_net();
    let plan = at_rate(100.0, 1, SECOND);
    net.set_way(plan.destinations[0].clone(), Way::Silent);
    let peers = Peers::new(&net, Asked::answer);
    let mut rig = Rig::new(net, plan, peers);
    rig.settle();
    rig.load.stop("interrupted", rig.now);
    let counters = rig.run_to_end();
    assert_eq!((counters.partial.as_deref(), counters.requests.sent), (Some("interrupted"), 0));
}

#[test]
fn errors_are_counted_for_the_server_that_they_are_of() {
    let net = wide_net();
    let mut plan = at_rate(100.0, 4, SECOND);
    plan.destinations.push(SocketAddr::from(([127, 0, 0, 2], 9999)).into());
    plan.timeout = 100 * MILLISECOND;
    net.set_way(plan.destinations[0].clone(), Way::Refused(Errno::ECONNREFUSED));
    // The other one falls silent on one of its connections.
    let peers = Peers::new(&net, |asked| match asked.connection % 2 {
        0 => Act::Nothing,
        _ => asked.answer(),
    });
    let counters = Rig::new(net, plan, peers).started().run_to_end();
    let [refused, silent] = counters.by_server.as_slice() else {
        panic!("{:?}", counters.by_server);
    };
    assert!(refused.errors.connect >= 2, "{refused:?}");
    assert_eq!(refused.errors.by_errno.get("ECONNREFUSED"), Some(&refused.errors.connect));
    assert_eq!((refused.errors.timeout, silent.errors.connect), (0, 0));
    assert!(silent.errors.timeout > 0, "{silent:?}");
    let mut sum = refused.errors.clone();
    sum.add(&silent.errors);
    assert_eq!(sum, counters.errors);
}
