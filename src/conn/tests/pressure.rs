//! A peer that sends more than it takes, and a peer that sends more than its share.

use super::owner::{LINE, Owner, PADDED, RAW, SMALL_REQUESTS, WORK, frame};
use crate::conn::{Action, Outcome, Work};
use crate::protocol::framing::Framing;
use crate::server::close::CloseReason;

/// A connection with a high-water mark of 1000 bytes, a low one of 500, and a peer that takes none.
fn pressed() -> Owner {
    let mut owner = Owner::new(PADDED);
    owner.limits.output_limit = 1000;
    owner.window = 0;
    owner
}

#[test]
fn above_the_high_water_mark_nothing_is_parsed_or_read_until_the_low_one() {
    let mut owner = pressed();
    let request = frame(&[b"ECHO ", &[b'x'; 36][..]].concat());
    let reply = frame(&[b'x'; 36]);
    assert_eq!(reply.len(), 100);
    owner.receive(&request.repeat(50));

    // Ten replies are at the mark, the eleventh is above it.
    assert_eq!(owner.service.requests, 11);
    assert_eq!(owner.conn.unsent().len(), 1100);
    assert!(!owner.conn.wants_read());
    assert!(!owner.can_resume());

    owner.take(599);
    assert_eq!(owner.conn.unsent().len(), 501);
    assert!(!owner.can_resume(), "above the low-water mark");
    owner.take(1);
    assert!(owner.can_resume());
    owner.resume();
    assert_eq!(owner.service.requests, 17);
    assert!(!owner.conn.wants_read());

    while owner.service.requests < 50 {
        owner.take(600);
        owner.resume();
    }
    owner.take(usize::MAX);
    assert_eq!(owner.received, reply.repeat(50));
}

#[test]
fn a_connection_that_stops_just_above_the_mark_with_nothing_held_goes_on_too() {
    let mut owner = pressed();
    owner.receive(&frame(&[b"ECHO ", &[b'x'; 250][..]].concat()).repeat(4));
    assert_eq!(owner.conn.unsent().len(), 4 * 314);
    assert_eq!(owner.conn.memory().0, 0);
    assert!(!owner.conn.wants_read());
    owner.take(usize::MAX);
    owner.resume();
    assert!(owner.conn.wants_read());
    assert_eq!(owner.conn.memory(), (0, 0));
}

#[test]
fn a_mark_of_zero_serves_one_request_at_a_time() {
    let mut owner = pressed();
    owner.limits.output_limit = 0;
    owner.receive(&frame(b"ECHO x").repeat(3));
    for served in 1..=3 {
        assert_eq!(owner.service.requests, served);
        assert!(!owner.can_resume());
        owner.take(frame(b"x").len());
        owner.resume();
    }
    assert!(owner.conn.wants_read());
    assert_eq!(owner.received, frame(b"x").repeat(3));
}

#[test]
fn a_greeting_counts_towards_the_mark() {
    let mut owner = pressed();
    owner.limits.output_limit = 5;
    owner.service.greeting = b"Hello!";
    owner.open();
    owner.receive(&frame(b"ECHO x"));
    assert_eq!(owner.service.requests, 0);
    assert!(!owner.conn.wants_read());
    owner.take(usize::MAX);
    owner.resume();
    assert_eq!(owner.received, [b"Hello!", &frame(b"x")[..]].concat());
}

#[test]
fn a_visit_serves_so_many_requests_and_the_rest_wait_their_turn() {
    let mut owner = Owner::new(LINE);
    let count = 2 * SMALL_REQUESTS + 10;
    let stream: Vec<u8> = (0..count).flat_map(|n| format!("ECHO {n}\n").into_bytes()).collect();
    owner.receive(&stream);
    assert_eq!(owner.service.requests, SMALL_REQUESTS);
    assert!(!owner.conn.wants_read());
    assert!(owner.can_resume());

    owner.resume();
    assert_eq!(owner.service.requests, 2 * SMALL_REQUESTS);
    assert!(owner.can_resume());

    owner.resume();
    assert!(!owner.can_resume());
    assert!(owner.conn.wants_read());
    let replies: Vec<u8> = (0..count).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    assert_eq!(owner.received, replies);
    assert_eq!(owner.conn.memory(), (0, 0));
}

