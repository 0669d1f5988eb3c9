//! A session that awaits answers of several kinds.
//!
//! Input: the longest answer, the kinds, portions; then the pieces of the stream.

use crate::input::{self, Portions};
use crate::reference::{self, Rest};
use arbitrary::{Arbitrary, Unstructured};
use readyd::client::session::{SessionLimits, Step, Turn};
use readyd::client::{Conversation, Expect, NextAction, Session, SessionError, Writer};
use readyd::io::clock::{Moment, WallTime};
use readyd::io::host::WallClock;
use readyd::protocol::frame::FrameError;
use readyd::protocol::framing::Framing;
use std::net::{Ipv4Addr, SocketAddr};

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Awaited {
    Frame,
    Line,
    Bytes(u8),
    Pause,
}

impl Awaited {
    fn expect(self) -> Expect {
        match self {
            Awaited::Frame => Expect::Frame,
            Awaited::Line => Expect::Line,
            Awaited::Bytes(more) => Expect::Bytes(1 + usize::from(more)),
            Awaited::Pause => Expect::Pause,
        }
    }
}

#[derive(Arbitrary, Debug)]
struct Setup {
    max_answer: u16,
    first: Awaited,
    others: [Option<Awaited>; 7],
    may_close: bool,
    wrong_answer: u8,
    reads: Portions,
}

/// How a session ended, as far as it can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Success,
    ClosedEarly(usize),
    BadAnswer(FrameError),
    OverLimit,
    WrongAnswer,
}

pub(super) fn check(data: &[u8]) {
    let input = &mut Unstructured::new(data);
    let Ok(setup) = Setup::arbitrary(input) else { return };
    let stream = input::stream(input);
    let awaited: Vec<Expect> =
        [Some(setup.first)].iter().chain(&setup.others).flatten().map(|a| a.expect()).collect();
    let limits =
        SessionLimits { max_answer: usize::from(setup.max_answer % 1024), ..Default::default() };
    let conversation = Recital {
        awaited: awaited.clone(),
        heard: Vec::new(),
        wrong_answer: usize::from(setup.wrong_answer % 16),
        may_close: setup.may_close,
    };
    let expected = expected(&conversation, &limits, &stream);
    for reads in [Portions::of(&[usize::MAX]), Portions::of(&[1]), setup.reads] {
        let got = play(conversation.clone(), &limits, &stream, reads.clone());
        assert_eq!(got, expected, "{awaited:?} in portions of {reads:?}");
    }
}

/// The answers in `stream`, after which comes FIN, and how the session ends.
fn expected(
    conversation: &Recital,
    limits: &SessionLimits,
    mut stream: &[u8],
) -> (Vec<Vec<u8>>, Ending) {
    let mut heard = Vec::new();
    for awaited in &conversation.awaited {
        let (framing, header, end) = match *awaited {
            Expect::Frame => (Framing::Padded { max_body: limits.max_answer }, 64, 0),
            Expect::Line => (Framing::Line { max_line: limits.max_answer }, 0, 1),
            Expect::Bytes(len) => (Framing::Fixed { len }, 0, 0),
            Expect::Pause if stream.len() > limits.max_answer => return (heard, Ending::OverLimit),
            Expect::Pause if stream.is_empty() => return (heard, early(conversation, 0)),
            Expect::Pause => {
                heard.push(std::mem::take(&mut stream).to_vec());
                match conversation.is_wrong(heard.len()) {
                    true => return (heard, Ending::WrongAnswer),
                    false => continue,
                }
            }
        };
        let (requests, rest) = reference::requests(framing, stream);
        match (requests.first(), rest) {
            (Some(answer), _) => {
                let cr =
                    usize::from(answer.envelope == readyd::protocol::framing::ReplyFraming::CrLf);
                stream = &stream[header + answer.body.len() + cr + end..];
                heard.push(answer.body.to_vec());
            }
            (None, Rest::Nothing) => return (heard, early(conversation, 0)),
            (None, Rest::Unfinished(len)) => return (heard, early(conversation, len)),
            (None, Rest::Wrong(error @ FrameError::BadByte { .. })) => {
                return (heard, Ending::BadAnswer(error));
            }
            (None, Rest::Wrong(_)) => return (heard, Ending::OverLimit),
        }
        if conversation.is_wrong(heard.len()) {
            return (heard, Ending::WrongAnswer);
        }
    }
    (heard, Ending::Success)
}

/// What the peer's FIN means while an answer is awaited and `received` bytes of it have come.
fn early(conversation: &Recital, received: usize) -> Ending {
    match received {
        0 if conversation.may_close => Ending::Success,
        _ => Ending::ClosedEarly(received),
    }
}

/// Awaits one answer after the other.
#[derive(Clone, Debug)]
struct Recital {
    awaited: Vec<Expect>,
    heard: Vec<Vec<u8>>,
    /// The answer of this number, from 1, is taken for wrong.
    wrong_answer: usize,
    may_close: bool,
}

impl Recital {
    fn is_wrong(&self, number: usize) -> bool {
        number == self.wrong_answer
    }

    fn next(&self) -> NextAction {
        self.awaited
            .get(self.heard.len())
            .map_or(NextAction::Finish, |&expect| NextAction::Await(expect))
    }
}

impl Conversation for Recital {
    fn connected(&mut self, _: &mut Writer<'_>) -> NextAction {
        self.next()
    }

    fn answered(&mut self, answer: &[u8], _: &mut Writer<'_>) -> Result<NextAction, String> {
        self.heard.push(answer.to_vec());
        if self.is_wrong(self.heard.len()) { Err("wrong".to_owned()) } else { Ok(self.next()) }
    }

    fn may_close(&self) -> bool {
        self.may_close
    }
}

struct NoClock;

impl WallClock for NoClock {
    fn wall_time(&self) -> WallTime {
        WallTime::default()
    }
}

/// Feeds a session `stream` in portions, then FIN.
fn play(
    conversation: Recital,
    limits: &SessionLimits,
    mut stream: &[u8],
    mut reads: Portions,
) -> (Vec<Vec<u8>>, Ending) {
    let mut session = Session::new(conversation, Moment::START);
    let turn = |session: &mut Session<Recital>, call: Call<'_>| {
        let mut out = Vec::new();
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
        let writer = Writer::new(Some(local), &NoClock, &mut out);
        let turn = &mut Turn { now: Moment::START, limits, writer };
        match call {
            Call::Connected => session.connected(turn),
            Call::Receive(bytes) => session.receive(bytes, turn),
            Call::Eof => session.receive_eof(turn),
        }
        assert!(out.is_empty(), "this conversation says nothing");
    };
    turn(&mut session, Call::Connected);
    loop {
        match session.next_step() {
            Step::Close(result) => return (session.into_conversation().heard, ending(result)),
            Step::SendFin => session.fin_sent(Moment::START),
            Step::Stay if stream.is_empty() => turn(&mut session, Call::Eof),
            Step::Stay => turn(&mut session, Call::Receive(reads.cut(&mut stream))),
        }
    }
}

enum Call<'a> {
    Connected,
    Receive(&'a [u8]),
    Eof,
}

fn ending(result: Result<(), SessionError>) -> Ending {
    let Err(error) = result else { return Ending::Success };
    assert!(!error.to_string().is_empty());
    match error {
        SessionError::ClosedEarly { received } => Ending::ClosedEarly(received),
        SessionError::BadAnswer(error) => Ending::BadAnswer(error),
        SessionError::OverLimit { .. } => Ending::OverLimit,
        SessionError::WrongAnswer(_) => Ending::WrongAnswer,
        error => panic!("nothing here can fail so: {error:?}"),
    }
}
