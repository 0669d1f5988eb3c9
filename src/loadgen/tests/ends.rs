//! Each request has one end, and so has each connection, in whatever order the news of it comes.

use super::peers::{Act, Asked, Peers};
use super::plan;
use super::rig::{Rig, wide_net};
use crate::client::tests::loopback::Way;
use crate::loadgen::Counters;
use crate::loadgen::ends::Requests;
use crate::loadgen::plan::{
    ConnectionCounts, Lifetime, Pace, Plan, ReconnectPolicy, Step, StopCondition,
};
use crate::loadgen::report::{ConnectionEnds, Mismatches};
use nix::errno::Errno;
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn requests(count: u64) -> Plan {
    Plan { until: StopCondition { requests: Some(count), duration: None }, ..plan() }
}

fn at_rate(rate: f64, duration: Duration) -> Plan {
    Plan {
        pace: Pace::Rates(vec![Step { rate, duration: Duration::MAX }]),
        until: StopCondition { requests: None, duration: Some(duration) },
        ..plan()
    }
}

fn run<A: FnMut(&Asked) -> Act>(plan: Plan, act: A) -> Counters {
    let net = wide_net();
    let peers = Peers::new(&net, act);
    Rig::new(net, plan, peers).started().run_to_end()
}

/// The first bytes of the reply to the ninth request, and all of the others.
fn ninth_is_partial(asked: &Asked) -> Act {
    let mut reply = asked.reply();
    reply.truncate(if asked.turn == 8 { 70 } else { reply.len() });
    Act::Say(reply)
}

#[test]
fn field_load_02_a_partial_answer_that_times_out_has_one_end() {
    for verify in [true, false] {
        let counters = run(Plan { verify, ..requests(9) }, ninth_is_partial);
        let Requests { sent, timed_out, .. } = counters.requests;
        assert_eq!((sent, counters.requests.answered(), timed_out), (9, 8, 1), "{verify}");
        assert_eq!((counters.mismatches, counters.errors.timeout), (Mismatches::default(), 1));
        let lost = u64::from(!verify);
        assert_eq!(counters.connections.ends.given_up, lost, "{:?}", counters.connections);
    }
}

#[test]
fn field_load_02_a_partial_answer_that_the_server_ends_is_lost_with_its_connection() {
    let counters = run(requests(9), |asked| match ninth_is_partial(asked) {
        Act::Say(bytes) if asked.turn == 8 => Act::Fin(bytes),
        act => act,
    });
    let Requests { verified, lost, .. } = counters.requests;
    assert_eq!((verified, lost, counters.mismatches), (8, 1, Mismatches::default()));
    assert_eq!(counters.connections.ends.in_flight, 1);
}

#[test]
fn field_load_02_a_silent_server_loses_no_reply() {
    let counters = run(requests(3), |_| Act::Nothing);
    assert_eq!((counters.requests.timed_out, counters.mismatches.lost), (3, 0));
    assert_eq!(counters.bytes_received, 0);
}

#[test]
fn field_load_02_a_reply_is_lost_only_once_a_later_one_came() {
    let net = wide_net();
    let peers = Peers::new(&net, |asked| match asked.turn {
        0 => Act::Nothing,
        _ => Act::SayAt(asked.at + SECOND, asked.reply()),
    });
    let mut rig = Rig::new(net, requests(2), peers).started();
    rig.pass(5 * SECOND + 900 * MILLISECOND);
    assert_eq!((rig.counters().requests.timed_out, rig.counters().mismatches.lost), (1, 0));
    rig.pass(200 * MILLISECOND);
    assert_eq!(rig.counters().mismatches.lost, 1);
    let counters = rig.run_to_end();
    assert_eq!((counters.requests.timed_out, counters.requests.verified), (1, 1));
}

#[test]
fn field_load_02_a_late_reply_changes_no_end() {
    let counters = run(requests(2), |asked| match asked.turn {
        0 => Act::SayAt(asked.at + 5100 * MILLISECOND, asked.reply()),
        _ => Act::SayAt(asked.at + 200 * MILLISECOND, asked.reply()),
    });
    assert_eq!((counters.requests.timed_out, counters.requests.verified), (1, 1));
    assert_eq!(counters.mismatches, Mismatches::default());
}

/// The ends of connections to a server that closes each behind its third answer, in a run that
/// answers all of 30 requests.
fn closed_behind_third(plan: Plan, closes: fn(&Asked) -> Act) -> Counters {
    let counters = run(plan, move |asked| match asked.turn {
        2 => closes(asked),
        turn if turn > 2 => Act::Nothing,
        _ => asked.answer(),
    });
    assert_eq!((counters.requests.verified, counters.requests.sent), (30, 30));
    assert_eq!((counters.connections.ends.lost(), &counters.errors), (0, &Default::default()));
    counters
}

#[test]
fn field_load_03_a_server_that_closes_behind_its_answers_loses_nothing() {
    let fin: fn(&Asked) -> Act = |asked| Act::Fin(asked.reply());
    for pipeline in [1, 2, 7] {
        // Closed loop: the next requests are on their way when the FIN comes.
        let counters = closed_behind_third(Plan { pipeline, ..requests(30) }, fin);
        let ends = counters.connections.ends;
        assert!(ends.after_last_answer >= 9, "{ends:?}");
        assert!(counters.requests.resent >= 9, "{:?}", counters.requests);
        // No time passed, so none was waited for the next connection.
        assert_eq!(counters.elapsed, Duration::ZERO);
    }
    // Open loop: the FIN comes alone.
    let counters = closed_behind_third(at_rate(30.0, SECOND), fin);
    assert_eq!(counters.connections.ends.after_last_answer, 10);
    assert_eq!((counters.requests.resent, counters.latency.max()), (0, 0));
}

