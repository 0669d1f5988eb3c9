//! Metrics listeners: their places, and what their connections hold up, which is nothing.

use super::bench::{Bench, ECHO, FRAMED, frame};
use super::fake_net::{Client, Fault, ServerEnd};
use crate::handlers::Service;
use crate::io::event_loop::LoopControl;
use crate::server::OPERATOR_PLACES;
use crate::server::access::AccessRules;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use nix::errno::Errno;
use std::time::Duration;

/// The number of the metrics listener, behind those of the bench.
const METRICS: usize = 5;

const READYZ: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn bench(limits: Limits) -> Bench {
    let mut bench = Bench::with_limits(limits);
    bench.server.listen(bench.net.listener(), Service::METRICS).expect("nothing fails");
    bench
}

/// The status of the answer to a probe on a new connection, which stays open.
fn probe(bench: &mut Bench) -> (Client, String) {
    let client = bench.connected(METRICS);
    (client, status(bench, client))
}

fn status(bench: &mut Bench, client: Client) -> String {
    let answer = String::from_utf8(bench.ask(client, READYZ)).expect("text");
    answer.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

fn is_open(bench: &Bench, client: Client) -> bool {
    bench.net.server_end(client) == ServerEnd::Open
}

#[test]
fn operators_are_let_in_when_all_places_of_clients_are_taken() {
    let mut bench = bench(Limits { max_connections: 1, ..Limits::default() });
    let client = bench.connected(ECHO);
    let waiting = bench.connected(FRAMED);
    let (operator, status) = probe(&mut bench);
    assert_eq!(status, "200");
    // And they take no place of a client.
    bench.net.reset(client);
    bench.run();
    assert_eq!(bench.ask(waiting, &frame(b"ECHO x")), frame(b"x"));
    assert!(is_open(&bench, operator));
    assert_eq!(bench.server.stats().metrics_open(), 1);
    assert_eq!(bench.server.stats().open_to_clients(), 1);
}

#[test]
fn the_ninth_operator_waits_for_a_place_and_clients_do_not() {
    let mut bench = bench(Limits::default());
    let operators: Vec<Client> = (0..OPERATOR_PLACES).map(|_| probe(&mut bench).0).collect();
    let waiting = bench.net.connect(METRICS);
    assert_eq!(bench.ask(waiting, READYZ), b"");
    let client = bench.connected(ECHO);
    assert_eq!(bench.ask(client, b"hello"), b"hello");
    bench.net.fin(operators[3]);
    bench.run();
    assert!(bench.net.received(waiting).starts_with(b"HTTP/1.1 200 OK\r\n"));
}

#[test]
fn operators_count_for_no_limit_of_their_address() {
    let one = Limits { max_connections_per_address: Some(1), ..Limits::default() };
    let mut bench = bench(one);
    let client = bench.connected(ECHO);
    for _ in 0..3 {
        let (operator, status) = probe(&mut bench);
        assert_eq!(status, "200");
        bench.net.fin(operator);
        bench.run();
    }
    // The client is still the one that its address may have.
    let second = bench.connected(ECHO);
    assert_ne!(bench.net.server_end(second), ServerEnd::Open);
    assert_eq!(bench.ask(client, b"hello"), b"hello");
}

#[test]
fn the_rules_on_addresses_hold_for_operators() {
    let deny = vec!["192.0.2.0/24".parse().expect("a range")];
    let access = AccessRules { deny, ..AccessRules::default() };
    let mut bench = bench(Limits { access, ..Limits::default() });
    let operator = bench.net.connect_from(METRICS, "192.0.2.1".parse().expect("an address"));
    bench.run();
    assert_eq!(bench.net.server_end(operator), ServerEnd::Aborted);
    assert_eq!(bench.server.stats().refused_denied, 1);
    assert_eq!(bench.server.stats().metrics_open(), 0);
}

#[test]
fn the_listener_is_tried_again_when_the_system_lacked_something() {
    let mut bench = bench(Limits::default());
    bench.net.accept_call(|call| call.fault = Fault::once(Errno::EMFILE));
    let waiting = bench.net.connect(METRICS);
    assert_eq!(bench.ask(waiting, READYZ), b"");
    bench.run_for(secs(1));
    assert!(bench.net.received(waiting).starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert_eq!(bench.server.stats().accept_pauses, 1);
}

#[test]
fn while_clients_are_finished_probes_hear_that_no_more_are_wanted() {
    let mut bench = bench(Limits { drain_timeout: secs(10), ..Limits::default() });
    let (early, status_before) = probe(&mut bench);
    let client = bench.connected(FRAMED);
    bench.ask(client, b"7");
    bench.server.drain(bench.now);
    // The client's request is not whole, so it is given time; the probe's connection stays.
    bench.run();
    assert!(is_open(&bench, early), "{:?}", bench.net.server_end(early));
    let (late, status_after) = probe(&mut bench);
    let of_early = status(&mut bench, early);
    assert_eq!([&*status_before, &*status_after, &*of_early], ["200", "503", "503"]);
    // Operators hold up nothing: the last client's end is the server's.
    bench.net.fin(client);
    assert_eq!(bench.run(), LoopControl::Stop);
    for operator in [early, late] {
        assert_eq!(bench.net.server_end(operator), ServerEnd::Closed);
    }
    bench.assert_clean();
}

#[test]
fn without_clients_a_drain_ends_at_once_whatever_operators_do() {
    let mut bench = bench(Limits::default());
    let (idle, _) = probe(&mut bench);
    let typing = bench.connected(METRICS);
    bench.ask(typing, b"GET /met");
    bench.server.drain(bench.now);
    assert_eq!(bench.run(), LoopControl::Stop);
    assert_eq!(bench.closed(CloseReason::Drained), 2);
    assert!(!is_open(&bench, idle));
    bench.assert_clean();
}

#[test]
fn when_time_is_up_operators_go_with_the_others() {
    let mut bench = bench(Limits { drain_timeout: secs(3), ..Limits::default() });
    probe(&mut bench);
    let client = bench.connected(FRAMED);
    bench.ask(client, b"7");
    bench.server.drain(bench.now);
    assert_eq!(bench.run_for(secs(3)), LoopControl::Stop);
    bench.assert_clean();
}

#[test]
fn with_a_delay_clients_are_served_and_let_in_until_it_is_over() {
    let limits = Limits { drain_delay: secs(5), drain_timeout: secs(10), ..Limits::default() };
    let mut bench = bench(limits);
    let client = bench.connected(ECHO);
    let (operator, before) = probe(&mut bench);
    bench.server.drain(bench.now);
    assert!(bench.server.is_draining());
    bench.run_for(secs(4));
    let after = status(&mut bench, operator);
    assert_eq!([&*before, &*after], ["200", "503"]);
    assert_eq!(bench.ask(client, b"still"), b"still");
    let newcomer = bench.connected(ECHO);
    assert_eq!(bench.ask(newcomer, b"new"), b"new");
    bench.run_for(secs(1));
    for client in [client, newcomer] {
        assert_eq!(bench.net.server_end(client), ServerEnd::HalfClosed);
        bench.net.fin(client);
    }
    assert_eq!(bench.run(), LoopControl::Stop);
    bench.assert_clean();
}

#[test]
fn a_second_order_ends_the_delay_and_the_server() {
    let mut bench = bench(Limits { drain_delay: secs(5), ..Limits::default() });
    bench.connected(ECHO);
    bench.server.drain(bench.now);
    bench.run();
    bench.server.drain(bench.now);
    assert_eq!(bench.run(), LoopControl::Stop);
    bench.assert_clean();
}

#[test]
fn a_successor_ends_the_delay_of_a_shard() {
    let mut bench = bench(Limits { drain_delay: secs(5), ..Limits::default() });
    let client = bench.connected(ECHO);
    bench.server.drain_and_wait(bench.now);
    bench.run();
    assert_eq!(bench.ask(client, b"still"), b"still");
    bench.server.leave_backlog();
    bench.run();
    assert_eq!(bench.net.server_end(client), ServerEnd::HalfClosed);
    bench.net.fin(client);
    assert_eq!(bench.run(), LoopControl::Stop);
}

#[test]
fn without_a_successor_a_shard_drains_behind_its_delay() {
    let mut bench = bench(Limits { drain_delay: secs(5), ..Limits::default() });
    bench.server.drain_and_wait(bench.now);
    bench.server.serve_backlog(bench.now);
    bench.run_for(secs(4));
    let client = bench.connected(ECHO);
    assert_eq!(bench.ask(client, b"hello"), b"hello");
    bench.net.fin(client);
    assert_eq!(bench.run_for(secs(1)), LoopControl::Stop);
}

#[test]
fn operators_keep_no_server_from_leaving_when_it_is_idle() {
    let limits = Limits { exit_on_idle: Some(secs(60)), drain_delay: secs(5), ..Limits::default() };
    let mut bench = bench(limits);
    bench.advance(secs(30));
    let (operator, _) = probe(&mut bench);
    bench.run_for(secs(20));
    assert_eq!(status(&mut bench, operator), "200");
    // Nobody is to be warned, so there is no delay.
    assert_eq!(bench.run_for(secs(10)), LoopControl::Stop);
    bench.assert_clean();
}

#[test]
fn turns_are_measured_if_that_is_asked_for() {
    use crate::io::event_loop::EventHandler;
    for measures_turns in [false, true] {
        let mut bench = bench(Limits { measures_turns, ..Limits::default() });
        let client = bench.connected(ECHO);
        bench.ask(client, b"hello");
        let took = Duration::from_micros(3);
        bench.server.turn_ended(bench.now, bench.now + took, LoopControl::Wait);
        let Histograms { times, events } = Histograms::of(&bench);
        let expected = if measures_turns { 1 } else { 0 };
        assert_eq!([times, events], [expected; 2]);
    }
}

/// How many values the histograms of turns have.
struct Histograms {
    times: u64,
    events: u64,
}

impl Histograms {
    fn of(bench: &Bench) -> Histograms {
        let stats = bench.server.stats();
        Histograms {
            times: stats.turn_times.cumulated().last().map_or(0, |(_, count)| count),
            events: stats.turn_events.cumulated().last().map_or(0, |(_, count)| count),
        }
    }
}
