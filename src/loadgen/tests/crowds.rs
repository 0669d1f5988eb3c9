//! Idle and slow connections, storms, and connections that do not live long.

use super::peers::{Act, Asked, Peers};
use super::plan;
use super::rig::{Rig, wide_net};
use crate::client::tests::loopback::{Loopback, Side};
use crate::handlers::Service;
use crate::loadgen::plan::{
    Close, ConnectionCounts, Lifetime, Pace, Plan, Probing, Sizes, Step, StopCondition,
};
use crate::loadgen::tests::framed_echo;
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const BACKOFF: Duration = Duration::from_millis(100);

fn at_rate(rate: f64, connections: ConnectionCounts, duration: Duration) -> Plan {
    Plan {
        pace: Pace::Rates(vec![Step { rate, duration: Duration::MAX }]),
        connections,
        until: StopCondition { requests: None, duration: Some(duration) },
        ..plan()
    }
}

fn connections(active: usize, idle: usize) -> ConnectionCounts {
    ConnectionCounts { active, idle, ..ConnectionCounts::default() }
}

#[test]
fn idle_connections_are_held_and_say_nothing() {
    let mut rig =
        Rig::with_server(at_rate(10.0, connections(1, 50), SECOND), Service::FRAMED).started();
    assert_eq!(rig.net.held(Side::Client), 51);
    rig.pass(SECOND);
    assert_eq!(rig.other.server.stats().frames, 10);
    let counters = rig.run_to_end();
    assert_eq!((counters.connections.established, counters.connections.peak), (51, 51));
    assert_eq!((counters.requests.verified, counters.connections.ends.lost()), (10, 0));
}

#[test]
fn idle_connections_alone_are_a_run_too() {
    let rig = Rig::with_server(
        Plan { pace: Pace::Closed, ..at_rate(1.0, connections(0, 3), SECOND) },
        Service::FRAMED,
    );
    let counters = rig.started().run_to_end();
    assert_eq!((counters.requests.sent, counters.elapsed, counters.partial), (0, SECOND, None));
}

#[test]
fn an_idle_connection_that_the_server_closes_is_lost_and_returns() {
    let net = wide_net();
    let peers = Peers::new(&net, Asked::answer);
    let mut rig = Rig::new(net, at_rate(10.0, connections(1, 1), SECOND), peers).started();
    let idle = 1 - rig.other.asked[0].connection;
    rig.other.fin(idle);
    rig.pass(BACKOFF + MILLISECOND);
    assert_eq!(rig.counters().connections.open, 2);
    let counters = rig.run_to_end();
    assert_eq!((counters.connections.ends.lost(), counters.connections.opened), (1, 3));
    assert_eq!(counters.errors.by_errno, [("EOF".to_owned(), 1)].into());
}

#[test]
fn bytes_without_a_request_are_unexpected() {
    let net = wide_net();
    let peers = Peers::new(&net, Asked::answer);
    let mut rig = Rig::new(net, at_rate(10.0, connections(1, 1), SECOND), peers).started();
    rig.pass(50 * MILLISECOND);
    let active = rig.other.asked[0].connection;
    rig.other.say(1 - active, b"hello");
    rig.other.say(active, &super::peers::frame(b"hello"));
    let counters = rig.run_to_end();
    assert_eq!((counters.mismatches.unexpected, counters.mismatched()), (2, 2));
    assert_eq!((counters.requests.verified, counters.connections.ends.lost()), (10, 0));
}

