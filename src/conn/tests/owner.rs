//! What surrounds a connection: an owner that keeps to the grammar, a service, and a peer with a
//! window of its own.

use crate::conn::{Action, ConnContext, Connection, Handler, Outcome, Work};
use crate::io::clock::Moment;
use crate::protocol::frame::encode_header;
use crate::protocol::framing::{Framing, Request};
use crate::protocol::reply::ReplyWriter;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use std::ops::Range;
use std::time::Duration;

pub(super) const MAX_LEN: usize = 300;
pub(super) const PADDED: Framing = Framing::Padded { max_body: MAX_LEN };
pub(super) const LINE: Framing = Framing::Line { max_line: MAX_LEN };
pub(super) const RAW: Framing = Framing::Raw;

/// What [`Commands`] makes when it is not asked.
pub(super) const PRODUCED: &[u8] = b"0123456789 and so on\r\n";

/// What the command `WORK` takes from the work that is left.
pub(super) const WORK: u32 = 99;

/// What the engine may serve of small requests in one visit.
pub(super) const SMALL_REQUESTS: usize = (Work::VISIT / Work::REQUEST) as usize;

/// What other connections have left in the output that all share.
const OTHERS_REPLIES: &[u8] = &[b'o'; 5000];

/// Longer than every error reply, so a bound for "one reply" where requests may be refused.
const LONGEST_REFUSAL: usize = 300;

/// `body` as a frame.
pub(super) fn frame(body: &[u8]) -> Vec<u8> {
    [&encode_header(body.len()), body].concat()
}

/// `ECHO text`, `Disconnect !`, `PRODUCE`, `QUIET`, `WORK`; anything else is received.
#[derive(Debug)]
pub(super) struct Commands {
    pub(super) greeting: &'static [u8],
    pub(super) on_open: Outcome,
    /// Whether all requests are echoed, with no look at what they say.
    pub(super) echoes_all: bool,
    pub(super) requests: usize,
    longest_reply: usize,
}

impl Commands {
    fn push(&mut self, text: &[u8], reply: &mut ReplyWriter<'_>) {
        reply.push(text);
        self.note_reply(text);
    }

    fn note_reply(&mut self, text: &[u8]) {
        self.longest_reply = self.longest_reply.max(frame(text).len());
    }
}

impl Handler for Commands {
    fn on_open(&mut self, reply: &mut ReplyWriter<'_>) -> Outcome {
        self.push(self.greeting, reply);
        self.on_open
    }

    fn on_request(
        &mut self,
        request: Request<'_>,
        reply: &mut ReplyWriter<'_>,
        work: &mut Work,
    ) -> Outcome {
        self.requests += 1;
        let text = match self.echoes_all {
            true => Some(request.body),
            false => request.body.strip_prefix(b"ECHO "),
        };
        if let Some(text) = text {
            reply.echo(text);
            self.note_reply(text);
            return Outcome::Continue;
        }
        match request.body {
            b"Disconnect !" => {
                self.push(b"bye", reply);
                return Outcome::Finish(CloseReason::Disconnect);
            }
            b"PRODUCE" => return Outcome::Produce,
            b"QUIET" => {}
            b"WORK" => {
                work.spent += WORK;
                self.push(b"done", reply);
            }
            _ => self.push(b"received", reply),
        }
        Outcome::Continue
    }

    fn on_writable(&mut self, reply: &mut ReplyWriter<'_>) {
        self.push(PRODUCED, reply);
    }
}

/// A connection with its owner and its peer.
pub(super) struct Owner {
    pub(super) conn: Connection,
    pub(super) framing: Framing,
    pub(super) limits: Limits,
    pub(super) service: Commands,
    pub(super) now: Moment,
    /// How many bytes more the peer takes.
    pub(super) window: usize,
    /// All that the peer took.
    pub(super) received: Vec<u8>,
    /// Whether FIN was sent.
    pub(super) fin: bool,
    out: Vec<u8>,
}

impl Owner {
    pub(super) fn new(framing: Framing) -> Owner {
        Owner {
            conn: Connection::new(Moment::START),
            framing,
            limits: Limits { max_frame: MAX_LEN, ..Limits::default() },
            service: Commands {
                greeting: b"",
                on_open: Outcome::Continue,
                echoes_all: false,
                requests: 0,
                longest_reply: 0,
            },
            now: Moment::START,
            window: usize::MAX,
            received: Vec::new(),
            fin: false,
            out: Vec::new(),
        }
    }

    pub(super) fn open(&mut self) {
        self.turn(|conn, turn| conn.open(turn));
    }

    pub(super) fn receive(&mut self, input: &[u8]) {
        assert!(self.conn.wants_read());
        self.receive_in_place(&mut input.to_vec());
    }

