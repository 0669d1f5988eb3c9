use super::*;
use readyd::loadgen::plan::{
    Close, ConnectPolicy, ConnectionCounts, Lifetime, ReconnectPolicy, Sizes, Step, StopCondition,
    Workload,
};
use std::net::SocketAddr;

pub(in crate::bench::build_report) fn plan(rate: f64) -> Plan {
    Plan {
        destinations: vec![SocketAddr::from(([127, 0, 0, 1], 9999)).into()],
        sources: Vec::new(),
        connections: ConnectionCounts { active: 1, ..ConnectionCounts::default() },
        workload: Workload::PlainEcho(Sizes::fixed(64)),
        greeting: None,
        pace: Pace::Rates(vec![Step { rate, duration: Duration::MAX }]),
        busy_wait: true,
        pipeline: 1,
        until: StopCondition { requests: None, duration: Some(Duration::from_secs(1)) },
        warmup: Duration::ZERO,
        connecting: ConnectPolicy { rate: None, parallel: 1, timeout: Duration::from_secs(1) },
        lifetime: Lifetime::Run,
        close: Close::Fin,
        timeout: Duration::from_secs(1),
        verify: true,
        probing: readyd::loadgen::plan::Probing::Off,
        storm_every: None,
        reconnecting: ReconnectPolicy {
            reconnect: true,
            give_up_after: None,
            backoff: Duration::from_millis(100),
        },
        seed: 1,
    }
}

fn counters(scheduled: u64, sent: u64) -> Counters {
    let mut counters = Counters { scheduled, ..Counters::default() };
    counters.requests.sent = sent;
    counters
}

/// 10 µs a request: 100,000 a second for each worker.
fn beyond_with(rate: f64, scheduled: u64, workers: usize) -> Option<String> {
    beyond(&plan(rate), &counters(scheduled, 50_000), Duration::from_millis(500), workers, true)
}

#[test]
fn field_load_06_a_rate_is_beyond_a_client_whose_processor_time_would_not_do_for_it() {
    let said = beyond_with(1e8, 100_000_000, 1).expect("it is beyond the client");
    assert!(said.contains("10.0 µs") && said.contains("1 worker can"), "{said}");
    assert!(beyond_with(150_000.0, 150_000, 1).is_some());
    assert!(beyond_with(150_000.0, 150_000, 2).is_none());
}

#[test]
fn field_load_06_a_server_that_does_not_keep_up_is_not_the_client_s_fault() {
    assert_eq!(beyond_with(90_000.0, 90_000, 1), None);
    // Nothing was left unsent.
    assert_eq!(beyond_with(1e8, 50_000, 1), None);
    let closed = Plan { pace: Pace::Closed, ..plan(1.0) };
    assert_eq!(beyond(&closed, &counters(0, 50_000), Duration::from_secs(9), 1, false), None);
    assert_eq!(beyond(&plan(1e9), &counters(10, 0), Duration::ZERO, 1, true), None);
}

#[test]
fn field_load_06_a_number_of_requests_that_took_longer_than_asked_is_beyond_the_client_too() {
    let all_sent = counters(50_000, 50_000);
    let with = |rate, meets_rate| {
        beyond(&plan(rate), &all_sent, Duration::from_millis(500), 1, meets_rate)
    };
    let said = with(1e8, false).expect("it is beyond the client");
    assert!(said.contains("at most 100,000 a second, and 100,000,000 were asked for"), "{said}");
    assert_eq!(with(90_000.0, false), None, "the server's fault");
    assert_eq!(with(1e8, true), None);
}
