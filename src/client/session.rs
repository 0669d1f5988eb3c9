//! One session: the client's engine, as pure as the server's.
//!
//! A [`Script`] says something and tells by which [`Expect`] the answer's end is known; the session
//! puts the answer together from whatever reads bring, and hands it over. Sending more before the
//! answers come, a script pipelines.
//!
//! Invariants: answers are handed over whole and in order. Every session ends once, with success or
//! with one [`SessionError`] named by whose fault it is.

use crate::io::buffer::ByteQueue;
use crate::io::clock::Moment;
use crate::io::host::WallClock;
use crate::protocol::frame;
use crate::protocol::framing::{self, Framing, Input};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

mod error;
#[cfg(test)]
mod tests;

pub use error::SessionError;

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
        self.out.extend_from_slice(&frame::encode_header(body.len()));
        self.out.extend_from_slice(body);
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
    /// Longest answer, in bytes. Of one that ends with a pause, and for a script that rests, at most
    /// a MiB is held all the same.
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

/// What a session's owner does next with its socket.
#[derive(Debug)]
pub enum Step {
    /// Nothing: waits for readiness or the deadline.
    Stay,
    /// Half-closes, then calls [`Session::fin_sent`].
    SendFin,
    /// Closes: the session has ended.
    Close(Result<(), SessionError>),
}

#[derive(Debug)]
enum State {
    Connecting,
    Awaiting(Expect),
    Resting,
    /// Its owner has seen to the script, which speaks in the next turn.
    Woken,
    /// What is left to say is sent, then FIN.
    Finishing,
    /// The same, but the peer has sent its FIN already: then the socket is closed at once.
    Closing,
    /// FIN is sent; what still comes is read, so that our close does not turn into RST.
    Lingering,
    Ended(Result<(), SessionError>),
}

