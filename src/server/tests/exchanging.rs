//! Reading and writing: readiness that sticks, short counts, broken connections, fair shares.

use super::bench::{Bench, CHARGEN, ECHO, FRAMED, GREETING, LOOKUP, frame};
use super::fake_net::{Client, Fault, ServerEnd};
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::io::readiness::Readiness;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use nix::errno::Errno;

#[test]
fn a_short_read_is_not_followed_by_another() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    let at_accept = bench.net.socket(client, |socket| socket.recv_call.made);
    for round in 1..=3 {
        assert_eq!(bench.ask(client, &frame(b"ECHO x")), frame(b"x"));
        let made = bench.net.socket(client, |socket| socket.recv_call.made);
        assert_eq!(made - at_accept, round);
        assert_eq!(bench.net.socket(client, |socket| socket.send_call.made), round);
    }
}

#[test]
fn bytes_and_fin_in_one_edge_are_read_to_the_end() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    let at_accept = bench.net.socket(client, |socket| socket.recv_call.made);
    bench.net.send(client, &frame(b"ECHO x"));
    bench.net.fin(client);
    bench.run();
    assert_eq!(bench.net.received(client), frame(b"x"));
    assert_eq!(bench.net.server_end(client), ServerEnd::Closed);
    assert_eq!(bench.closed(CloseReason::PeerClosed), 1);
    assert_eq!(bench.net.socket(client, |socket| socket.recv_call.made) - at_accept, 2);
    bench.assert_clean();
}

#[test]
fn all_that_arrived_before_fin_is_answered_however_much_it_is() {
    let mut bench = Bench::with_limits(Limits { output_limit: 1000, ..Limits::default() });
    let client = bench.connected(FRAMED);
    let request = frame(&[b"ECHO ", &[b'x'; 5000][..]].concat());
    bench.net.socket(client, |socket| socket.window = 100);
    bench.net.send(client, &request.repeat(100));
    bench.net.fin(client);
    bench.run();
    for _ in 0..170 {
        bench.net.widen(client, 3000);
        bench.run();
    }
    assert_eq!(bench.net.server_end(client), ServerEnd::Closed);
    assert_eq!(bench.net.received(client), frame(&[b'x'; 5000]).repeat(100));
    assert_eq!(bench.closed(CloseReason::PeerClosed), 1);
    bench.assert_clean();
}

#[test]
fn a_partial_write_goes_on_where_it_stopped() {
    let mut bench = Bench::new();
    let client = bench.connected(ECHO);
    bench.net.socket(client, |socket| socket.window = 10);
    let text: Vec<u8> = (0..100).collect();
    assert_eq!(bench.ask(client, &text), &text[..10]);
    assert!(bench.heap() >= 90);
    for _ in 0..9 {
        bench.net.widen(client, 10);
        bench.run();
    }
    assert_eq!(bench.net.received(client), text);
    assert_eq!(bench.heap(), 0);
    assert_eq!(bench.server.stats().bytes_out, 100);

    // A kernel that takes little at a time, but always something, needs no event in between.
    bench.net.widen(client, 1000);
    bench.net.socket(client, |socket| socket.most_at_once = 7);
    assert_eq!(bench.ask(client, &text), text);
}

#[test]
fn a_reset_closes_that_connection_alone() {
    let mut bench = Bench::new();
    let bystander = bench.connected(ECHO);
    let idle = bench.connected(ECHO);
    bench.net.reset(idle);
    bench.run();
    assert_eq!(bench.closed(CloseReason::Reset), 1, "found while reading");

    let writing = bench.connected(ECHO);
    bench.net.socket(writing, |socket| socket.window = 0);
    bench.ask(writing, b"waits");
    bench.net.reset(writing);
    bench.run();
    assert_eq!(bench.closed(CloseReason::Reset), 2, "found while writing");

    let closing = bench.connected(FRAMED);
    bench.ask(closing, &frame(b"Disconnect !"));
    bench.net.reset(closing);
    bench.run();
    assert_eq!(bench.closed(CloseReason::Disconnect), 1, "that was decided before");

    assert_eq!(bench.ask(bystander, b"x"), b"x");
    assert_eq!(bench.server.stats().open(), 1);
}

