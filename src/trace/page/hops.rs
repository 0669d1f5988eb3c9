//! The source of the functions that events come from, as it was when this program was built.

use crate::trace::wire::Kind;
use serde_json::{Value, json};

macro_rules! source {
    ($file:literal) => {
        ($file, include_str!(concat!("../../", $file)))
    };
}

/// A file's name below `src/`, and its content.
type File = (&'static str, &'static str);

const SERVER: File = source!("server.rs");
const REPLACING: File = source!("server/replacing.rs");
const TURN: File = source!("server/turn.rs");
const ACCEPT: File = source!("server/accept.rs");
const CLOSING: File = source!("server/closing.rs");
const PROXIED: File = source!("server/proxied.rs");
const STOPPING: File = source!("server/stopping.rs");
const CONN: File = source!("conn.rs");
const STATE: File = source!("conn/state.rs");
const DEADLINES: File = source!("conn/deadlines.rs");
const NET: File = source!("io/net.rs");
const TABLE: File = source!("io/socket_table.rs");
const EXPIRED: File = source!("io/socket_table/deadlines.rs");

/// The functions in which an event of each kind happens, the caller first.
pub(super) const HOPS: [(Kind, &[(File, &str)]); 24] = [
    (Kind::TurnBegan, &[(SERVER, "end_turn"), (TURN, "serve_ready")]),
    (Kind::Ready, &[(SERVER, "on_ready"), (TABLE, "on_event"), (TABLE, "enqueue")]),
    (Kind::ListenerReady, &[(SERVER, "on_ready"), (ACCEPT, "ready")]),
    (Kind::Visit, &[(TURN, "visit"), (TURN, "exchange")]),
    (Kind::Received, &[(TURN, "read"), (NET, "fill")]),
    (Kind::Served, &[(CONN, "receive"), (CONN, "serve")]),
    (Kind::Sent, &[(TURN, "send"), (NET, "flush_queue"), (NET, "flush")]),
    (Kind::Settled, &[(TURN, "finish_visit"), (TABLE, "reschedule")]),
    (Kind::Stalled, &[(CONN, "stall"), (STATE, "stall")]),
    (Kind::Resumed, &[(CONN, "resume"), (STATE, "resume")]),
    (Kind::TimerArmed, &[(TABLE, "reschedule"), (DEADLINES, "next_deadline")]),
    (Kind::TimerFired, &[(TURN, "expire_deadlines"), (DEADLINES, "expire")]),
    (Kind::TimersMoved, &[(TURN, "expire_deadlines"), (EXPIRED, "next_expired")]),
    (Kind::Accepted, &[(ACCEPT, "accept"), (ACCEPT, "open")]),
    (Kind::NotAccepted, &[(ACCEPT, "accept"), (ACCEPT, "attempt")]),
    (Kind::Refused, &[(ACCEPT, "admit"), (ACCEPT, "reject")]),
    (Kind::ProxyHeader, &[(PROXIED, "take_header"), (PROXIED, "introduce")]),
    (Kind::Shed, &[(CLOSING, "shed")]),
    (Kind::FinSent, &[(CLOSING, "next_action"), (STATE, "fin_sent")]),
    (Kind::Closed, &[(STATE, "action"), (CLOSING, "close_as")]),
    (Kind::TableReplaced, &[(REPLACING, "replace_table")]),
    (Kind::TableKept, &[(REPLACING, "keep_table")]),
    (Kind::Drain, &[(STOPPING, "begin_to_drain"), (STOPPING, "has_finished")]),
    (Kind::TurnEnded, &[(SERVER, "end_turn"), (SERVER, "turn_ended")]),
];

/// The functions, and which of them belong to each kind.
pub(super) fn sources() -> Value {
    let mut functions: Vec<Value> = Vec::new();
    let mut known: Vec<(&str, &str)> = Vec::new();
    let mut of = serde_json::Map::new();
    for (kind, hops) in HOPS {
        let mut numbers = Vec::new();
        for &((file, content), name) in hops {
            let number = known.iter().position(|&hop| hop == (file, name)).unwrap_or(known.len());
            if number == known.len()
                && let Some((line, code)) = function(content, name)
            {
                known.push((file, name));
                functions.push(json!({
                    "file": format!("src/{file}"), "line": line, "name": name, "code": code
                }));
            }
            numbers.push(number);
        }
        of.insert((kind as u8).to_string(), json!(numbers));
    }
    json!({ "functions": functions, "of": of })
}

/// A function with its comment, without the indentation, and the number of its first line.
pub(super) fn function(content: &str, name: &str) -> Option<(usize, String)> {
    let lines: Vec<&str> = content.lines().collect();
    let is_here = |line: &&str| {
        let rest = line.split_once("fn ").map_or("", |(_, rest)| rest);
        let after = rest.strip_prefix(name).unwrap_or_default();
        !line.trim_start().starts_with("//") && after.starts_with(['(', '<'])
    };
    // Of several, the last one: a trait comes before what implements it.
    let declared = lines.iter().rposition(is_here)?;
    let declaration = lines.get(declared)?;
    let indent = declaration.len() - declaration.trim_start().len();
    let is_above = |line: &&&str| {
        let line = line.trim_start();
        line.starts_with("///") || line.starts_with("#[")
    };
    let above = lines.get(..declared)?.iter().rev().take_while(is_above).count();
    let end = lines
        .get(declared..)?
        .iter()
        .position(|line| line.len() == indent + 1 && line.trim_start() == "}")?;
    let first = declared - above;
    let body = lines.get(first..=declared + end)?.iter();
    let code: Vec<&str> = body.map(|line| line.get(indent..).unwrap_or("")).collect();
    Some((first + 1, code.join("\n")))
}
