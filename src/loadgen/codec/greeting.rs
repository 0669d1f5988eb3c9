//! Services that send a text as soon as a client has connected.

use super::{ReplyMatch, Verdict};
use crate::loadgen::plan::Greeting;

/// A greeting is over when the server closes, except for one without an end.
pub(super) fn examine(greeting: Greeting, bytes: &[u8]) -> ReplyMatch {
    match greeting {
        Greeting::Chargen(len) => match bytes.get(..len) {
            Some(text) => ReplyMatch::Reply(bytes.len(), shape(is_text(text))),
            None => ReplyMatch::Incomplete,
        },
        Greeting::Daytime | Greeting::Time | Greeting::Greeting => ReplyMatch::Incomplete,
    }
}

pub(super) fn examine_at_end(greeting: Greeting, bytes: &[u8]) -> ReplyMatch {
    let has_shape = match greeting {
        Greeting::Daytime => is_text(bytes) && bytes.iter().any(u8::is_ascii_digit),
        // RFC 868 says four bytes; GNU inetd sends as many as a `long` has.
        Greeting::Time => matches!(bytes.len(), 4 | 8),
        Greeting::Greeting => is_text(bytes),
        Greeting::Chargen(_) => return ReplyMatch::Incomplete,
    };
    if bytes.is_empty() {
        return ReplyMatch::Incomplete;
    }
    ReplyMatch::Reply(bytes.len(), shape(has_shape))
}

fn shape(is_right: bool) -> Verdict {
    if is_right { Verdict::Right } else { Verdict::Wrong }
}

fn is_text(bytes: &[u8]) -> bool {
    let is_fit = |&byte: &u8| byte == b' ' || byte.is_ascii_graphic() || b"\r\n".contains(&byte);
    !bytes.is_empty() && bytes.iter().all(is_fit)
}
