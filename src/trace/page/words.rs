//! The words of [`text`], by the number that stands for them in a row.

use crate::conn::Outbound;
use crate::server::close::CloseReason;
use crate::trace::codes::Code;
use crate::trace::event::{RecvEnd, SendEnd};
use crate::trace::text;
use serde_json::{Value, json};

/// The tables. The names are those that `page/words.js` uses.
pub(super) fn tables() -> Value {
    const ANY: CloseReason = CloseReason::Served;
    let outputs = [
        Outbound::Open,
        Outbound::Producing,
        Outbound::Closing(ANY),
        Outbound::FinSent(ANY),
        Outbound::Aborting(ANY),
        Outbound::Failed(ANY),
    ];
    let recv_ends = [
        RecvEnd::Short,
        RecvEnd::Full,
        RecvEnd::WouldBlock,
        RecvEnd::Interrupted,
        RecvEnd::Eof,
        RecvEnd::Error(0),
    ];
    let send_ends = [
        SendEnd::All,
        SendEnd::WouldBlock,
        SendEnd::Budget,
        SendEnd::Interrupted,
        SendEnd::Error(0),
    ];
    json!({
        "bits": table(text::readiness),
        "signal": table(text::signal),
        "visit": table(text::visit),
        "recv": recv_ends.map(text::recv_end),
        "send": send_ends.map(text::send_end),
        "queued": table(text::queued),
        "input": table(text::input),
        "output": outputs.map(text::output),
        "stall": table(text::stall),
        "deadline": table(text::deadline),
        "notAccepted": table(text::not_accepted),
        "refused": table(text::refused),
        "drain": table(text::drain),
        "reason": table(CloseReason::word),
    })
}

/// The words of all values of a type: their numbers go from 0 up without a gap.
fn table<T: Code, W: Into<Value>>(word: impl Fn(T) -> W) -> Vec<Value> {
    (0..=u8::MAX).map_while(|code| T::of(code).ok()).map(|value| word(value).into()).collect()
}
