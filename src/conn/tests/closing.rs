//! How connections end: in which order, and for which reason.

use super::owner::{LINE, Owner, PADDED, RAW, frame};
use crate::conn::{Action, Outcome};
use crate::server::close::CloseReason;

#[test]
fn an_error_is_answered_then_fin_then_the_rest_is_discarded_until_the_peers_fin() {
    let cases = [
        (PADDED, b"GET / HTTP/1.1\r\n\r\n".to_vec(), CloseReason::BadFrame),
        (PADDED, frame(&[b'x'; 301])[..64].to_vec(), CloseReason::OverLimit),
        (LINE, vec![b'k'; 301], CloseReason::OverLimit),
    ];
    for (framing, bad, reason) in cases {
        let mut owner = Owner::new(framing);
        owner.window = 0;
        owner.receive(&bad);
        let reply = owner.conn.unsent().bytes().to_vec();
        assert!(!reply.is_empty());
        assert_eq!(owner.conn.next_step(), Action::Stay, "the error reply goes first");

        owner.take(usize::MAX);
        assert_eq!(owner.received, reply);
        assert_eq!(owner.step(), Action::SendFin);
        assert_eq!(owner.step(), Action::Stay, "one FIN is enough");

        owner.receive(&frame(b"ECHO too late"));
        assert_eq!(owner.received, reply, "nothing is answered any more");
        assert_eq!(owner.service.requests, 0);
        assert_eq!(owner.conn.memory(), (0, 0));
        owner.eof();
        assert_eq!(owner.step(), Action::Close(reason));
    }
}

#[test]
fn an_error_reply_says_what_was_wrong_in_the_listeners_envelope() {
    let mut framed = Owner::new(PADDED);
    framed.receive(b"1x");
    let text = "Error: header byte 1 is 0x78 ('x'); a header is the body's length in decimal \
                digits, then spaces up to 64 bytes";
    assert_eq!(framed.received, frame(text.as_bytes()));

    let mut lines = Owner::new(LINE);
    lines.receive(&[b'k'; 302]);
    assert_eq!(lines.received, b"Error: a line is over the limit of 300 bytes\r\n");
}

#[test]
fn requests_before_the_bad_one_are_answered_and_those_behind_it_are_not() {
    let mut owner = Owner::new(PADDED);
    owner.receive(&[&frame(b"ECHO one")[..], &frame(b"two"), b"-", &frame(b"ECHO 4")].concat());
    let before = [frame(b"one"), frame(b"received")].concat();
    assert!(owner.received.starts_with(&before));
    assert!(owner.received[before.len() + 64..].starts_with(b"Error: header byte 0 is 0x2d"));
    assert_eq!(owner.service.requests, 2);
}

#[test]
fn a_service_may_finish_after_its_reply() {
    let mut owner = Owner::new(PADDED);
    owner.receive(&[frame(b"Disconnect !"), frame(b"ECHO too late")].concat());
    assert_eq!(owner.received, frame(b"bye"));
    assert_eq!(owner.service.requests, 1);
    assert_eq!(owner.step(), Action::SendFin);
    owner.eof();
    assert_eq!(owner.step(), Action::Close(CloseReason::Disconnect));
}

#[test]
fn the_peers_fin_is_answered_with_all_replies_and_a_close() {
    let mut owner = Owner::new(PADDED);
    owner.window = 10;
    owner.receive(&frame(b"ECHO hello"));
    owner.eof();
    assert_eq!(owner.step(), Action::Stay, "there is a reply to send");
    owner.take(usize::MAX);
    // No FIN of its own: close sends it, and nothing unread is left that would make it a RST.
    assert_eq!(owner.step(), Action::Close(CloseReason::PeerClosed));
    assert_eq!(owner.received, frame(b"hello"));
}

#[test]
fn a_fin_in_the_middle_of_a_frame_is_told_apart() {
    for cut in [1, 63, 64, 65] {
        let mut owner = Owner::new(PADDED);
        owner.receive(&frame(b"ECHO hello")[..cut]);
        owner.eof();
        assert_eq!(owner.step(), Action::Close(CloseReason::PeerClosedMidFrame));
        assert_eq!(owner.received, b"");
    }
}

