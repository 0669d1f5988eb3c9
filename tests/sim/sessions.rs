//! What the client under test says, and what it notes of the answers.

use crate::wire;
use readyd::client::{Conversation, Expect, NextAction, Writer};
use std::net::SocketAddr;

/// Asks in frames, some of them ahead of the answers, and keeps all answers.
#[derive(Debug)]
pub(crate) struct Asker {
    pub(crate) bodies: Vec<Vec<u8>>,
    /// Requests under way at most.
    pub(crate) depth: usize,
    pub(crate) asked: usize,
    pub(crate) heard: Vec<Vec<u8>>,
    pub(crate) local: Option<SocketAddr>,
}

impl Asker {
    pub(crate) fn new(bodies: Vec<Vec<u8>>, depth: usize) -> Asker {
        Asker { bodies, depth, asked: 0, heard: Vec::new(), local: None }
    }

    fn ask(&mut self, writer: &mut Writer<'_>) -> NextAction {
        while self.asked < self.bodies.len() && self.asked < self.heard.len() + self.depth {
            writer.send(&wire::frame(&self.bodies[self.asked]));
            self.asked += 1;
        }
        if self.heard.len() == self.bodies.len() {
            NextAction::Finish
        } else {
            NextAction::Await(Expect::Frame)
        }
    }
}

impl Conversation for Asker {
    fn connected(&mut self, writer: &mut Writer<'_>) -> NextAction {
        self.local = writer.local;
        self.ask(writer)
    }

    fn answered(&mut self, answer: &[u8], writer: &mut Writer<'_>) -> Result<NextAction, String> {
        self.heard.push(answer.to_vec());
        Ok(self.ask(writer))
    }
}
