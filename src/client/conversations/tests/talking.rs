//! What the conversations send, when they have heard enough, and what they remember.

use super::super::{AddressExchange, Chat, Check, Dialogue, Exchange, Plan};
use super::Stage;
use crate::client::session::{Conversation, Expect, NextAction};
use crate::conn::{Handler, Outcome, Work};
use crate::handlers::daytime::DateCache;
use crate::handlers::{BoundService, Context, Service};
use crate::io::clock::{Moment, WallTime};
use crate::protocol::frame::encode_header;
use crate::protocol::framing::{ReplyFraming, Request};
use crate::protocol::reply::ReplyWriter;
use crate::server::client_log::ClientLog;
use crate::server::close::CloseReason;
use crate::server::stats::Stats;
use crate::server::stats::publishing::Publisher;
use crate::table::Table;
use proptest::prelude::*;
use std::cell::Cell;
use std::rc::Rc;

const FRAME: NextAction = NextAction::Await(Expect::Frame);
const LINE: NextAction = NextAction::Await(Expect::Line);
const PAUSE: NextAction = NextAction::Await(Expect::Pause);

fn frame(body: &[u8]) -> Vec<u8> {
    [&encode_header(body.len())[..], body].concat()
}

fn plan(rounds: u64) -> Plan {
    Plan {
        exchanges: vec![
            Exchange::framed(b"one", Check::Exactly(b"1".to_vec())),
            Exchange::plain(b"two\n", Expect::Line, Check::Something),
        ],
        rounds,
        last_word: b"thanks".to_vec(),
        keep_answers: true,
    }
}

fn counters(dialogue: &Dialogue) -> [u64; 3] {
    [dialogue.sent(), dialogue.answered(), dialogue.verified()]
}

#[test]
fn a_dialogue_follows_its_plan_round_by_round() {
    let mut stage = Stage::new();
    let mut dialogue = Dialogue::new(Rc::new(plan(2)));
    assert_eq!(counters(&dialogue), [0, 0, 0]);
    assert_eq!(stage.connected(&mut dialogue), FRAME);
    let steps = [
        (&b"1"[..], LINE, b"two\n".to_vec()),
        (b"zwei", FRAME, frame(b"one")),
        (b"1", LINE, b"two\n".to_vec()),
        (b"deux", NextAction::Finish, b"thanks".to_vec()),
    ];
    assert_eq!(stage.take_said(), frame(b"one"));
    for (number, (answer, then, said)) in (1..).zip(steps) {
        assert_eq!(stage.answered(&mut dialogue, answer), Ok(then));
        assert_eq!(stage.take_said(), said);
        assert_eq!(counters(&dialogue), [(number + 1).min(4), number, number]);
    }
    assert_eq!(dialogue.answers(), [&b"1"[..], b"zwei", b"1", b"deux"]);
}

