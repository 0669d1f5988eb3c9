//! A protocol whose answers are known by their bytes, their length or their end.

use super::{ReplyMatch, Verdict};
use crate::loadgen::plan::Answer;

/// `is_last` tells that no other request is in flight: then all bytes that have come are the wrong
/// answer, and the next answer begins behind them.
pub(super) fn examine(answer: &Answer, bytes: &[u8], is_last: bool) -> ReplyMatch {
    match answer {
        Answer::Exactly(expected) => match bytes.get(..expected.len()) {
            Some(got) if got == expected => ReplyMatch::Reply(got.len(), Verdict::Right),
            None if expected.starts_with(bytes) => ReplyMatch::Incomplete,
            _ if is_last => ReplyMatch::Reply(bytes.len(), Verdict::Wrong),
            Some(got) => ReplyMatch::Reply(got.len(), Verdict::Wrong),
            None => ReplyMatch::Incomplete,
        },
        Answer::Bytes(len) if bytes.len() < *len => ReplyMatch::Incomplete,
        Answer::Bytes(len) => ReplyMatch::Reply(*len, Verdict::Right),
        Answer::Until(end) => match bytes.windows(end.len()).position(|window| window == end) {
            Some(at) => ReplyMatch::Reply(at + end.len(), Verdict::Right),
            None => ReplyMatch::Incomplete,
        },
    }
}
