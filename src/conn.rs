//! The server's engine: one connection as a state machine that is fed bytes and yields bytes.
//!
//! It knows no socket, no clock, no poll loop and no service. Its owner feeds it what was read
//! ([`Connection::receive`], [`Connection::receive_eof`]), sends what it yields, leaves what could not
//! be sent in [`Connection::unsent`], and after each visit does what [`Connection::next_step`] says.
//! That is the whole grammar.
//!
//! Invariants:
//!
//! - Replies leave in the order of their requests, whatever the reads and writes looked like.
//! - Output waiting is at most the high-water mark and one reply. Above the mark no request is
//!   parsed; parsing resumes at the low-water mark.
//! - Everything that arrived complete before the peer's FIN is answered before we close.
//! - An idle connection owns no heap.

use crate::io::buffer::ByteQueue;
use crate::io::clock::Moment;
use crate::protocol::framing::{self, Framing, Input, Request};
use crate::protocol::reply::Reply;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use std::fmt::Write as _;

mod deadlines;
mod echoes;

#[cfg(test)]
mod tests;

/// Requests served of one read; then it is the next connection's turn. Without this, a read of
/// 64 KiB could carry 65,536 empty lines, and everyone else would wait for all of them.
const REQUESTS_PER_READ: usize = 1024;

/// What a service does; implemented by the handlers, and by tests.
pub trait Respond {
    /// A connection was opened. What is appended to `reply` is sent bare, unasked.
    fn greet(&mut self, reply: &mut Reply<'_>) -> Outcome;

    /// A request came. What is appended to `reply` answers it, in the request's own envelope.
    fn respond(&mut self, request: Request<'_>, reply: &mut Reply<'_>) -> Outcome;

    /// The whole answer to this request, if that is the end of its body, and the connection goes on: then
    /// [`Respond::respond`] is not called. It may always be `None`; but an answer that has come already need
    /// not be made, and if it is large, not copied.
    fn echo<'a>(&mut self, _request: Request<'a>) -> Option<&'a [u8]> {
        None
    }

    /// All output has been taken and the service had asked for [`Outcome::Produce`]: more of it.
    fn produce(&mut self, reply: &mut Reply<'_>);
}

/// What becomes of the connection after a greeting or a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Continue,
    /// It sends output without being asked, for as long as the peer takes it.
    Produce,
    /// It is closed, in order, once this reply has been sent.
    Finish(CloseReason),
}

/// What every visit to a connection needs from its owner.
#[derive(Debug)]
pub struct Turn<'a, R> {
    /// The time of this turn of the loop.
    pub now: Moment,
    /// The server's limits.
    pub limits: &'a Limits,
    /// How the connection's listener cuts requests.
    pub framing: Framing,
    /// The service.
    pub responder: &'a mut R,
    /// Where output goes. It is the owner's, shared by all connections.
    pub out: &'a mut Vec<u8>,
    /// Where this connection's output begins: before it is what others have to send.
    pub out_start: usize,
}

/// What comes from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inbound {
    /// Requests are read and answered.
    Open,
    /// Requests may have arrived that must wait until output was taken or others had their turn.
    /// Nothing more is read, so TCP's own window slows the peer down.
    Stalled,
    /// What still comes is read and thrown away, because closing a socket with unread input sends
    /// RST, and RST makes the peer's kernel drop a reply that it has not read yet.
    Discarding,
    /// The peer sent FIN.
    Ended,
}

/// What goes to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outbound {
    /// Replies are sent.
    Open,
    /// Output is made without being asked for.
    Producing,
    /// No more will be made; what waits is sent, then FIN.
    Finishing(CloseReason),
    /// FIN is sent; the peer has until the linger deadline to send its own.
    Finished(CloseReason),
    /// What waits will not be sent: the peer does not take it, or the socket failed.
    Abandoned(CloseReason),
}

/// What the owner must do next with the connection's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: wait for readiness or the deadline.
    Stay,
    /// Half-close: send FIN, then call [`Connection::fin_sent`].
    SendFin,
    /// Close.
    Close(CloseReason),
    /// Close with RST, so that the kernel drops the unsent output too.
    Abort(CloseReason),
}

/// One connection's state.
#[derive(Debug)]
pub struct Connection {
    unparsed: ByteQueue,
    unsent: ByteQueue,
    /// When bytes last came or, if no request is unfinished, were taken, or waiting ones could be
    /// served; once FIN is sent, when that was.
    active: Moment,
    inbound: Inbound,
    outbound: Outbound,
}

impl Connection {
    /// A connection that was accepted at `now`.
    pub fn new(now: Moment) -> Connection {
        Connection {
            unparsed: ByteQueue::default(),
            unsent: ByteQueue::default(),
            active: now,
            inbound: Inbound::Open,
            outbound: Outbound::Open,
        }
    }

