//! Large echoes, made where their requests are.

use super::owner::{LINE, Owner, RAW, frame};
use crate::conn::in_place::MIN_TEXT;
use crate::io::clock::Moment;
use crate::protocol::framing::Framing;
use std::time::Duration;

const LARGE: Framing = Framing::Padded { max_body: 1 << 20 };

fn echo(len: usize) -> Vec<u8> {
    frame(&[b"ECHO ", &vec![b'y'; len][..]].concat())
}

fn reply(len: usize) -> Vec<u8> {
    frame(&vec![b'y'; len])
}

/// What is made of `input` where it is.
fn in_place(input: &[u8], framing: Framing) -> Option<Vec<u8>> {
    let mut owner = Owner::new(framing);
    let mut input = input.to_vec();
    owner.receive_in_place(&mut input).map(|echo| input[echo].to_vec())
}

#[test]
fn a_large_echo_that_came_alone_is_made_where_it_is() {
    for len in [MIN_TEXT, MIN_TEXT + 1, 60_000] {
        assert_eq!(in_place(&echo(len), LARGE), Some(reply(len)));
    }
    let mut owner = Owner::new(LARGE);
    owner.receive(&echo(MIN_TEXT));
    assert_eq!(owner.received, reply(MIN_TEXT));
    assert_eq!(owner.service.requests, 1);
}

#[test]
fn nothing_else_is_made_in_place() {
    let request = echo(MIN_TEXT);
    let others = [
        echo(MIN_TEXT - 1),
        request.repeat(2),
        request[..request.len() - 1].to_vec(),
        [&request[..], b"1"].concat(),
        frame(&[b'z'; MIN_TEXT]),
        vec![b'z'; MIN_TEXT],
    ];
    for input in others {
        assert_eq!(in_place(&input, LARGE), None);
    }
    // A line's end is no part of its body.
    let line = [b"ECHO ", &[b'y'; MIN_TEXT][..], b"\r\n"].concat();
    assert_eq!(in_place(&line, LINE), None);
}

#[test]
fn raw_bytes_go_back_from_where_they_are() {
    let text = [b"ECHO ", &[b'y'; MIN_TEXT][..]].concat();
    assert_eq!(in_place(&text, RAW).as_deref(), Some(&text[5..]));
}

#[test]
fn output_that_waits_goes_first() {
    let mut owner = Owner::new(LARGE);
    owner.window = 0;
    owner.receive(&echo(1));
    let mut input = echo(MIN_TEXT);
    assert_eq!(owner.receive_in_place(&mut input), None);
    owner.take(usize::MAX);
    assert_eq!(owner.received, [reply(1), reply(MIN_TEXT)].concat());
}

#[test]
fn a_large_echo_that_came_in_pieces_is_not_copied() {
    const LEN: usize = 100_000;
    let mut owner = Owner::new(LARGE);
    owner.window = 0;
    let request = echo(LEN);
    let (most, last) = request.split_at(request.len() - 10);
    most.chunks(30_000).for_each(|piece| owner.receive(piece));
    let held = owner.conn.memory().0;
    owner.now = Moment::START + Duration::from_secs(7);
    owner.receive(last);
    assert_eq!(owner.conn.memory(), (0, held), "the same buffer");
    assert_eq!(owner.conn.unsent().waiting_since(), Some(owner.now));
    assert_eq!(owner.conn.waiting(), (0, reply(LEN).len()));
    owner.take(usize::MAX);
    assert_eq!(owner.received, reply(LEN));
    assert_eq!(owner.conn.memory(), (0, 0));
}

#[test]
fn replies_around_one_that_is_not_copied_keep_their_order() {
    let mut owner = Owner::new(LARGE);
    owner.window = 0;
    let large = echo(MIN_TEXT);
    owner.receive(&large[..100]);
    owner.receive(&[&large[100..], &echo(3), &echo(MIN_TEXT), b"5"].concat());
    owner.take(usize::MAX);
    assert_eq!(owner.received, [reply(MIN_TEXT), reply(3), reply(MIN_TEXT)].concat());
    assert_eq!(owner.conn.waiting(), (1, 0));
}

#[test]
fn a_large_request_that_came_in_pieces_and_is_no_echo_is_answered() {
    let mut owner = Owner::new(LARGE);
    let request = frame(&[b'z'; 2 * MIN_TEXT]);
    request.chunks(1000).for_each(|piece| owner.receive(piece));
    assert_eq!(owner.received, frame(b"received"));
    assert_eq!(owner.conn.memory(), (0, 0));
}
