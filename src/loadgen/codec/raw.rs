//! A protocol of which only the bytes of an answer, its length or its end are known.

use super::{ReplyMatch, Verdict};
use crate::loadgen::plan::Answer;

/// `is_last` tells that no other request is under way: then a wrong answer is all that has come,
/// however long, and the next answer begins behind it.
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
