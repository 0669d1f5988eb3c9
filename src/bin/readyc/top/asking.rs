//! The thread that asks the server.

use crate::Server;
use crate::failure::Failure;
use crate::watch::{Answer, Link, may_come_back};
use readyd::client::SessionError;
use std::sync::mpsc::{self, Sender};
use std::thread;

/// Starts the thread. It asks once for each question, and hands over the outcome; it ends when
/// `tell` returns false, or no question can come.
pub(super) fn start(
    server: Server,
    tell: impl Fn(Result<Answer, String>) -> bool + Send + 'static,
) -> Sender<()> {
    let (sender, questions) = mpsc::channel();
    thread::spawn(move || {
        let mut asker = Asker { server, request: b"STATS shards", link: None };
        for () in questions {
            let outcome = asker.ask().map_err(|failure| failure.to_string());
            if !tell(outcome) {
                return;
            }
        }
    });
    sender
}

struct Asker {
    server: Server,
    request: &'static [u8],
    link: Option<Link>,
}

impl Asker {
    fn ask(&mut self) -> Result<Answer, Failure> {
        if let Some(link) = self.link.take() {
            // The server may have closed it: because it was idle, or to be started again.
            match link.ask() {
                Err(Failure::Session(error)) if may_come_back(&error) => {}
                outcome => return self.keep(outcome),
            }
        }
        let outcome = Link::new(&self.server, self.request)?.ask();
        match outcome {
            // A version of readyd that does not tell of each shard.
            Err(Failure::Session(SessionError::WrongAnswer(_))) if self.request != b"STATS" => {
                self.request = b"STATS";
                let outcome = Link::new(&self.server, self.request)?.ask();
                self.keep(outcome)
            }
            outcome => self.keep(outcome),
        }
    }

    fn keep(&mut self, outcome: Result<(Answer, Link), Failure>) -> Result<Answer, Failure> {
        let (answer, link) = outcome?;
        self.link = Some(link);
        Ok(answer)
    }
}
