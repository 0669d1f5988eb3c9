//! Servers that mean no good, for the client under test to speak with.

use crate::wire::frame;
use readyd::client::SessionError;
use readyd::testkit::dice::Dice;
use readyd::testkit::kernel::Kernel;
use std::collections::BTreeMap;

/// What a rogue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Answers every frame with a frame: for comparison.
    Answer,
    Garbage,
    /// Declares more than is accepted.
    Giant,
    /// Half an answer, then FIN.
    HalfAnswer,
    Reset,
    Silent,
    Close,
    /// Answers without a request.
    Babble,
}

const FATES: [Fate; 8] = [
    Fate::Answer,
    Fate::Garbage,
    Fate::Giant,
    Fate::HalfAnswer,
    Fate::Reset,
    Fate::Silent,
    Fate::Close,
    Fate::Babble,
];

#[derive(Debug)]
struct Rogue {
    end: usize,
    fate: Fate,
    received: Vec<u8>,
    unsent: Vec<u8>,
    has_spoken: bool,
    is_closed: bool,
}

/// All of them, behind one listener.
#[derive(Debug)]
pub(crate) struct Rogues {
    listener: usize,
    rogues: Vec<Rogue>,
    is_calm: bool,
    /// By connection.
    pub(crate) fates: BTreeMap<usize, Fate>,
}

impl Rogues {
    pub(crate) fn new(listener: usize) -> Rogues {
        Rogues { listener, rogues: Vec::new(), is_calm: false, fates: BTreeMap::new() }
    }

    pub(crate) fn calm_down(&mut self) {
        self.is_calm = true;
    }

    /// Whether none of them is connected.
    pub(crate) fn are_done(&self) -> bool {
        self.rogues.is_empty()
    }

    /// Does what can be done at once. Tells whether anything was.
    pub(crate) fn act(&mut self, kernel: &mut Kernel) -> bool {
        let mut acted = false;
        while let Ok(end) = kernel.accept(self.listener) {
            let fate = Dice::new(kernel.dice.next_u64()).pick(&FATES);
            self.fates.insert(end / 2, fate);
            self.rogues.push(Rogue {
                end,
                fate,
                received: Vec::new(),
                unsent: Vec::new(),
                has_spoken: false,
                is_closed: false,
            });
            acted = true;
        }
        for rogue in &mut self.rogues {
            acted |= rogue.act(kernel, self.is_calm);
        }
        self.rogues.retain(|rogue| !rogue.is_closed);
        acted
    }
}

impl Rogue {
    fn act(&mut self, kernel: &mut Kernel, is_calm: bool) -> bool {
        let mut bytes = vec![0; 4096];
        let mut acted = false;
        match kernel.recv(self.end, &mut bytes) {
            Ok(0) => return self.close(kernel),
            Ok(count) => {
                self.received.extend_from_slice(&bytes[..count]);
                acted = true;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return self.close(kernel),
        }
        if !self.received.is_empty() && !self.has_spoken {
            self.has_spoken = true;
            acted = true;
            match self.fate {
                Fate::Garbage => self.unsent = b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
                Fate::Giant => self.unsent = format!("{:<64}", "9".repeat(30)).into_bytes(),
                Fate::HalfAnswer => self.unsent = frame(b"half of it")[..69].to_vec(),
                Fate::Babble => self.unsent = [frame(b"one"), frame(b"two")].concat().repeat(9),
                Fate::Reset => {
                    kernel.abort(self.end);
                    self.is_closed = true;
                    return true;
                }
                Fate::Close => return self.close(kernel),
                Fate::Answer | Fate::Silent => {}
            }
        }
        if self.fate == Fate::Answer {
            acted |= self.answer();
        }
        if !self.unsent.is_empty()
            && let Ok(count) = kernel.send(self.end, &self.unsent)
        {
            self.unsent.drain(..count);
            acted |= count > 0;
        }
        let is_over = self.fate == Fate::HalfAnswer && self.has_spoken && self.unsent.is_empty();
        if is_over || (is_calm && self.fate != Fate::Answer && self.unsent.is_empty()) {
            return self.close(kernel);
        }
        acted
    }

    fn answer(&mut self) -> bool {
        let before = self.received.len();
        while let crate::wire::Start::Frame(end) = crate::wire::start_of(&self.received, 1 << 20) {
            self.received.drain(..end);
            self.unsent.extend(frame(b"what you say"));
        }
        self.received.len() != before
    }

    fn close(&mut self, kernel: &mut Kernel) -> bool {
        kernel.close(self.end);
        self.is_closed = true;
        true
    }
}

/// Whether a session with a rogue may end so.
pub(crate) fn may_end(fate: Fate, result: &Result<(), SessionError>, asked: usize) -> bool {
    match result {
        Ok(()) => asked == 0 || matches!(fate, Fate::Answer | Fate::Babble),
        Err(SessionError::BadAnswer(_)) => fate == Fate::Garbage,
        Err(SessionError::OverLimit { .. }) => fate == Fate::Giant,
        Err(SessionError::ClosedEarly { .. } | SessionError::Broken(_)) => true,
        Err(SessionError::AnswerTimeout(_)) => true,
        Err(_) => false,
    }
}
