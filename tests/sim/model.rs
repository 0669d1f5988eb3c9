//! What the server should do on one connection, worked out from the bytes that it read: which
//! replies it owes, and for which reason it closes.
//!
//! The model runs behind the server: after each turn it is given what was read, then what was sent.

use crate::wire::{self, Start};
use readyd::io::clock::{Moment, WallTime};
use readyd::server::close::CloseReason;
use readyd::server::limits::Limits;
use std::collections::VecDeque;

mod replies;

/// The listeners' services, in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Framed,
    Lookup,
    Exchange,
    Echo,
    Discard,
    Chargen,
    Greeting,
    Time,
    Daytime,
    DaytimeAck,
}

impl Kind {
    pub(crate) const ALL: [Kind; 10] = [
        Kind::Framed,
        Kind::Lookup,
        Kind::Exchange,
        Kind::Echo,
        Kind::Discard,
        Kind::Chargen,
        Kind::Greeting,
        Kind::Time,
        Kind::Daytime,
        Kind::DaytimeAck,
    ];

    pub(crate) fn has_lines(self) -> bool {
        matches!(self, Kind::Lookup | Kind::Exchange)
    }

    fn has_requests(self) -> bool {
        self == Kind::Framed || self.has_lines()
    }
}

/// What surrounds a connection, after a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) now: Moment,
    pub(crate) limits: &'a Limits,
    /// The version of the table.
    pub(crate) version: usize,
    /// What the wall clock said, whenever it was asked.
    pub(crate) readings: &'a [WallTime],
    /// How many of these were made before this turn.
    pub(crate) readings_before: usize,
}

/// A reply that is owed.
#[derive(Clone, Debug)]
enum Owed {
    Exactly(Vec<u8>),
    /// The key's value in any version from that one on.
    Value(Vec<u8>, usize),
    /// The time of day in a format, from a reading of that number on.
    Date(String, usize),
    TwoStamps(usize),
    SecondsSince1900(usize),
    Statistics,
    Help,
    /// Any text that begins with `Error: `.
    Refusal,
}

/// The most bytes that a reply can have, with what stands before it if it is in a frame.
fn longest((owed, tail): &(Owed, &[u8])) -> usize {
    let text = match owed {
        Owed::Exactly(text) => text.len(),
        Owed::Statistics | Owed::Help => 4096,
        _ => 512,
    };
    64 + text + tail.len()
}

const RECEIVED: &[u8] = b"Message received successfully....";

/// One connection as it should be.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) kind: Kind,
    greeting: Vec<u8>,
    /// What was read and is not a whole request yet.
    pub(crate) unfinished: Vec<u8>,
    /// Since when that has not been empty.
    pub(crate) unfinished_since: Moment,
    /// The reason to close that what was read gives.
    pub(crate) verdict: Option<CloseReason>,
    owed: VecDeque<(Owed, &'static [u8])>,
    /// The most bytes that a reply to a request had so far.
    pub(crate) longest: usize,
    /// What was sent and is not a whole reply yet.
    unmatched: Vec<u8>,
    /// Where in the input each request ended.
    pub(crate) request_ends: Vec<u64>,
    pub(crate) replies: usize,
    pub(crate) heard: Vec<Vec<u8>>,
    /// Bytes read while there was still something to answer.
    pub(crate) read: u64,
    version: usize,
    made: u64,
}

impl Model {
    pub(crate) fn new(kind: Kind, greeting: Vec<u8>, scene: &Scene<'_>) -> Model {
        let date = |format: &str| Owed::Date(format.to_owned(), scene.readings_before);
        let at_once = match kind {
            Kind::Exchange => Some((date("dmy"), &b""[..])),
            Kind::Greeting => Some((Owed::Exactly(greeting.clone()), &b""[..])),
            Kind::Time => Some((Owed::SecondsSince1900(scene.readings_before), &b""[..])),
            Kind::Daytime => Some((date("ctime"), &b"\r\n"[..])),
            Kind::DaytimeAck => Some((date("ctime"), &b""[..])),
            _ => None,
        };
        let is_served = matches!(kind, Kind::Greeting | Kind::Time | Kind::Daytime);
        Model {
            kind,
            greeting,
            unfinished: Vec::new(),
            unfinished_since: scene.now,
            verdict: is_served.then_some(CloseReason::Served),
            owed: at_once.into_iter().collect(),
            longest: longest(&(Owed::Refusal, b"")),
            unmatched: Vec::new(),
            request_ends: Vec::new(),
            replies: 0,
            heard: Vec::new(),
            read: 0,
            version: 0,
            made: 0,
        }
    }

