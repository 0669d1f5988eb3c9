//! The framed service: the first word of a frame's body chooses what answers it.
//!
//! Words are separated by ASCII white space, and the first is recognised in any case. `ECHO` takes
//! everything after the one separator, byte for byte; the others take their arguments without the
//! white space around them.

use super::daytime::Format;
use super::{Context, greeting, lookup};
use crate::conn::Outcome;
use crate::io::host::{Host, WallClock};
use crate::protocol::reply::Reply;
use crate::server::client_log::Escaped;
use crate::server::close::CloseReason;
use crate::server::stats::Stats;
use log::Level;
use std::fmt::{self, Write as _};

/// What answers any message that is not a command.
pub const RECEIVED: &[u8] = b"Message received successfully....";

const HELP: &[u8] = b"\
ECHO text         the text, byte for byte
DAYTIME [format]  the date and time: ctime (default), dmy, rfc3339, rfc2822, unix
TIME              two clock stamps: request read, reply made
LOOKUP key        the key's value, or Not Found
WHOAMI            your address as the server sees it
STATS             counters and gauges, one name and value a line
HELP              this text
Disconnect !      a last reply, then the server closes
anything else     Message received successfully....
";

/// A request that cannot be answered as it stands: the client's fault.
#[derive(Debug, PartialEq, Eq)]
enum RequestError<'a> {
    UnknownFormat(&'a [u8]),
    TakesNoArgument(&'static str),
    NeedsKey,
}

impl fmt::Display for RequestError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::UnknownFormat(name) => {
                let name = Escaped(name);
                write!(f, "no date format {name}; there are {}", Format::NAMES.join(", "))
            }
            RequestError::TakesNoArgument(word) => write!(f, "{word} takes no argument"),
            RequestError::NeedsKey => f.write_str("LOOKUP needs a key, as in LOOKUP 165.165.80.80"),
        }
    }
}

/// What answers the body, if it is an echo as nearly all write it: by far the most frequent command.
#[inline(always)]
pub(super) fn echo<'a>(body: &'a [u8], stats: &mut Stats) -> Option<&'a [u8]> {
    let text = body.strip_prefix(b"ECHO ")?;
    stats.frames += 1;
    Some(text)
}

/// Answers one frame's body: does what its first word asks for.
pub(super) fn respond<W: WallClock + Host>(
    body: &[u8],
    context: &mut Context<'_, W>,
    reply: &mut Reply<'_>,
) -> Outcome {
    context.stats.frames += 1;
    let (word, text) = split_word(body);
    let argument = || text.trim_ascii();
    let result = if word.eq_ignore_ascii_case(b"ECHO") {
        reply.push(text);
        Ok(())
    } else if word.eq_ignore_ascii_case(b"DAYTIME") {
        daytime(argument(), context, reply)
    } else if word.eq_ignore_ascii_case(b"LOOKUP") {
        lookup(argument(), context, reply)
    } else if word.eq_ignore_ascii_case(b"TIME") {
        without_argument("TIME", argument()).map(|()| time_stamps(context, reply))
    } else if word.eq_ignore_ascii_case(b"WHOAMI") {
        without_argument("WHOAMI", argument()).map(|()| greeting::write_greeting(context, reply))
    } else if word.eq_ignore_ascii_case(b"STATS") {
        without_argument("STATS", argument()).map(|()| stats(context, reply))
    } else if word.eq_ignore_ascii_case(b"HELP") {
        without_argument("HELP", argument()).map(|()| reply.push(HELP))
    } else if word.eq_ignore_ascii_case(b"Disconnect") && argument() == b"!" {
        reply.push(RECEIVED);
        return Outcome::Finish(CloseReason::Disconnect);
    } else {
        let (peer, message) = (context.peer, Escaped(body));
        context.log.line(context.now, Level::Info, format_args!("{peer} message: {message}"));
        reply.push(RECEIVED);
        Ok(())
    };
    if let Err(error) = result {
        context.stats.refusals += 1;
        // Appending to a Vec cannot fail.
        let _ = write!(reply, "Error: {error}");
    }
    Outcome::Continue
}

/// The first word, and all that follows the one separator after it.
fn split_word(body: &[u8]) -> (&[u8], &[u8]) {
    let body = body.trim_ascii_start();
    let end = body.iter().position(u8::is_ascii_whitespace).unwrap_or(body.len());
    let (word, rest) = body.split_at(end);
    (word, rest.get(1..).unwrap_or_default())
}

fn without_argument(word: &'static str, argument: &[u8]) -> Result<(), RequestError<'static>> {
    if argument.is_empty() { Ok(()) } else { Err(RequestError::TakesNoArgument(word)) }
}

fn daytime<'a, W: WallClock>(
    format: &'a [u8],
    context: &mut Context<'_, W>,
    reply: &mut Reply<'_>,
) -> Result<(), RequestError<'a>> {
    let format = match format {
        b"" => Format::Ctime,
        name => std::str::from_utf8(name)
            .ok()
            .and_then(Format::from_name)
            .ok_or(RequestError::UnknownFormat(name))?,
    };
    reply.push(context.calendar.text(format, context.wall_clock.wall_time()));
    Ok(())
}

fn lookup<W>(
    key: &[u8],
    context: &Context<'_, W>,
    reply: &mut Reply<'_>,
) -> Result<(), RequestError<'static>> {
    if key.is_empty() {
        return Err(RequestError::NeedsKey);
    }
    lookup::write_value(key, context.table, reply);
    Ok(())
}

/// Two readings of the clock itself, not of the turn's: a client that estimates its offset from them
/// would get a bound that does not hold if the first were older than the request.
fn time_stamps<W: WallClock>(context: &Context<'_, W>, reply: &mut Reply<'_>) {
    let read = context.wall_clock.wall_time();
    let _ = write!(reply, "{read} ");
    let made = context.wall_clock.wall_time();
    let _ = write!(reply, "{made}");
}

fn stats<W: Host>(context: &mut Context<'_, W>, reply: &mut Reply<'_>) {
    let Context { publisher, stats, wall_clock: host, now, .. } = context;
    reply.push(publisher.report(stats, *host, *now).as_bytes());
}
