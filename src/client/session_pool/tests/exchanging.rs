//! What happens on connections that are made.

use super::rig::{ANSWER_TIMEOUT, Asker, Rig, address, askers, frame, limits};
use crate::client::conversations::{AddressExchange, Check, Dialogue, Exchange, Plan};
use crate::client::session::{Expect, SessionError};
use crate::client::session_pool::PoolLimits;
use crate::client::tests::loopback::Loopback;
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::io::net::Token;
use crate::io::readiness::Readiness;
use std::rc::Rc;
use std::time::Duration;

const ALL: Readiness = Readiness { read: true, write: true, read_until_would_block: true };

/// To send `request` and expect `answer`, once.
fn one_answer(request: &[u8], answer: &[u8]) -> Plan {
    let expect = Expect::Bytes(answer.len());
    Plan {
        exchanges: vec![Exchange::plain(request, expect, Check::Exactly(answer.to_vec()))],
        rounds: 1,
        last_word: Vec::new(),
        keep_answers: false,
    }
}

fn one_exchange(net: &Loopback, request: &[u8], answer: &[u8]) -> Rig<Dialogue> {
    let dialogue = Dialogue::new(Rc::new(one_answer(request, answer)));
    Rig::on(net.clone(), &[address(1)], limits(), [dialogue])
}

#[test]
fn what_the_kernel_does_not_take_at_once_follows_later_in_order() {
    let net = Loopback::new(1);
    net.set_window(100);
    let request: Vec<u8> = (0..10_000u32).map(|n| (n % 251) as u8).collect();
    let mut rig = one_exchange(&net, &request, b"thanks");
    let mut heard = Vec::new();
    rig.settle();
    let mut peer = rig.accept();
    while heard.len() < request.len() {
        let bytes = peer.read();
        assert!(!bytes.is_empty() && bytes.len() <= 100, "stuck after {}", heard.len());
        heard.extend(bytes);
        assert!(matches!(rig.settle(), LoopControl::WaitUntil(_)));
    }
    assert_eq!(heard, request);
    peer.write(b"thanks");
    peer.fin();
    assert_eq!(rig.settle(), LoopControl::Stop);
    assert!(rig.results()[0].is_ok());
}

#[test]
fn a_signal_costs_a_turn_and_nothing_else() {
    let net = Loopback::new(1);
    net.set_window(100);
    let mut rig = one_exchange(&net, &[b'?'; 300], &[b'!'; 100]);
    rig.settle();
    let mut peer = rig.accept();
    for _ in 0..3 {
        assert_eq!(peer.read().len(), 100);
        rig.net.interrupt(3);
        rig.settle();
        rig.net.interrupt(0);
    }
    peer.write(&[b'!'; 100]);
    peer.fin();
    rig.net.interrupt(5);
    assert_eq!(rig.settle(), LoopControl::Stop);
    assert!(rig.results()[0].is_ok());
}

#[test]
fn nothing_is_done_while_there_is_nothing_to_do() {
    let mut rig = Rig::new(limits(), askers(3));
    let deadline = rig.now + ANSWER_TIMEOUT;
    let next = rig.settle();
    let calls = rig.net.calls();
    for _ in 0..10 {
        assert_eq!(rig.turn(), next);
    }
    rig.wait_for(deadline);
    for _ in 0..10 {
        assert_eq!(rig.turn(), LoopControl::WaitUntil(deadline));
    }
    assert_eq!(rig.net.calls(), calls);
}

#[test]
fn a_server_that_does_not_answer_is_given_up_and_the_socket_closed() {
    let mut rig = Rig::new(limits(), askers(1));
    rig.settle();
    let _peer = rig.accept();
    let deadline = rig.now + ANSWER_TIMEOUT;
    rig.wait_for(deadline);
    rig.now = deadline;
    assert_eq!(rig.settle(), LoopControl::Stop);
    assert!(matches!(rig.failure(), SessionError::AnswerTimeout(ANSWER_TIMEOUT)));
    assert_eq!(rig.held(), 0);
}

