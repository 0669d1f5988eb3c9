//! One session: the client's engine. Like the server's, it makes no system call.
//!
//! A [`Conversation`] sends a request and names the [`Expect`] that tells where the answer ends.
//! The session collects the answer from all reads, and hands it over. A conversation that sends
//! more requests before the answers arrive pipelines. Read `session/state.rs` for all states on one
//! page.
//!
//! Invariants: answers are handed over whole and in order. Every session ends once, with success or
//! with one [`SessionError`] named by whose fault it is.

use crate::io::buffer::ByteQueue;
use crate::io::clock::Moment;
use crate::io::host::WallClock;
use crate::protocol::frame;
use crate::protocol::framing::{self, Framing, Message, ReadCursor};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

mod error;
mod state;
#[cfg(test)]
mod tests;

pub use error::SessionError;
pub use state::Step;

use state::State;

/// What a conversation writes its requests with.
pub struct Writer<'a> {
    /// The session's own address; a unix socket has none.
    pub local: Option<SocketAddr>,
    /// The time of day.
    pub wall_clock: &'a dyn WallClock,
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// A writer that appends to `out`.
    pub fn new(
        local: Option<SocketAddr>,
        wall_clock: &'a dyn WallClock,
        out: &'a mut Vec<u8>,
    ) -> Writer<'a> {
        Writer { local, wall_clock, out }
    }

    /// Sends `body` in a frame.
    pub fn send_frame(&mut self, body: &[u8]) {
        frame::append(self.out, &[body]);
    }

    /// Sends `bytes` as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
}

/// What one session sends, and what it does with each answer.
pub trait Conversation {
    /// The session is connected.
    fn connected(&mut self, writer: &mut Writer<'_>) -> NextAction;

    /// A whole answer has arrived.
    ///
    /// # Errors
    ///
    /// What is wrong with the answer, in words. The error ends the session.
    fn answered(&mut self, answer: &[u8], writer: &mut Writer<'_>) -> Result<NextAction, String>;

    /// The owner has resumed the conversation after [`NextAction::Suspend`].
    fn resumed(&mut self, _voice: &mut Writer<'_>) -> NextAction {
        NextAction::Finish
    }

    /// Whether the peer may close now, though an answer is awaited.
    fn may_close(&self) -> bool {
        false
    }
}

/// What a conversation does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextAction {
    /// Waits for an answer with this end.
    Await(Expect),
    /// Waits until its owner resumes it.
    Suspend,
    /// Has nothing more to send, and expects no answer.
    Finish,
}

/// How the end of an answer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It is a padded frame; its body is handed over.
    Frame,
    /// It ends in `\n` or `\r\n`, which is not handed over.
    Line,
    /// It has this many bytes, at least one.
    Bytes(usize),
    /// The peer sends nothing more for a moment, or closes.
    Pause,
}

impl Expect {
    fn framing(self, limits: &SessionLimits) -> Option<Framing> {
        match self {
            Expect::Frame => Some(Framing::Padded { max_body: limits.max_answer }),
            Expect::Line => Some(Framing::Line { max_line: limits.max_answer }),
            Expect::Bytes(len) => Some(Framing::Fixed { len }),
            Expect::Pause => None,
        }
    }
}

/// The most bytes that are held of an answer whose end only a pause tells. A server that never
/// pauses, such as one for chargen, costs no more memory than this.
const MAX_HELD: usize = 1 << 20;

/// The limits of one session, in time and in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Until the connection is made.
    pub connect_timeout: Duration,
    /// From a request, or the answer before, to the end of the next answer. The bytes of an answer
    /// do not prolong it: a server that sends one byte a minute would never time out.
    pub answer_timeout: Duration,
    /// Silence that ends an [`Expect::Pause`].
    pub pause: Duration,
    /// From our FIN to the peer's.
    pub linger: Duration,
    /// Longest answer, in bytes. An answer that ends with a pause may have at most 1 MiB all the
    /// same, and so may the bytes that arrive while a conversation is suspended.
    pub max_answer: usize,
}

impl Default for SessionLimits {
    fn default() -> SessionLimits {
        SessionLimits {
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(30),
            pause: Duration::from_millis(50),
            linger: Duration::from_secs(1),
            max_answer: 1 << 30,
        }
    }
}

/// One connected session's state.
#[derive(Debug)]
pub struct Session<S> {
    conversation: S,
    unparsed: ByteQueue,
    unsent: ByteQueue,
    state: State,
    /// When the state began.
    since: Moment,
    /// When bytes last arrived, or when the state began.
    heard: Moment,
}

/// What every visit to a session needs from its owner.
pub struct Turn<'a> {
    /// The time of this turn of the loop.
    pub now: Moment,
    /// The pool's limits for each session.
    pub limits: &'a SessionLimits,
    /// What the conversation writes with. Output goes to the owner's shared buffer.
    pub writer: Writer<'a>,
}

impl<S: Conversation> Session<S> {
    /// A session whose connection is being made since `now`.
    pub fn new(conversation: S, now: Moment) -> Session<S> {
        Session {
            conversation,
            unparsed: ByteQueue::default(),
            unsent: ByteQueue::default(),
            state: State::new(),
            since: now,
            heard: now,
        }
    }

    /// The connection is made.
    pub fn connected(&mut self, turn: &mut Turn<'_>) {
        let action = self.conversation.connected(&mut turn.writer);
        self.transition(Ok(action), turn.now);
    }

    /// Makes a suspended conversation resumable and returns it. [`Session::resume`] then calls it.
    pub fn make_resumable(&mut self) -> Option<&mut S> {
        self.state.make_resumable().then_some(&mut self.conversation)
    }

