//! A planned dialogue: a number of requests, one after the other, each answer checked.

use super::Check;
use crate::client::session::{Conversation, Expect, NextAction, Writer};
use crate::protocol::frame;
use std::rc::Rc;

/// One request and the answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The bytes to send, header included; may be empty where the server speaks unasked.
    pub request: Vec<u8>,
    /// How the answer ends.
    pub expect: Expect,
    /// What the answer is.
    pub check: Check,
}

impl Exchange {
    /// A frame that is answered by a frame.
    pub fn framed(body: &[u8], check: Check) -> Exchange {
        let request = [&frame::encode_header(body.len())[..], body].concat();
        Exchange { request, expect: Expect::Frame, check }
    }

    /// Bytes that are answered by bytes.
    pub fn plain(request: &[u8], expect: Expect, check: Check) -> Exchange {
        Exchange { request: request.to_vec(), expect, check }
    }
}

/// What every session of a pool does. All of them share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What is exchanged in one round.
    pub exchanges: Vec<Exchange>,
    /// How many rounds.
    pub rounds: u64,
    /// Bytes that are sent at the end. No answer to them is expected.
    pub last_word: Vec<u8>,
    /// Whether the answers are kept.
    pub keep_answers: bool,
}

/// One session's progress in a [`Plan`].
#[derive(Debug)]
pub struct Dialogue {
    plan: Rc<Plan>,
    round: u64,
    next: usize,
    sent: u64,
    verified: u64,
    answered: u64,
    answers: Vec<Vec<u8>>,
}

impl Dialogue {
    /// A session that will follow `plan`.
    pub fn new(plan: Rc<Plan>) -> Dialogue {
        Dialogue { plan, round: 0, next: 0, sent: 0, verified: 0, answered: 0, answers: Vec::new() }
    }

    /// Requests sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Answers that arrived.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// Answers that passed their check.
    pub fn verified(&self) -> u64 {
        self.verified
    }

    /// The answers, if the plan keeps them.
    pub fn answers(&self) -> &[Vec<u8>] {
        &self.answers
    }

    fn send_next(&mut self, writer: &mut Writer<'_>) -> NextAction {
        if self.next == self.plan.exchanges.len() {
            self.next = 0;
            self.round += 1;
        }
        match self.plan.exchanges.get(self.next) {
            Some(exchange) if self.round < self.plan.rounds => {
                self.sent += 1;
                writer.send(&exchange.request);
                NextAction::Await(exchange.expect)
            }
            _ => {
                writer.send(&self.plan.last_word);
                NextAction::Finish
            }
        }
    }
}

impl Conversation for Dialogue {
    fn connected(&mut self, writer: &mut Writer<'_>) -> NextAction {
        self.send_next(writer)
    }

    fn answered(&mut self, answer: &[u8], writer: &mut Writer<'_>) -> Result<NextAction, String> {
        self.answered += 1;
        if self.plan.keep_answers {
            self.answers.push(answer.to_vec());
        }
        let exchange = self.plan.exchanges.get(self.next).ok_or("an answer to no request")?;
        exchange.check.verify(answer)?;
        self.verified += 1;
        self.next += 1;
        Ok(self.send_next(writer))
    }
}
