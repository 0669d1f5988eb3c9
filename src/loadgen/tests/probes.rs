//! Idle connections that ask whether they are served.

use super::peers::{Act, Asked, Peers};
use super::plan;
use super::rig::{Rig, wide_net};
use crate::client::tests::loopback::{Loopback, Way};
use crate::handlers::Service;
use crate::loadgen::plan::{
    ConnectPolicy, ConnectionCounts, Lifetime, Pace, Plan, Probing, ReconnectPolicy, Sizes, Step,
    StopCondition, Workload,
};
use nix::errno::Errno;
use std::net::SocketAddr;
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Ten requests on one connection, and `idle` others.
fn probing(idle: usize) -> Plan {
    Plan {
        connections: ConnectionCounts { active: 1, idle, ..ConnectionCounts::default() },
        until: StopCondition { requests: Some(10), duration: None },
        probing: Probing::Echo,
        ..plan()
    }
}

/// Probes are shorter than the requests of these runs.
fn is_probe(asked: &Asked) -> bool {
    asked.text.len() == 16
}

#[test]
fn field_load_01_idle_connections_are_served_by_one_echo() {
    let plain = Workload::PlainEcho(Sizes::fixed(64));
    let lifetime = Lifetime::Requests(2);
    for (plan, service) in [
        (probing(7), Service::FRAMED),
        (Plan { workload: plain, ..probing(7) }, Service::ECHO),
        (Plan { lifetime, ..probing(7) }, Service::FRAMED),
    ] {
        let mut rig = Rig::with_server(plan, service);
        rig.open();
        assert_eq!((rig.counters().connections.served, rig.counters().requests.sent), (7, 0));
        rig.begin();
        let counters = rig.run_to_end();
        assert_eq!((counters.connections.served, counters.connections.established), (8, 8));
        assert_eq!((counters.requests.sent, counters.latency.count()), (10, 10));
        assert_eq!(counters.slow.answered, 0);
    }
}

#[test]
fn field_load_01_what_the_server_never_accepts_is_connected_and_not_served() {
    let net = wide_net();
    let mut probes = 0;
    let peers = Peers::new(&net, move |asked| {
        probes += u32::from(is_probe(asked));
        if probes > 3 { Act::Nothing } else { asked.answer() }
    });
    let mut rig = Rig::new(net, probing(9), peers);
    rig.pass(4 * SECOND);
    assert!(rig.load.pacer.is_connecting(), "the probes are awaited");
    rig.pass(SECOND);
    assert!(!rig.load.pacer.is_connecting());
    assert_eq!(rig.load.opened_at(), Some(rig.start), "the probes are no part of connecting");
    rig.begin();
    rig.pass(MILLISECOND);
    let connections = rig.counters().connections;
    assert_eq!((connections.established, connections.open, connections.served), (10, 10, 3));
}

#[test]
fn field_load_01_a_late_reply_to_a_probe_is_no_unexpected_one() {
    let net = wide_net();
    let peers = Peers::new(&net, |asked| match is_probe(asked) {
        true => Act::SayAt(asked.at + 5500 * MILLISECOND, asked.reply()),
        false => asked.answer(),
    });
    let until = StopCondition { requests: None, duration: Some(SECOND) };
    let pace = Pace::Rates(vec![Step { rate: 10.0, duration: Duration::MAX }]);
    let rig = Rig::new(net, Plan { until, pace, ..probing(9) }, peers).started();
    let counters = rig.run_to_end();
    assert_eq!((counters.connections.served, counters.mismatched()), (10, 0));
}

#[test]
fn field_load_01_a_wrong_reply_to_a_probe_is_no_service() {
    let net = wide_net();
    let peers = Peers::new(&net, |asked| match is_probe(asked) {
        true => Act::Say(super::peers::frame(b"Error: full.....")),
        false => asked.answer(),
    });
    let counters = Rig::new(net, probing(9), peers).started().run_to_end();
    assert_eq!((counters.connections.served, counters.mismatched()), (1, 0));
    assert!(counters.probe_mismatch.is_some_and(|first| first.contains("full")));
}

/// Whether the FIN comes together with the reply is chance.
#[test]
fn field_load_01_a_close_behind_the_reply_to_a_probe_counts_as_served() {
    let net = wide_net();
    let peers = Peers::new(&net, |asked| match is_probe(asked) {
        true => Act::Fin(asked.reply()),
        false => asked.answer(),
    });
    let reconnecting = ReconnectPolicy { reconnect: false, ..plan().reconnecting };
    let rig = Rig::new(net, Plan { reconnecting, ..probing(9) }, peers).started();
    let connections = rig.run_to_end().connections;
    assert_eq!((connections.established, connections.served), (10, 10));
    assert_eq!((connections.ends.while_idle, connections.ends.by_us), (9, 1));
}

