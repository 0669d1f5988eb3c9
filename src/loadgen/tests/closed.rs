//! The closed loop: a new request for each answer.

use super::peers::{Act, Asked, Peers};
use super::plan;
use super::rig::{RealServer, Rig, wide_net};
use crate::client::tests::loopback::{Loopback, Way};
use crate::handlers::Service;
use crate::loadgen::plan::{
    ConnectionCounts, Greeting, Lifetime, Mix, Plan, Sizes, StopCondition, Workload,
};
use crate::loadgen::{Event, Worker};
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn requests(count: u64) -> StopCondition {
    StopCondition { requests: Some(count), duration: None }
}

fn active(count: usize) -> ConnectionCounts {
    ConnectionCounts { active: count, ..ConnectionCounts::default() }
}

#[test]
fn exactly_as_many_requests_are_sent_as_asked_and_all_are_verified() {
    for (connections, pipeline, count) in [(1, 1, 1), (3, 1, 100), (4, 7, 1001), (10, 50, 3)] {
        let plan =
            Plan { connections: active(connections), pipeline, until: requests(count), ..plan() };
        let mut rig = Rig::with_server(plan, Service::FRAMED).started();
        rig.settle();
        assert_eq!(rig.other.server.stats().frames, count);
        let counters = rig.run_to_end();
        let requests = counters.requests;
        assert_eq!((requests.sent, requests.answered(), requests.verified), (count, count, count));
        assert_eq!(counters.answered_in_time, count);
        assert_eq!(counters.connections.established, connections as u64);
        assert_eq!(counters.connections.opened, connections as u64);
        assert_eq!(counters.mismatched(), 0);
        assert_eq!(counters.partial, None);
        let frame = |size: u64| count * (64 + size);
        assert_eq!((counters.bytes_sent, counters.bytes_received), (frame(69), frame(64)));
    }
}

#[test]
fn every_work_is_done_and_verified_by_the_real_server() {
    let sizes = Sizes { min: 1, max: 3000 };
    let keys = vec!["165.165.80.80".to_owned(), "nobody".to_owned()];
    let works = [
        (Workload::PlainEcho(Sizes { min: 32, max: 3000 }), Service::ECHO),
        (Workload::Framed(Mix { echo: 5, lookup: 3, daytime: 2, sizes, keys }), Service::FRAMED),
        (Workload::Greeting(Greeting::Time), Service::TIME),
        (Workload::Greeting(Greeting::Daytime), Service::from_name("daytime").unwrap()),
        (Workload::Greeting(Greeting::Greeting), Service::GREETING),
    ];
    for (workload, service) in works {
        let lifetime = match workload {
            Workload::Greeting(_) => Lifetime::Requests(1),
            _ => Lifetime::Run,
        };
        let plan =
            Plan { workload, lifetime, connections: active(3), until: requests(200), ..plan() };
        let counters = Rig::with_server(plan, service).started().run_to_end();
        assert_eq!(counters.requests.verified, 200, "{service:?}: {:?}", counters.first_mismatch);
        assert_eq!(counters.mismatched(), 0, "{service:?}");
        assert_eq!(
            (counters.connections.ends.lost(), counters.connections.ends.never_connected),
            (0, 0),
            "{service:?}"
        );
    }
}

#[test]
fn of_text_without_end_no_more_is_counted_than_was_asked() {
    let plan = Plan {
        workload: Workload::Greeting(Greeting::Chargen(100)),
        lifetime: Lifetime::Requests(1),
        until: requests(20),
        ..plan()
    };
    // Room for more than load reads at once.
    let net = Loopback::new(1);
    net.set_window(200_000);
    let server = RealServer::new(&net, Service::CHARGEN);
    let counters = Rig::new(net, plan, server).started().run_to_end();
    assert_eq!((counters.requests.sent, counters.requests.verified), (20, 20));
    assert_eq!(counters.mismatches, Default::default(), "{:?}", counters.first_mismatch);
}

#[test]
fn what_is_thrown_away_is_done_when_it_is_sent() {
    let workload = Workload::Discard(Sizes::fixed(1000));
    let plan = Plan { workload, until: requests(50), pipeline: 4, ..plan() };
    let mut rig = Rig::with_server(plan, Service::DISCARD).started();
    rig.settle();
    let counters = rig.run_to_end();
    assert_eq!((counters.requests.answered(), counters.requests.verified), (50, 0));
    assert_eq!(counters.bytes_sent, 50_000);
}

#[test]
fn no_more_requests_are_in_flight_than_the_pipeline_holds() {
    for pipeline in [1, 2, 5, 32] {
        let net = wide_net();
        let answer_late = |asked: &Asked| {
            Act::SayAt(asked.at + MILLISECOND * (1 + asked.connection as u32), asked.reply())
        };
        let peers = Peers::new(&net, answer_late);
        let plan = Plan { connections: active(3), pipeline, until: requests(300), ..plan() };
        let mut rig = Rig::new(net, plan, peers).started();
        assert_eq!(rig.other.asked.len(), 3 * pipeline);
        let mut most = 0;
        while !rig.load.is_over() {
            let answered = rig.counters().requests.answered() as usize;
            most = most.max(rig.other.asked.len() - answered);
            rig.pass(MILLISECOND);
        }
        assert_eq!(most, 3 * pipeline);
    }
}

