//! A stream of requests through the server's engine, however it is chopped, against a reference
//! that sees it whole: the same replies, the same reason to close.
//!
//! Input: framing, limits, portions; then the pieces of the stream.

use crate::input::{self, Portions};
use crate::reference::{self, Rest, enveloped};
use arbitrary::{Arbitrary, Unstructured};
use readyd::conn::{Action, ConnContext, Connection, Handler, Outcome, Work};
use readyd::io::clock::Moment;
use readyd::protocol::frame::FrameError;
use readyd::protocol::framing::{Framing, ReplyFraming, Request};
use readyd::protocol::reply::ReplyWriter;
use readyd::server::close::CloseReason;
use readyd::server::limits::Limits;

/// Longest text of an error, in its envelope.
const LONGEST_REFUSAL: usize = 300;

#[derive(Arbitrary, Debug)]
struct Setup {
    framing: u8,
    longest: u16,
    output_limit: u16,
    reads: Portions,
    takes: Portions,
}

/// See the [module](self).
pub fn check(data: &[u8]) {
    let input = &mut Unstructured::new(data);
    let Ok(setup) = Setup::arbitrary(input) else { return };
    let longest = usize::from(setup.longest % 512);
    let framing = match setup.framing % 5 {
        0 => Framing::Padded { max_body: longest },
        1 => Framing::Line { max_line: longest },
        2 => Framing::Fixed { len: longest + 1 },
        3 => Framing::Raw,
        _ => Framing::Http,
    };
    let stream = input::stream(input);
    let limits = Limits {
        max_frame: longest.max(1),
        output_limit: usize::from(setup.output_limit),
        ..Limits::default()
    };
    let expected = expected(framing, &stream);
    let (all, one) = (Portions::of(&[usize::MAX]), Portions::of(&[1]));
    for (reads, takes) in [(&all, &all), (&one, &one), (&setup.reads, &setup.takes)] {
        let got = Conversation::new(framing, &limits).play(&stream, reads.clone(), takes.clone());
        assert_eq!(got, expected, "{framing:?}, reads {reads:?}, takes {takes:?}");
    }
}

/// What the service answers.
fn answer(body: &[u8]) -> (Vec<u8>, Outcome) {
    match body {
        b"q" => (b"bye".to_vec(), Outcome::Finish(CloseReason::Disconnect)),
        [b'*', ..] => (body.repeat(3), Outcome::Continue),
        _ => (echoed(body).unwrap_or_default().to_vec(), Outcome::Continue),
    }
}

/// The end of the body that answers it, if there is no other answer.
fn echoed(body: &[u8]) -> Option<&[u8]> {
    match body {
        b"q" | [b'*', ..] => None,
        [b'>', text @ ..] => Some(text),
        _ => Some(body),
    }
}

/// All replies to `stream`, after which comes FIN; and why the connection is closed.
fn expected(framing: Framing, stream: &[u8]) -> (Vec<u8>, CloseReason) {
    if framing == Framing::Raw {
        return (stream.to_vec(), CloseReason::PeerClosed);
    }
    let mut replies = Vec::new();
    let (requests, rest) = reference::requests(framing, stream);
    for request in requests {
        let (body, outcome) = answer(request.body);
        replies.extend(enveloped(&body, request.envelope));
        if let Outcome::Finish(reason) = outcome {
            return (replies, reason);
        }
    }
    let reason = match (rest, framing) {
        (Rest::Nothing, _) => CloseReason::PeerClosed,
        (Rest::Unfinished(len), Framing::Line { .. }) => {
            let (body, outcome) = answer(&stream[stream.len() - len..]);
            replies.extend(body);
            match outcome {
                Outcome::Finish(reason) => reason,
                _ => CloseReason::PeerClosed,
            }
        }
        (Rest::Unfinished(_), _) => CloseReason::PeerClosedMidFrame,
        (Rest::Wrong(error), _) => {
            let text = format!("Error: {error}");
            replies.extend(enveloped(text.as_bytes(), framing.envelope()));
            CloseReason::from(error)
        }
    };
    (replies, reason)
}

struct Service {
    echoes_all: bool,
    longest_reply: usize,
}

