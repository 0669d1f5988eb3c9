//! The client's engine, driven as the pool drives it, with a conversation that follows a list.

mod chopping;
mod closing;
mod deadlines;
mod owner;

use super::{Expect, NextAction, SessionError, SessionLimits, Step};
use crate::io::address::Address;
use crate::io::net::ConnectedToItself;
use crate::protocol::frame::{FrameError, encode_header};
use owner::{Owner, frame};
use std::io;
use std::time::Duration;

const FRAME: NextAction = NextAction::Await(Expect::Frame);

fn small() -> SessionLimits {
    SessionLimits { max_answer: 20, ..SessionLimits::default() }
}

#[test]
fn a_script_speaks_once_connected_and_after_each_answer() {
    let mut owner = Owner::new(&[(b"one", FRAME), (b"two", FRAME), (b"bye", NextAction::Finish)]);
    assert!(owner.session.is_connecting());
    assert_eq!(owner.sent, b"");
    owner.connect();
    assert!(!owner.session.is_connecting());
    assert_eq!(owner.sent, b"one");
    owner.receive(&frame(b"first"));
    assert_eq!(owner.sent, b"onetwo");
    owner.receive(&frame(b"second"));
    assert_eq!(owner.sent, b"onetwobye");
    assert_eq!(owner.heard(), [&b"first"[..], b"second"]);
    assert!(matches!(owner.session.next_step(), Step::SendFin));
}

#[test]
fn what_comes_after_the_last_answer_is_not_heard() {
    let mut owner = Owner::connected(&[(b"", FRAME)]);
    owner.receive(&[frame(b"answer"), frame(b"more")].concat());
    owner.receive(b"and more");
    assert_eq!(owner.heard(), [b"answer"]);
    assert!(matches!(owner.session.next_step(), Step::SendFin));
}

#[test]
fn a_wrong_answer_ends_the_session_in_the_words_of_the_script() {
    let mut owner = Owner::connected(&[(b"", FRAME), (b"", FRAME), (b"", FRAME)]);
    owner.session.conversation.wrong_answer = Some(2);
    owner.receive(&[frame(b"one"), frame(b"two"), frame(b"three")].concat());
    owner.receive(&frame(b"four"));
    assert_eq!(owner.heard(), [b"one", b"two"]);
    let error = owner.failure();
    assert!(matches!(&error, SessionError::WrongAnswer(what) if what == "answer 2 is wrong"));
    assert_eq!(error.to_string(), "answer 2 is wrong");
}

#[test]
fn a_bad_frame_ends_the_session_at_its_first_wrong_byte() {
    for (bytes, offset, byte) in [(&b"H"[..], 0, b'H'), (b"12 3", 3, b'3'), (b"5\n", 1, b'\n')] {
        let mut owner = Owner::connected(&[(b"", FRAME)]);
        owner.receive(bytes);
        let expected = FrameError::BadByte { offset, byte };
        assert!(
            matches!(owner.failure(), SessionError::BadAnswer(error) if error == expected),
            "{bytes:?}"
        );
    }
}

#[test]
fn an_answer_may_be_as_long_as_the_limit() {
    let longest = [b'a'; 20];
    let answers = [
        (Expect::Frame, frame(&longest)),
        (Expect::Line, [&longest[..], b"\r\n"].concat()),
        (Expect::Pause, longest.to_vec()),
    ];
    for (expect, bytes) in answers {
        let mut owner = Owner::connected(&[(b"", NextAction::Await(expect))]);
        owner.limits = small();
        owner.receive(&bytes);
        owner.receive_eof();
        assert_eq!(owner.heard(), [longest], "{expect:?}");
    }
}

#[test]
fn an_answer_over_the_limit_ends_the_session_before_it_is_held() {
    let over = [b'a'; 21];
    let answers = [
        (Expect::Frame, encode_header(21).to_vec()),
        (Expect::Line, over.to_vec()),
        (Expect::Line, [&over[..], b"\n"].concat()),
        (Expect::Pause, over.to_vec()),
    ];
    for (expect, bytes) in answers {
        for piece in [bytes.len(), 1] {
            let mut owner = Owner::connected(&[(b"", NextAction::Await(expect))]);
            owner.limits = small();
            bytes.chunks(piece).for_each(|chunk| owner.receive(chunk));
            let error = owner.failure();
            assert!(matches!(error, SessionError::OverLimit { limit: 20 }), "{expect:?}: {error}");
            assert_eq!(owner.heard().len(), 0);
        }
    }
}

#[test]
fn a_server_cannot_fill_the_memory_of_a_session_that_rests() {
    let mut owner = Owner::connected(&[(b"", NextAction::Suspend)]);
    owner.limits = small();
    owner.receive(&[b'a'; 20]);
    assert!(matches!(owner.session.next_step(), Step::Stay));
    owner.receive(b"a");
    assert!(matches!(owner.failure(), SessionError::OverLimit { limit: 20 }));
}

#[test]
fn errors_say_what_was_wrong_and_what_to_do() {
    let address: Address = "127.0.0.1:9999".parse().unwrap();
    let os = io::Error::from_raw_os_error;
    let second = Duration::from_secs(1);
    let bad_byte = FrameError::BadByte { offset: 0, byte: b'H' };
    let texts = [
        (SessionError::Connect(address.clone(), os(nix::libc::ECONNREFUSED)), "is readyd running?"),
        (SessionError::Connect(address.clone(), os(nix::libc::ENOENT)), "no such socket"),
        (SessionError::Connect(address.clone(), os(nix::libc::EAGAIN)), "backlog is full"),
        (SessionError::Connect(address.clone(), ConnectedToItself.into()), "reached itself"),
        (
            SessionError::Connect(address.clone(), os(nix::libc::EADDRNOTAVAIL)),
            "ip_local_port_range",
        ),
        (SessionError::Connect(address.clone(), os(nix::libc::EMFILE)), "ulimit -n"),
        (SessionError::Connect(address.clone(), os(nix::libc::EHOSTUNREACH)), "No route to host"),
        (SessionError::ConnectTimeout(address.clone(), second), "no answer within 1s"),
        (SessionError::ClosedEarly { received: 0 }, "before it answered"),
        (SessionError::ClosedEarly { received: 7 }, "7 bytes into its answer"),
        (SessionError::AnswerTimeout(second), "did not answer within 1s"),
        (SessionError::BadAnswer(bad_byte), "see --plain"),
        (SessionError::OverLimit { limit: 20 }, "longer than the 20 bytes"),
        (SessionError::Broken(os(nix::libc::ECONNRESET)), "Connection reset by peer"),
    ];
    for (error, part) in texts {
        let text = error.to_string();
        assert!(text.contains(part), "{text}");
        let names_address =
            matches!(error, SessionError::Connect(..) | SessionError::ConnectTimeout(..));
        assert_eq!(text.contains("127.0.0.1:9999"), names_address, "{text}");
    }
}
