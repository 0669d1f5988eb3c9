//! Clients that are connecting while the server stops, or is about to.

use super::bench::{Bench, ECHO, FRAMED};
use super::fake_net::{Client, Fault, ServerEnd};
use crate::handlers::Service;
use crate::io::event_loop::LoopControl;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use nix::errno::Errno;
use std::time::Duration;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const A_MINUTE: Duration = Duration::from_secs(60);

fn with_limits(change: impl FnOnce(&mut Limits)) -> Bench {
    let mut limits = Limits::default();
    change(&mut limits);
    Bench::with_limits(limits)
}

/// A client in the backlog that has sent `x`.
fn waiting(bench: &Bench) -> Client {
    let client = bench.net.connect(ECHO);
    bench.net.send(client, b"x");
    client
}

fn drain(bench: &mut Bench) -> LoopControl {
    bench.server.drain(bench.now);
    bench.run()
}

/// That the client was answered and told that this is all; it goes then.
fn assert_served(bench: &Bench, client: Client) {
    assert_eq!(bench.net.received(client), b"x");
    assert_eq!(bench.net.server_end(client), ServerEnd::HalfClosed);
    bench.net.fin(client);
}

#[test]
fn a_client_in_the_middle_of_its_handshake_is_let_in_and_served() {
    let mut bench = Bench::new();
    let client = bench.net.begin(ECHO);
    assert!(matches!(drain(&mut bench), LoopControl::WaitUntil(_)));
    bench.run_for(millis(900));
    let late = bench.net.connect(ECHO);
    bench.net.send(client, b"x");
    bench.net.finish_handshake(ECHO, client);
    bench.run_for(millis(100));
    assert_served(&bench, client);
    assert_eq!(bench.run(), LoopControl::Stop);
    assert_eq!(bench.net.server_end(late), ServerEnd::Reset);
    bench.assert_clean();
}

#[test]
fn a_handshake_that_does_not_end_is_waited_for_a_second() {
    let mut bench = Bench::new();
    bench.net.begin(ECHO);
    drain(&mut bench);
    assert!(matches!(bench.run_for(millis(999)), LoopControl::WaitUntil(_)));
    assert_eq!(bench.run_for(millis(1)), LoopControl::Stop);
}

#[test]
fn where_handshakes_cannot_be_seen_they_are_waited_for_a_moment() {
    let mut bench = Bench::new();
    bench.net.hide_handshakes();
    let client = bench.net.begin(ECHO);
    drain(&mut bench);
    bench.run_for(millis(199));
    bench.net.send(client, b"x");
    bench.net.finish_handshake(ECHO, client);
    bench.run_for(millis(1));
    assert_served(&bench, client);
    assert_eq!(bench.run_for(Duration::from_secs(1)), LoopControl::Stop);
}

#[test]
fn who_waits_while_all_places_are_taken_is_let_in_as_they_come_free() {
    let mut bench = with_limits(|limits| limits.max_connections = 2);
    let inside = [bench.connected(ECHO), bench.connected(ECHO)];
    let outside: Vec<Client> = (0..5).map(|_| waiting(&bench)).collect();
    assert!(matches!(drain(&mut bench), LoopControl::WaitUntil(_)));
    for client in inside {
        bench.net.fin(client);
    }
    for pair in outside.chunks(2) {
        bench.run();
        pair.iter().for_each(|&client| assert_served(&bench, client));
    }
    assert_eq!(bench.run(), LoopControl::Stop);
    assert_eq!(bench.closed(CloseReason::Drained), 7);
    bench.assert_clean();
}

#[test]
fn who_waits_for_want_of_descriptors_is_let_in_when_there_are_some() {
    let mut bench = Bench::new();
    bench.net.accept_call(|call| call.fault = Fault::times(Errno::EMFILE, 3));
    let client = waiting(&bench);
    drain(&mut bench);
    assert_eq!(bench.net.server_end(client), ServerEnd::Waiting);
    bench.run_for(Duration::from_secs(3));
    assert_served(&bench, client);
    assert_eq!(bench.run(), LoopControl::Stop);
}

#[test]
fn who_has_no_place_when_time_is_up_is_reset() {
    let mut bench = with_limits(|limits| {
        limits.max_connections = 1;
        limits.linger_timeout = A_MINUTE;
    });
    let inside = bench.connected(ECHO);
    let client = waiting(&bench);
    drain(&mut bench);
    assert_eq!(bench.run_for(Duration::from_secs(10)), LoopControl::Stop);
    assert_eq!(bench.net.server_end(inside), ServerEnd::Closed);
    drop(bench.server);
    assert_eq!(bench.net.server_end(client), ServerEnd::Reset);
}

#[test]
fn a_second_order_waits_for_nobody() {
    let mut bench = Bench::new();
    bench.net.begin(ECHO);
    drain(&mut bench);
    assert_eq!(drain(&mut bench), LoopControl::Stop);
}

