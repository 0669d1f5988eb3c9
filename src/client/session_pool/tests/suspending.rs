//! Suspended conversations, and the pool that stops for them.

use super::rig::{ANSWER_TIMEOUT, Peer, Rig, frame, limits};
use crate::client::conversations::Chat;
use crate::client::session::SessionError;
use crate::client::session_pool::PoolLimits;
use crate::io::event_loop::LoopControl;
use std::time::Duration;

fn chats(count: usize) -> Vec<Chat> {
    (0..count).map(|_| Chat::default()).collect()
}

fn send(rig: &mut Rig<Chat>, message: Option<&[u8]>) -> usize {
    let mut resumed = 0;
    rig.pool.resume(|chat| {
        resumed += 1;
        chat.send(message.map(<[u8]>::to_vec));
    });
    resumed
}

#[test]
fn the_pool_stops_when_all_rest_and_goes_on_when_resumed() {
    let mut rig = Rig::new(limits(), chats(3));
    assert_eq!(rig.settle(), LoopControl::Stop);
    assert_eq!(rig.pool.established(), 3);
    let mut peers: Vec<Peer> = (0..3).map(|_| rig.accept()).collect();
    let mut answers = Vec::new();
    for message in [Some("one"), Some("two"), None] {
        rig.now = rig.now + Duration::from_secs(86_400);
        rig.pool.resume(|chat| {
            answers.extend(chat.take_answer());
            chat.send(message.map(|message| message.as_bytes().to_vec()));
        });
        assert!(matches!(rig.settle(), LoopControl::WaitUntil(_)));
        for peer in &mut peers {
            assert_eq!(peer.read(), frame(message.unwrap_or("Disconnect !").as_bytes()));
            peer.write(&frame(b"received"));
            if message.is_none() {
                peer.fin();
            }
        }
        assert_eq!(rig.settle(), LoopControl::Stop);
    }
    assert_eq!(answers, [b"received"; 6]);
    assert_eq!(rig.results().len(), 3);
    assert!(rig.results().iter().all(|result| result.is_ok()));
}

#[test]
fn one_that_rests_does_not_stop_the_others() {
    let mut rig = Rig::new(limits(), chats(2));
    assert_eq!(rig.settle(), LoopControl::Stop);
    let (mut first, _second) = (rig.accept(), rig.accept());
    send(&mut rig, Some(b"hello"));
    let deadline = rig.now + ANSWER_TIMEOUT;
    rig.settle();
    for _ in 0..2 {
        first.write(&frame(b"received"));
        assert!(matches!(rig.settle(), LoopControl::WaitUntil(_)));
        assert_eq!(send(&mut rig, Some(b"again")), 1, "only the first is suspended");
        rig.settle();
    }
    first.write(&frame(b"received"));
    rig.wait_for(deadline);
    rig.now = deadline;
    assert_eq!(rig.settle(), LoopControl::Stop);
    assert_eq!(rig.results().len(), 1);
    assert!(matches!(rig.failure(), SessionError::AnswerTimeout(_)));
}

#[test]
fn resuming_when_nobody_rests_does_nothing() {
    let mut rig = Rig::new(limits(), chats(1));
    assert_eq!(send(&mut rig, Some(b"too early")), 0);
    rig.settle();
    assert_eq!(send(&mut rig, Some(b"hello")), 1);
    assert_eq!(send(&mut rig, Some(b"twice")), 0);
    rig.settle();
    assert_eq!(rig.accept().read(), frame(b"hello"));
}

#[test]
fn scripts_that_wait_for_room_do_not_keep_the_owner_from_those_that_rest() {
    let mut rig = Rig::new(PoolLimits { open: 1, ..limits() }, chats(2));
    for finished in 1..=2 {
        assert_eq!(rig.settle(), LoopControl::Stop);
        assert_eq!(send(&mut rig, None), 1);
        rig.settle();
        let mut peer = rig.accept();
        assert_eq!(peer.read(), frame(b"Disconnect !"));
        peer.fin();
        assert_eq!(rig.settle(), LoopControl::Stop);
        assert_eq!(rig.results().len(), finished);
    }
    assert!(rig.results().iter().all(|result| result.is_ok()));
}

#[test]
fn a_close_during_the_rest_is_seen_when_the_loop_goes_on() {
    let mut rig = Rig::new(limits(), chats(1));
    rig.settle();
    rig.accept().fin();
    rig.deliver();
    send(&mut rig, Some(b"are you there?"));
    assert_eq!(rig.settle(), LoopControl::Stop);
    assert!(matches!(rig.failure(), SessionError::ClosedEarly { received: 0 }));
}

/// All sessions share one output buffer.
#[test]
fn what_a_broken_session_had_to_say_reaches_nobody_else() {
    let mut rig = Rig::new(PoolLimits { connecting: 1, ..limits() }, chats(2));
    rig.settle();
    let (broken, mut sound) = (rig.accept(), rig.accept());
    broken.reset();
    rig.deliver();
    let mut number = 0;
    rig.pool.resume(|chat| {
        number += 1;
        chat.send(Some(format!("from {number}").into_bytes()));
    });
    rig.settle();
    assert!(matches!(rig.failure(), SessionError::Broken(_)));
    assert_eq!(sound.read(), frame(b"from 2"));
}

#[test]
fn a_close_that_the_loop_still_sees_ends_a_script_that_rests() {
    let mut rig = Rig::new(limits(), chats(2));
    rig.settle();
    rig.accept().fin();
    assert_eq!(rig.settle(), LoopControl::Stop);
    assert!(matches!(rig.failure(), SessionError::ClosedEarly { received: 0 }));
    assert_eq!(send(&mut rig, None), 1, "the other is still suspended");
}