#[test]
fn a_wrong_answer_counts_as_answered_and_is_kept() {
    let mut stage = Stage::new();
    let mut dialogue = Dialogue::new(Rc::new(plan(1)));
    stage.connected(&mut dialogue);
    let error = stage.answered(&mut dialogue, b"2").unwrap_err();
    assert_eq!(error, r#"the answer is "2" and should be "1""#);
    assert_eq!(counters(&dialogue), [1, 1, 0]);
    assert_eq!(dialogue.answers(), [b"2"]);
}

#[test]
fn answers_are_kept_only_if_wanted() {
    let mut stage = Stage::new();
    let mut dialogue = Dialogue::new(Rc::new(Plan { keep_answers: false, ..plan(1) }));
    stage.connected(&mut dialogue);
    stage.answered(&mut dialogue, b"1").unwrap();
    stage.answered(&mut dialogue, b"2").unwrap();
    assert_eq!(dialogue.answers().len(), 0);
    assert_eq!(counters(&dialogue), [2, 2, 2]);
}

#[test]
fn a_plan_without_exchanges_or_rounds_is_only_a_last_word() {
    for plan in [plan(0), Plan { exchanges: Vec::new(), ..plan(3) }] {
        let mut stage = Stage::new();
        let mut dialogue = Dialogue::new(Rc::new(plan));
        assert_eq!(stage.connected(&mut dialogue), NextAction::Finish);
        assert_eq!(stage.take_said(), b"thanks");
        assert_eq!(counters(&dialogue), [0, 0, 0]);
    }
}

#[test]
fn a_chat_rests_between_messages_until_there_are_none() {
    let mut stage = Stage::new();
    let mut chat = Chat::default();
    assert_eq!(stage.connected(&mut chat), NextAction::Suspend);
    for message in [&b"hello"[..], b"", b"disconnect"] {
        chat.send(Some(message.to_vec()));
        assert_eq!(stage.resumed(&mut chat), FRAME);
        assert_eq!(stage.take_said(), frame(message));
        assert!(!chat.may_close());
        assert_eq!(stage.answered(&mut chat, b"received"), Ok(NextAction::Suspend));
        assert_eq!(chat.take_answer(), Some(b"received".to_vec()));
        assert_eq!(chat.take_answer(), None);
    }
    chat.send(None);
    assert_eq!(stage.resumed(&mut chat), FRAME);
    assert_eq!(stage.take_said(), frame(b"Disconnect !"));
    assert!(chat.may_close());
    assert_eq!(stage.answered(&mut chat, b"received"), Ok(NextAction::Finish));
    assert_eq!(chat.take_answer(), Some(b"received".to_vec()));
}

/// Whether a chat takes `message` for the last one.
fn is_last(message: &[u8]) -> bool {
    let mut stage = Stage::new();
    let mut chat = Chat::default();
    stage.connected(&mut chat);
    chat.send(Some(message.to_vec()));
    stage.resumed(&mut chat);
    assert_eq!(stage.take_said(), frame(message), "said as it is");
    let then = stage.answered(&mut chat, b"received").unwrap();
    assert_eq!(then == NextAction::Finish, chat.may_close());
    chat.may_close()
}

#[test]
fn a_person_may_take_their_leave_in_their_own_words() {
    for message in ["Disconnect !", "disconnect !", "DISCONNECT !", " disconnect  !\t"] {
        assert!(is_last(message.as_bytes()), "{message:?}");
    }
    for message in ["", "!", "Disconnect", "Disconnect!", "Disconnect ! now", "Disconnect !!"] {
        assert!(!is_last(message.as_bytes()), "{message:?}");
    }
}

/// Whether the server closes after `message`.
fn server_closes_after(message: &[u8]) -> bool {
    let context = Context {
        now: Moment::START,
        peer: Stage::new().local.into(),
        options: Service::FRAMED.options,
        system: &Cell::new(WallTime::default()),
        dates: &mut DateCache::utc(),
        table: &Table::embedded(),
        stats: &mut Stats::default(),
        publisher: &mut Publisher::default(),
        log: &mut ClientLog::new(log::LevelFilter::Info, 0),
    };
    let mut responder = BoundService { spec: Service::FRAMED.spec(), context };
    let request = Request { body: message, envelope: ReplyFraming::Frame };
    let mut out = Vec::new();
    let mut reply = ReplyWriter::begin(&mut out, ReplyFraming::Frame);
    let outcome = responder.on_request(request, &mut reply, &mut Work::new(Work::VISIT));
    outcome == Outcome::Finish(CloseReason::Disconnect)
}

proptest! {
    /// If they did not agree, the client would wait for a server that has gone, or go itself.
    #[test]
    fn chat_and_server_agree_on_which_message_is_the_last(
        message in "[ \t]?([dD]isconnect|DISCONNECT|disconnec)[ \t!]{0,4}[!a]?[ \r\n]?",
    ) {
        prop_assert_eq!(is_last(message.as_bytes()), server_closes_after(message.as_bytes()));
    }
}

#[test]
fn an_address_exchange_learns_the_date_and_a_value() {
    for (local, address) in [("165.165.80.80:50000", "165.165.80.80"), ("[::1]:50000", "::1")] {
        let mut stage = Stage::new();
        stage.local = local.parse().unwrap();
        let mut exchange = AddressExchange::default();
        assert_eq!((exchange.local(), exchange.date(), exchange.value()), (None, None, None));
        assert_eq!(stage.connected(&mut exchange), PAUSE);
        assert_eq!(stage.take_said(), b"", "the server speaks first");
        assert_eq!(stage.answered(&mut exchange, b"07/05/2021 20:36:52"), Ok(PAUSE));
        assert_eq!(stage.take_said(), address.as_bytes());
        assert_eq!(stage.answered(&mut exchange, b"6A:08:AA:C2"), Ok(NextAction::Finish));
        assert_eq!(stage.take_said(), b"");
        assert_eq!(exchange.local(), Some(stage.local));
        assert_eq!(exchange.date(), Some(&b"07/05/2021 20:36:52"[..]));
        assert_eq!(exchange.value(), Some(&b"6A:08:AA:C2"[..]));
    }
}
