//! The engine, driven as its owner drives it, with a service small enough to predict.

mod chopping;
mod closing;
mod deadlines;
mod in_place;
mod owner;
mod pressure;

use super::{Action, Outcome};
use crate::server::close::CloseReason;
use owner::{LINE, Owner, PADDED, RAW, frame};

#[test]
fn a_reply_goes_out_in_the_envelope_of_its_request() {
    let mut framed = Owner::new(PADDED);
    framed.receive(&frame(b"ECHO hello"));
    assert_eq!(framed.received, frame(b"hello"));

    let mut lines = Owner::new(LINE);
    lines.receive(b"ECHO one\nECHO two\r\n\n");
    assert_eq!(lines.received, b"one\ntwo\r\nreceived\n");

    let mut raw = Owner::new(RAW);
    raw.receive(b"ECHO hello\n");
    assert_eq!(raw.received, b"hello\n");
}

#[test]
fn the_service_may_speak_first() {
    let mut greeted = Owner::new(LINE);
    greeted.service.greeting = b"07/05/2021 20:36:52";
    greeted.open();
    greeted.receive(b"ECHO x\n");
    assert_eq!(greeted.received, b"07/05/2021 20:36:52x\n");
    assert_eq!(greeted.conn.next_step(), Action::Stay);

    let mut served = Owner::new(RAW);
    served.service.greeting = b"the time\r\n";
    served.service.on_open = Outcome::Finish(CloseReason::Served);
    served.open();
    assert_eq!(served.received, b"the time\r\n");
    assert_eq!(served.conn.next_step(), Action::SendFin);
}

#[test]
fn an_idle_connection_owns_no_heap() {
    for (framing, requests) in [
        (PADDED, [frame(b"ECHO one"), frame(b"two"), frame(b"")].concat()),
        (LINE, b"ECHO one\ntwo\r\n\n".to_vec()),
        (RAW, b"ECHO one".to_vec()),
    ] {
        let mut owner = Owner::new(framing);
        assert_eq!(owner.conn.memory(), (0, 0));
        owner.receive(&requests);
        assert_eq!(owner.conn.memory(), (0, 0), "after whole requests, {framing:?}");
        for byte in &requests {
            owner.receive(&[*byte]);
        }
        assert_eq!(owner.conn.memory(), (0, 0), "after a byte at a time, {framing:?}");
    }
}

#[test]
fn heap_is_held_for_an_unfinished_request_and_for_untaken_output_only() {
    let request = frame(b"ECHO hello");
    let (most, last) = request.split_at(request.len() - 1);
    let mut owner = Owner::new(PADDED);
    owner.receive(most);
    let (unparsed, unsent) = owner.conn.memory();
    assert!(unparsed >= most.len());
    assert_eq!(unsent, 0);
    assert_eq!(owner.conn.waiting(), (most.len(), 0));

    owner.window = 10;
    owner.receive(last);
    assert_eq!(owner.conn.memory().0, 0);
    assert!(owner.conn.memory().1 >= owner.conn.unsent().len());
    assert_eq!(owner.conn.unsent().len(), frame(b"hello").len() - 10);
    assert_eq!(owner.conn.waiting(), (0, frame(b"hello").len() - 10));
    assert!(owner.conn.has_unsent());

    owner.take(usize::MAX);
    assert!(!owner.conn.has_unsent());
    assert_eq!(owner.conn.memory(), (0, 0));
    assert_eq!(owner.received, frame(b"hello"));
}

#[test]
fn memory_follows_the_bytes_received_not_the_length_declared() {
    let mut owner = Owner::new(PADDED);
    owner.receive(&frame(&[b'x'; 300])[..64]);
    let (unparsed, _) = owner.conn.memory();
    assert!(unparsed < 64 + 300, "{unparsed} bytes held for a header of 64");
}

#[test]
fn output_made_unasked_is_made_again_whenever_the_last_of_it_was_taken() {
    let mut owner = Owner::new(RAW);
    owner.service.on_open = Outcome::Produce;
    owner.window = 0;
    owner.open();
    assert!(owner.conn.wants_to_produce());
    owner.produce();
    assert!(!owner.conn.wants_to_produce(), "what waits goes first");
    let all_but_one = owner.conn.unsent().len() - 1;
    owner.take(all_but_one);
    assert!(!owner.conn.wants_to_produce());
    owner.take(1);
    assert!(owner.conn.wants_to_produce());
    owner.produce();
    owner.take(usize::MAX);
    assert_eq!(owner.received, [owner::PRODUCED, owner::PRODUCED].concat());
}

#[test]
fn a_producing_connection_takes_what_the_peer_sends_and_goes_on() {
    let mut owner = Owner::new(RAW);
    owner.service.on_open = Outcome::Produce;
    owner.open();
    owner.receive(b"QUIET");
    assert!(owner.conn.wants_to_produce());
    // A peer that half-closed still reads.
    owner.eof();
    assert!(owner.conn.wants_to_produce());
    assert_eq!(owner.conn.next_step(), Action::Stay);
    owner.drain();
    assert_eq!(owner.conn.next_step(), Action::Close(CloseReason::Drained));
}