#[test]
fn a_row_of_equal_frames_counts_as_many_requests() {
    let mut owner = Owner::new(PADDED);
    let stream = frame(b"ECHO x").repeat(SMALL_REQUESTS + 10);
    owner.receive(&stream);
    assert_eq!(owner.service.requests, SMALL_REQUESTS);
    assert!(owner.can_resume());
    owner.resume();
    assert!(!owner.can_resume());
    assert_eq!(owner.received, frame(b"x").repeat(SMALL_REQUESTS + 10));
}

#[test]
fn a_row_of_equal_frames_stops_above_the_high_water_mark() {
    let reply = frame(b"x");
    let mut owner = Owner::new(PADDED);
    owner.limits.output_limit = 4 * reply.len() - 1;
    owner.window = 0;
    // The first read leaves less room than there would be for a row of its own.
    owner.receive(&frame(b"ECHO x").repeat(2));
    owner.receive(&frame(b"ECHO x").repeat(20));
    assert_eq!(owner.service.requests, 4);
    assert_eq!(owner.conn.waiting().1, 4 * reply.len());
    owner.take(usize::MAX);
    while owner.can_resume() {
        owner.resume();
    }
    assert_eq!(owner.received, reply.repeat(22));
}

#[test]
fn a_command_that_costs_more_counts_for_more() {
    let mut owner = Owner::new(PADDED);
    owner.receive(&frame(b"WORK").repeat(30));
    let each = (WORK + Work::REQUEST) as usize;
    let most = (Work::VISIT as usize).div_ceil(each);
    assert_eq!(owner.service.requests, most);
    while owner.can_resume() {
        owner.resume();
    }
    assert_eq!(owner.received, frame(b"done").repeat(30));
}

#[test]
fn a_long_reply_counts_for_more_too() {
    let mut owner = Owner::new(Framing::Padded { max_body: 1 << 20 });
    owner.limits.output_limit = 1 << 30;
    let request = frame(&[b"ECHO ", &[b'x'; 100_000][..]].concat());
    let stream = request.repeat(20);
    owner.receive(&stream);
    let each = Work::REQUEST + 100_064 / 256;
    assert_eq!(owner.service.requests, Work::VISIT.div_ceil(each) as usize);
}

#[test]
fn a_visit_that_ends_with_the_input_leaves_nothing_to_resume() {
    let mut owner = Owner::new(LINE);
    owner.receive(&b"\n".repeat(SMALL_REQUESTS));
    assert!(owner.conn.wants_read());
    assert!(!owner.can_resume());
}

#[test]
fn an_unfinished_request_behind_the_budget_is_kept() {
    let mut owner = Owner::new(LINE);
    owner.receive(&[&b"\n".repeat(SMALL_REQUESTS)[..], b"ECHO unfin"].concat());
    assert!(!owner.conn.wants_read());
    owner.resume();
    assert!(owner.conn.wants_read());
    owner.receive(b"ished\n");
    assert!(owner.received.ends_with(b"received\nunfinished\n"));
}

#[test]
fn what_waited_is_served_before_the_peers_fin() {
    let mut owner = pressed();
    let request = frame(&[b"ECHO ", &[b'x'; 200][..]].concat());
    let reason = owner.play(&request.repeat(20), &[usize::MAX], &[37]);
    assert_eq!(reason, CloseReason::PeerClosed);
    assert_eq!(owner.received, frame(&[b'x'; 200]).repeat(20));
}

#[test]
fn raw_bytes_that_waited_are_one_request() {
    let mut owner = Owner::new(RAW);
    owner.service.echoes_all = true;
    owner.limits.output_limit = 3;
    owner.window = 0;
    owner.receive(b"four");
    assert!(!owner.conn.wants_read());
    owner.take(usize::MAX);
    owner.resume();
    owner.receive(b"more");
    assert_eq!(owner.received, b"fourmore");
}

#[test]
fn output_made_unasked_is_under_the_mark_too() {
    let mut owner = Owner::new(RAW);
    owner.service.on_open = Outcome::Produce;
    owner.limits.output_limit = 1;
    owner.window = 0;
    owner.open();
    owner.produce();
    owner.receive(b"QUIET");
    assert!(!owner.conn.wants_read(), "its input waits");
    owner.take(usize::MAX);
    owner.resume();
    assert!(owner.conn.wants_read());
    assert_eq!(owner.conn.next_step(), Action::Stay);
}
