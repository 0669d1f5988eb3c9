//! Deadlines as the loop keeps them: on time, one by one, and not while the client has spoken.

use super::bench::{Bench, ECHO, FRAMED, LOOKUP, frame};
use super::fake_net::{Client, Fault, ServerEnd};
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::io::net::Output;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use nix::errno::Errno;
use std::time::Duration;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let mut bench = Bench::new();
    let idle = bench.connected(ECHO);
    let busy = bench.connected(ECHO);
    for _ in 0..3 {
        bench.run_for(secs(300) - Duration::from_millis(1));
        bench.ask(busy, b"x");
    }
    assert_eq!(bench.net.server_end(idle), ServerEnd::Closed, "idle, and lingered in vain");
    assert_eq!(bench.net.server_end(busy), ServerEnd::Open);
    assert_eq!(bench.closed(CloseReason::IdleTimeout), 1);
}

#[test]
fn the_loop_sleeps_no_longer_than_the_next_deadline() {
    let mut bench = Bench::new();
    let start = bench.now;
    bench.connected(ECHO);
    bench.run_for(secs(599));
    assert!(matches!(bench.run(), LoopControl::WaitUntil(moment) if moment <= start + secs(600)));
    assert_eq!(bench.server.stats().open(), 1);
}

#[test]
fn a_client_that_does_not_take_its_output_is_aborted() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    bench.net.socket(client, |socket| socket.window = 5);
    bench.ask(client, &frame(b"ECHO hello"));
    bench.run_for(secs(29));
    bench.net.widen(client, 5);
    bench.run_for(secs(29));
    assert_eq!(bench.net.server_end(client), ServerEnd::Open, "it took a little");
    bench.run_for(secs(1));
    assert_eq!(bench.net.server_end(client), ServerEnd::Aborted);
    assert_eq!(bench.closed(CloseReason::WriteTimeout), 1);
    bench.assert_clean();
}

/// A client whose reply waits, from now on, and what the kernel says of it; with room in the kernel
/// that no event has told of.
fn with_reply_held(bench: &mut Bench, output: Output) -> Client {
    let client = bench.connected(FRAMED);
    bench.net.socket(client, |socket| socket.window = 5);
    bench.ask(client, &frame(b"ECHO hello"));
    bench.net.socket(client, |socket| {
        (socket.window, socket.output) = (1, output);
    });
    client
}

#[test]
fn room_that_was_there_for_long_says_nothing_of_the_client() {
    let mut bench = Bench::new();
    let last_taken = bench.now;
    let output = Output::Held { last_taken, kept_back: Duration::ZERO };
    let client = with_reply_held(&mut bench, output);
    bench.run_for(secs(29));
    assert_eq!(bench.net.server_end(client), ServerEnd::Open);
    bench.run_for(secs(1));
    assert_eq!(bench.net.server_end(client), ServerEnd::Aborted);
    assert_eq!(bench.closed(CloseReason::WriteTimeout), 1);
}

#[test]
fn a_client_that_takes_a_little_has_its_time_from_then_though_no_event_tells() {
    let mut bench = Bench::new();
    let last_taken = bench.now + secs(20);
    let output = Output::Held { last_taken, kept_back: secs(1) };
    let client = with_reply_held(&mut bench, output);
    bench.run_for(secs(49));
    assert_eq!(bench.net.server_end(client), ServerEnd::Open);
    bench.run_for(secs(1));
    assert_eq!(bench.net.server_end(client), ServerEnd::Aborted);
}

#[test]
fn what_the_kernel_kept_back_was_taken_before() {
    let mut bench = Bench::new();
    let last_taken = bench.now + Duration::from_millis(400);
    let output = Output::Held { last_taken, kept_back: Duration::from_millis(400) };
    let client = with_reply_held(&mut bench, output);
    bench.run_for(secs(30));
    assert_eq!(bench.net.server_end(client), ServerEnd::Aborted);
}

#[test]
fn a_client_that_has_taken_everything_gets_the_rest_though_the_event_is_late() {
    let mut bench = Bench::new();
    let client = with_reply_held(&mut bench, Output::Delivered);
    bench.net.socket(client, |socket| socket.window = 1000);
    bench.run_for(secs(30));
    assert_eq!(bench.net.received(client), frame(b"hello"));
    assert_eq!(bench.net.server_end(client), ServerEnd::Open);
}

#[test]
fn half_a_reply_that_is_given_up_is_not_followed_by_an_error() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    bench.net.socket(client, |socket| socket.window = 5);
    let half = bench.ask(client, &[&frame(b"ECHO hello")[..], b"1"].concat());
    // When the loop turns again, the deadlines of the reply and of the unfinished frame have
    // passed, there is room that no event has told of, and one send fails.
    bench.net.socket(client, |socket| {
        socket.window = 1000;
        socket.send_call.fault = Fault::once(Errno::ENOMEM);
    });
    bench.advance(secs(31));
    bench.run();
    assert_eq!(bench.net.received(client), half);
    assert_eq!(bench.net.server_end(client), ServerEnd::Aborted);
    bench.assert_clean();
}

