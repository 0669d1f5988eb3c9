//! A connection on which a server is asked for its counters, time and again.

use super::Sample;
use crate::Server;
use crate::encryption::ClientNet;
use crate::failure::Failure;
use readyd::client::conversations::Check;
use readyd::client::{Conversation, Expect, NextAction, SessionError, SessionPool, Writer};
use readyd::reactor::Reactor;
use readyd::server::client_log::Escaped;
use std::sync::mpsc::{self, Receiver, Sender};

/// A connection that is suspended between requests.
pub(crate) struct Link {
    reactor: Reactor,
    pool: SessionPool<ClientNet, Questions>,
    answers: Receiver<Answer>,
    is_suspended: bool,
}

/// What the server answered.
pub(crate) struct Answer {
    /// The numbers in it, at least one.
    pub(crate) sample: Sample,
    /// All of it.
    pub(crate) text: Vec<u8>,
}

impl Link {
    /// A connection that [`Link::ask`] opens, for this request.
    ///
    /// # Errors
    ///
    /// When the system has no descriptors or memory for epoll.
    pub(crate) fn new(server: &Server, request: &'static [u8]) -> Result<Link, Failure> {
        let (sender, answers) = mpsc::channel();
        let (reactor, pool) = server.pool([Questions { request, answers: sender }], 1)?;
        Ok(Link { reactor, pool, answers, is_suspended: false })
    }

    /// Sends the request and waits for the answer. Returns the connection, too, if it lasts.
    ///
    /// # Errors
    ///
    /// [`Failure::Session`] if there is no answer, [`Failure::Reactor`] if epoll fails.
    pub(crate) fn ask(mut self) -> Result<(Answer, Link), Failure> {
        if self.is_suspended {
            self.pool.resume(|_| ());
        }
        // Returns when the answer is there and the session suspends, or when the session has ended.
        self.reactor.run(&mut self.pool).map_err(Failure::Reactor)?;
        if let Ok(answer) = self.answers.try_recv() {
            self.is_suspended = true;
            return Ok((answer, self));
        }
        let error = self.pool.into_finished().pop().and_then(|session| session.result.err());
        Err(Failure::Session(error.unwrap_or(SessionError::ClosedEarly { received: 0 })))
    }
}

/// A session that requests the counters each time it is resumed.
struct Questions {
    request: &'static [u8],
    answers: Sender<Answer>,
}

impl Conversation for Questions {
    fn connected(&mut self, writer: &mut Writer<'_>) -> NextAction {
        writer.send_frame(self.request);
        NextAction::Await(Expect::Frame)
    }

    fn resumed(&mut self, writer: &mut Writer<'_>) -> NextAction {
        self.connected(writer)
    }

    fn answered(&mut self, answer: &[u8], _voice: &mut Writer<'_>) -> Result<NextAction, String> {
        Check::Something.verify(answer)?;
        let sample = Sample::parse(answer)
            .ok_or_else(|| format!("the answer to STATS has no counters: {}", Escaped(answer)))?;
        // The receiver outlives all sessions, so this cannot fail.
        let _ = self.answers.send(Answer { sample, text: answer.to_vec() });
        Ok(NextAction::Suspend)
    }
}