    /// Lets the service speak first.
    pub fn open<R: Respond>(&mut self, turn: &mut Turn<'_, R>) {
        let outcome = turn.responder.greet(&mut Reply::bare(turn.out));
        self.apply(outcome);
    }

    /// Takes bytes that were read. Call only if [`Connection::wants_read`].
    pub fn receive<R: Respond>(&mut self, input: &[u8], turn: &mut Turn<'_, R>) {
        if self.inbound == Inbound::Open {
            self.active = turn.now;
            self.serve(input, self.unparsed.len(), turn);
        }
    }

    /// Takes the peer's FIN. Call only if [`Connection::wants_read`].
    pub fn receive_eof<R: Respond>(&mut self, turn: &mut Turn<'_, R>) {
        let mut reason = CloseReason::PeerClosed;
        if self.inbound == Inbound::Open && !self.unparsed.is_empty() {
            match turn.framing {
                Framing::Line { .. } => self.serve_unterminated(turn),
                _ => reason = CloseReason::PeerClosedMidFrame,
            }
        }
        self.inbound = Inbound::Ended;
        // A peer that only half-closed still reads what is produced; one that is gone answers RST.
        if self.outbound == Outbound::Open {
            self.finish(reason);
        }
    }

    /// Goes on with requests that had to wait. Call only if [`Connection::can_resume`].
    pub fn resume<R: Respond>(&mut self, turn: &mut Turn<'_, R>) {
        self.inbound = Inbound::Open;
        // The peer could not complete what we did not read: its time begins now.
        self.active = turn.now;
        self.unparsed.restart_wait(turn.now);
        self.serve(&[], 0, turn);
    }

    /// Makes more output. Call only if [`Connection::wants_to_produce`].
    pub fn produce<R: Respond>(&mut self, turn: &mut Turn<'_, R>) {
        turn.responder.produce(&mut Reply::bare(turn.out));
    }

    /// Ends the connection because the server stops: a last line that lacks its end is answered, an
    /// unfinished frame is not. Call once what had arrived was read and served.
    pub fn drain<R: Respond>(&mut self, turn: &mut Turn<'_, R>) {
        if self.inbound == Inbound::Open
            && !self.unparsed.is_empty()
            && matches!(turn.framing, Framing::Line { .. })
        {
            self.serve_unterminated(turn);
        }
        self.finish(CloseReason::Drained);
    }

    /// Whether bytes, once readable, should be read.
    pub fn wants_read(&self) -> bool {
        matches!(self.inbound, Inbound::Open | Inbound::Discarding)
    }

    /// Whether requests that had to wait can be served now.
    pub fn can_resume(&self, limits: &Limits) -> bool {
        self.inbound == Inbound::Stalled && self.unsent.len() <= limits.low_water()
    }

    /// Whether the service should make more output.
    pub fn wants_to_produce(&self) -> bool {
        self.outbound == Outbound::Producing && self.unsent.is_empty()
    }

    /// Whether nothing more is to be served before [`Connection::drain`], if `readable` tells
    /// whether there is still something to read.
    pub fn can_drain(&self, readable: bool) -> bool {
        match (self.outbound, self.inbound) {
            (Outbound::Open, Inbound::Open) => !readable,
            (Outbound::Open, Inbound::Stalled) => false,
            (Outbound::Open | Outbound::Producing, _) => true,
            _ => false,
        }
    }

    /// Whether replies can still be made: the connection is not being closed.
    fn is_serving(&self) -> bool {
        matches!(self.outbound, Outbound::Open | Outbound::Producing)
    }

    /// Output that an earlier send did not take. It goes before anything new.
    pub fn unsent(&mut self) -> &mut ByteQueue {
        &mut self.unsent
    }

    /// Whether output waits.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// The peer's kernel took output, at `now`.
    pub fn output_taken(&mut self, now: Moment) {
        // While a request is unfinished, what counts is the peer's silence: a line's pause would never
        // come while the peer takes earlier replies, piece by piece.
        if self.unparsed.is_empty() {
            self.active = now;
        }
    }

    /// FIN was sent, at `now`.
    pub fn fin_sent(&mut self, now: Moment) {
        if let Outbound::Finishing(reason) = self.outbound {
            self.outbound = Outbound::Finished(reason);
            self.active = now;
        }
    }

    /// What to do with the socket, when all that can be sent has been sent.
    pub fn next_step(&self) -> Step {
        match (self.outbound, self.inbound) {
            (Outbound::Abandoned(reason), _) => Step::Abort(reason),
            (Outbound::Finished(reason), Inbound::Ended) => Step::Close(reason),
            (Outbound::Finishing(_), _) if !self.unsent.is_empty() => Step::Stay,
            (Outbound::Finishing(reason), Inbound::Ended) => Step::Close(reason),
            (Outbound::Finishing(_), _) => Step::SendFin,
            (Outbound::Open | Outbound::Producing | Outbound::Finished(_), _) => Step::Stay,
        }
    }