#[test]
fn a_handshake_in_flight_keeps_an_idle_server_from_stopping() {
    let mut bench = with_limits(|limits| limits.exit_on_idle = Some(A_MINUTE));
    bench.run();
    let client = bench.net.begin(ECHO);
    assert!(matches!(bench.run_for(A_MINUTE), LoopControl::WaitUntil(_)));
    bench.net.finish_handshake(ECHO, client);
    assert_eq!(bench.ask(client, b"x"), b"x");
    bench.net.fin(client);
    assert_eq!(bench.run(), LoopControl::WaitUntil(bench.now + A_MINUTE), "from when it has left");
    assert_eq!(bench.run_for(A_MINUTE), LoopControl::Stop);
}

#[test]
fn who_is_found_in_the_backlog_keeps_an_idle_server_from_stopping() {
    let mut bench = with_limits(|limits| limits.exit_on_idle = Some(A_MINUTE));
    bench.run();
    bench.advance(A_MINUTE);
    let client = waiting(&bench);
    // Its event is still to come.
    assert!(!bench.server.hold_if_idle(bench.now));
    bench.run();
    assert_eq!(bench.net.received(client), b"x");
    assert_eq!(bench.net.server_end(client), ServerEnd::Open);
    let next = bench.connected(ECHO);
    assert_eq!(bench.ask(next, b"y"), b"y", "newcomers are admitted again");
}

#[test]
fn a_server_that_is_held_ignores_newcomers_until_it_is_decided_what_becomes_of_it() {
    let mut bench = Bench::new();
    bench.run();
    assert!(bench.server.hold_if_idle(bench.now));
    let client = waiting(&bench);
    bench.run();
    assert_eq!((bench.net.received(client), bench.net.ignored(ECHO)), (Vec::new(), 1));
    bench.server.admit_again(bench.now);
    bench.run();
    assert_eq!(bench.net.received(client), b"x");
    assert!(!bench.server.hold_if_idle(bench.now), "one is there");
    bench.net.fin(client);
    bench.run();
    assert!(bench.server.hold_if_idle(bench.now));
    assert_eq!(drain(&mut bench), LoopControl::Stop);
}

#[test]
fn backlogs_are_left_alone_until_it_is_said_whose_they_are() {
    let mut bench = Bench::new();
    let inside = bench.connected(ECHO);
    bench.net.send(inside, b"x");
    bench.server.drain_and_wait(bench.now);
    let client = waiting(&bench);
    bench.run();
    assert_served(&bench, inside);
    assert!(matches!(bench.run(), LoopControl::WaitUntil(_)), "an order is waited for");
    assert_eq!(bench.net.server_end(client), ServerEnd::Waiting);
    bench.server.serve_backlog(bench.now);
    bench.run();
    assert_served(&bench, client);
    assert_eq!(bench.run(), LoopControl::Stop);
}

#[test]
fn backlogs_are_left_to_another_process() {
    let mut bench = Bench::new();
    let inside = bench.connected(ECHO);
    bench.server.drain_and_wait(bench.now);
    let client = waiting(&bench);
    bench.server.leave_backlog();
    bench.run();
    assert_eq!(bench.net.received(client), b"");
    assert_eq!(bench.net.server_end(client), ServerEnd::Reset, "here no other process has it");
    bench.net.fin(inside);
    assert_eq!(bench.run(), LoopControl::Stop);
}

#[test]
fn without_an_order_whose_the_backlogs_are_it_stops_when_time_is_up() {
    let mut bench = Bench::new();
    bench.server.drain_and_wait(bench.now);
    assert_eq!(bench.run(), LoopControl::WaitUntil(bench.now + Duration::from_secs(10)));
    assert_eq!(bench.run_for(Duration::from_secs(10)), LoopControl::Stop);
}

#[test]
fn orders_about_backlogs_mean_nothing_while_the_server_serves() {
    let mut bench = Bench::new();
    bench.server.leave_backlog();
    bench.server.serve_backlog(bench.now);
    let client = bench.connected(FRAMED);
    assert_eq!(bench.net.server_end(client), ServerEnd::Open);
    assert!(!bench.server.is_draining());
}

#[test]
fn a_socket_that_others_have_too_is_not_touched() {
    let mut bench = Bench::new();
    let shared = bench.net.listener();
    bench.server.listen_with_others(shared, Service::ECHO).expect("nothing fails");
    const SHARED: usize = 5;
    // A client that another process accepted leaves an event, and no client to accept.
    bench.net.accept_call(|call| call.fault = Fault::once(Errno::EAGAIN));
    let client = bench.net.connect(SHARED);
    bench.run();
    bench.net.connect(SHARED);
    bench.run();
    assert_eq!(bench.server.stats().open(), 2);
    bench.net.fin(client);
    assert!(!bench.server.hold_if_idle(bench.now));
    bench.server.drain(bench.now);
    bench.net.connect(SHARED);
    assert_eq!(bench.net.ignored(SHARED), 0);
}
