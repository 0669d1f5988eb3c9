//! A protocol whose answers are known by their bytes, their length or their end.

use super::{ReplyMatch, Verdict};
use crate::loadgen::plan::{Answer, RawProtocol};
use memchr::memmem::Finder;

/// Of bytes that no request asked for, at most this many are kept, to be looked at as the answer to
/// the next request.
const MOST_UNASKED: usize = 1 << 20;

/// The request, and what answers it.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) send: Vec<u8>,
    pub(super) answer: AnswerMatcher,
}

impl Raw {
    pub(super) fn new(protocol: &RawProtocol) -> Raw {
        Raw { send: protocol.send.clone(), answer: AnswerMatcher::new(&protocol.answer) }
    }
}

/// Tells whether bytes are an answer, and where it ends.
#[derive(Debug)]
pub(super) enum AnswerMatcher {
    Exactly(Vec<u8>),
    Bytes(usize),
    /// The end, ready to be searched for.
    Until(Box<Finder<'static>>),
}

impl AnswerMatcher {
    pub(super) fn new(answer: &Answer) -> AnswerMatcher {
        match answer {
            Answer::Exactly(bytes) => AnswerMatcher::Exactly(bytes.clone()),
            Answer::Bytes(len) => AnswerMatcher::Bytes(*len),
            Answer::Until(end) => AnswerMatcher::Until(Box::new(Finder::new(end).into_owned())),
        }
    }

    /// How many bytes can be held without being a whole answer.
    pub(super) fn longest(&self) -> usize {
        match self {
            AnswerMatcher::Exactly(bytes) => bytes.len(),
            AnswerMatcher::Bytes(len) => *len,
            AnswerMatcher::Until(end) => end.needle().len() + MOST_UNASKED,
        }
    }

    /// An end that began in bytes that were kept ends in this many of those that arrived, or it is
    /// none. The other answers are looked at as a whole.
    pub(super) fn bytes_to_join(&self, arrived: usize) -> usize {
        match self {
            AnswerMatcher::Until(end) => arrived.min(end.needle().len() - 1),
            AnswerMatcher::Exactly(_) | AnswerMatcher::Bytes(_) => arrived,
        }
    }

    /// `is_last` tells that no other request is in flight: then all bytes that have come are the
    /// wrong answer, and the next answer begins behind them.
    pub(super) fn examine(&self, bytes: &[u8], is_last: bool) -> ReplyMatch {
        match self {
            AnswerMatcher::Exactly(expected) => match bytes.get(..expected.len()) {
                Some(got) if got == expected => ReplyMatch::Reply(got.len(), Verdict::Right),
                None if expected.starts_with(bytes) => ReplyMatch::Incomplete,
                _ if is_last => ReplyMatch::Reply(bytes.len(), Verdict::Wrong),
                Some(got) => ReplyMatch::Reply(got.len(), Verdict::Wrong),
                None => ReplyMatch::Incomplete,
            },
            AnswerMatcher::Bytes(len) if bytes.len() < *len => ReplyMatch::Incomplete,
            AnswerMatcher::Bytes(len) => ReplyMatch::Reply(*len, Verdict::Right),
            AnswerMatcher::Until(end) => {
                let len = end.needle().len();
                match end.find(bytes) {
                    Some(at) => ReplyMatch::Reply(at + len, Verdict::Right),
                    // The last bytes may be the beginning of the end.
                    None if bytes.len() >= len => ReplyMatch::Part(bytes.len() - (len - 1)),
                    None => ReplyMatch::Incomplete,
                }
            }
        }
    }

    /// What a right answer would be, in bytes or words.
    pub(super) fn describe(&self) -> Vec<u8> {
        match self {
            AnswerMatcher::Exactly(bytes) => bytes.clone(),
            AnswerMatcher::Bytes(len) => format!("{len} bytes").into_bytes(),
            AnswerMatcher::Until(end) => [b"something that ends with ", end.needle()].concat(),
        }
    }
}
