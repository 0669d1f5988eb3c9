//! The server's engine: one connection as a state machine that is fed bytes and yields bytes.
//!
//! It knows no socket, no clock, no poll loop and no service. Its owner makes the calls, in this
//! order:
//!
//! ```text
//! life  := new, open, send, act, (event, send, act)*
//! event := receive           recv(2) brought bytes    if wants_read
//!        | receive_eof       recv(2) returned 0       if wants_read
//!        | resume            the connection's turn    if can_resume
//!        | produce           all output was taken     if wants_to_produce
//!        | expire            deadline has passed
//!        | drain             the server stops         if can_drain
//!        | fail or abandon   a system call failed
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
use crate::server::stats::standing::Standing;
use state::State;
use std::fmt;
use std::ops::Range;

mod before;
mod deadlines;
mod handler;
mod in_place;
mod standing;
mod state;
mod work;

pub use deadlines::Deadline;
pub use handler::{Handler, Outcome};
pub use state::{Action, Inbound, Outbound};
pub use work::Work;

#[cfg(test)]
mod tests;

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
    /// As what it is counted among all connections; `None` among the idle ones.
    counted: Option<Standing>,
}

impl Connection {
    /// A connection that was accepted at `now`.
    pub fn new(now: Moment) -> Connection {
        Connection {
            unparsed: ByteQueue::default(),
            unsent: ByteQueue::default(),
            idle_since: now,
            state: State::new(),
            counted: None,
        }
    }

    /// Lets the service speak first.
    pub fn open<R: Handler>(&mut self, cx: &mut ConnContext<'_, R>) {
        let outcome = cx.handler.on_open(&mut ReplyWriter::raw(cx.out));
        self.apply(outcome);
    }

    /// Takes bytes that were read. Call only if [`Connection::wants_read`].
    ///
    /// A large echo that came alone is made in `input`. Then its range in `input` is returned,
    /// nothing was appended to [`ConnContext::out`], and the owner must send those bytes, or put
    /// them into [`Connection::unsent`], before `input` is used again.
    #[inline]
    pub fn receive<R: Handler>(
        &mut self,
        input: &mut [u8],
        cx: &mut ConnContext<'_, R>,
    ) -> Option<Range<usize>> {
        if !self.state.reads_requests() {
            return None;
        }
        self.idle_since = cx.now;
        if input.len() >= in_place::MIN_TEXT && self.may_answer_in_place(input, cx) {
            return self.answer_in_place(input, cx);
        }
        self.serve(input, self.unparsed.len(), cx);
        None
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
        self.serve(&[], 0, cx);
    }

    /// Makes more output. Call only if [`Connection::wants_to_produce`].
    pub fn produce<R: Handler>(&mut self, cx: &mut ConnContext<'_, R>) {
        cx.handler.on_writable(&mut ReplyWriter::raw(cx.out));
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
    fn serve<R: Handler>(&mut self, input: &[u8], searched: usize, cx: &mut ConnContext<'_, R>) {
        let mut input = ReadCursor::new(input);
        if !self.unparsed.is_empty() && !self.serve_held(&mut input, searched, cx) {
            return;
        }
        let (framing, full_at) = (cx.framing, self.full_at(cx));
        let mut last = EncodedLength::default();
        while !input.bytes().is_empty() {
            if cx.work.is_spent() || cx.out.len() >= full_at {
                return self.stall(input.bytes(), cx);
            }
            match input.take_message(framing) {
                Ok(Some(message)) => match answer(framing.payload(message), &mut last, cx) {
                    Outcome::Continue => continue,
                    outcome => self.apply(outcome),
                },
                Ok(None) => return self.unparsed.extend(input.take_rest(), cx.now),
                Err(error) => return self.refuse(error, cx),
            }
            if !self.state.reads_requests() {
                return;
            }
        }
        if cx.out.len() >= full_at {
            self.state.stall();
        }
    }

    /// Serves requests that are held, and the one that `input` completes. Returns whether to go on
    /// with `input`: none is held any more.
    fn serve_held<R: Handler>(
        &mut self,
        input: &mut ReadCursor<'_>,
        mut searched: usize,
        cx: &mut ConnContext<'_, R>,
    ) -> bool {
        while !self.unparsed.is_empty() {
            if cx.work.is_spent() || cx.out.len() >= self.full_at(cx) {
                self.stall(input.bytes(), cx);
                return false;
            }
            let (framing, now) = (cx.framing, cx.now);
            match framing::complete_held(framing, &mut self.unparsed, input, searched, now) {
                Ok(Some(len)) => {
                    let outcome = self.answer_held(len, cx);
                    self.apply(outcome);
                }
                Ok(None) => return false,
                Err(error) => {
                    self.refuse(error, cx);
                    return false;
                }
            }
            if !self.state.reads_requests() {
                return false;
            }
            searched = 0;
        }
        true
    }

    /// Serves no more before other connections have had their turn, or the peer takes output.
    #[cold]
    fn stall<R>(&mut self, rest: &[u8], cx: &ConnContext<'_, R>) {
        self.unparsed.extend(rest, cx.now);
        self.state.stall();
    }

    #[cold]
    fn refuse<R: Handler>(&mut self, error: FrameError, cx: &mut ConnContext<'_, R>) {
        self.reply_error_and_close(error.into(), format_args!("{error}"), cx);
    }

    /// How long [`ConnContext::out`] is when more output waits than the high-water mark allows.
    /// Requests wait then until the peer has taken some.
    fn full_at<R>(&self, cx: &ConnContext<'_, R>) -> usize {
        let with_unsent = cx.out_start.saturating_add(cx.limits.output_limit).saturating_add(1);
        with_unsent.saturating_sub(self.unsent.len())
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
        why: fmt::Arguments<'_>,
        cx: &mut ConnContext<'_, R>,
    ) {
        let mut reply = ReplyWriter::begin(cx.out, cx.framing.envelope());
        cx.handler.on_refused(reason, why, &mut reply);
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

/// Answers a request. `last` has the length of the reply before.
#[inline(always)] // once, into the loop of `serve`
fn answer<R: Handler>(
    request: Request<'_>,
    last: &mut EncodedLength,
    cx: &mut ConnContext<'_, R>,
) -> Outcome {
    let before = cx.out.len();
    let mut reply = ReplyWriter::begin(cx.out, request.envelope);
    let outcome = cx.handler.on_request(request, &mut reply, cx.work);
    reply.finish_with(last);
    cx.work.spent += Work::of_request(cx.out.len().saturating_sub(before));
    outcome
}

/// Answers a request that is not one of many in a read.
#[inline(never)]
fn answer_alone<R: Handler>(message: &[u8], cx: &mut ConnContext<'_, R>) -> Outcome {
    answer(cx.framing.payload(message), &mut EncodedLength::default(), cx)
}