#[test]
fn field_load_03_the_order_of_answer_and_fin_does_not_matter() {
    for lifetime in [Lifetime::Requests(1), Lifetime::Requests(3), Lifetime::Run] {
        for seed in 0..50 {
            // The answer and the FIN arrive in pieces that the seed chooses.
            let net = crate::client::tests::loopback::Loopback::new(seed);
            net.set_window(100);
            let last = if lifetime == Lifetime::Requests(1) { 0 } else { 2 };
            let peers = Peers::new(&net, move |asked| match asked.turn {
                turn if turn == last => Act::Fin(asked.reply()),
                turn if turn > last => Act::Nothing,
                _ => asked.answer(),
            });
            let plan = Plan { lifetime, ..requests(12) };
            let counters = Rig::new(net, plan, peers).started().run_to_end();
            let ends = counters.connections.ends;
            assert_eq!(counters.requests.verified, 12, "{seed} {lifetime:?}");
            assert_eq!((ends.lost(), counters.errors.read), (0, 0), "{seed} {lifetime:?} {ends:?}");
        }
    }
}

#[test]
fn field_load_03_each_end_has_its_name() {
    let net = wide_net();
    let peers = Peers::new(&net, |asked| match (asked.connection, asked.turn) {
        (2, 9) => Act::Nothing,
        _ => asked.answer(),
    });
    let mut rig = Rig::new(net, at_rate(10.0, 3 * SECOND), peers).started();
    let ends = |rig: &Rig<_>| -> ConnectionEnds { Rig::counters(rig).connections.ends };
    rig.pass(350 * MILLISECOND);
    // Requests were answered at 0, 100, 200 and 300 ms.
    rig.other.fin(0);
    rig.pass(10 * MILLISECOND);
    assert_eq!(ends(&rig).after_last_answer, 1);
    rig.pass(200 * MILLISECOND);
    rig.other.reset(1);
    rig.pass(10 * MILLISECOND);
    assert_eq!((ends(&rig).reset, ends(&rig).lost()), (1, 1));
    // The third has nine answers by then, and owes the tenth.
    let address = plan().destinations[0].clone();
    rig.pass(1430 * MILLISECOND);
    rig.net.set_way(address.clone(), Way::Refused(Errno::ECONNREFUSED));
    rig.other.fin(2);
    rig.pass(10 * MILLISECOND);
    assert_eq!((ends(&rig).in_flight, ends(&rig).lost()), (1, 2), "{:?}", ends(&rig));
    rig.pass(200 * MILLISECOND);
    rig.net.set_way(address, Way::Open);
    let counters = rig.run_to_end();
    assert!(counters.connections.ends.never_connected > 0);
    assert_eq!(counters.connections.ends.by_us, 1);
    assert_eq!((counters.requests.lost, counters.requests.verified), (1, 29));
}

#[test]
fn field_load_03_a_server_that_closes_between_requests_has_not_lost_any() {
    let net = wide_net();
    let peers = Peers::new(&net, Asked::answer);
    let mut rig = Rig::new(net, at_rate(2.0, 2 * SECOND), peers).started();
    rig.pass(300 * MILLISECOND);
    rig.other.fin(0);
    let counters = rig.run_to_end();
    let ends = counters.connections.ends;
    assert_eq!((ends.between_requests, ends.by_us, ends.lost()), (1, 1, 0));
    assert_eq!((counters.requests.verified, counters.latency.max()), (4, 0));
}

#[test]
fn field_load_03_a_server_that_closes_instead_of_an_answer_has_lost_it() {
    // Whatever it answered before: a request that is sent again is lost the second time.
    let counters = run(requests(5), |asked| match asked.turn {
        _ if asked.connection == 1 => Act::Fin(Vec::new()),
        1 if asked.connection == 0 => Act::Fin(Vec::new()),
        _ => asked.answer(),
    });
    assert_eq!((counters.requests.lost, counters.requests.verified), (1, 4));
    let ends = counters.connections.ends;
    assert_eq!((ends.after_last_answer, ends.in_flight, ends.by_us), (1, 1, 1));
    assert_eq!(counters.errors.by_errno, [("EOF".to_owned(), 1)].into());
}

#[test]
fn field_load_03_a_server_that_dies_has_lost_what_was_on_its_way() {
    for reconnect in [true, false] {
        let net = wide_net();
        let peers = Peers::new(&net, |asked| Act::SayAt(asked.at + MILLISECOND, asked.reply()));
        let plan = Plan {
            connections: ConnectionCounts { active: 4, ..ConnectionCounts::default() },
            reconnecting: ReconnectPolicy { reconnect, ..plan().reconnecting },
            until: StopCondition { requests: None, duration: Some(SECOND) },
            ..plan()
        };
        let address = plan.destinations[0].clone();
        let mut rig = Rig::new(net, plan, peers).started();
        rig.pass(100 * MILLISECOND);
        rig.net.set_way(address, Way::Refused(Errno::ECONNREFUSED));
        (0..4).for_each(|connection| rig.other.fin(connection));
        let counters = rig.run_to_end();
        assert_eq!((counters.requests.lost, counters.connections.ends.in_flight), (4, 4));
        assert_eq!(counters.connections.ends.lost(), 4);
    }
}