#[test]
fn a_server_that_keeps_its_end_open_is_waited_for_no_longer_than_the_linger() {
    let mut rig = Rig::new(limits(), askers(1));
    rig.settle();
    let mut peer = rig.accept();
    let name = peer.read();
    peer.write(&name);
    let deadline = rig.now + limits().session.linger;
    rig.wait_for(deadline);
    assert_eq!(rig.held(), 1);
    rig.now = deadline;
    assert_eq!(rig.settle(), LoopControl::Stop);
    assert!(rig.results()[0].is_ok());
    assert_eq!(rig.held(), 0);
}

#[test]
fn a_reset_at_any_byte_ends_that_session_alone() {
    let exchange = frame(b"asker 0").len();
    for bytes in 0..=2 * exchange {
        let limits = PoolLimits { connecting: 1, ..limits() };
        let mut rig = Rig::new(limits, [Asker::new(0, 2), Asker::new(1, 1)]);
        rig.settle();
        let (mut reset, mut sound) = (rig.accept(), rig.accept());
        let names = [reset.read(), sound.read()];
        let answers = [&names[0][..], &names[0]].concat();
        for byte in &answers[..bytes] {
            reset.write(&[*byte]);
            rig.settle();
        }
        reset.reset();
        rig.settle();
        sound.write(&names[1]);
        sound.fin();
        assert_eq!(rig.settle(), LoopControl::Stop, "after {bytes} bytes");
        let finished = rig.pool.into_finished();
        assert_eq!(finished.len(), 2);
        for asker in finished {
            match (asker.conversation.number, asker.result) {
                (1, Ok(())) => {}
                // All that was asked for was heard; what happens then is no loss.
                (0, Ok(())) => assert_eq!(bytes, answers.len()),
                (0, Err(SessionError::Broken(_))) => {
                    assert_eq!(asker.conversation.heard, bytes / exchange);
                    assert!(bytes < answers.len());
                }
                other => panic!("after {bytes} bytes: {other:?}"),
            }
        }
    }
}

/// A server that has its reasons answers before it has heard all, and resets. The write that finds
/// out must not hide the answer, which says what the reasons are.
#[test]
fn an_answer_that_came_before_the_reset_counts() {
    let net = Loopback::new(1);
    net.set_window(100);
    let mut rig = one_exchange(&net, &[b'?'; 300], b"no");
    rig.settle();
    let mut peer = rig.accept();
    peer.write(b"no");
    rig.deliver();
    peer.reset();
    assert_eq!(rig.settle(), LoopControl::Stop);
    assert!(rig.results()[0].is_ok());
    assert_eq!(rig.pool.finished()[0].conversation.verified(), 1);
}

#[test]
fn an_event_for_a_socket_that_is_gone_reaches_nobody() {
    let mut rig = Rig::new(PoolLimits { open: 1, ..limits() }, askers(2));
    rig.settle();
    rig.accept().reset();
    let next = rig.settle();
    assert_eq!(rig.results().len(), 1);
    assert_eq!(rig.held(), 1, "the second session has the place of the first");
    let calls = rig.net.calls();
    for stale in [Token::new(0, 1), Token::new(0, 3), Token::new(7, 2)] {
        rig.pool.on_ready(stale, ALL);
        assert_eq!(rig.turn(), next);
    }
    assert_eq!(rig.net.calls(), calls);
    rig.pool.on_ready(Token::new(0, 2), ALL);
    rig.turn();
    assert!(rig.net.calls() > calls, "its own token does reach it");
}

/// The deadline of a session must not hit the one that has its place in the slab.
#[test]
fn a_deadline_ends_with_its_session() {
    let mut rig = Rig::new(PoolLimits { open: 1, ..limits() }, askers(2));
    rig.settle();
    rig.pass(ANSWER_TIMEOUT - Duration::from_millis(1));
    rig.accept().reset();
    rig.settle();
    assert_eq!(rig.results().len(), 1);
    rig.wait_for(rig.now + ANSWER_TIMEOUT);
    assert_eq!(rig.results().len(), 1);
}

