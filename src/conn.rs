//! The server's engine: one connection as a state machine that is fed bytes and yields bytes.
//!
//! It knows no socket, no clock, no poll loop and no service. Its owner makes the calls, in this
//! order:
//!
//! ```text
//! life  := new, open, send, act, (event, send, act)*
//! event := receive or receive_in_place   recv(2) brought bytes    if wants_read
//!        | receive_eof                   recv(2) returned 0       if wants_read
//!        | resume                        the connection's turn    if can_resume
//!        | produce                       all output was taken     if wants_to_produce
//!        | expire                        deadline has passed
//!        | drain                         the server stops         if can_drain
//!        | fail or abandon               a system call failed
//! send  := unsent, then what the event appended to ConnContext::out, with send(2);
//!          output_taken if the kernel took any; the rest goes into unsent
//! act   := next_step: Stay | SendFin, then fin_sent | Close | Abort
//! ```
//!
//! Several events may come before one `send`. [`ConnContext::out`] is shared by all connections: it
//! may hold the replies of others, and a connection looks only at what it appended itself, from
//! [`ConnContext::out_start`] on.
//!
//! Read [`Connection`] first, then `state.rs`, which has all states on one page, then
//! `deadlines.rs`.
//!
//! Invariants:
//!
//! - Replies leave in the order of their requests, however the reads and writes were cut.
//! - Output waiting is at most the high-water mark and one reply. Above the mark no request is
//!   parsed; parsing resumes at the low-water mark.
//! - All requests that arrived whole before the peer's FIN are answered before we close.
//! - An idle connection owns no heap.

use crate::io::buffer::ByteQueue;
use crate::io::clock::Moment;
use crate::protocol::frame::{EncodedLength, FrameError};
use crate::protocol::framing::{self, Framing, ReadCursor, Request};
use crate::protocol::reply::ReplyWriter;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use state::State;
use std::fmt::Write as _;

mod deadlines;
mod in_place;
mod state;
mod work;

pub use state::Action;
pub use work::Work;

#[cfg(test)]
mod tests;

/// What a service does; implemented by the handlers, and by tests.
pub trait Handler {
    /// A connection was opened. What is appended to `reply` is sent as it is, without a header.
    fn on_open(&mut self, reply: &mut ReplyWriter<'_>) -> Outcome;

    /// A request came. What is appended to `reply` answers it, framed as the request was. If
    /// answering costs more than to copy a few bytes, the service takes that from `work`.
    fn on_request(
        &mut self,
        request: Request<'_>,
        reply: &mut ReplyWriter<'_>,
        work: &mut Work,
    ) -> Outcome;

    /// All output was taken, and the service had asked for [`Outcome::Produce`]: more of it.
    fn on_writable(&mut self, reply: &mut ReplyWriter<'_>);
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

/// What the owner lends a connection for one call.
#[derive(Debug)]
pub struct ConnContext<'a, R> {
    /// The time of this turn of the loop.
    pub now: Moment,
    /// The server's limits.
    pub limits: &'a Limits,
    /// How the connection's listener cuts requests.
    pub framing: Framing,
    /// The service.
    pub handler: &'a mut R,
    /// Where output is appended. It is the owner's, and the replies of other connections may be in
    /// it.
    pub out: &'a mut Vec<u8>,
    /// Where this connection's own output begins in `out`: its length when the visit began.
    pub out_start: usize,
    /// The work that may still be done in this visit.
    pub work: &'a mut Work,
}

impl<R> ConnContext<'_, R> {
    /// Bytes of output that this connection has appended.
    fn appended(&self) -> usize {
        self.out.len().saturating_sub(self.out_start)
    }
}

/// Why no more requests were served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServeEnd {
    /// No bytes are left.
    AllServed,
    /// A request is not whole, or the connection is being closed.
    Settled,
    /// Work or room is lacking, and bytes may be left.
    MustWait,
}

/// One connection's state.
#[derive(Debug)]
pub struct Connection {
    unparsed: ByteQueue,
    unsent: ByteQueue,
    /// When the idle timeout starts: the last byte in; the last byte out, unless a request is
    /// half-received; or when waiting requests could be served. After our FIN: when the linger
    /// timeout starts.
    idle_since: Moment,
    state: State,
}

impl Connection {
    /// A connection that was accepted at `now`.
    pub fn new(now: Moment) -> Connection {
        Connection {
            unparsed: ByteQueue::default(),
            unsent: ByteQueue::default(),
            idle_since: now,
            state: State::new(),
        }
    }

    /// Lets the service speak first.
    pub fn open<R: Handler>(&mut self, cx: &mut ConnContext<'_, R>) {
        let outcome = cx.handler.on_open(&mut ReplyWriter::raw(cx.out));
        self.apply(outcome);
    }

    /// Takes bytes that were read. Call only if [`Connection::wants_read`].
    #[inline]
    pub fn receive<R: Handler>(&mut self, input: &[u8], cx: &mut ConnContext<'_, R>) {
        self.receive_with(ReadCursor::new(input), cx);
    }

