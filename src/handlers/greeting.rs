//! The greeting: tells a client its own address as the server sees it.

use super::Context;
use crate::close::CloseReason;
use crate::conn::Outcome;
use crate::reply::Reply;
use std::fmt::Write as _;

/// Greets and finishes.
pub(super) fn greet<W>(context: &Context<'_, W>, reply: &mut Reply<'_>) -> Outcome {
    write_greeting(context, reply);
    Outcome::Finish(CloseReason::Served)
}

/// Appends `Hello! You are connected to ('192.168.1.6', 57662)`.
pub(super) fn write_greeting<W>(context: &Context<'_, W>, reply: &mut Reply<'_>) {
    let (ip, port) = (context.peer.ip(), context.peer.port());
    // Appending to a Vec cannot fail.
    let _ = write!(reply, "Hello! You are connected to ('{ip}', {port})");
}