#[test]
fn the_reason_tells_the_network_from_the_system() {
    let cases = [
        (Errno::ECONNRESET, CloseReason::Reset),
        (Errno::EPIPE, CloseReason::Reset),
        (Errno::ETIMEDOUT, CloseReason::Reset),
        (Errno::EHOSTUNREACH, CloseReason::Reset),
        (Errno::ENOMEM, CloseReason::SystemError),
        (Errno::EIO, CloseReason::SystemError),
    ];
    for (errno, reason) in cases {
        let mut bench = Bench::new();
        for fail_send in [false, true] {
            let client = bench.connected(ECHO);
            bench.net.socket(client, |socket| {
                let call = if fail_send { &mut socket.send_call } else { &mut socket.recv_call };
                call.fault = Fault::once(errno);
            });
            bench.ask(client, b"x");
        }
        assert_eq!(bench.closed(reason), 2, "{errno}");
        bench.assert_clean();
    }
}

/// The connection itself is whole, so that a close would send FIN.
#[test]
fn a_connection_whose_room_cannot_be_watched_is_aborted() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    bench.net.socket(client, |socket| socket.window = 10);
    bench.net.add_write_interest_call(|call| call.fault = Fault::once(Errno::ENOMEM));
    bench.net.send(client, &frame(b"ECHO a reply that does not fit"));
    bench.run();
    assert_eq!(bench.closed(CloseReason::SystemError), 1);
    assert_eq!(bench.net.server_end(client), ServerEnd::Aborted);
}

#[test]
fn a_connection_that_is_given_up_is_not_watched() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    bench.net.socket(client, |socket| socket.window = 10);
    bench.net.add_write_interest_call(|call| call.fault = Fault::once(Errno::ENOSPC));
    // The request is read and half answered; in the same visit, the read for the FIN behind it
    // fails.
    bench.net.send(client, &frame(b"ECHO a reply that does not fit"));
    bench.net.fin(client);
    bench
        .net
        .socket(client, |socket| socket.recv_call.fault = Fault::once_after(1, Errno::ENOBUFS));
    bench.run();
    assert_eq!(bench.net.server_end(client), ServerEnd::Aborted);
    assert_eq!(bench.net.add_write_interest_call(|call| call.made), 0);
}

#[test]
fn a_reply_that_a_failure_cuts_off_does_not_look_whole() {
    let whole = frame(b"hello").len();
    for (fail_send, window, end) in [
        (true, 10, ServerEnd::Aborted),
        (false, 10, ServerEnd::Aborted),
        (false, whole, ServerEnd::Closed),
    ] {
        let mut bench = Bench::new();
        let client = bench.connected(FRAMED);
        bench.net.socket(client, |socket| socket.window = window);
        assert_eq!(bench.ask(client, &frame(b"ECHO hello")), frame(b"hello")[..window]);
        bench.net.socket(client, |socket| {
            let call = if fail_send { &mut socket.send_call } else { &mut socket.recv_call };
            call.fault = Fault::once(Errno::ENOMEM);
        });
        if fail_send {
            bench.net.widen(client, 1);
        } else {
            bench.net.fin(client);
        }
        bench.run();
        assert_eq!(bench.net.server_end(client), end, "{fail_send}, {window}");
        assert_eq!(bench.closed(CloseReason::SystemError), 1);
        bench.assert_clean();
    }
}

#[test]
fn an_interrupted_call_loses_nothing_and_holds_nobody_up() {
    for fail_send in [false, true] {
        let mut bench = Bench::new();
        let bystander = bench.connected(ECHO);
        let client = bench.connected(ECHO);
        bench.net.socket(client, |socket| {
            let call = if fail_send { &mut socket.send_call } else { &mut socket.recv_call };
            call.fault = Fault::for_ever(Errno::EINTR);
        });
        bench.net.send(client, b"waits");
        for turn in 1..=3 {
            bench.net.send(bystander, b"x");
            assert_eq!(bench.turn(), LoopControl::Poll, "no further edge will come");
            assert_eq!(bench.net.received(bystander).len(), turn);
        }
        bench.net.socket(client, |socket| {
            socket.recv_call.fault = Fault::NONE;
            socket.send_call.fault = Fault::NONE;
        });
        bench.run();
        assert_eq!(bench.net.received(client), b"waits");
    }
}

