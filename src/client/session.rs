//! One session: the client's engine, as pure as the server's.
//!
//! A [`Script`] sends something and names the [`Expect`] by which the answer's end is known. The
//! session puts the answer together from all reads, and hands it over. A script that sends more
//! before the answers come pipelines. Read `session/state.rs` for all states on one page.
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

/// What a script speaks with.
pub struct Voice<'a> {
    /// The session's own address.
    pub local: SocketAddr,
    /// The time of day.
    pub wall_clock: &'a dyn WallClock,
    out: &'a mut Vec<u8>,
}

impl<'a> Voice<'a> {
    /// A voice that appends to `out`.
    pub fn new(
        local: SocketAddr,
        wall_clock: &'a dyn WallClock,
        out: &'a mut Vec<u8>,
    ) -> Voice<'a> {
        Voice { local, wall_clock, out }
    }

    /// Sends `body` in a frame.
    pub fn say_frame(&mut self, body: &[u8]) {
        frame::append(self.out, &[body]);
    }

    /// Sends `bytes` as they are.
    pub fn say(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
}

/// What one session says, and what it makes of the answers.
pub trait Script {
    /// The session is connected.
    fn connected(&mut self, voice: &mut Voice<'_>) -> Then;

    /// An answer came whole.
    ///
    /// # Errors
    ///
    /// What is wrong with the answer, in words; it ends the session.
    fn answered(&mut self, answer: &[u8], voice: &mut Voice<'_>) -> Result<Then, String>;

    /// There is something to say again, after [`Then::Rest`].
    fn resumed(&mut self, _voice: &mut Voice<'_>) -> Then {
        Then::Finish
    }

    /// Whether the peer may close now, though an answer is awaited.
    fn may_close(&self) -> bool {
        false
    }
}

/// What a script does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Waits for an answer that ends so.
    Await(Expect),
    /// Waits until its owner resumes it.
    Rest,
    /// Has nothing more to say or hear.
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

/// The most that is held of what has no end in sight, in bytes: a server that never pauses, such as
/// one for chargen, costs no more than this.
const MAX_HELD: usize = 1 << 20;

/// How long and how much one session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Until the connection is made.
    pub connect_timeout: Duration,
    /// From saying something, or the last answer, to the end of the next. The bytes of an answer
    /// do not prolong it: a server that sends one a minute would never be given up.
    pub answer_timeout: Duration,
    /// Silence that ends an [`Expect::Pause`].
    pub pause: Duration,
    /// From our FIN to the peer's.
    pub linger: Duration,
    /// Longest answer, in bytes. Of one that ends with a pause, and for a script that rests, at
    /// most a MiB is held all the same.
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
    script: S,
    unparsed: ByteQueue,
    unsent: ByteQueue,
    state: State,
    /// When the state began.
    since: Moment,
    /// When bytes last came, or when the state began.
    heard: Moment,
}

/// What every visit to a session needs from its owner.
pub struct Turn<'a> {
    /// The time of this turn of the loop.
    pub now: Moment,
    /// The fleet's limits.
    pub limits: &'a SessionLimits,
    /// What the script speaks with; output goes to the owner's shared buffer.
    pub voice: Voice<'a>,
}

impl<S: Script> Session<S> {
    /// A session whose connection is being made since `now`.
    pub fn new(script: S, now: Moment) -> Session<S> {
        Session {
            script,
            unparsed: ByteQueue::default(),
            unsent: ByteQueue::default(),
            state: State::new(),
            since: now,
            heard: now,
        }
    }

    /// The connection is made.
    pub fn connected(&mut self, turn: &mut Turn<'_>) {
        let then = self.script.connected(&mut turn.voice);
        self.proceed(then, turn.now);
    }

    /// The script, if it rests: it will speak at the next [`Session::resume`].
    pub fn wake(&mut self) -> Option<&mut S> {
        self.state.wake().then_some(&mut self.script)
    }

    /// Lets a woken script speak.
    pub fn resume(&mut self, turn: &mut Turn<'_>) {
        if self.state.is_woken() {
            let then = self.script.resumed(&mut turn.voice);
            self.proceed(then, turn.now);
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
            let verdict = self.script.answered(framing.payload(message).body, &mut turn.voice);
            self.unparsed.consume(held, turn.now);
            self.judge(verdict, turn.now);
        }
        if self.state.listens() {
            self.hold(input.bytes(), turn);
        }
    }

    /// Keeps bytes whose end only time can tell, or that nobody has asked for yet.
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
        self.state.peer_fin(self.unparsed.len(), self.script.may_close());
        self.drop_input_if_ended();
    }

    /// The socket failed. Once the script has heard all it wanted, that is no loss.
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

    /// When something has to be done, if nothing happens before.
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

    /// Output that an earlier send did not take. It goes before anything new.
    pub fn unsent(&mut self) -> &mut ByteQueue {
        &mut self.unsent
    }

    /// Whether output waits.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether the script waits for its owner.
    pub fn is_resting(&self) -> bool {
        self.state.is_resting()
    }

    /// Whether a script that rested has something to say.
    pub fn is_woken(&self) -> bool {
        self.state.is_woken()
    }

    /// FIN was sent, at `now`.
    pub fn fin_sent(&mut self, now: Moment) {
        if self.state.fin_sent() {
            self.state_began(now);
        }
    }

    /// What to do with the socket, when all that can be sent has been sent. The result comes once,
    /// with the first [`Step::Close`].
    pub fn next_step(&mut self) -> Step {
        self.state.take_action(self.has_unsent())
    }

    /// The script, for what it found out.
    pub fn into_script(self) -> S {
        self.script
    }

    /// Whether part of an answer is here whose end only silence, or the peer's FIN, can tell.
    fn holds_answer_of_unknown_end(&self) -> bool {
        self.state.awaited() == Some(Expect::Pause) && !self.unparsed.is_empty()
    }

    fn has_paused(&self, turn: &Turn<'_>) -> bool {
        self.holds_answer_of_unknown_end() && turn.now >= self.heard + turn.limits.pause
    }

    fn answer_is_over(&mut self, turn: &mut Turn<'_>) {
        let verdict = self.script.answered(self.unparsed.bytes(), &mut turn.voice);
        self.unparsed.clear();
        self.judge(verdict, turn.now);
    }

    fn judge(&mut self, verdict: Result<Then, String>, now: Moment) {
        match verdict {
            Ok(then) => self.proceed(then, now),
            Err(what) => self.fail_with(SessionError::WrongAnswer(what)),
        }
    }

    fn proceed(&mut self, then: Then, now: Moment) {
        self.state.proceed(then);
        self.state_began(now);
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