/// The same holds for its place in the queue.
#[test]
fn a_place_in_the_queue_ends_with_its_session() {
    let net = Loopback::new(1);
    net.set_window(1 << 20);
    let plan = Rc::new(one_answer(b"", &[b'a'; 1 << 20]));
    let conversations = [Dialogue::new(Rc::clone(&plan)), Dialogue::new(plan)];
    let mut rig = Rig::on(net, &[address(1)], PoolLimits { open: 1, ..limits() }, conversations);
    rig.settle();
    let mut flood = rig.accept();
    flood.write(&[b'a'; 1 << 20]);
    rig.deliver();
    rig.now = rig.now + ANSWER_TIMEOUT;
    assert_eq!(rig.turn(), LoopControl::Poll, "there was more to read when its time was up");
    assert!(matches!(rig.failure(), SessionError::AnswerTimeout(_)));
    assert_eq!(rig.held(), 1, "the second session has the place of the first");
    let calls = rig.net.calls();
    assert!(matches!(rig.turn(), LoopControl::WaitUntil(_)));
    assert_eq!(rig.net.calls(), calls);
}

#[test]
fn an_answer_and_the_fin_behind_it_take_one_turn() {
    let net = Loopback::new(1);
    let mut rig = one_exchange(&net, b"?", b"!");
    rig.settle();
    let mut peer = rig.accept();
    peer.write(b"!");
    peer.fin();
    rig.deliver();
    assert_eq!(rig.turn(), LoopControl::Stop);
    assert!(rig.results()[0].is_ok());
}

#[test]
fn a_script_is_told_the_address_of_its_socket() {
    let net = Loopback::new(1);
    let conversations = [AddressExchange::default()];
    let mut rig = Rig::on(net, &[address(1)], limits(), conversations);
    rig.settle();
    let mut peer = rig.accept();
    peer.write(b"07/05/2021 20:36:52");
    rig.settle();
    rig.pass(limits().session.pause);
    assert_eq!(peer.read(), b"127.0.0.1");
    peer.write(b"6A:08:AA:C2");
    peer.fin();
    assert_eq!(rig.settle(), LoopControl::Stop);
    let exchange = &rig.pool.finished()[0].conversation;
    assert_eq!(exchange.local().map(Into::into), Some(peer.remote()));
    assert_eq!(exchange.value(), Some(&b"6A:08:AA:C2"[..]));
}

#[test]
fn a_server_that_floods_does_not_hold_up_the_others() {
    let net = Loopback::new(1);
    net.set_window(1 << 20);
    let conversations =
        [1 << 20, 1].map(|length| Dialogue::new(Rc::new(one_answer(b"", &vec![b'a'; length]))));
    let mut rig =
        Rig::on(net, &[address(1)], PoolLimits { connecting: 1, ..limits() }, conversations);
    rig.settle();
    let (mut flood, mut drop) = (rig.accept(), rig.accept());
    flood.write(&vec![b'a'; 1 << 20]);
    drop.write(b"a");
    rig.deliver();
    assert_eq!(rig.turn(), LoopControl::Poll);
    let verified = |rig: &Rig<Dialogue>| {
        rig.pool.finished().iter().map(|finished| finished.conversation.verified()).sum::<u64>()
    };
    drop.fin();
    rig.deliver();
    assert_eq!(rig.turn(), LoopControl::Poll);
    assert_eq!(verified(&rig), 1, "the short answer is in, the long one is not");
    flood.fin();
    assert_eq!(rig.settle(), LoopControl::Stop);
    assert_eq!(verified(&rig), 2);
}

#[test]
fn an_answer_that_came_in_time_is_heard_though_its_event_comes_late() {
    let net = Loopback::new(1);
    let mut rig = one_exchange(&net, b"?", b"!");
    rig.settle();
    let mut peer = rig.accept();
    assert_eq!(peer.read(), b"?");
    peer.write(b"!");
    rig.deliver();
    // As after a poll that a signal interrupted: it tells of nothing.
    rig.now = rig.now + ANSWER_TIMEOUT;
    rig.pool.end_turn(rig.now);
    peer.fin();
    assert_eq!(rig.settle(), LoopControl::Stop);
    assert!(rig.results()[0].is_ok(), "{:?}", rig.results());
}
