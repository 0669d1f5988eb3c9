//! The states of a client session, and every change from one to another.
//!
//! Each event is a method of [`State`], and nothing else changes it. ARCHITECTURE.md has the
//! diagram; a test makes it from this file.
//!
//! Invariant: a session that has ended stays so, with the result that it had first.

use super::{Expect, NextAction, SessionError, SessionLimits};
use std::io;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// What a session's owner does next with its socket.
#[derive(Debug)]
pub enum Step {
    /// Nothing: waits for readiness or the deadline.
    Stay,
    /// Half-closes, then calls [`fin_sent`](super::Session::fin_sent).
    SendFin,
    /// Closes: the session has ended.
    Close(Result<(), SessionError>),
}

#[derive(Debug)]
enum Phase {
    /// The connection is being made.
    Connecting,
    /// The conversation waits for an answer.
    Awaiting(Expect),
    /// The conversation waits for its owner.
    Suspended,
    /// The owner has resumed the conversation, which is called in the next turn.
    Resumable,
    /// The conversation has ended. We send what is left, then FIN.
    Closing,
    /// The same, but the peer has sent its FIN already: we close as soon as all is sent.
    ClosingLast,
    /// We have sent FIN, and read until the peer's FIN so that our close(2) does not send RST.
    FinSent,
    /// The owner closes.
    Ended(Result<(), SessionError>),
}

/// The state of a session.
#[derive(Debug)]
pub(super) struct State(Phase);

/// The events. An event that has no meaning in a state changes nothing.
impl State {
    /// An attempt to connect has begun.
    pub(super) fn new() -> State {
        State(Phase::Connecting)
    }

    /// The conversation was called, and has returned what it does next.
    pub(super) fn transition(&mut self, action: NextAction) {
        if matches!(self.0, Phase::Connecting | Phase::Awaiting(_) | Phase::Resumable) {
            self.0 = match action {
                NextAction::Await(expect) => Phase::Awaiting(expect),
                NextAction::Suspend => Phase::Suspended,
                NextAction::Finish => Phase::Closing,
            };
        }
    }

    /// The owner resumes the conversation. Returns whether it was suspended.
    pub(super) fn make_resumable(&mut self) -> bool {
        let is_suspended = self.is_suspended();
        if is_suspended {
            self.0 = Phase::Resumable;
        }
        is_suspended
    }

    /// The peer sent FIN, `received` bytes into an answer. `may_close` tells whether the
    /// conversation allows that between two answers.
    pub(super) fn peer_fin(&mut self, received: usize, may_close: bool) {
        match self.0 {
            Phase::Awaiting(_) if received == 0 && may_close => self.end(Ok(())),
            Phase::Connecting | Phase::Awaiting(_) | Phase::Suspended | Phase::Resumable => {
                self.end(Err(SessionError::ClosedEarly { received }));
            }
            // What is left to send, such as an acknowledgement, still goes out.
            Phase::Closing => self.0 = Phase::ClosingLast,
            Phase::FinSent => self.end(Ok(())),
            Phase::ClosingLast | Phase::Ended(_) => {}
        }
    }

    /// The owner has sent FIN. Returns whether it was to do so.
    pub(super) fn fin_sent(&mut self) -> bool {
        let was_closing = matches!(self.0, Phase::Closing);
        if was_closing {
            self.0 = Phase::FinSent;
        }
        was_closing
    }

    /// The socket failed. Once the conversation has ended, the result is still success.
    pub(super) fn socket_failed(&mut self, error: io::Error) {
        match self.0 {
            Phase::Closing | Phase::ClosingLast | Phase::FinSent => self.end(Ok(())),
            _ => self.end(Err(SessionError::Broken(error))),
        }
    }

    /// The deadline has passed. An attempt to connect is given up by the owner, which knows the
    /// address.
    pub(super) fn time_over(&mut self, limits: &SessionLimits) {
        match self.0 {
            Phase::Awaiting(_) => {
                self.end(Err(SessionError::AnswerTimeout(limits.answer_timeout)));
            }
            Phase::Closing | Phase::ClosingLast | Phase::FinSent => self.end(Ok(())),
            Phase::Connecting | Phase::Suspended | Phase::Resumable | Phase::Ended(_) => {}
        }
    }

    /// An answer is wrong, or the bytes are no answer.
    pub(super) fn fail(&mut self, error: SessionError) {
        self.end(Err(error));
    }

    fn end(&mut self, result: Result<(), SessionError>) {
        if !self.has_ended() {
            self.0 = Phase::Ended(result);
        }
    }
}

/// The questions.
impl State {
    /// Whether the connection is still being made.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.0, Phase::Connecting)
    }

    /// The end of the answer that the conversation waits for, if it waits for one.
    pub(super) fn awaited(&self) -> Option<Expect> {
        match self.0 {
            Phase::Awaiting(expect) => Some(expect),
            _ => None,
        }
    }

    /// Whether the conversation waits for its owner.
    pub(super) fn is_suspended(&self) -> bool {
        matches!(self.0, Phase::Suspended)
    }

    /// Whether the owner has resumed the conversation, which is not called yet.
    pub(super) fn is_resumable(&self) -> bool {
        matches!(self.0, Phase::Resumable)
    }

    /// Whether bytes from the peer may be part of an answer, now or later.
    pub(super) fn listens(&self) -> bool {
        matches!(self.0, Phase::Awaiting(_) | Phase::Suspended | Phase::Resumable)
    }

    /// Whether the owner is to close.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.0, Phase::Ended(_))
    }

    /// How long the state may last.
    pub(super) fn timeout(&self, limits: &SessionLimits) -> Option<Duration> {
        match self.0 {
            Phase::Connecting => Some(limits.connect_timeout),
            Phase::Awaiting(_) | Phase::Closing | Phase::ClosingLast => Some(limits.answer_timeout),
            Phase::FinSent => Some(limits.linger),
            Phase::Suspended | Phase::Resumable | Phase::Ended(_) => None,
        }
    }

    /// What to do with the socket when all that can be sent has been sent, and `has_unsent` tells
    /// whether some output is left. The result comes once, with the first [`Step::Close`].
    pub(super) fn take_action(&mut self, has_unsent: bool) -> Step {
        match &mut self.0 {
            Phase::Closing if !has_unsent => Step::SendFin,
            Phase::ClosingLast if !has_unsent => Step::Close(Ok(())),
            Phase::Ended(result) => Step::Close(std::mem::replace(result, Ok(()))),
            _ => Step::Stay,
        }
    }
}
