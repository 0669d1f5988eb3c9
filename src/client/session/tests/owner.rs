//! The session's owner in these tests: like the pool, but without a socket.

use crate::client::session::{
    Conversation, NextAction, Session, SessionError, SessionLimits, Step, Turn, Writer,
};
use crate::io::clock::{Moment, WallTime};
use crate::io::host::WallClock;
use crate::protocol::frame::encode_header;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

pub(super) fn frame(body: &[u8]) -> Vec<u8> {
    [&encode_header(body.len())[..], body].concat()
}

/// What a conversation sends when it is called, and its next action.
pub(super) type Cue<'a> = (&'a [u8], NextAction);

/// A conversation that follows a list of cues, and finishes at its end.
#[derive(Debug, Default)]
pub(super) struct Recital {
    cues: VecDeque<(Vec<u8>, NextAction)>,
    pub(super) heard: Vec<Vec<u8>>,
    /// The answer of this number, from 1, is taken for wrong.
    pub(super) wrong_answer: Option<usize>,
    pub(super) may_close: bool,
}

impl Recital {
    fn next_cue(&mut self, writer: &mut Writer<'_>) -> NextAction {
        let (bytes, action) = self.cues.pop_front().unwrap_or((Vec::new(), NextAction::Finish));
        writer.send(&bytes);
        action
    }
}

impl Conversation for Recital {
    fn connected(&mut self, writer: &mut Writer<'_>) -> NextAction {
        self.next_cue(writer)
    }

    fn answered(&mut self, answer: &[u8], writer: &mut Writer<'_>) -> Result<NextAction, String> {
        self.heard.push(answer.to_vec());
        if self.wrong_answer == Some(self.heard.len()) {
            return Err(format!("answer {} is wrong", self.heard.len()));
        }
        Ok(self.next_cue(writer))
    }

    fn resumed(&mut self, writer: &mut Writer<'_>) -> NextAction {
        self.next_cue(writer)
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

/// A session and its owner, at a time of their own.
pub(super) struct Owner {
    pub(super) session: Session<Recital>,
    pub(super) limits: SessionLimits,
    pub(super) now: Moment,
    /// All that was sent.
    pub(super) sent: Vec<u8>,
    /// Whether the kernel takes nothing, so that output waits.
    pub(super) blocked: bool,
}

impl Owner {
    /// A session that is being connected.
    pub(super) fn new(cues: &[Cue<'_>]) -> Owner {
        let now = Moment::START + Duration::from_secs(1);
        let cues = cues.iter().map(|(bytes, action)| (bytes.to_vec(), *action)).collect();
        Owner {
            session: Session::new(Recital { cues, ..Recital::default() }, now),
            limits: SessionLimits::default(),
            now,
            sent: Vec::new(),
            blocked: false,
        }
    }

    pub(super) fn connected(cues: &[Cue<'_>]) -> Owner {
        let mut owner = Owner::new(cues);
        owner.connect();
        owner
    }

    pub(super) fn connect(&mut self) {
        self.turn(|session, turn| session.connected(turn));
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.turn(|session, turn| session.receive(bytes, turn));
    }

    pub(super) fn receive_eof(&mut self) {
        self.turn(|session, turn| session.receive_eof(turn));
    }

    /// Resumes the conversation if it is suspended.
    pub(super) fn resume(&mut self) {
        if self.session.make_resumable().is_some() {
            self.turn(|session, turn| session.resume(turn));
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    pub(super) fn expire(&mut self) {
        self.turn(|session, turn| session.expire(turn));
    }

    pub(super) fn deadline(&self) -> Moment {
        self.session.deadline(&self.limits)
    }

    /// Lets time pass up to the deadline, and tells the session.
    pub(super) fn expire_at_deadline(&mut self) {
        self.now = self.deadline();
        self.expire();
    }

    /// The kernel takes what waits.
    pub(super) fn unblock(&mut self) {
        self.blocked = false;
        self.sent.extend_from_slice(self.session.unsent().bytes());
        self.session.unsent().clear();
    }

    /// Sends FIN, as the session must be asking for.
    pub(super) fn send_fin(&mut self) {
        assert!(matches!(self.session.next_step(), Step::SendFin));
        self.session.fin_sent(self.now);
    }

    pub(super) fn heard(&self) -> &[Vec<u8>] {
        &self.session.conversation.heard
    }

    /// How the session ended, which it must have.
    pub(super) fn result(&mut self) -> Result<(), SessionError> {
        match self.session.next_step() {
            Step::Close(result) => result,
            step => panic!("the session has not ended: {step:?}"),
        }
    }

    pub(super) fn failure(&mut self) -> SessionError {
        self.result().expect_err("the session failed")
    }

    fn turn(&mut self, call: impl FnOnce(&mut Session<Recital>, &mut Turn<'_>)) {
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
        let mut out = Vec::new();
        let writer = Writer::new(Some(local), &NoClock, &mut out);
        call(&mut self.session, &mut Turn { now: self.now, limits: &self.limits, writer });
        if self.blocked {
            self.session.unsent().extend(&out, self.now);
        } else {
            self.sent.extend_from_slice(&out);
        }
    }
}