    /// Whether all replies that are owed have been sent, whole.
    pub(crate) fn is_answered(&self) -> bool {
        self.owed.is_empty() && self.unmatched.is_empty()
    }

    /// The most bytes that what is owed and not sent can have.
    pub(crate) fn owes_at_most(&self) -> usize {
        let owed: usize = self.owed.iter().map(longest).sum();
        owed.saturating_sub(self.unmatched.len())
    }

    /// Whether what was sent ends within a reply.
    pub(crate) fn is_cut_off(&self) -> bool {
        !self.unmatched.is_empty()
    }

    /// The server has read `bytes`.
    pub(crate) fn read(&mut self, bytes: &[u8], scene: &Scene<'_>) {
        self.read += bytes.len() as u64;
        if self.verdict.is_some() {
            return;
        }
        match self.kind {
            Kind::Echo => self.owed.push_back((Owed::Exactly(bytes.to_vec()), b"")),
            Kind::DaytimeAck => self.verdict = Some(CloseReason::Served),
            kind if kind.has_requests() => {
                if self.unfinished.is_empty() {
                    self.unfinished_since = scene.now;
                }
                self.unfinished.extend_from_slice(bytes);
                self.find_requests(scene);
            }
            _ => {}
        }
    }

    fn find_requests(&mut self, scene: &Scene<'_>) {
        while self.verdict.is_none() && !self.unfinished.is_empty() {
            let end = match self.kind {
                Kind::Framed => match wire::start_of(&self.unfinished, scene.limits.max_frame) {
                    Start::Unfinished => return,
                    Start::Frame(end) => end,
                    Start::NotAFrame => return self.refuse(CloseReason::BadFrame),
                    Start::TooLong => return self.refuse(CloseReason::OverLimit),
                },
                _ => {
                    let newline = self.unfinished.iter().position(|&byte| byte == b'\n');
                    let line = &self.unfinished[..newline.unwrap_or(self.unfinished.len())];
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    if line.len() > scene.limits.max_frame {
                        return self.refuse(CloseReason::OverLimit);
                    }
                    let Some(newline) = newline else { return };
                    newline + 1
                }
            };
            let rest = self.unfinished.split_off(end);
            let request = std::mem::replace(&mut self.unfinished, rest);
            self.unfinished_since = scene.now;
            self.request_ends.push(self.read - self.unfinished.len() as u64);
            self.answer(&request, scene);
        }
    }

    fn refuse(&mut self, reason: CloseReason) {
        self.verdict = Some(reason);
        let tail: &[u8] = if self.kind.has_lines() { b"\r\n" } else { b"" };
        self.owed.push_back((Owed::Refusal, tail));
        self.unfinished.clear();
    }

    fn answer(&mut self, request: &[u8], scene: &Scene<'_>) {
        let owed = match self.kind {
            Kind::Framed => (self.answer_to_frame(&request[64..], scene), &b""[..]),
            _ => {
                let tail: &[u8] = match request {
                    [.., b'\r', b'\n'] => b"\r\n",
                    [.., b'\n'] => b"\n",
                    _ => b"",
                };
                (Owed::Value(wire::trimmed(request).to_vec(), scene.version), tail)
            }
        };
        self.longest = self.longest.max(longest(&owed));
        self.owed.push_back(owed);
    }