    /// The same; tells where in `input` the reply is, if it is there.
    pub(super) fn receive_in_place(&mut self, input: &mut [u8]) -> Option<Range<usize>> {
        let mut echo = None;
        self.turn(|conn, turn| {
            echo = conn.receive(input, turn);
            if let Some(echo) = &echo {
                assert_eq!(turn.out.len(), turn.out_start, "an echo in place, and output");
                turn.out.extend_from_slice(&input[echo.clone()]);
            }
        });
        echo
    }

    pub(super) fn eof(&mut self) {
        assert!(self.conn.wants_read());
        self.turn(|conn, turn| conn.receive_eof(turn));
    }

    pub(super) fn can_resume(&self) -> bool {
        self.conn.can_resume(&self.limits)
    }

    pub(super) fn resume(&mut self) {
        assert!(self.can_resume());
        self.turn(|conn, turn| conn.resume(turn));
    }

    pub(super) fn produce(&mut self) {
        assert!(self.conn.wants_to_produce());
        self.turn(|conn, turn| conn.produce(turn));
    }

    pub(super) fn drain(&mut self) {
        self.turn(|conn, turn| conn.drain(turn));
    }

    pub(super) fn deadline(&self) -> Duration {
        self.conn.deadline(self.framing, &self.limits).since(Moment::START)
    }

    /// Sets the clock to `since_start` and lets what is due happen.
    pub(super) fn expire_at(&mut self, since_start: Duration) {
        self.now = Moment::START + since_start;
        self.turn(|conn, turn| conn.expire(turn));
    }

    /// The peer takes up to `count` bytes more.
    pub(super) fn take(&mut self, count: usize) {
        self.window = self.window.saturating_add(count);
        self.flush();
    }

    /// Does what the connection says about its socket, and tells it.
    pub(super) fn step(&mut self) -> Action {
        let step = self.conn.next_step();
        if step == Action::SendFin {
            self.fin = true;
            self.conn.fin_sent(self.now);
        }
        step
    }

    /// Plays a whole conversation: `input` in reads of the given sizes, then FIN, while the peer
    /// takes output in portions of the given sizes whenever nothing else can happen. Returns why
    /// the connection was closed.
    pub(super) fn play(&mut self, input: &[u8], reads: &[usize], takes: &[usize]) -> CloseReason {
        let (mut reads, mut takes) = (reads.iter().cycle(), takes.iter().cycle());
        let (mut input, mut told_of_fin) = (input, false);
        loop {
            if let Action::Close(reason) = self.step() {
                return reason;
            }
            if self.can_resume() {
                self.resume();
            } else if self.conn.wants_read() && input.is_empty() {
                assert!(!told_of_fin, "reads on after FIN: {:?}", self.conn);
                told_of_fin = true;
                self.eof();
            } else if self.conn.wants_read() {
                let count = reads.next().map_or(1, |&count| count.min(input.len()));
                self.receive(&input[..count]);
                input = &input[count..];
            } else {
                assert!(!self.conn.unsent().is_empty(), "stuck: {:?}", self.conn);
                self.take(takes.next().copied().unwrap_or(1));
            }
        }
    }

    fn turn(&mut self, call: impl FnOnce(&mut Connection, &mut ConnContext<'_, Commands>)) {
        let mut out = OTHERS_REPLIES.to_vec();
        let mut turn = ConnContext {
            now: self.now,
            limits: &self.limits,
            framing: self.framing,
            handler: &mut self.service,
            out_start: out.len(),
            out: &mut out,
            work: &mut Work::new(Work::VISIT),
        };
        call(&mut self.conn, &mut turn);
        assert!(out.starts_with(OTHERS_REPLIES), "the replies of others were changed");
        self.out = out.split_off(OTHERS_REPLIES.len());
        let pending = self.conn.unsent().len() + self.out.len();
        let one_reply = self.service.longest_reply.max(LONGEST_REFUSAL);
        assert!(pending <= self.limits.output_limit + one_reply, "{pending} bytes pending");
        self.flush();
    }

    /// Sends what the peer's window takes: first what waited, then what is new.
    fn flush(&mut self) {
        let waited = self.window.min(self.conn.unsent().len());
        self.received.extend_from_slice(&self.conn.unsent().bytes()[..waited]);
        if waited > 0 {
            self.conn.unsent().consume(waited, self.now);
        }
        self.window -= waited;
        let fresh = if self.conn.has_unsent() { 0 } else { self.window.min(self.out.len()) };
        self.received.extend_from_slice(&self.out[..fresh]);
        self.conn.unsent().extend(&self.out[fresh..], self.now);
        self.window -= fresh;
        if waited + fresh > 0 {
            self.conn.output_taken(self.now);
        }
        self.out.clear();
    }
}
