//! Answers do not depend on how the server's bytes were chopped into reads.

use super::owner::{Cue, Owner, frame};
use crate::client::session::{Expect, NextAction};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// An answer as it is awaited, as it is heard, and as it comes.
#[derive(Clone, Debug)]
struct Answer {
    expect: Expect,
    payload: Vec<u8>,
    wire: Vec<u8>,
}

fn framed() -> impl Strategy<Value = Answer> {
    vec(any::<u8>(), 0..200).prop_map(|payload| Answer {
        expect: Expect::Frame,
        wire: frame(&payload),
        payload,
    })
}

fn line() -> impl Strategy<Value = Answer> {
    let byte = any::<u8>().prop_filter("ends the line", |byte| !b"\r\n".contains(byte));
    (vec(byte, 0..50), select(vec!["\n", "\r\n"])).prop_map(|(payload, end)| Answer {
        expect: Expect::Line,
        wire: [&payload[..], end.as_bytes()].concat(),
        payload,
    })
}

fn counted() -> impl Strategy<Value = Answer> {
    vec(any::<u8>(), 1..100).prop_map(|payload| Answer {
        expect: Expect::Bytes(payload.len()),
        wire: payload.clone(),
        payload,
    })
}

fn paused() -> impl Strategy<Value = Answer> {
    vec(any::<u8>(), 1..100).prop_map(|payload| Answer {
        expect: Expect::Pause,
        wire: payload.clone(),
        payload,
    })
}

/// The lengths of the pieces in which bytes come, used in turn; mostly short ones.
fn pieces() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![3 => 1usize..8, 1 => 1usize..500], 1..20)
}

/// Cuts `bytes` into pieces as long as `lengths` says, over and over.
fn chop<'a>(bytes: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = bytes;
    lengths.iter().cycle().map_while(move |&length| {
        let (piece, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

fn payloads(answers: &[Answer]) -> Vec<Vec<u8>> {
    answers.iter().map(|answer| answer.payload.clone()).collect()
}

fn wire(answers: &[Answer]) -> Vec<u8> {
    answers.iter().flat_map(|answer| answer.wire.clone()).collect()
}

proptest! {
    /// The conversation has said everything before the first answer comes.
    #[test]
    fn any_chopping_gives_the_answers_in_order_to_one_that_pipelines(
        answers in vec(prop_oneof![framed(), line(), counted()], 1..12),
        lengths in pieces(),
    ) {
        let mut cues: Vec<Cue<'_>> =
            answers.iter().map(|answer| (&b""[..], NextAction::Await(answer.expect))).collect();
        cues[0].0 = b"all requests";
        let mut owner = Owner::connected(&cues);
        prop_assert_eq!(&owner.sent, b"all requests");
        chop(&wire(&answers), &lengths).for_each(|piece| owner.receive(piece));
        prop_assert_eq!(owner.heard(), payloads(&answers));
        owner.send_fin();
    }

    /// Requests go out one by one, and some answers end by the server's silence.
    #[test]
    fn any_chopping_gives_the_answers_in_order_to_one_that_takes_turns(
        answers in vec(prop_oneof![framed(), line(), counted(), paused()], 1..12),
        lengths in pieces(),
    ) {
        let cues: Vec<Cue<'_>> =
            answers.iter().map(|answer| (&b"?"[..], NextAction::Await(answer.expect))).collect();
        let mut owner = Owner::connected(&cues);
        for (number, answer) in answers.iter().enumerate() {
            prop_assert_eq!(owner.sent.len(), number + 1);
            prop_assert_eq!(owner.heard().len(), number);
            chop(&answer.wire, &lengths).for_each(|piece| owner.receive(piece));
            if answer.expect == Expect::Pause {
                prop_assert_eq!(owner.heard().len(), number);
                owner.expire_at_deadline();
            }
        }
        prop_assert_eq!(owner.heard(), payloads(&answers));
        owner.send_fin();
    }

    /// Before some answers the conversation suspends itself. It is resumed after `pause` more
    /// pieces have arrived, or when all have.
    #[test]
    fn what_comes_while_resting_is_kept_for_later(
        answers in vec((prop_oneof![framed(), line(), counted()], any::<bool>()), 1..12),
        lengths in pieces(),
        pause in 0usize..5,
    ) {
        let mut cues: Vec<Cue<'_>> = Vec::new();
        for (answer, suspend_before) in &answers {
            if *suspend_before {
                cues.push((b"", NextAction::Suspend));
            }
            cues.push((b"", NextAction::Await(answer.expect)));
        }
        let answers: Vec<Answer> = answers.iter().map(|(answer, _)| answer.clone()).collect();
        let mut owner = Owner::connected(&cues);
        let mut missed = 0;
        for piece in chop(&wire(&answers), &lengths) {
            if owner.session.is_suspended() && missed == pause {
                owner.resume();
                missed = 0;
            }
            owner.receive(piece);
            missed += usize::from(owner.session.is_suspended() && missed < pause);
        }
        while owner.session.is_suspended() {
            owner.resume();
        }
        prop_assert_eq!(owner.heard(), payloads(&answers));
        owner.send_fin();
    }
}

#[test]
fn what_came_while_resting_belongs_to_an_answer_that_ends_by_a_pause() {
    let mut owner =
        Owner::connected(&[(b"", NextAction::Suspend), (b"", NextAction::Await(Expect::Pause))]);
    owner.receive(b"early ");
    owner.pass(owner.limits.pause * 10);
    owner.resume();
    assert_eq!(owner.deadline(), owner.now + owner.limits.pause);
    owner.receive(b"late");
    owner.expire_at_deadline();
    assert_eq!(owner.heard(), [b"early late"]);
}
