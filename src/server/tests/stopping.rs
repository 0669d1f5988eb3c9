//! The end of the server: in order, at the deadline, at once, or because no client comes.

use super::bench::{Bench, CHARGEN, ECHO, FRAMED, LOOKUP, frame};
use super::fake_net::{Client, Fault, ServerEnd};
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use nix::errno::Errno;
use std::time::Duration;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn drain(bench: &mut Bench) -> LoopControl {
    bench.server.drain(bench.now);
    bench.run()
}

/// A client with two replies under way: one above the mark, so that the next is not made yet.
fn stalled_client(bench: &mut Bench) -> Client {
    let client = bench.connected(FRAMED);
    bench.net.socket(client, |socket| socket.window = 0);
    bench.ask(client, &frame(b"ECHO x").repeat(2));
    client
}

#[test]
fn draining_answers_what_has_arrived_then_says_goodbye_then_stops() {
    let mut bench = Bench::new();
    let idle = bench.connected(ECHO);
    let asking = bench.connected(FRAMED);
    let typing = bench.connected(LOOKUP);
    bench.ask(typing, b"165.165");
    // These have arrived, but epoll_wait had returned by then: the loop has not been told.
    bench.net.send(asking, &[&frame(b"ECHO hello").repeat(3)[..], b"7  "].concat());
    bench.net.send(typing, b".80.80");
    bench.server.drain(bench.now);
    bench.server.end_turn(bench.now);
    assert_eq!(bench.net.received(asking), frame(b"hello").repeat(3));
    assert_eq!(bench.net.received(typing), b"6A:08:AA:C2");
    for client in [idle, asking, typing] {
        assert_eq!(bench.net.server_end(client), ServerEnd::HalfClosed);
        bench.net.fin(client);
    }
    assert_eq!(bench.run(), LoopControl::Stop);
    assert_eq!(bench.closed(CloseReason::Drained), 3);
    bench.assert_clean();
}

#[test]
fn draining_reads_all_that_has_arrived_however_much_it_is() {
    let mut bench = Bench::with_limits(Limits { output_limit: 10_000, ..Limits::default() });
    let client = bench.connected(FRAMED);
    let request = frame(&[b"ECHO ", &[b'x'; 1000][..]].concat());
    bench.net.send(client, &request.repeat(500));
    drain(&mut bench);
    assert_eq!(bench.net.received(client), frame(&[b'x'; 1000]).repeat(500));
    assert_eq!(bench.net.server_end(client), ServerEnd::HalfClosed);
}

#[test]
fn draining_is_not_misled_by_an_interrupted_read() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    bench.net.send(client, &frame(b"ECHO hello"));
    bench.net.socket(client, |socket| {
        socket.recv_call.fault = Fault::once(Errno::EINTR);
    });
    drain(&mut bench);
    assert_eq!(bench.net.received(client), frame(b"hello"));
}

#[test]
fn draining_serves_who_waits_and_turns_newcomers_away() {
    let mut bench = Bench::new();
    let inside = bench.connected(ECHO);
    let waiting = bench.net.connect(ECHO);
    bench.net.send(waiting, b"hello");
    bench.server.drain(bench.now);
    let late = bench.net.connect(ECHO);
    bench.run();
    assert_eq!(bench.net.received(waiting), b"hello");
    assert_eq!(bench.net.server_end(late), ServerEnd::Reset, "ignored, and then refused");
    for client in [inside, waiting] {
        assert_eq!(bench.net.server_end(client), ServerEnd::HalfClosed);
    }
}

#[test]
fn draining_very_many_leaves_room_for_a_second_order() {
    let mut bench = Bench::new();
    for _ in 0..10_000 {
        bench.net.connect(ECHO);
    }
    bench.run();
    let visits = bench.server.stats().visits;
    bench.server.drain(bench.now);
    assert_eq!(bench.turn(), LoopControl::Poll);
    let visited = bench.server.stats().visits - visits;
    assert!((1..10_000).contains(&visited), "{visited} in one turn");
    assert_eq!(bench.server.stats().open(), 10_000);
    bench.server.drain(bench.now);
    assert_eq!(bench.turn(), LoopControl::Stop);
    bench.assert_clean();
}

#[test]
fn without_time_to_drain_all_that_has_come_is_still_answered() {
    let limits = Limits { drain_timeout: Duration::ZERO, ..Limits::default() };
    let mut bench = Bench::with_limits(limits);
    let clients: Vec<Client> = (0..5_000).map(|_| bench.net.connect(ECHO)).collect();
    bench.run();
    for &client in &clients {
        bench.net.send(client, b"hello");
    }
    bench.server.drain(bench.now);
    assert_eq!(bench.turn(), LoopControl::Stop);
    for &client in &clients {
        assert_eq!(bench.net.received(client), b"hello");
    }
    bench.assert_clean();
}

