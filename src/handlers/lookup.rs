//! Lookup: a key in, its value out. And exchange, which is lookup after a date and for addresses.

use super::Context;
use super::daytime::Format;
use crate::conn::Outcome;
use crate::io::host::WallClock;
use crate::protocol::reply::Reply;
use crate::server::client_log::Escaped;
use crate::table::Table;
use log::Level;

const NOT_FOUND: &[u8] = b"Not Found";

/// Appends the value of `key`, or `Not Found`.
pub(super) fn write_value(key: &[u8], table: &Table, reply: &mut Reply<'_>) {
    reply.push(table.get(key).unwrap_or(NOT_FOUND));
}

/// Answers one key of the plain service. What came is logged, found or not: clients are known to send
/// an acknowledgement after the value, and whoever watches wants to see it.
pub(super) fn respond<W>(
    line: &[u8],
    context: &mut Context<'_, W>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let key = line.trim_ascii();
    let value = context.table.get(key);
    let verdict = if value.is_some() { "found" } else { "not found" };
    let (peer, shown) = (context.peer, Escaped(key));
    context.log.line(context.now, Level::Info, format_args!("{peer} {verdict}: {shown}"));
    reply.push(value.unwrap_or(NOT_FOUND));
    Outcome::Continue
}

/// Opens an exchange with the date and time.
pub(super) fn greet_exchange<W: WallClock>(
    context: &mut Context<'_, W>,
    reply: &mut Reply<'_>,
) -> Outcome {
    reply.push(context.calendar.text(Format::Dmy, context.wall_clock.wall_time()));
    Outcome::Continue
}

/// Answers the address that an exchange's client sends as its own.
pub(super) fn respond_exchange<W>(
    line: &[u8],
    context: &mut Context<'_, W>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let address = line.trim_ascii();
    let (peer, details) = (context.peer, Escaped(address));
    context.log.line(context.now, Level::Info, format_args!("{peer} client details: {details}"));
    write_value(address, context.table, reply);
    Outcome::Continue
}