    /// The socket failed, and no output is lost by that: nothing more can be read or sent.
    pub fn fail(&mut self, reason: CloseReason) {
        self.inbound = Inbound::Ended;
        self.outbound = Outbound::Finished(self.reason_or(reason));
        self.unparsed.clear();
        self.unsent.clear();
    }

    /// Output is given up, of which a part may have gone out: the end must not make that look whole.
    /// Nothing is served any more, not even by an error: it would follow half a reply.
    pub fn abandon(&mut self, reason: CloseReason) {
        self.inbound = Inbound::Ended;
        self.outbound = Outbound::Abandoned(reason);
        self.unparsed.clear();
        self.unsent.clear();
    }

    /// The reason to give for closing now: the one already decided, or else `reason`.
    pub fn reason_or(&self, reason: CloseReason) -> CloseReason {
        match self.outbound {
            Outbound::Open | Outbound::Producing => reason,
            Outbound::Finishing(decided)
            | Outbound::Finished(decided)
            | Outbound::Abandoned(decided) => decided,
        }
    }

    /// Bytes that wait: of requests that are unfinished or have to wait, and of unsent output.
    pub fn waiting(&self) -> (usize, usize) {
        (self.unparsed.len(), self.unsent.len())
    }

    /// Heap bytes held: for unfinished input, for unsent output.
    pub fn memory(&self) -> (usize, usize) {
        (self.unparsed.memory(), self.unsent.memory())
    }

    /// Serves requests from what is held and then from `input`, for as long as they are complete
    /// and there is room for replies. `searched` bytes of what is held are known not to end one.
    fn serve<R: Respond>(&mut self, input: &[u8], mut searched: usize, turn: &mut Turn<'_, R>) {
        let mut input = Input::new(input);
        let mut left = REQUESTS_PER_READ;
        loop {
            if input.may_repeat() && self.unparsed.is_empty() {
                left -= self.echo_row(&mut input, left, turn);
            }
            if left == 0 || self.is_above_high_water(turn) {
                break;
            }
            left -= 1;
            let served = framing::next_message(
                turn.framing,
                &mut self.unparsed,
                &mut input,
                searched,
                turn.now,
                |message| answer(message, turn),
            );
            searched = 0;
            match served {
                Ok(Some(outcome)) => self.apply(outcome),
                Ok(None) => return,
                Err(error) => return self.refuse(error.into(), format_args!("{error}"), turn),
            }
            if self.inbound != Inbound::Open {
                return;
            }
        }
        self.unparsed.extend(input.bytes(), turn.now);
        if !self.unparsed.is_empty() || self.is_above_high_water(turn) {
            self.inbound = Inbound::Stalled;
        }
    }

    fn is_above_high_water<R>(&self, turn: &Turn<'_, R>) -> bool {
        self.unsent.len() + turn.out.len() > turn.limits.output_limit
    }

    /// A line that lacks its end counts as a request once the peer pauses or half-closes.
    fn serve_unterminated<R: Respond>(&mut self, turn: &mut Turn<'_, R>) {
        let outcome = answer(self.unparsed.bytes(), turn);
        self.unparsed.clear();
        self.apply(outcome);
    }

    fn apply(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Continue => {}
            Outcome::Produce => self.outbound = Outbound::Producing,
            Outcome::Finish(reason) => self.finish(reason),
        }
    }

    /// Answers what cannot be served, and closes so that the answer is not lost.
    fn refuse<R: Respond>(
        &mut self,
        reason: CloseReason,
        why: std::fmt::Arguments<'_>,
        turn: &mut Turn<'_, R>,
    ) {
        let mut reply = Reply::begin(turn.out, turn.framing.envelope());
        // Appending to a Vec cannot fail.
        let _ = write!(reply, "Error: {why}");
        reply.finish();
        self.finish(reason);
    }

    fn finish(&mut self, reason: CloseReason) {
        if self.is_serving() {
            self.outbound = Outbound::Finishing(reason);
            self.unparsed.clear();
            if self.inbound != Inbound::Ended {
                self.inbound = Inbound::Discarding;
            }
        }
    }
}

fn answer<R: Respond>(bytes: &[u8], turn: &mut Turn<'_, R>) -> Outcome {
    let request = turn.framing.unwrap(bytes);
    let Some(text) = turn.responder.echo(request) else { return respond(request, turn) };
    let mut reply = Reply::begin(turn.out, request.envelope);
    reply.push(text);
    reply.finish();
    Outcome::Continue
}

fn respond<R: Respond>(request: Request<'_>, turn: &mut Turn<'_, R>) -> Outcome {
    let mut reply = Reply::begin(turn.out, request.envelope);
    let outcome = turn.responder.respond(request, &mut reply);
    reply.finish();
    outcome
}