    fn answer_to_frame(&mut self, body: &[u8], scene: &Scene<'_>) -> Owed {
        let (word, rest) = wire::first_word(body);
        let argument = wire::trimmed(rest);
        let alone = |owed| if argument.is_empty() { owed } else { Owed::Refusal };
        match &word[..] {
            b"ECHO" => Owed::Exactly(rest.to_vec()),
            b"LOOKUP" if argument.is_empty() => Owed::Refusal,
            b"LOOKUP" => Owed::Value(argument.to_vec(), scene.version),
            b"DAYTIME" => {
                let format = String::from_utf8_lossy(argument).to_ascii_lowercase();
                let format = if format.is_empty() { "ctime".to_owned() } else { format };
                match wire::daytime(&format, WallTime::default()) {
                    Some(_) => Owed::Date(format, scene.readings_before),
                    None => Owed::Refusal,
                }
            }
            b"TIME" => alone(Owed::TwoStamps(scene.readings_before)),
            b"WHOAMI" => alone(Owed::Exactly(self.greeting.clone())),
            b"STATS" => alone(Owed::Statistics),
            b"HELP" => alone(Owed::Help),
            b"DISCONNECT" if argument == b"!" => {
                self.verdict = Some(CloseReason::Disconnect);
                Owed::Exactly(RECEIVED.to_vec())
            }
            _ => Owed::Exactly(RECEIVED.to_vec()),
        }
    }

    /// A line that lacks its end has become a request.
    pub(crate) fn line_is_over(&mut self, scene: &Scene<'_>) {
        let line = std::mem::take(&mut self.unfinished);
        self.request_ends.push(self.read);
        self.answer(&line, scene);
    }

    /// The server has given up waiting for the rest of a request.
    pub(crate) fn time_is_over(&mut self) {
        self.refuse(CloseReason::FrameTimeout);
    }

    /// The server has sent `bytes`: all of them must be owed, in this order. [`Model::is_unasked`]
    /// tells whether something is left that is not owed, so far as is known.
    pub(crate) fn sent(&mut self, bytes: &[u8], scene: &Scene<'_>) -> Result<(), String> {
        match self.kind {
            Kind::Chargen => {
                return self.sent_pattern(bytes);
            }
            Kind::Echo => return self.sent_back(bytes),
            _ => self.unmatched.extend_from_slice(bytes),
        }
        while !self.unmatched.is_empty() && !self.owed.is_empty() && self.match_reply(scene)? {}
        Ok(())
    }

    /// Whether something was sent that answers nothing.
    pub(crate) fn is_unasked(&self) -> bool {
        self.owed.is_empty() && !self.unmatched.is_empty()
    }

    fn sent_pattern(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let pattern = wire::chargen(self.made);
            let count = pattern.len().min(bytes.len());
            if bytes[..count] != pattern[..count] {
                return Err(format!("chargen is wrong after {} bytes", self.made));
            }
            self.made += count as u64;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    fn sent_back(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let Some((Owed::Exactly(text), _)) = self.owed.front_mut() else {
                return Err(format!("{} bytes more are sent back than came", bytes.len()));
            };
            let count = text.len().min(bytes.len());
            if text[..count] != bytes[..count] {
                return Err("what is sent back is not what came".to_owned());
            }
            text.drain(..count);
            bytes = &bytes[count..];
            if text.is_empty() {
                self.owed.pop_front();
            }
        }
        Ok(())
    }

    /// Compares the next reply, if it is there whole, with the one that is owed.
    fn match_reply(&mut self, scene: &Scene<'_>) -> Result<bool, String> {
        let framed_end = match self.kind {
            Kind::Framed => match wire::start_of(&self.unmatched, usize::MAX >> 1) {
                Start::Unfinished => return Ok(false),
                Start::Frame(end) => Some(end),
                bad => return Err(format!("what is sent is no frame: {bad:?}")),
            },
            _ => None,
        };
        let Some((owed, tail)) = self.owed.front().cloned() else { return Ok(false) };
        let candidates = self.candidates(&owed, scene)?;
        let end = match framed_end {
            Some(end) => self.match_frame(&owed, &candidates, end)?,
            None => match self.match_bare(&owed, &candidates, tail)? {
                Some(end) => end,
                None => return Ok(false),
            },
        };
        let rest = self.unmatched.split_off(end);
        let reply = std::mem::replace(&mut self.unmatched, rest);
        if self.kind == Kind::Framed {
            self.heard.push(reply[64..].to_vec());
        }
        self.owed.pop_front();
        self.replies += 1;
        Ok(true)
    }
}