#[test]
fn field_load_01_a_reply_to_a_probe_that_is_wrong_is_no_service_with_a_close_either() {
    let net = wide_net();
    let peers = Peers::new(&net, |asked| match is_probe(asked) {
        true => Act::Fin(super::peers::frame(b"Error: full.....")),
        false => asked.answer(),
    });
    let reconnecting = ReconnectPolicy { reconnect: false, ..plan().reconnecting };
    let rig = Rig::new(net, Plan { reconnecting, ..probing(9) }, peers).started();
    let counters = rig.run_to_end();
    assert_eq!(counters.connections.served, 1);
    assert!(counters.probe_mismatch.is_some_and(|first| first.contains("full")));
}

#[test]
fn field_load_01_probes_keep_to_the_rate_of_connecting() {
    let net = wide_net();
    let peers = Peers::new(&net, Asked::answer);
    let connecting = ConnectPolicy { rate: Some(10.0), ..plan().connecting };
    let mut rig = Rig::new(net, Plan { connecting, ..probing(9) }, peers);
    for probed in 0..9 {
        assert_eq!(rig.other.asked.len(), probed);
        rig.pass(100 * MILLISECOND);
    }
}

#[test]
fn field_load_01_a_connection_that_was_never_asked_is_told_apart() {
    let net = wide_net();
    let peers = Peers::new(&net, Asked::answer);
    let connections = ConnectionCounts { active: 8, ..ConnectionCounts::default() };
    let until = StopCondition { requests: Some(3), duration: None };
    // Each connection takes as many requests as there are.
    let plan = Plan { connections, until, pipeline: 3, ..plan() };
    let counters = Rig::new(net, plan, peers).started().run_to_end();
    assert_eq!((counters.connections.served, counters.connections.unasked), (1, 7));
}

/// Three of four active connections and two of four idle ones lead to a server that is there.
fn half_absent(probing: Probing) -> (Loopback, Plan) {
    let net = wide_net();
    let connections = ConnectionCounts { active: 3, idle: 4, ..ConnectionCounts::default() };
    let until = StopCondition { requests: Some(1), duration: None };
    let mut plan = Plan { connections, until, probing, ..plan() };
    plan.destinations.push(SocketAddr::from(([127, 0, 0, 2], 9999)).into());
    net.set_way(plan.destinations[1].clone(), Way::Refused(Errno::ECONNREFUSED));
    (net, plan)
}

#[test]
fn a_connection_that_was_never_established_is_accepted_by_no_kernel() {
    // Connections 0 and 2 of the active ones are established, and one of them has the request;
    // of the idle ones, 4 and 6.
    for (probing, served, unprobed) in [(Probing::Off, 1, 2), (Probing::Echo, 3, 0)] {
        let (net, plan) = half_absent(probing);
        let peers = Peers::new(&net, Asked::answer);
        let counters = Rig::new(net, plan, peers).started().run_to_end();
        let connections = counters.connections;
        assert_eq!((connections.established, connections.ends.never_connected), (4, 3));
        assert_eq!((connections.served, connections.unasked), (served, 1));
        assert_eq!(connections.unprobed, unprobed);
    }
}

#[test]
fn a_server_that_is_away_accepted_nothing() {
    let (net, plan) = half_absent(Probing::Off);
    net.set_way(plan.destinations[0].clone(), Way::Refused(Errno::ENOENT));
    let peers = Peers::new(&net, Asked::answer);
    let mut rig = Rig::new(net, plan, peers);
    rig.open();
    let connections = rig.finish().connections;
    assert_eq!((connections.established, connections.ends.never_connected), (0, 7));
    assert_eq!((connections.unasked, connections.unprobed), (0, 0));
}

#[test]
fn a_server_that_ends_while_connections_are_opened_accepted_those_before() {
    let net = wide_net();
    let connecting = ConnectPolicy { rate: Some(10.0), ..plan().connecting };
    let connections = ConnectionCounts { active: 4, idle: 4, ..ConnectionCounts::default() };
    let plan = Plan { connections, connecting, ..plan() };
    let way = plan.destinations[0].clone();
    let peers = Peers::new(&net, Asked::answer);
    let mut rig = Rig::new(net, plan, peers);
    rig.pass(250 * MILLISECOND);
    let before = rig.counters().connections.established;
    assert!((1..4).contains(&before), "{before}");
    rig.net.set_way(way, Way::Refused(Errno::ECONNREFUSED));
    rig.other.reset_all();
    rig.open();
    let connections = rig.finish().connections;
    assert_eq!((connections.established, connections.unasked), (before, before));
    assert_eq!(connections.unprobed, 0);
}