#[test]
fn a_hot_connection_does_not_starve_the_others() {
    let mut bench = Bench::new();
    let hot = bench.connected(ECHO);
    let light = bench.connected(FRAMED);
    bench.net.widen(hot, usize::MAX);
    for turn in 1..=20 {
        bench.net.send(hot, &[b'x'; 200_000]);
        bench.net.send(light, &frame(b"ECHO x"));
        assert_eq!(bench.turn(), LoopControl::Poll, "the hot one has more");
        assert_eq!(bench.net.received(light).len(), turn * frame(b"x").len());
    }
    let got = bench.net.received(hot).len();
    assert!((20..=20 * 200_000 / 2).contains(&got), "its share is bounded: {got} bytes");
    bench.run();
    assert_eq!(bench.net.received(hot).len(), 20 * 200_000);
}

#[test]
fn a_pipeline_of_tiny_requests_is_served_in_portions() {
    let mut bench = Bench::new();
    let pipeline = bench.connected(LOOKUP);
    let light = bench.connected(LOOKUP);
    bench.net.send(pipeline, &b"\n".repeat(10_000));
    let mut turns = 0;
    let mut next = LoopControl::Poll;
    while next == LoopControl::Poll {
        turns += 1;
        bench.net.send(light, b"165.165.80.80\n");
        next = bench.turn();
        assert_eq!(bench.net.received(light), b"6A:08:AA:C2\n".repeat(turns));
    }
    assert!(turns > 9, "{turns} turns: a thousand requests are a portion, and each turn has one");
    assert_eq!(bench.net.received(pipeline), b"Not Found\n".repeat(10_000));
}

#[test]
fn a_late_event_of_a_closed_connection_does_not_reach_its_successor() {
    let mut bench = Bench::new();
    let first = bench.connected(ECHO);
    let late = bench.net.token(first);
    bench.net.fin(first);
    bench.run();
    let successor = bench.connected(ECHO);
    let reads = bench.net.socket(successor, |socket| socket.recv_call.made);

    let everything = Readiness { read: true, write: true, read_until_would_block: true };
    bench.server.on_ready(late, everything);
    bench.run();
    assert_eq!(bench.server.stats().stale_events, 1);
    assert_eq!(bench.net.socket(successor, |socket| socket.recv_call.made), reads);
    assert_eq!(bench.ask(successor, b"x"), b"x");

    // Neither does one for a place that no connection took.
    let last = bench.net.token(successor);
    bench.net.fin(successor);
    bench.run();
    bench.server.on_ready(last, everything);
    assert_eq!(bench.server.stats().stale_events, 2);
    bench.run();
    bench.assert_clean();
}

#[test]
fn an_event_that_brings_nothing_is_harmless() {
    let mut bench = Bench::new();
    let client = bench.connected(ECHO);
    let token = bench.net.token(client);
    bench
        .server
        .on_ready(token, Readiness { read: true, write: true, read_until_would_block: false });
    bench.run();
    assert_eq!(bench.ask(client, b"x"), b"x");
}

#[test]
fn closing_waits_for_the_clients_fin_so_that_the_error_reply_is_not_destroyed() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    bench.net.send(client, b"GET / HTTP/1.1\r\n\r\n");
    bench.run();
    bench.net.send(client, &[b'x'; 100_000]);
    bench.run();
    assert_eq!(bench.net.server_end(client), ServerEnd::HalfClosed);
    let reply = bench.net.received(client).split_off(64);
    assert!(reply.starts_with(b"Error: header byte 0 is 0x47 ('G')"));
    bench.net.fin(client);
    bench.run();
    assert_eq!(bench.net.server_end(client), ServerEnd::Closed, "not reset");
    assert_eq!(bench.closed(CloseReason::BadFrame), 1);
    assert_eq!(bench.server.stats().refusals, 1);
}