    /// Calls the conversation if it is resumable.
    pub fn resume(&mut self, turn: &mut Turn<'_>) {
        if self.state.is_resumable() {
            let action = self.conversation.resumed(&mut turn.writer);
            self.transition(Ok(action), turn.now);
            self.process_input(&[], 0, turn);
        }
    }

    /// Takes bytes that were read.
    pub fn receive(&mut self, input: &[u8], turn: &mut Turn<'_>) {
        self.heard = turn.now;
        self.process_input(input, self.unparsed.len(), turn);
    }

    /// Hands over the answers in what is held and in `input`. The first `searched` bytes held are
    /// known not to end one.
    fn process_input(&mut self, input: &[u8], mut searched: usize, turn: &mut Turn<'_>) {
        let mut input = ReadCursor::new(input);
        while let Some(expect) = self.state.awaited() {
            let Some(framing) = expect.framing(turn.limits) else { break };
            let next =
                framing::next_message(framing, &mut self.unparsed, &mut input, searched, turn.now);
            searched = 0;
            let (message, held) = match next {
                Ok(Some(Message::Read(message))) => (message, 0),
                Ok(Some(Message::Held(len))) => {
                    (self.unparsed.bytes().get(..len).unwrap_or_default(), len)
                }
                Ok(None) => return,
                Err(error) => return self.fail_with(error.into()),
            };
            let result =
                self.conversation.answered(framing.payload(message).body, &mut turn.writer);
            self.unparsed.consume(held, turn.now);
            self.transition(result, turn.now);
        }
        if self.state.listens() {
            self.hold(input.bytes(), turn);
        }
    }

    /// Keeps bytes of an answer that ends with a pause, or that the conversation has not asked for
    /// yet.
    fn hold(&mut self, input: &[u8], turn: &Turn<'_>) {
        let limit = turn.limits.max_answer.min(MAX_HELD);
        if self.unparsed.len() + input.len() > limit {
            return self.fail_with(SessionError::OverLimit { limit });
        }
        self.unparsed.extend(input, turn.now);
    }

    /// Takes the peer's FIN.
    pub fn receive_eof(&mut self, turn: &mut Turn<'_>) {
        if self.holds_answer_of_unknown_end() {
            self.answer_is_over(turn);
        }
        self.state.peer_fin(self.unparsed.len(), self.conversation.may_close());
        self.drop_input_if_ended();
    }

    /// The socket failed. Once the conversation has ended, the result is still success.
    pub fn fail(&mut self, error: io::Error) {
        self.state.socket_failed(error);
        self.drop_input_if_ended();
    }

    /// Acts on the deadline if it has passed.
    pub fn expire(&mut self, turn: &mut Turn<'_>) {
        if self.deadline(turn.limits) > turn.now {
            return;
        }
        if self.has_paused(turn) {
            self.answer_is_over(turn);
        } else {
            self.state.time_over(turn.limits);
            self.drop_input_if_ended();
        }
    }

    /// The time at which [`Session::expire`] has something to do, unless an event comes first.
    pub fn deadline(&self, limits: &SessionLimits) -> Moment {
        let Some(timeout) = self.state.timeout(limits) else { return Moment::NEVER };
        let deadline = self.since + timeout;
        if self.holds_answer_of_unknown_end() {
            deadline.min(self.heard + limits.pause)
        } else {
            deadline
        }
    }

    /// Whether the connection is still being made.
    pub fn is_connecting(&self) -> bool {
        self.state.is_connecting()
    }

    /// Output that an earlier send(2) did not take. It is sent before anything new.
    pub fn unsent(&mut self) -> &mut ByteQueue {
        &mut self.unsent
    }

    /// Whether output waits.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether the conversation waits for its owner.
    pub fn is_suspended(&self) -> bool {
        self.state.is_suspended()
    }

    /// Whether a suspended conversation can send again.
    pub fn is_resumable(&self) -> bool {
        self.state.is_resumable()
    }

    /// FIN was sent, at `now`.
    pub fn fin_sent(&mut self, now: Moment) {
        if self.state.fin_sent() {
            self.state_began(now);
        }
    }

    /// What to do with the socket, after all that send(2) takes has been sent. The result comes
    /// once, with the first [`Step::Close`].
    pub fn next_step(&mut self) -> Step {
        self.state.take_action(self.has_unsent())
    }

    /// The conversation, with what it found out.
    pub fn into_conversation(self) -> S {
        self.conversation
    }

    /// Whether we hold part of an answer that ends with a pause or the peer's FIN.
    fn holds_answer_of_unknown_end(&self) -> bool {
        self.state.awaited() == Some(Expect::Pause) && !self.unparsed.is_empty()
    }

    fn has_paused(&self, turn: &Turn<'_>) -> bool {
        self.holds_answer_of_unknown_end() && turn.now >= self.heard + turn.limits.pause
    }

    fn answer_is_over(&mut self, turn: &mut Turn<'_>) {
        let result = self.conversation.answered(self.unparsed.bytes(), &mut turn.writer);
        self.unparsed.clear();
        self.transition(result, turn.now);
    }

    /// Acts on the result of a call to the conversation.
    fn transition(&mut self, result: Result<NextAction, String>, now: Moment) {
        match result {
            Ok(action) => {
                self.state.transition(action);
                self.state_began(now);
            }
            Err(what) => self.fail_with(SessionError::WrongAnswer(what)),
        }
    }

    fn state_began(&mut self, now: Moment) {
        self.since = now;
        self.heard = now;
    }

    fn fail_with(&mut self, error: SessionError) {
        self.state.fail(error);
        self.drop_input_if_ended();
    }

    fn drop_input_if_ended(&mut self) {
        if self.state.has_ended() {
            self.unparsed.clear();
        }
    }
}