#[test]
fn time_ends_a_closed_loop_and_requests_in_flight_are_awaited() {
    let net = wide_net();
    let peers = Peers::new(&net, |asked| Act::SayAt(asked.at + 300 * MILLISECOND, asked.reply()));
    let until = StopCondition { requests: None, duration: Some(SECOND) };
    let rig = Rig::new(net, Plan { until, ..plan() }, peers).started();
    let counters = rig.run_to_end();
    assert_eq!((counters.requests.sent, counters.requests.answered()), (4, 4));
    assert_eq!(counters.answered_in_time, 3);
    assert_eq!(counters.elapsed, SECOND);
    assert_eq!((counters.latency.count(), counters.latency.max() / 1_000_000), (4, 300));
    assert!(counters.latency == counters.service);
}

#[test]
fn the_measured_part_of_a_number_of_requests_ends_with_the_last_answer() {
    let net = wide_net();
    let peers = Peers::new(&net, |asked| Act::SayAt(asked.at + 300 * MILLISECOND, asked.reply()));
    let plan = Plan { until: requests(4), ..plan() };
    let counters = Rig::new(net, plan, peers).started().run_to_end();
    assert_eq!((counters.elapsed, counters.answered_in_time), (1200 * MILLISECOND, 4));
}

#[test]
fn warm_up_does_not_count() {
    let net = wide_net();
    let peers = Peers::new(&net, |asked| Act::SayAt(asked.at + 70 * MILLISECOND, asked.reply()));
    let plan = Plan { until: requests(5), warmup: SECOND, ..plan() };
    let mut rig = Rig::new(net, plan, peers).started();
    rig.pass(SECOND - MILLISECOND);
    assert_eq!(rig.counters().requests.sent, 0);
    assert!(!rig.events.iter().any(|event| matches!(event, Event::Measuring)));
    rig.pass(MILLISECOND);
    assert!(rig.events.iter().any(|event| matches!(event, Event::Measuring)));
    let all: Vec<Duration> = {
        rig.pass(5 * SECOND);
        rig.other.asked.iter().map(|asked| asked.at.since(rig.start)).collect()
    };
    // At 0, 70 ms... 980 ms still in the warm-up; the first that counts goes out at 1050 ms.
    assert_eq!(all.len(), 15 + 5);
    assert_eq!(all[15], 1050 * MILLISECOND);
    let counters = rig.run_to_end();
    assert_eq!((counters.requests.sent, counters.requests.answered()), (5, 5));
    assert_eq!(counters.bytes_sent, 5 * 133);
}

#[test]
fn a_request_that_needed_its_connection_made_counts_from_there() {
    // The connection for the third request is begun in the warm-up, and there after it.
    let net = wide_net();
    let peers = Peers::new(&net, |asked| Act::SayAt(asked.at + 400 * MILLISECOND, asked.reply()));
    let lifetime = Lifetime::Requests(1);
    let plan = Plan { until: requests(2), warmup: SECOND, lifetime, ..plan() };
    let address = plan.destinations[0].clone();
    let mut rig = Rig::new(net, plan, peers).started();
    rig.pass(500 * MILLISECOND);
    rig.net.set_way(address.clone(), Way::Silent);
    rig.pass(700 * MILLISECOND);
    rig.net.set_way(address.clone(), Way::Open);
    let counters = rig.run_to_end();
    assert_eq!(counters.requests.sent, 2);
}

#[test]
fn a_connection_made_for_a_request_that_another_took_is_not_lost() {
    let workload = Workload::Greeting(Greeting::Time);
    let lifetime = Lifetime::Requests(1);
    let plan = Plan { workload, lifetime, connections: active(5), until: requests(1), ..plan() };
    let counters = Rig::with_server(plan, Service::TIME).started().run_to_end();
    assert_eq!((counters.requests.sent, counters.requests.verified), (1, 1));
    assert_eq!((counters.connections.ends.lost(), counters.errors), (0, Default::default()));
}

#[test]
fn a_worker_without_a_connection_to_speak_is_done_at_once() {
    let plan = Plan {
        connections: ConnectionCounts { active: 1, idle: 1, ..ConnectionCounts::default() },
        until: requests(10),
        ..plan()
    };
    let net = wide_net();
    let peers = Peers::new(&net, Asked::answer);
    let rig = Rig::of_worker(net, plan, Worker { index: 1, of: 2 }, peers).started();
    let counters = rig.run_to_end();
    assert_eq!((counters.requests.sent, counters.connections.established), (0, 0));
}