#[test]
fn what_arrived_in_time_is_served_though_its_event_comes_late() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    let request = frame(b"ECHO hello");
    let (start, rest) = request.split_at(10);
    bench.ask(client, start);
    bench.net.send(client, rest);
    // As after a poll that a signal interrupts: it tells of nothing.
    bench.now = bench.now + secs(31);
    bench.server.end_turn(bench.now);
    assert_eq!(bench.net.received(client), frame(b"hello"));
    assert_eq!(bench.closed(CloseReason::FrameTimeout), 0);
}

#[test]
fn a_slow_frame_is_refused() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    for byte in &frame(b"ECHO hello")[..29] {
        bench.net.send(client, &[*byte]);
        bench.run_for(secs(1));
    }
    assert_eq!(bench.net.received(client), b"");
    bench.run_for(secs(1));
    let reply = frame(b"Error: the request did not arrive whole within 30s");
    assert_eq!(bench.net.received(client), reply);
    bench.net.fin(client);
    bench.run();
    assert_eq!(bench.closed(CloseReason::FrameTimeout), 1);
}

#[test]
fn a_line_without_its_end_is_answered_after_a_pause() {
    let mut bench = Bench::new();
    let client = bench.connected(LOOKUP);
    assert_eq!(bench.ask(client, b"165.165.80.80"), b"");
    bench.run_for(Duration::from_millis(49));
    assert_eq!(bench.net.received(client), b"");
    bench.run_for(Duration::from_millis(1));
    assert_eq!(bench.net.received(client), b"6A:08:AA:C2");
}

#[test]
fn a_client_that_does_not_answer_fin_is_let_go_after_the_linger_time() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    bench.ask(client, &frame(b"Disconnect !"));
    assert_eq!(bench.net.server_end(client), ServerEnd::HalfClosed);
    bench.run_for(secs(2));
    assert_eq!(bench.net.server_end(client), ServerEnd::Closed);
    assert_eq!(bench.closed(CloseReason::Disconnect), 1);
    bench.assert_clean();
}

/// A turn can take long, and the process can be stopped. What the client did in time, and the loop
/// only sees now, counts.
#[test]
fn what_has_arrived_counts_before_what_is_late() {
    let mut bench = Bench::new();
    let line = bench.connected(LOOKUP);
    let framed = bench.connected(FRAMED);
    let idle = bench.connected(ECHO);
    let slow = bench.connected(FRAMED);
    bench.net.socket(slow, |socket| socket.window = 0);
    bench.ask(slow, &frame(b"ECHO x"));
    let (start, end) = (&frame(b"ECHO hello")[..10], &frame(b"ECHO hello")[10..]);
    bench.ask(framed, start);
    bench.ask(line, b"165.165");

    bench.net.send(line, b".80.80\n");
    bench.net.send(framed, end);
    bench.net.send(idle, b"still here");
    bench.net.widen(slow, 1000);
    bench.advance(secs(3600));
    bench.run();
    assert_eq!(bench.net.received(line), b"6A:08:AA:C2\n");
    assert_eq!(bench.net.received(framed), frame(b"hello"));
    assert_eq!(bench.net.received(idle), b"still here");
    assert_eq!(bench.net.received(slow), frame(b"x"));
    assert_eq!(bench.server.stats().closed_total(), 0);
}

#[test]
fn log_lines_left_out_are_told_of_when_their_second_is_over() {
    let mut bench = Bench::with_limits(Limits { log_rate: 1, ..Limits::default() });
    let client = bench.connected(ECHO);
    bench.net.fin(client);
    let next_second = bench.now + secs(1);
    assert_eq!(bench.run(), LoopControl::WaitUntil(next_second), "though nobody is there");
    assert!(bench.server.statistics(bench.now).contains("\nlog_lines_suppressed 1\n"));
    assert_eq!(bench.run_for(secs(1)), LoopControl::Wait);
}

#[test]
fn deadlines_that_pass_at_once_are_all_kept() {
    let mut bench = Bench::with_limits(Limits { log_rate: 0, ..Limits::default() });
    let clients: Vec<_> = (0..5000).map(|_| bench.net.connect(ECHO)).collect();
    bench.run();
    assert_eq!(bench.server.stats().open(), 5000);
    bench.advance(secs(600));
    assert_eq!(bench.turn(), LoopControl::Poll, "a turn looks at so many deadlines");
    bench.run();
    let ends = clients.iter().map(|&client| bench.net.server_end(client));
    assert_eq!(ends.filter(|&end| end == ServerEnd::HalfClosed).count(), 5000);
    bench.run_for(secs(2));
    assert_eq!(bench.closed(CloseReason::IdleTimeout), 5000);
    bench.assert_clean();
}