#[test]
fn in_a_storm_all_connections_return_and_are_served() {
    let plan =
        Plan { storm_every: Some(SECOND), ..at_rate(50.0, connections(5, 20), 3500 * MILLISECOND) };
    let plan = Plan { probing: Probing::Echo, ..plan };
    let mut rig = Rig::with_server(plan, Service::FRAMED).started();
    rig.pass(SECOND);
    assert_eq!(rig.net.held(Side::Client), 0);
    rig.pass(2 * BACKOFF);
    assert_eq!(rig.net.held(Side::Client), 25);
    let counters = rig.run_to_end();
    assert_eq!(counters.storms.len(), 2);
    for (number, storm) in (1..).zip(&counters.storms) {
        assert_eq!((storm.at, storm.dropped), (SECOND * number, 25));
        assert_eq!((storm.served.count(), storm.failed_attempts), (25, 0));
        // To return takes up to the back-off; an active connection may have to wait for its turn.
        assert!(storm.last_served <= BACKOFF + 100 * MILLISECOND, "{:?}", storm.last_served);
    }
    assert_eq!((counters.connections.opened, counters.connections.ends.lost()), (75, 0));
    // What was due while its connection was away has been sent.
    assert_eq!((counters.scheduled, counters.requests.verified), (175, 175));
}

#[test]
fn requests_in_flight_in_a_storm_are_abandoned() {
    let net = wide_net();
    let peers = Peers::new(&net, |asked| Act::SayAt(asked.at + 95 * MILLISECOND, asked.reply()));
    let plan =
        Plan { storm_every: Some(SECOND), ..at_rate(20.0, connections(4, 4), 1500 * MILLISECOND) };
    let plan = Plan { probing: Probing::Echo, ..plan };
    let counters = Rig::new(net, plan, peers).started().run_to_end();
    let requests = counters.requests;
    assert_eq!((requests.sent, requests.abandoned, requests.unanswered()), (30, 1, 0));
    assert_eq!((counters.storms[0].dropped, counters.storms[0].served.count()), (8, 8));
}

#[test]
fn a_connection_lives_for_so_many_requests() {
    let plan = Plan {
        lifetime: Lifetime::Requests(3),
        pipeline: 2,
        until: StopCondition { requests: Some(30), duration: None },
        ..plan()
    };
    for close in [Close::Fin, Close::Rst] {
        let plan = Plan { close, ..plan.clone() };
        let counters = Rig::with_server(plan, Service::FRAMED).started().run_to_end();
        assert_eq!((counters.requests.verified, counters.connections.opened), (30, 10));
        assert_eq!((counters.connections.ends.lost(), counters.connections.established), (0, 1));
    }
}

#[test]
fn a_connection_for_each_request_is_part_of_its_time() {
    let net = wide_net();
    let peers = Peers::new(&net, Asked::answer);
    let plan = Plan { lifetime: Lifetime::Requests(1), ..at_rate(10.0, connections(2, 1), SECOND) };
    let address = plan.destinations[0].clone();
    let mut rig = Rig::new(net, plan, peers);
    rig.open();
    assert_eq!(rig.net.attempts().len(), 1);
    rig.begin();
    rig.pass(450 * MILLISECOND);
    rig.net.set_way(address.clone(), crate::client::tests::loopback::Way::Silent);
    rig.pass(100 * MILLISECOND);
    rig.net.set_way(address.clone(), crate::client::tests::loopback::Way::Open);
    let counters = rig.run_to_end();
    assert_eq!((counters.requests.verified, counters.connections.opened), (10, 11));
    // The request due at 500 ms had its connection at 550 ms. The client was not late.
    assert_eq!((counters.latency.max() / 1_000_000, counters.service.max() / 1_000_000), (50, 50));
    assert_eq!((counters.connect.max() / 1_000_000, counters.connections.ends.lost()), (50, 0));
}

#[test]
fn a_connection_lives_for_so_long_and_no_request_is_cut_off() {
    let net = wide_net();
    let peers = Peers::new(&net, |asked| Act::SayAt(asked.at + 30 * MILLISECOND, asked.reply()));
    let plan = Plan {
        lifetime: Lifetime::Time(500 * MILLISECOND),
        pipeline: 4,
        ..at_rate(100.0, connections(5, 1), 5 * SECOND)
    };
    let counters = Rig::new(net, plan, peers).started().run_to_end();
    assert_eq!((counters.requests.sent, counters.requests.verified), (500, 500));
    // Ten lives of each in the run, and the first is cut short at random.
    let opened = counters.connections.opened - 1;
    assert!((45..=55).contains(&opened), "{opened}");
    assert_eq!((counters.connections.ends.lost(), counters.connections.established), (0, 6));
}

