//! A chat: messages in frames, one at a time, as a person types them, until `Disconnect !`.

use crate::client::session::{Expect, Script, Then, Voice};

const GOODBYE: &[u8] = b"Disconnect !";

/// A session that rests after each answer until its owner has another message.
#[derive(Debug, Default)]
pub struct Chat {
    next: Option<Vec<u8>>,
    said_goodbye: bool,
    answer: Option<Vec<u8>>,
}

impl Chat {
    /// What to say next; without it, the session ends with `Disconnect !`.
    pub fn say(&mut self, message: Option<Vec<u8>>) {
        self.next = message;
    }

    /// The answer that came last, once.
    pub fn take_answer(&mut self) -> Option<Vec<u8>> {
        self.answer.take()
    }
}

impl Script for Chat {
    fn connected(&mut self, _voice: &mut Voice<'_>) -> Then {
        Then::Rest
    }

    fn resumed(&mut self, voice: &mut Voice<'_>) -> Then {
        let message = self.next.take().unwrap_or_else(|| GOODBYE.to_vec());
        self.said_goodbye = is_goodbye(&message);
        voice.say_frame(&message);
        Then::Await(Expect::Frame)
    }

    fn answered(&mut self, answer: &[u8], _voice: &mut Voice<'_>) -> Result<Then, String> {
        self.answer = Some(answer.to_vec());
        Ok(if self.said_goodbye { Then::Finish } else { Then::Rest })
    }

    fn may_close(&self) -> bool {
        self.said_goodbye
    }
}

/// Whether the server will close after this message. readyd tells by its words, in any case and
/// however far apart; were the client stricter, it would wait for the next message while the server
/// closes.
fn is_goodbye(message: &[u8]) -> bool {
    let mut words = message.split(u8::is_ascii_whitespace).filter(|word: &&[u8]| !word.is_empty());
    words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"Disconnect"))
        && words.next() == Some(b"!")
        && words.next().is_none()
}