#[test]
fn draining_waits_for_clients_that_take_their_replies_slowly() {
    let mut bench = Bench::with_limits(Limits { output_limit: 0, ..Limits::default() });
    let client = stalled_client(&mut bench);
    drain(&mut bench);
    for _ in 0..13 {
        assert_eq!(bench.net.server_end(client), ServerEnd::Open);
        bench.net.widen(client, 10);
        bench.run();
    }
    assert_eq!(bench.net.received(client), frame(b"x").repeat(2));
    assert_eq!(bench.net.server_end(client), ServerEnd::HalfClosed);
    bench.net.fin(client);
    assert_eq!(bench.run(), LoopControl::Stop);
    assert_eq!(bench.closed(CloseReason::Drained), 1);
}

#[test]
fn draining_ends_endless_output() {
    let mut bench = Bench::new();
    let client = bench.connected(CHARGEN);
    drain(&mut bench);
    assert_eq!(bench.net.server_end(client), ServerEnd::Open, "what was made is still sent");
    bench.net.widen(client, 200_000);
    bench.run();
    assert_eq!(bench.net.server_end(client), ServerEnd::HalfClosed);
    assert_eq!(bench.net.received(client).len() % (95 * 74), 0, "never a partial cycle");
}

#[test]
fn the_deadline_closes_whoever_is_left() {
    let mut bench = Bench::with_limits(Limits { output_limit: 64, ..Limits::default() });
    let deadline = bench.now + secs(10);
    let stalled = stalled_client(&mut bench);
    // All it asked for is answered, but it does not take the answer.
    let unread = bench.connected(FRAMED);
    bench.net.socket(unread, |socket| socket.window = 10);
    bench.ask(unread, &frame(b"ECHO"));
    let leaving = bench.connected(FRAMED);
    bench.net.socket(leaving, |socket| socket.window = 0);
    bench.ask(leaving, &frame(b"Disconnect !"));
    assert_eq!(drain(&mut bench), LoopControl::WaitUntil(deadline));
    bench.run_for(secs(9));
    assert_eq!(bench.server.stats().open(), 3);

    assert_eq!(bench.run_for(secs(1)), LoopControl::Stop);
    assert_eq!(bench.closed(CloseReason::Stopped), 2, "neither got all its replies");
    assert_eq!(bench.closed(CloseReason::Disconnect), 1, "decided before");
    for client in [stalled, unread, leaving] {
        let end = bench.net.server_end(client);
        assert_eq!(end, ServerEnd::Aborted, "nobody takes what was cut off for the whole");
    }
    bench.assert_clean();
}

#[test]
fn a_second_order_stops_at_once() {
    let mut bench = Bench::new();
    bench.connected(ECHO);
    assert!(matches!(drain(&mut bench), LoopControl::WaitUntil(_)));
    assert_eq!(drain(&mut bench), LoopControl::Stop);
    assert_eq!(bench.closed(CloseReason::Drained), 1, "it only had to answer our FIN");
    bench.assert_clean();
}

#[test]
fn with_nobody_there_it_stops_at_once() {
    let mut bench = Bench::new();
    bench.server.drain(bench.now);
    assert_eq!(bench.turn(), LoopControl::Stop);
}

#[test]
fn it_stops_when_nobody_was_there_for_so_long() {
    let limits = Limits { exit_on_idle: Some(secs(5)), ..Limits::default() };
    let mut bench = Bench::with_limits(limits);
    assert_eq!(bench.run(), LoopControl::WaitUntil(bench.now + secs(5)), "from the start");
    bench.advance(secs(4));
    let client = bench.connected(ECHO);
    assert!(matches!(bench.run_for(secs(60)), LoopControl::WaitUntil(_)), "someone is there");
    bench.net.fin(client);
    assert_eq!(bench.run(), LoopControl::WaitUntil(bench.now + secs(5)), "from the last close");
    bench.advance(secs(5));
    assert_eq!(bench.turn(), LoopControl::Stop, "without another turn, which nothing would cause");
    bench.assert_clean();
}

#[test]
fn whoever_comes_at_the_last_moment_is_let_in() {
    let limits = Limits { exit_on_idle: Some(secs(5)), ..Limits::default() };
    let mut bench = Bench::with_limits(limits);
    bench.run();
    bench.advance(secs(5));
    let client = bench.net.connect(ECHO);
    bench.run();
    assert_eq!(bench.ask(client, b"x"), b"x");
}

#[test]
fn nothing_to_do_and_nothing_to_wait_for() {
    let mut bench = Bench::new();
    assert_eq!(bench.run(), LoopControl::Wait);
    let client = bench.connected(ECHO);
    bench.net.fin(client);
    bench.run();
    assert_eq!(bench.run(), LoopControl::Wait, "no deadline is left behind");
}
