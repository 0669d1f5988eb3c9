//! The greeting: tells a client who it is, as the server sees it.

use super::Context;
use crate::conn::Outcome;
use crate::io::address::{Credentials, Peer};
use crate::protocol::reply::ReplyWriter;
use crate::server::close::CloseReason;
use std::fmt::Write as _;

/// Greets and finishes.
pub(super) fn greet(context: &mut Context<'_>, reply: &mut ReplyWriter<'_>) -> Outcome {
    write_greeting(context, reply);
    Outcome::Finish(CloseReason::Served)
}

/// Appends `Hello! You are connected to ('192.168.1.6', 57662)`, or `('unix', 1000)` with the
/// user ID of a client that connected to a unix socket, or `('proxy', 0)` if a proxy told no
/// address of its client.
pub(super) fn write_greeting(context: &Context<'_>, reply: &mut ReplyWriter<'_>) {
    // Appending to a Vec cannot fail.
    let _ = match context.peer {
        Peer::Inet(address) => {
            let (ip, port) = (address.ip(), address.port());
            write!(reply, "Hello! You are connected to ('{ip}', {port})")
        }
        Peer::Unix(Credentials { uid, .. }) => {
            write!(reply, "Hello! You are connected to ('unix', {uid})")
        }
        Peer::Proxied => write!(reply, "Hello! You are connected to ('proxy', 0)"),
    };
}
