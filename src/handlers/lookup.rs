//! Lookup: a key in, its value out. And exchange, which is lookup after a date and for addresses.

use super::Context;
use super::daytime::Format;
use crate::conn::{Outcome, Work};
use crate::protocol::reply::ReplyWriter;
use crate::server::client_log::Escaped;
use crate::table::Table;
use log::Level;

/// What a search of the table costs, in the units of [`Work`]. A large table misses the processor's
/// cache.
pub(super) const COST: u32 = 2;

/// What a line in the log costs beside it.
const LOG_COST: u32 = 3;

const NOT_FOUND: &[u8] = b"Not Found";

/// Appends the value of `key`, or `Not Found`.
pub(super) fn write_value(key: &[u8], table: &Table, reply: &mut ReplyWriter<'_>) {
    reply.push(table.get(key).unwrap_or(NOT_FOUND));
}

/// Answers one key of the plain service, and logs it, found or not: some clients send an
/// acknowledgement after the value, and operators want to see it.
pub(super) fn respond(
    line: &[u8],
    context: &mut Context<'_>,
    reply: &mut ReplyWriter<'_>,
    work: &mut Work,
) -> Outcome {
    work.spent += COST + LOG_COST;
    let key = line.trim_ascii();
    let value = context.table.get(key);
    let verdict = if value.is_some() { "found" } else { "not found" };
    let (peer, shown) = (context.peer, Escaped(key));
    context.log.line(context.now, Level::Info, format_args!("{peer} {verdict}: {shown}"));
    reply.push(value.unwrap_or(NOT_FOUND));
    Outcome::Continue
}

/// Opens an exchange with the date and time.
pub(super) fn greet_exchange(context: &mut Context<'_>, reply: &mut ReplyWriter<'_>) -> Outcome {
    reply.push(context.dates.text(Format::Dmy, context.system.wall_time()));
    Outcome::Continue
}

/// Answers the address that an exchange's client sends as its own.
pub(super) fn respond_exchange(
    line: &[u8],
    context: &mut Context<'_>,
    reply: &mut ReplyWriter<'_>,
    work: &mut Work,
) -> Outcome {
    work.spent += COST + LOG_COST;
    let address = line.trim_ascii();
    let (peer, details) = (context.peer, Escaped(address));
    context.log.line(context.now, Level::Info, format_args!("{peer} client details: {details}"));
    write_value(address, context.table, reply);
    Outcome::Continue
}