/// One connected session's state.
#[derive(Debug)]
pub struct Session<S> {
    script: S,
    unparsed: ByteQueue,
    unsent: ByteQueue,
    state: State,
    /// When the state began; for an answer, since when it is awaited.
    since: Moment,
    /// When bytes last came, or the state began.
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
            state: State::Connecting,
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
        if !self.is_resting() {
            return None;
        }
        self.state = State::Woken;
        Some(&mut self.script)
    }

    /// Lets a woken script speak.
    pub fn resume(&mut self, turn: &mut Turn<'_>) {
        if let State::Woken = self.state {
            let then = self.script.resumed(&mut turn.voice);
            self.proceed(then, turn.now);
            self.digest(&[], 0, turn);
        }
    }

    /// Takes bytes that were read.
    pub fn receive(&mut self, input: &[u8], turn: &mut Turn<'_>) {
        self.heard = turn.now;
        self.digest(input, self.unparsed.len(), turn);
    }

    /// Hands over the answers in what is held and in `input`. The first `searched` bytes held are
    /// known not to end one.
    fn digest(&mut self, input: &[u8], mut searched: usize, turn: &mut Turn<'_>) {
        let mut input = Input::new(input);
        while let State::Awaiting(expect) = self.state {
            let Some(framing) = expect.framing(turn.limits) else { break };
            let (script, voice) = (&mut self.script, &mut turn.voice);
            let answered = framing::next_message(
                framing,
                &mut self.unparsed,
                &mut input,
                searched,
                turn.now,
                |message| script.answered(framing.unwrap(message).body, voice),
            );
            searched = 0;
            match answered {
                Ok(Some(verdict)) => self.judge(verdict, turn.now),
                Ok(None) => return,
                Err(error) => return self.end(Err(error.into())),
            }
        }
        if let State::Awaiting(_) | State::Resting | State::Woken = self.state {
            self.hold(input.bytes(), turn);
        }
    }

    /// Keeps bytes whose end only time can tell, or that nobody has asked for yet.
    fn hold(&mut self, input: &[u8], turn: &Turn<'_>) {
        let limit = turn.limits.max_answer.min(MAX_HELD);
        if self.unparsed.len() + input.len() > limit {
            return self.end(Err(SessionError::OverLimit { limit }));
        }
        self.unparsed.extend(input, turn.now);
    }

    /// Takes the peer's FIN.
    pub fn receive_eof(&mut self, turn: &mut Turn<'_>) {
        if self.holds_answer_of_unknown_end() {
            self.answer_is_over(turn);
        }
        let received = self.unparsed.len();
        match self.state {
            State::Awaiting(_) if received == 0 && self.script.may_close() => self.end(Ok(())),
            State::Connecting | State::Awaiting(_) | State::Resting | State::Woken => {
                self.end(Err(SessionError::ClosedEarly { received }));
            }
            // A last word, such as an acknowledgement, still goes out.
            State::Finishing => self.state = State::Closing,
            State::Lingering => self.end(Ok(())),
            State::Closing | State::Ended(_) => {}
        }
    }

    /// The socket failed. Once the script has heard all it wanted, that is no loss.
    pub fn fail(&mut self, error: io::Error) {
        match self.state {
            State::Finishing | State::Closing | State::Lingering => self.end(Ok(())),
            State::Ended(_) => {}
            _ => self.end(Err(SessionError::Broken(error))),
        }
    }

    /// Does what the passed deadline asks for; nothing if it has not passed.
    pub fn expire(&mut self, turn: &mut Turn<'_>) {
        if self.deadline(turn.limits) > turn.now {
            return;
        }
        match self.state {
            State::Awaiting(_) if self.has_paused(turn) => self.answer_is_over(turn),
            State::Awaiting(_) => {
                self.end(Err(SessionError::AnswerTimeout(turn.limits.answer_timeout)));
            }
            State::Finishing | State::Closing | State::Lingering => self.end(Ok(())),
            // Its owner knows the address and gives up the attempt.
            State::Connecting | State::Resting | State::Woken | State::Ended(_) => {}
        }
    }

    /// When something has to be done, if nothing happens before.
    pub fn deadline(&self, limits: &SessionLimits) -> Moment {
        match self.state {
            State::Connecting => self.since + limits.connect_timeout,
            State::Awaiting(_) if self.holds_answer_of_unknown_end() => {
                (self.heard + limits.pause).min(self.since + limits.answer_timeout)
            }
            State::Awaiting(_) | State::Finishing | State::Closing => {
                self.since + limits.answer_timeout
            }
            State::Lingering => self.since + limits.linger,
            State::Resting | State::Woken | State::Ended(_) => Moment::NEVER,
        }
    }

    /// Whether the connection is still being made.
    pub fn is_connecting(&self) -> bool {
        matches!(self.state, State::Connecting)
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
        matches!(self.state, State::Resting)
    }

    /// Whether a script that rested has something to say.
    pub fn is_woken(&self) -> bool {
        matches!(self.state, State::Woken)
    }

    /// FIN was sent, at `now`.
    pub fn fin_sent(&mut self, now: Moment) {
        if let State::Finishing = self.state {
            self.enter(State::Lingering, now);
        }
    }

    /// What to do with the socket, when all that can be sent has been sent. The result comes once,
    /// with the first [`Step::Close`].
    pub fn next_step(&mut self) -> Step {
        match &mut self.state {
            State::Finishing if self.unsent.is_empty() => Step::SendFin,
            State::Closing if self.unsent.is_empty() => Step::Close(Ok(())),
            State::Ended(result) => Step::Close(std::mem::replace(result, Ok(()))),
            _ => Step::Stay,
        }
    }

    /// The script, for what it found out.
    pub fn into_script(self) -> S {
        self.script
    }

    /// Whether there is an answer of which only silence, or the peer's FIN, tells that it is over.
    fn holds_answer_of_unknown_end(&self) -> bool {
        matches!(self.state, State::Awaiting(Expect::Pause)) && !self.unparsed.is_empty()
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
            Err(what) => self.end(Err(SessionError::WrongAnswer(what))),
        }
    }

    fn proceed(&mut self, then: Then, now: Moment) {
        let state = match then {
            Then::Await(expect) => State::Awaiting(expect),
            Then::Rest => State::Resting,
            Then::Finish => State::Finishing,
        };
        self.enter(state, now);
    }

    fn enter(&mut self, state: State, now: Moment) {
        self.state = state;
        self.since = now;
        self.heard = now;
    }

    fn end(&mut self, result: Result<(), SessionError>) {
        self.state = State::Ended(result);
        self.unparsed.clear();
    }
}
