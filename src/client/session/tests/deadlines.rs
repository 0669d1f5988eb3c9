//! How long a session waits for what.

use super::owner::{Owner, frame};
use crate::client::session::{Expect, NextAction, SessionError, SessionLimits, Step};
use crate::io::clock::Moment;
use std::time::Duration;

const PAUSE: NextAction = NextAction::Await(Expect::Pause);
const FRAME: NextAction = NextAction::Await(Expect::Frame);
const MILLISECOND: Duration = Duration::from_millis(1);

fn limits() -> SessionLimits {
    SessionLimits {
        connect_timeout: Duration::from_millis(100),
        answer_timeout: Duration::from_millis(1000),
        pause: Duration::from_millis(50),
        linger: Duration::from_millis(200),
        ..SessionLimits::default()
    }
}

fn owner(cues: &[(&[u8], NextAction)]) -> Owner {
    let mut owner = Owner::new(cues);
    owner.limits = limits();
    owner.pass(MILLISECOND * 10);
    owner.connect();
    owner
}

#[test]
fn the_attempt_to_connect_is_given_up_by_the_owner() {
    let mut owner = Owner::new(&[(b"", FRAME)]);
    owner.limits = limits();
    assert_eq!(owner.deadline(), owner.now + limits().connect_timeout);
    owner.expire_at_deadline();
    assert!(owner.session.is_connecting());
    assert!(matches!(owner.session.next_step(), Step::Stay));
}

#[test]
fn every_answer_has_a_time_of_its_own() {
    for expect in [Expect::Frame, Expect::Line, Expect::Bytes(5), Expect::Pause] {
        let mut owner = owner(&[(b"", FRAME), (b"", NextAction::Await(expect))]);
        assert_eq!(owner.deadline(), owner.now + limits().answer_timeout);
        owner.pass(MILLISECOND * 999);
        owner.expire();
        owner.receive(&frame(b"one"));
        assert_eq!(owner.deadline(), owner.now + limits().answer_timeout, "{expect:?}");
        owner.expire_at_deadline();
        let error = owner.failure();
        let limit = limits().answer_timeout;
        assert!(matches!(error, SessionError::AnswerTimeout(after) if after == limit), "{error}");
    }
}

#[test]
fn a_byte_now_and_then_does_not_keep_a_session_alive() {
    for expect in [Expect::Frame, Expect::Line, Expect::Bytes(100), Expect::Pause] {
        let mut owner = owner(&[(b"", NextAction::Await(expect))]);
        let due = owner.now + limits().answer_timeout;
        while owner.now < due {
            owner.expire();
            owner.receive(b"1");
            assert!(owner.deadline() <= due, "{expect:?}");
            owner.pass(MILLISECOND * 49);
        }
        owner.now = due;
        owner.expire();
        assert!(matches!(owner.failure(), SessionError::AnswerTimeout(_)), "{expect:?}");
    }
}

#[test]
fn the_pause_begins_anew_with_each_read() {
    let mut owner = owner(&[(b"", PAUSE)]);
    for piece in [&b"the "[..], b"date ", b"and time"] {
        owner.receive(piece);
        assert_eq!(owner.deadline(), owner.now + limits().pause);
        owner.pass(MILLISECOND * 49);
        owner.expire();
        assert_eq!(owner.heard().len(), 0);
    }
    owner.pass(MILLISECOND);
    owner.expire();
    assert_eq!(owner.heard(), [b"the date and time"]);
}

#[test]
fn an_answer_that_is_over_when_its_time_is_up_counts() {
    let mut owner = owner(&[(b"", PAUSE)]);
    owner.receive(b"the date");
    owner.pass(Duration::from_secs(3600));
    owner.expire();
    assert_eq!(owner.heard(), [b"the date"]);
    owner.send_fin();
}

#[test]
fn after_our_fin_the_server_has_the_linger_time_for_its_own() {
    let mut owner = owner(&[(b"", FRAME)]);
    owner.receive(&frame(b"answer"));
    owner.pass(MILLISECOND * 500);
    owner.send_fin();
    let deadline = owner.now + limits().linger;
    assert_eq!(owner.deadline(), deadline);
    owner.pass(MILLISECOND * 199);
    owner.expire();
    assert!(matches!(owner.session.next_step(), Step::Stay));
    owner.receive(b"does not count");
    assert_eq!(owner.deadline(), deadline);
    owner.expire_at_deadline();
    assert!(owner.result().is_ok());
}

#[test]
fn a_last_word_that_nobody_takes_is_given_up() {
    for server_closed in [false, true] {
        let mut owner = owner(&[(b"", PAUSE), (b"thanks", NextAction::Finish)]);
        owner.blocked = true;
        owner.receive(b"the date");
        if server_closed {
            owner.receive_eof();
        } else {
            owner.expire_at_deadline();
        }
        assert_eq!(owner.deadline(), owner.now + limits().answer_timeout);
        owner.expire();
        assert!(matches!(owner.session.next_step(), Step::Stay));
        owner.expire_at_deadline();
        assert!(owner.result().is_ok());
    }
}

#[test]
fn rest_has_no_end_of_its_own() {
    let mut owner = owner(&[(b"", NextAction::Suspend), (b"", FRAME)]);
    assert_eq!(owner.deadline(), Moment::NEVER);
    owner.pass(Duration::from_secs(86_400));
    owner.expire();
    assert!(owner.session.make_resumable().is_some());
    assert_eq!(owner.deadline(), Moment::NEVER);
    owner.expire();
    assert!(matches!(owner.session.next_step(), Step::Stay));
}

#[test]
fn the_answer_to_what_is_said_after_a_rest_has_its_full_time() {
    let mut owner = owner(&[(b"", NextAction::Suspend), (b"", FRAME)]);
    owner.receive(b"5");
    owner.pass(Duration::from_secs(86_400));
    owner.resume();
    assert_eq!(owner.deadline(), owner.now + limits().answer_timeout);
}