#[test]
fn a_last_line_without_its_end_is_answered_bare() {
    let mut owner = Owner::new(LINE);
    owner.receive(b"ECHO one\nECHO two");
    owner.eof();
    assert_eq!(owner.received, b"one\ntwo");
    assert_eq!(owner.step(), Action::Close(CloseReason::PeerClosed));

    let mut last = Owner::new(LINE);
    last.receive(b"Disconnect !");
    last.eof();
    assert_eq!(last.received, b"bye");
    assert_eq!(last.step(), Action::Close(CloseReason::Disconnect));
}

#[test]
fn draining_answers_an_unterminated_line_but_no_unfinished_frame() {
    let mut lines = Owner::new(LINE);
    lines.receive(b"ECHO one\nECHO two");
    assert!(!lines.conn.can_drain(true), "there is more to read");
    assert!(lines.conn.can_drain(false));
    lines.drain();
    assert_eq!(lines.received, b"one\ntwo");
    assert_eq!(lines.step(), Action::SendFin);
    assert!(!lines.conn.can_drain(false), "once is enough");
    lines.eof();
    assert_eq!(lines.step(), Action::Close(CloseReason::Drained));

    let mut framed = Owner::new(PADDED);
    framed.receive(&[&frame(b"ECHO one")[..], b"7"].concat());
    framed.drain();
    assert_eq!(framed.received, frame(b"one"));
    assert_eq!(framed.conn.memory(), (0, 0));
    assert_eq!(framed.step(), Action::SendFin);
}

#[test]
fn draining_waits_for_requests_that_wait() {
    let mut owner = Owner::new(PADDED);
    owner.limits.output_limit = 0;
    owner.window = 0;
    owner.receive(&frame(b"ECHO x").repeat(2));
    assert!(!owner.conn.can_drain(false));
    assert!(!owner.conn.can_drain(true));
    owner.take(usize::MAX);
    owner.resume();
    owner.resume();
    assert!(owner.conn.can_drain(false));
    assert_eq!(owner.received, frame(b"x").repeat(2));
}

#[test]
fn draining_ends_output_that_would_not_end() {
    let mut owner = Owner::new(RAW);
    owner.service.on_open = Outcome::Produce;
    owner.open();
    assert!(owner.conn.can_drain(true));
    owner.drain();
    assert!(!owner.conn.wants_to_produce());
    assert_eq!(owner.step(), Action::SendFin);
}

#[test]
fn the_first_reason_is_the_one_given() {
    let mut owner = Owner::new(PADDED);
    assert_eq!(owner.conn.reason_or(CloseReason::Stopped), CloseReason::Stopped);
    owner.window = 0;
    owner.receive(&frame(b"Disconnect !"));
    owner.drain();
    assert_eq!(owner.conn.reason_or(CloseReason::Stopped), CloseReason::Disconnect);
    owner.conn.fail(CloseReason::Reset);
    assert_eq!(owner.step(), Action::Close(CloseReason::Disconnect));
}

#[test]
fn a_socket_that_failed_is_closed_with_nothing_left_over() {
    let mut owner = Owner::new(PADDED);
    owner.window = 0;
    owner.receive(&[&frame(b"ECHO hello")[..], b"5 "].concat());
    assert!(owner.conn.memory() > (0, 0));
    owner.conn.fail(CloseReason::Reset);
    assert_eq!(owner.conn.memory(), (0, 0));
    assert!(!owner.conn.wants_read());
    assert!(!owner.can_resume());
    assert!(!owner.conn.wants_to_produce());
    assert_eq!(owner.step(), Action::Close(CloseReason::Reset));
}

#[test]
fn a_peer_that_does_not_read_is_aborted() {
    let mut owner = Owner::new(PADDED);
    owner.window = 0;
    owner.receive(&frame(b"ECHO hello"));
    owner.expire_at(owner.deadline());
    assert_eq!(owner.step(), Action::Abort(CloseReason::WriteTimeout));
}