impl Handler for Service {
    fn on_open(&mut self, _: &mut ReplyWriter<'_>) -> Outcome {
        Outcome::Continue
    }

    fn on_request(
        &mut self,
        request: Request<'_>,
        reply: &mut ReplyWriter<'_>,
        _: &mut Work,
    ) -> Outcome {
        let text = if self.echoes_all { Some(request.body) } else { echoed(request.body) };
        if let Some(text) = text {
            self.note_reply(text, request.envelope);
            reply.echo(text);
            return Outcome::Continue;
        }
        let (body, outcome) = answer(request.body);
        self.note_reply(&body, request.envelope);
        reply.push(&body);
        outcome
    }

    fn on_writable(&mut self, _: &mut ReplyWriter<'_>) {
        unreachable!("this service never speaks unasked");
    }
}

impl Service {
    fn note_reply(&mut self, body: &[u8], envelope: ReplyFraming) {
        self.longest_reply = self.longest_reply.max(enveloped(body, envelope).len());
    }
}

/// A connection, the loop that owns it, and a peer that takes output in portions, and only when
/// nothing else can happen.
struct Conversation<'a> {
    conn: Connection,
    framing: Framing,
    limits: &'a Limits,
    service: Service,
    out: Vec<u8>,
    received: Vec<u8>,
}

impl Conversation<'_> {
    fn new(framing: Framing, limits: &Limits) -> Conversation<'_> {
        Conversation {
            conn: Connection::new(Moment::START),
            framing,
            limits,
            service: Service { echoes_all: framing == Framing::Raw, longest_reply: 0 },
            out: Vec::new(),
            received: Vec::new(),
        }
    }

    fn play(
        mut self,
        stream: &[u8],
        mut reads: Portions,
        mut takes: Portions,
    ) -> (Vec<u8>, CloseReason) {
        let (mut to_come, mut fin_came) = (stream, false);
        self.turn(Connection::open);
        loop {
            match self.conn.next_step() {
                Action::Close(reason) => {
                    assert_eq!(self.conn.memory(), (0, 0));
                    return (self.received, reason);
                }
                Action::Abort(reason) => panic!("gives up a peer that takes all: {reason}"),
                Action::SendFin => self.conn.fin_sent(Moment::START),
                Action::Stay => {}
            }
            if self.conn.can_resume(self.limits) {
                self.turn(Connection::resume);
            } else if self.conn.wants_read() && to_come.is_empty() {
                assert!(!fin_came, "reads on after FIN");
                fin_came = true;
                self.turn(Connection::receive_eof);
            } else if self.conn.wants_read() {
                let mut portion = reads.cut(&mut to_come).to_vec();
                self.turn(|conn, turn| {
                    if let Some(echo) = conn.receive(&mut portion, turn) {
                        assert!(turn.out.is_empty(), "an echo in place, and output");
                        turn.out.extend_from_slice(&portion[echo]);
                    }
                });
                let came = stream.len() - to_come.len();
                assert!(self.conn.memory().0 <= 2 * came + 128, "holds more than came");
            } else {
                assert!(self.conn.has_unsent(), "stuck: {:?}", self.conn);
                self.take(takes.next());
            }
        }
    }

    fn turn(&mut self, call: impl FnOnce(&mut Connection, &mut ConnContext<'_, Service>)) {
        let mut turn = ConnContext {
            now: Moment::START,
            limits: self.limits,
            framing: self.framing,
            handler: &mut self.service,
            out_start: self.out.len(),
            out: &mut self.out,
            work: &mut Work::new(Work::VISIT),
        };
        call(&mut self.conn, &mut turn);
        let pending = self.conn.unsent().len() + self.out.len();
        let one_reply = self.service.longest_reply.max(LONGEST_REFUSAL);
        assert!(pending <= self.limits.output_limit + one_reply, "{pending} bytes pending");
        self.conn.unsent().extend(&self.out, Moment::START);
        self.out.clear();
    }

    fn take(&mut self, count: usize) {
        let count = count.min(self.conn.unsent().len());
        self.received.extend_from_slice(&self.conn.unsent().bytes()[..count]);
        self.conn.unsent().consume(count, Moment::START);
        self.conn.output_taken(Moment::START);
    }
}