    fn receive_with<R: Handler>(&mut self, input: ReadCursor<'_>, cx: &mut ConnContext<'_, R>) {
        if self.state.reads_requests() {
            self.idle_since = cx.now;
            cx.work.spend_bytes(input.bytes().len());
            self.serve(input, self.unparsed.len(), cx);
        }
    }

    /// Takes the peer's FIN. Call only if [`Connection::wants_read`].
    pub fn receive_eof<R: Handler>(&mut self, cx: &mut ConnContext<'_, R>) {
        let mut reason = CloseReason::PeerClosed;
        if self.state.reads_requests() && !self.unparsed.is_empty() {
            match cx.framing {
                Framing::Line { .. } => self.serve_final_line(cx),
                _ => reason = CloseReason::PeerClosedMidFrame,
            }
        }
        self.state.peer_fin(reason);
        self.unparsed.clear();
    }

    /// Goes on with requests that had to wait. Call only if [`Connection::can_resume`].
    pub fn resume<R: Handler>(&mut self, cx: &mut ConnContext<'_, R>) {
        self.state.resume();
        // The peer could not complete a request while we did not read: its time begins now.
        self.idle_since = cx.now;
        self.unparsed.restart_wait(cx.now);
        self.serve(ReadCursor::new(&[]), 0, cx);
    }

    /// Makes more output. Call only if [`Connection::wants_to_produce`].
    pub fn produce<R: Handler>(&mut self, cx: &mut ConnContext<'_, R>) {
        let before = cx.out.len();
        cx.handler.on_writable(&mut ReplyWriter::raw(cx.out));
        cx.work.spend_bytes(cx.out.len().saturating_sub(before));
    }

    /// Ends the connection because the server stops: a last line that lacks its end is answered, an
    /// unfinished frame is not. Call only if [`Connection::can_drain`].
    pub fn drain<R: Handler>(&mut self, cx: &mut ConnContext<'_, R>) {
        if self.state.reads_requests()
            && !self.unparsed.is_empty()
            && matches!(cx.framing, Framing::Line { .. })
        {
            self.serve_final_line(cx);
        }
        self.finish(CloseReason::Drained);
    }

    /// Whether bytes, once readable, should be read.
    pub fn wants_read(&self) -> bool {
        self.state.wants_read()
    }

    /// Whether requests that had to wait can be served now.
    pub fn can_resume(&self, limits: &Limits) -> bool {
        self.state.is_stalled() && self.unsent.len() <= limits.low_water()
    }

    /// Whether the service should make more output.
    pub fn wants_to_produce(&self) -> bool {
        self.state.is_producing() && self.unsent.is_empty()
    }

    /// Whether nothing more is to be served before [`Connection::drain`]. `readable` tells whether
    /// there may be something left to read.
    pub fn can_drain(&self, readable: bool) -> bool {
        self.state.can_drain(readable)
    }

    /// Output that an earlier send did not take. It goes before anything new.
    pub fn unsent(&mut self) -> &mut ByteQueue {
        &mut self.unsent
    }

    /// Whether output waits.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// The kernel took output, at `now`.
    pub fn output_taken(&mut self, now: Moment) {
        // While a request is unfinished, what counts is the peer's silence: the gap behind a line
        // would never come while the peer takes earlier replies, piece by piece.
        if self.unparsed.is_empty() {
            self.idle_since = now;
        }
    }

    /// FIN was sent, at `now`.
    pub fn fin_sent(&mut self, now: Moment) {
        self.state.fin_sent();
        self.idle_since = now;
    }

    /// What to do with the socket, when all that can be sent has been sent.
    pub fn next_step(&self) -> Action {
        self.state.action(self.has_unsent())
    }

    /// The socket failed, and no output is lost by that: nothing more can be read or sent.
    pub fn fail(&mut self, reason: CloseReason) {
        self.state.socket_failed(reason);
        self.unparsed.clear();
        self.unsent.clear();
    }

    /// Output is dropped, and a part of it may have gone out: the close must not make that look
    /// whole. Nothing is answered any more, not even by an error: it would follow half a reply.
    pub fn abandon(&mut self, reason: CloseReason) {
        self.state.abort(reason);
        self.unparsed.clear();
        self.unsent.clear();
    }

    /// The reason to give for closing now: the one already decided, or else `reason`.
    pub fn reason_or(&self, reason: CloseReason) -> CloseReason {
        self.state.reason().unwrap_or(reason)
    }

    /// Bytes that wait: of requests that are unfinished or have to wait, and of unsent output.
    pub fn waiting(&self) -> (usize, usize) {
        (self.unparsed.len(), self.unsent.len())
    }

    /// Heap bytes held: for unfinished input, for unsent output.
    pub fn memory(&self) -> (usize, usize) {
        (self.unparsed.memory(), self.unsent.memory())
    }

