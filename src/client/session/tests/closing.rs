//! How a session ends, in every state that it can be in.

use super::owner::{Cue, Owner, frame};
use crate::client::session::{Expect, NextAction, SessionError, Step};
use std::io::{self, ErrorKind};

const PAUSE: NextAction = NextAction::Await(Expect::Pause);
const FRAME: NextAction = NextAction::Await(Expect::Frame);

/// A session in each state in which something is still to be heard or said.
fn unfinished() -> Vec<(&'static str, Owner)> {
    let mut sessions = vec![("connecting", Owner::new(&[(b"", FRAME)]))];
    let expects = [("frame", Expect::Frame), ("line", Expect::Line), ("bytes", Expect::Bytes(100))];
    for (name, expect) in expects {
        sessions.push((name, Owner::connected(&[(b"", NextAction::Await(expect))])));
    }
    sessions.push(("suspended", Owner::connected(&[(b"", NextAction::Suspend)])));
    let mut resumable = Owner::connected(&[(b"", NextAction::Suspend)]);
    assert!(resumable.session.make_resumable().is_some());
    sessions.push(("resumable", resumable));
    sessions
}

/// A session in each state in which all has been heard.
fn finished() -> Vec<(&'static str, Owner)> {
    let cues: &[Cue<'_>] = &[(b"", PAUSE), (b"last word", NextAction::Finish)];
    let finishing = || {
        let mut owner = Owner::connected(cues);
        owner.blocked = true;
        owner.receive(b"answer");
        owner.expire_at_deadline();
        owner
    };
    let mut closing = finishing();
    closing.receive_eof();
    let mut lingering = finishing();
    lingering.unblock();
    lingering.send_fin();
    vec![("finishing", finishing()), ("closing", closing), ("lingering", lingering)]
}

#[test]
fn a_close_before_the_answer_is_early() {
    for (name, mut owner) in unfinished() {
        owner.receive_eof();
        let error = owner.failure();
        assert!(matches!(error, SessionError::ClosedEarly { received: 0 }), "{name}: {error}");
    }
}

#[test]
fn a_close_within_the_answer_tells_how_much_of_it_came() {
    for (name, mut owner) in unfinished().into_iter().skip(1) {
        owner.receive(b"12");
        owner.receive(b"34");
        owner.receive_eof();
        let error = owner.failure();
        assert!(matches!(error, SessionError::ClosedEarly { received: 4 }), "{name}: {error}");
        assert_eq!(owner.heard().len(), 0, "{name}");
    }
}

#[test]
fn a_close_before_an_answer_that_ends_by_a_pause_is_early() {
    let mut owner = Owner::connected(&[(b"", PAUSE)]);
    owner.receive_eof();
    assert!(matches!(owner.failure(), SessionError::ClosedEarly { received: 0 }));
}

#[test]
fn a_script_may_allow_the_close() {
    for expect in [Expect::Frame, Expect::Line, Expect::Bytes(5), Expect::Pause] {
        let mut owner = Owner::connected(&[(b"bye", NextAction::Await(expect))]);
        owner.session.conversation.may_close = true;
        owner.receive_eof();
        assert!(owner.result().is_ok(), "{expect:?}");
    }
}

#[test]
fn no_script_allows_a_close_within_an_answer_or_while_it_rests() {
    let mut within = Owner::connected(&[(b"bye", FRAME)]);
    within.session.conversation.may_close = true;
    within.receive(b"12");
    within.receive_eof();
    assert!(matches!(within.failure(), SessionError::ClosedEarly { received: 2 }));

    let mut suspended = Owner::connected(&[(b"", NextAction::Suspend)]);
    suspended.session.conversation.may_close = true;
    suspended.receive_eof();
    assert!(matches!(suspended.failure(), SessionError::ClosedEarly { received: 0 }));
}

#[test]
fn a_close_ends_an_answer_that_would_have_ended_by_a_pause() {
    let mut owner = Owner::connected(&[(b"", PAUSE)]);
    owner.receive(b"the date");
    owner.receive_eof();
    assert_eq!(owner.heard(), [b"the date"]);
    assert!(owner.result().is_ok());
}

#[test]
fn after_that_close_the_next_answer_cannot_come() {
    let mut owner = Owner::connected(&[(b"", PAUSE), (b"more?", FRAME)]);
    owner.receive(b"the date");
    owner.receive_eof();
    assert_eq!(owner.heard(), [b"the date"]);
    assert!(matches!(owner.failure(), SessionError::ClosedEarly { received: 0 }));

    let mut allowed = Owner::connected(&[(b"", PAUSE), (b"bye", FRAME)]);
    allowed.session.conversation.may_close = true;
    allowed.receive(b"the date");
    allowed.receive_eof();
    assert!(allowed.result().is_ok());
}

#[test]
fn a_last_word_goes_out_after_the_servers_fin_and_nothing_is_waited_for() {
    let mut owner = Owner::connected(&[(b"", PAUSE), (b"thanks", NextAction::Finish)]);
    owner.receive(b"the date");
    owner.blocked = true;
    owner.receive_eof();
    assert!(matches!(owner.session.next_step(), Step::Stay), "the last word is not out yet");
    owner.unblock();
    assert_eq!(owner.sent, b"thanks");
    assert!(owner.result().is_ok());
}

#[test]
fn our_fin_goes_after_the_last_word_and_the_session_ends_with_theirs() {
    let mut owner = Owner::connected(&[(b"", FRAME), (b"thanks", NextAction::Finish)]);
    owner.blocked = true;
    owner.receive(&frame(b"answer"));
    assert!(matches!(owner.session.next_step(), Step::Stay));
    owner.unblock();
    owner.send_fin();
    assert!(matches!(owner.session.next_step(), Step::Stay));
    owner.receive(b"what nobody asked for");
    assert!(matches!(owner.session.next_step(), Step::Stay));
    owner.receive_eof();
    assert!(owner.result().is_ok());
}

#[test]
fn a_failure_before_the_end_breaks_the_session() {
    let paused = ("pause", Owner::connected(&[(b"", PAUSE)]));
    for (name, mut owner) in unfinished().into_iter().chain([paused]) {
        owner.session.fail(io::Error::from(ErrorKind::ConnectionReset));
        let error = owner.failure();
        assert!(
            matches!(&error, SessionError::Broken(io) if io.kind() == ErrorKind::ConnectionReset),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_failure_after_all_was_heard_is_no_loss() {
    for (name, mut owner) in finished() {
        assert_eq!(owner.heard(), [b"answer"]);
        owner.session.fail(io::Error::from(ErrorKind::ConnectionReset));
        assert!(owner.result().is_ok(), "{name}");
    }
}

#[test]
fn a_session_that_has_ended_keeps_its_result() {
    let mut owner = Owner::connected(&[(b"", FRAME)]);
    owner.receive(b"nonsense");
    owner.session.fail(io::Error::from(ErrorKind::ConnectionReset));
    owner.receive_eof();
    owner.receive(&frame(b"late"));
    owner.expire();
    assert!(matches!(owner.failure(), SessionError::BadAnswer(_)));
    assert_eq!(owner.heard().len(), 0);
}

#[test]
fn only_a_script_that_rests_is_woken() {
    for (name, mut owner) in unfinished().into_iter().chain(finished()) {
        assert_eq!(owner.session.make_resumable().is_some(), name == "suspended", "{name}");
    }
}

#[test]
fn a_script_without_more_to_say_finishes_when_woken() {
    let mut owner = Owner::connected(&[(b"", NextAction::Suspend)]);
    owner.resume();
    owner.send_fin();
}