#[test]
fn endless_output_goes_as_fast_as_the_client_takes_it() {
    let mut bench = Bench::new();
    let client = bench.net.connect(CHARGEN);
    bench.net.socket(client, |socket| socket.window = 100);
    assert!(matches!(bench.run(), LoopControl::WaitUntil(_)), "it waits for the client");
    assert_eq!(bench.net.received(client).len(), 100);
    bench.net.widen(client, 200_000);
    bench.run();
    let received = bench.net.received(client);
    assert_eq!(received.len(), 200_100);
    // The pattern goes on across every boundary: 95 lines of 74 bytes, again and again.
    let cycle = &received[..95 * 74];
    assert!(received.chunks(cycle.len()).all(|part| cycle.starts_with(part)));
    bench.net.reset(client);
    bench.run();
    assert_eq!(bench.closed(CloseReason::Reset), 1);
    bench.assert_clean();
}

#[test]
fn one_client_that_takes_everything_does_not_hold_up_the_loop() {
    let mut bench = Bench::new();
    let greedy = bench.net.connect(CHARGEN);
    bench.net.widen(greedy, usize::MAX);
    let light = bench.net.connect(ECHO);
    bench.turn();
    for turn in 1..=3 {
        bench.net.send(light, b"x");
        assert_eq!(bench.turn(), LoopControl::Poll);
        assert_eq!(bench.net.received(light).len(), turn);
    }
}

#[test]
fn bytes_and_requests_are_counted() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    bench.ask(client, &[frame(b"ECHO hello"), frame(b"LOOKUP")].concat());
    let stats = bench.server.stats();
    assert_eq!((stats.requests, stats.frames, stats.refusals), (2, 2, 1));
    assert_eq!(stats.bytes_in, 64 + 10 + 64 + 6);
    assert_eq!(stats.bytes_out, bench.net.received(client).len() as u64);
}

#[test]
fn a_reply_longer_than_every_buffer_arrives_whole() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    let text: Vec<u8> = (0..=255).cycle().take(700_000).collect();
    let reply = bench.ask(client, &frame(&[b"ECHO ", &text[..]].concat()));
    assert!(reply == frame(&text), "{} bytes", reply.len());
    assert_eq!(bench.ask(client, &frame(b"ECHO x")), frame(b"x"));
}

#[test]
fn a_client_that_is_gone_before_it_is_greeted_is_closed_alone() {
    let mut bench = Bench::new();
    let other = bench.connected(ECHO);
    let client = bench.net.connect(GREETING);
    bench.net.reset(client);
    bench.run();
    assert_eq!(bench.net.server_end(client), ServerEnd::Aborted, "its greeting was not sent");
    assert_eq!(bench.ask(other, b"still here"), b"still here");
}

#[test]
fn a_reset_that_is_told_by_the_fin_is_no_other_reason() {
    let mut bench = Bench::new();
    let client = bench.connected(ECHO);
    let interrupted = Fault::times(Errno::EINTR, 4);
    bench.net.reset(client);
    bench.net.socket(client, |socket| socket.recv_call.fault = interrupted);
    bench.advance(Limits::default().idle_timeout);
    bench.server.end_turn(bench.now);
    assert_eq!(bench.net.server_end(client), ServerEnd::Closed);
    assert_eq!(bench.closed(CloseReason::IdleTimeout), 1);
    bench.assert_clean();
}

#[test]
fn a_request_that_has_come_with_the_connection_is_read_in_the_accepting_turn() {
    let mut bench = Bench::new();
    let client = bench.net.connect(FRAMED);
    bench.net.send(client, &frame(b"ECHO x"));
    bench.turn();
    assert_eq!(bench.net.received(client), frame(b"x"));
}

#[test]
fn clients_that_ask_later_are_not_read_at_accept_for_long() {
    let mut bench = Bench::new();
    let clients: Vec<Client> = (0..100).map(|_| bench.connected(FRAMED)).collect();
    let made = |bench: &Bench, client| bench.net.socket(client, |socket| socket.recv_call.made);
    let tried = clients.iter().filter(|&&client| made(&bench, client) > 0).count();
    assert!(tried < 20, "{tried} reads for nothing");
}