#[test]
fn a_connection_that_waits_for_its_first_request_is_no_part_of_its_time() {
    let net = wide_net();
    let peers = Peers::new(&net, |asked| Act::SayAt(asked.at + 30 * MILLISECOND, asked.reply()));
    let lifetime = Lifetime::Time(300 * MILLISECOND);
    let plan = Plan { lifetime, ..at_rate(1.0, connections(1, 0), 10 * SECOND) };
    let counters = Rig::new(net, plan, peers).started().run_to_end();
    assert!(counters.connections.opened > 20, "{:?}", counters.connections);
    assert_eq!(counters.service.max() / 1_000_000, 30);
    assert_eq!(counters.latency.max() / 1_000_000, 30);
}

/// Reads all, and sends nothing.
fn hearing(net: &Loopback) -> Peers<impl FnMut(&Asked) -> Act + use<>> {
    Peers::new(net, |_: &Asked| Act::Nothing)
}

#[test]
fn a_slow_writer_writes_so_many_bytes_a_second() {
    for rate in [1, 3, 10, 15, 99, 1000, 12_345] {
        let net = wide_net();
        let peers = hearing(&net);
        let slow = ConnectionCounts { slow_writers: 1, slow_rate: rate, ..connections(0, 0) };
        let plan = Plan {
            workload: framed_echo(Sizes::fixed(1 << 19)),
            pace: Pace::Closed,
            ..at_rate(1.0, slow, 10 * SECOND)
        };
        let mut rig = Rig::new(net, plan, peers).started();
        let start = rig.start;
        for second in 1..=4 {
            rig.run_until(start + (SECOND * second - MILLISECOND));
            let written = rig.load.accounts.side.counters().bytes_sent;
            assert_eq!(written, rate as u64 * u64::from(second), "at {rate}/s in {second} s");
        }
        let counters = rig.run_to_end();
        assert_eq!((counters.slow.established, counters.slow.closed_by_server), (1, 0));
        assert_eq!((counters.requests.sent, counters.bytes_sent), (0, 0));
    }
}

#[test]
fn a_slow_reader_reads_so_many_bytes_a_second() {
    for rate in [1, 3, 10, 15, 99, 1000, 12_345] {
        let net = wide_net();
        let peers = Peers::new(&net, Asked::answer);
        let slow = ConnectionCounts { slow_readers: 1, slow_rate: rate, ..connections(1, 0) };
        let plan =
            Plan { workload: framed_echo(Sizes::fixed(2000)), ..at_rate(10.0, slow, 10 * SECOND) };
        let mut rig = Rig::new(net, plan, peers).started();
        // Until the first replies have come, there is nothing to read.
        rig.pass(SECOND - MILLISECOND);
        let read_at_first = rig.load.accounts.side.counters().bytes_received;
        for second in 1..=4 {
            rig.pass(SECOND);
            let read = rig.load.accounts.side.counters().bytes_received - read_at_first;
            assert_eq!(read, rate as u64 * second, "at {rate}/s in {second} s");
        }
        let counters = rig.run_to_end();
        assert_eq!(counters.slow.answered, counters.slow.answered.max(rate as u64 * 9 / 2064));
        assert_eq!(counters.requests.verified, 100);
    }
}

#[test]
fn a_slow_connection_that_the_server_closes_does_not_return() {
    let net = wide_net();
    let peers = hearing(&net);
    let slow =
        ConnectionCounts { slow_writers: 2, slow_readers: 1, slow_rate: 10, ..connections(0, 0) };
    let plan = Plan { pace: Pace::Closed, ..at_rate(1.0, slow, 2 * SECOND) };
    let mut rig = Rig::new(net, plan, peers).started();
    rig.pass(SECOND);
    rig.other.fin(0);
    rig.other.reset(1);
    let counters = rig.run_to_end();
    assert_eq!((counters.slow.established, counters.slow.closed_by_server), (3, 2));
    assert_eq!((counters.connections.opened, counters.connections.ends.lost()), (3, 0));
}
