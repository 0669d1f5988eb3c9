//! A chat: messages in frames, one at a time, as a person types them, until `Disconnect !`.

use crate::client::session::{Conversation, Expect, NextAction, Writer};

const GOODBYE: &[u8] = b"Disconnect !";

/// A session that suspends itself after each answer, until its owner has another message.
#[derive(Debug, Default)]
pub struct Chat {
    next: Option<Vec<u8>>,
    said_goodbye: bool,
    answer: Option<Vec<u8>>,
}

impl Chat {
    /// The next message to send. `None` ends the session with `Disconnect !`.
    pub fn send(&mut self, message: Option<Vec<u8>>) {
        self.next = message;
    }

    /// Takes the last answer.
    pub fn take_answer(&mut self) -> Option<Vec<u8>> {
        self.answer.take()
    }
}

impl Conversation for Chat {
    fn connected(&mut self, _voice: &mut Writer<'_>) -> NextAction {
        NextAction::Suspend
    }

    fn resumed(&mut self, writer: &mut Writer<'_>) -> NextAction {
        let message = self.next.take().unwrap_or_else(|| GOODBYE.to_vec());
        self.said_goodbye = is_goodbye(&message);
        writer.send_frame(&message);
        NextAction::Await(Expect::Frame)
    }

    fn answered(&mut self, answer: &[u8], _voice: &mut Writer<'_>) -> Result<NextAction, String> {
        self.answer = Some(answer.to_vec());
        Ok(if self.said_goodbye { NextAction::Finish } else { NextAction::Suspend })
    }

    fn may_close(&self) -> bool {
        self.said_goodbye
    }
}

/// Whether the server will close after this message. readyd compares the two words without regard
/// to case and spaces. A stricter client would wait for the next message while the server closes.
fn is_goodbye(message: &[u8]) -> bool {
    let mut words = message.split(u8::is_ascii_whitespace).filter(|word: &&[u8]| !word.is_empty());
    words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"Disconnect"))
        && words.next() == Some(b"!")
        && words.next().is_none()
}