    /// Serves the requests that are held and then those in `input`, for as long as they are whole,
    /// there is room for replies, and work is left. `searched` bytes held are known not to end a
    /// request.
    fn serve<R: Handler>(
        &mut self,
        mut input: ReadCursor<'_>,
        searched: usize,
        cx: &mut ConnContext<'_, R>,
    ) {
        let mut end = self.serve_held(&mut input, searched, cx);
        if end == ServeEnd::AllServed {
            end = self.serve_read(&mut input, cx);
        }
        if end == ServeEnd::Settled {
            return;
        }
        self.unparsed.extend(input.bytes(), cx.now);
        if !self.unparsed.is_empty() || self.is_above_high_water(cx) {
            self.state.stall();
        }
    }

    /// Serves requests that are held, and the one that `input` completes.
    fn serve_held<R: Handler>(
        &mut self,
        input: &mut ReadCursor<'_>,
        mut searched: usize,
        cx: &mut ConnContext<'_, R>,
    ) -> ServeEnd {
        while !self.unparsed.is_empty() {
            if self.must_wait(cx) {
                return ServeEnd::MustWait;
            }
            let (framing, now) = (cx.framing, cx.now);
            match framing::complete_held(framing, &mut self.unparsed, input, searched, now) {
                Ok(Some(len)) => {
                    let outcome = self.answer_held(len, cx);
                    self.apply(outcome);
                }
                Ok(None) => return ServeEnd::Settled,
                Err(error) => return self.refuse(error, cx),
            }
            if !self.state.reads_requests() {
                return ServeEnd::Settled;
            }
            searched = 0;
        }
        ServeEnd::AllServed
    }

    /// Serves requests from `input` while none is held.
    fn serve_read<R: Handler>(
        &mut self,
        input: &mut ReadCursor<'_>,
        cx: &mut ConnContext<'_, R>,
    ) -> ServeEnd {
        let mut last = EncodedLength::default();
        while !input.bytes().is_empty() {
            if self.must_wait(cx) {
                return ServeEnd::MustWait;
            }
            match input.take_message(cx.framing) {
                Ok(Some(message)) => match answer(message, &mut last, cx) {
                    Outcome::Continue => continue,
                    outcome => self.apply(outcome),
                },
                Ok(None) => {
                    self.unparsed.extend(input.take_rest(), cx.now);
                    return ServeEnd::Settled;
                }
                Err(error) => return self.refuse(error, cx),
            }
            if !self.state.reads_requests() {
                return ServeEnd::Settled;
            }
        }
        ServeEnd::AllServed
    }

    #[cold]
    fn refuse<R: Handler>(&mut self, error: FrameError, cx: &mut ConnContext<'_, R>) -> ServeEnd {
        self.reply_error_and_close(error.into(), format_args!("{error}"), cx);
        ServeEnd::Settled
    }

    /// Whether requests must wait: for other connections, or for the peer to take output.
    #[inline]
    fn must_wait<R>(&self, cx: &ConnContext<'_, R>) -> bool {
        cx.work.is_spent() || self.is_above_high_water(cx)
    }

    fn is_above_high_water<R>(&self, cx: &ConnContext<'_, R>) -> bool {
        self.unsent.len() + cx.appended() > cx.limits.output_limit
    }

    /// A line that lacks its end counts as a request once the peer pauses or half-closes.
    fn serve_final_line<R: Handler>(&mut self, cx: &mut ConnContext<'_, R>) {
        let outcome = answer_alone(self.unparsed.bytes(), cx);
        self.unparsed.clear();
        self.apply(outcome);
    }

    #[inline]
    fn apply(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Continue => {}
            Outcome::Produce => self.state.produce(),
            Outcome::Finish(reason) => self.finish(reason),
        }
    }

    /// Answers bytes that cannot be served, and closes so that the answer is not lost.
    fn reply_error_and_close<R: Handler>(
        &mut self,
        reason: CloseReason,
        why: std::fmt::Arguments<'_>,
        cx: &mut ConnContext<'_, R>,
    ) {
        let mut reply = ReplyWriter::begin(cx.out, cx.framing.envelope());
        // Appending to a Vec cannot fail.
        let _ = write!(reply, "Error: {why}");
        reply.finish();
        self.finish(reason);
    }

    fn finish(&mut self, reason: CloseReason) {
        if self.state.is_serving() {
            self.state.finish(reason);
            self.unparsed.clear();
        }
    }
}

/// Answers the request that `message` is. `last` has the length of the reply before.
#[inline(always)] // once, into the loop of `serve`
fn answer<R: Handler>(
    message: &[u8],
    last: &mut EncodedLength,
    cx: &mut ConnContext<'_, R>,
) -> Outcome {
    let before = cx.out.len();
    let request = cx.framing.payload(message);
    let mut reply = ReplyWriter::begin(cx.out, request.envelope);
    let outcome = cx.handler.on_request(request, &mut reply, cx.work);
    reply.finish_with(last);
    cx.work.spend_request(cx.out.len().saturating_sub(before));
    outcome
}

/// Answers a request that is not one of many in a read.
#[inline(never)]
fn answer_alone<R: Handler>(message: &[u8], cx: &mut ConnContext<'_, R>) -> Outcome {
    answer(message, &mut EncodedLength::default(), cx)
}
