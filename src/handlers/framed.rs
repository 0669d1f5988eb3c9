//! The framed service: the first word of a frame's body chooses what answers it.
//!
//! Words are separated by ASCII white space, and the first is recognised in any case. A new command
//! is a new row of [`COMMANDS`]. From the table come the text of `HELP`, the checks of arguments,
//! and what a request costs the turn; tests compare README.md and PROTOCOL.md with it.

use super::daytime::Format;
use super::{Context, greeting, lookup};
use crate::conn::{Outcome, Work};
use crate::protocol::reply::ReplyWriter;
use crate::server::client_log::Escaped;
use crate::server::close::CloseReason;
use crate::server::stats::Stats;
use crate::server::stats::publishing::{Detail, Publisher};
use log::Level;
use std::fmt::{self, Write as _};

/// What answers any message that is not a command.
pub const RECEIVED: &[u8] = b"Message received successfully....";

/// A row of [`COMMANDS`].
#[derive(Debug)]
pub struct Command {
    /// The first word of the body, as it is usually written.
    pub word: &'static str,
    /// What may follow the word.
    pub arguments: Arguments,
    /// What the command does, in a few words, for `HELP`.
    pub help: &'static str,
    /// What a request costs beside its bytes, in the units of [`Work`]. benches/engine.rs measures
    /// it.
    pub cost: u32,
    run: Run,
}

/// Answers a request whose argument is this.
type Run = fn(&[u8], &mut Context<'_>, &mut ReplyWriter<'_>, &mut Work) -> Outcome;

/// What may follow a command's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// Everything after one separator, byte for byte.
    Text,
    /// Nothing but white space.
    None,
    /// An argument of this name, without the white space around it, or nothing.
    Optional(&'static str),
    /// An argument of this name, without the white space around it.
    Required(&'static str),
    /// Exactly this, without the white space around it; otherwise the body is no command.
    Exactly(&'static str),
}

/// All commands, in the order of `HELP`. Their words have letters only.
pub static COMMANDS: [Command; 8] = [
    Command {
        word: "ECHO",
        arguments: Arguments::Text,
        help: "the text, byte for byte",
        cost: 0,
        run: |text, _, reply, _| {
            reply.echo(text);
            Outcome::Continue
        },
    },
    Command {
        word: "DAYTIME",
        arguments: Arguments::Optional("format"),
        help: "the date and time: ctime (default), dmy, rfc3339, rfc2822, unix",
        cost: 1,
        run: daytime,
    },
    Command {
        word: "TIME",
        arguments: Arguments::None,
        help: "two clock stamps: request read, reply made",
        cost: 4,
        run: time_stamps,
    },
    Command {
        word: "LOOKUP",
        arguments: Arguments::Required("key"),
        help: "the key's value, or Not Found",
        cost: lookup::COST,
        run: lookup,
    },
    Command {
        word: "WHOAMI",
        arguments: Arguments::None,
        help: "your address as the server sees it",
        cost: 4,
        run: |_, context, reply, _| {
            greeting::write_greeting(context, reply);
            Outcome::Continue
        },
    },
    Command {
        word: "STATS",
        arguments: Arguments::Optional("shards"),
        help: "counters and gauges; with shards, also of each shard",
        cost: 1,
        run: stats,
    },
    Command { word: "HELP", arguments: Arguments::None, help: "this text", cost: 45, run: help },
    Command {
        word: "Disconnect",
        arguments: Arguments::Exactly("!"),
        help: "a last reply, then the server closes",
        cost: 0,
        run: |_, _, reply, _| {
            reply.push(RECEIVED);
            Outcome::Finish(CloseReason::Disconnect)
        },
    },
];

/// The first eight letters of a word in lower case, and which bytes they are.
///
/// The plain way compares letter by letter, with each command of the table in turn. That was a
/// third of the work of a small request. Here the first eight bytes of the body are one integer,
/// and so is each word, so a comparison is two instructions.
#[derive(Clone, Copy)]
struct Front {
    letters: u64,
    mask: u64,
}

/// One for each row of [`COMMANDS`].
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would say so")]
static FRONTS: [Front; COMMANDS.len()] = {
    let mut fronts = [Front { letters: 0, mask: 0 }; COMMANDS.len()];
    let mut row = 0;
    while row < fronts.len() {
        fronts[row] = front_of_word(COMMANDS[row].word.as_bytes());
        row += 1;
    }
    fronts
};

/// A letter differs from itself in the other case in this one bit.
const CASE: u8 = b'a' ^ b'A';

const FRONT_LEN: usize = size_of::<u64>();

#[expect(clippy::indexing_slicing, reason = "called by the compiler alone, which would say so")]
const fn front_of_word(word: &[u8]) -> Front {
    let (mut letters, mut mask) = ([0; FRONT_LEN], [0; FRONT_LEN]);
    let mut place = 0;
    while place < word.len() && place < FRONT_LEN {
        assert!(word[place].is_ascii_alphabetic(), "a word has letters only");
        letters[place] = word[place] | CASE;
        mask[place] = u8::MAX;
        place += 1;
    }
    Front { letters: u64::from_le_bytes(letters), mask: u64::from_le_bytes(mask) }
}

/// What a message costs that is no command: it is written to the log, or counted as left out.
const MESSAGE_COST: u32 = 10;

/// What it costs to make the text of `STATS`, with the system calls that ask what the process has
/// used.
const STATS_TEXT_COST: u32 = 250;

impl Command {
    /// The word and what may follow it, as people write it.
    pub fn usage(&self) -> String {
        let word = self.word;
        match self.arguments {
            Arguments::None => word.to_owned(),
            Arguments::Text => format!("{word} text"),
            Arguments::Optional(name) => format!("{word} [{name}]"),
            Arguments::Required(name) => format!("{word} {name}"),
            Arguments::Exactly(argument) => format!("{word} {argument}"),
        }
    }

    /// Whether a body with this word and `text` behind it is the command.
    #[inline]
    fn is_meant_with(&self, text: &[u8]) -> bool {
        match self.arguments {
            Arguments::Exactly(argument) => text.trim_ascii() == argument.as_bytes(),
            _ => true,
        }
    }

    /// The argument in `text`, which is all that follows the word and one separator.
    #[inline]
    fn argument<'a>(&self, text: &'a [u8]) -> Result<&'a [u8], RequestError<'static>> {
        if self.arguments == Arguments::Text {
            return Ok(text);
        }
        let text = text.trim_ascii();
        match self.arguments {
            Arguments::None if !text.is_empty() => Err(RequestError::TakesNoArgument(self.word)),
            Arguments::Required(name) if text.is_empty() => {
                Err(RequestError::NeedsArgument(self.word, name))
            }
            _ => Ok(text),
        }
    }
}

/// A request that cannot be answered as it stands: the client's fault.
#[derive(Debug, PartialEq, Eq)]
enum RequestError<'a> {
    UnknownFormat(&'a [u8]),
    UnknownStatistics(&'a [u8]),
    /// Only some addresses may read statistics.
    StatisticsForOthers,
    TakesNoArgument(&'static str),
    NeedsArgument(&'static str, &'static str),
}

impl fmt::Display for RequestError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::UnknownFormat(name) => {
                let name = Escaped(name);
                write!(f, "no date format {name}; there are {}", Format::NAMES.join(", "))
            }
            RequestError::UnknownStatistics(argument) => {
                let argument = Escaped(argument);
                write!(f, "no statistics {argument}; there are STATS and STATS shards")
            }
            RequestError::StatisticsForOthers => {
                f.write_str("this address may not read statistics (--stats-from)")
            }
            RequestError::TakesNoArgument(word) => write!(f, "{word} takes no argument"),
            RequestError::NeedsArgument(word, name) => {
                write!(f, "{word} needs a {name}, as in {word} 165.165.80.80")
            }
        }
    }
}

/// Answers one frame's body: does what its first word asks for.
pub(super) fn respond(
    body: &[u8],
    context: &mut Context<'_>,
    reply: &mut ReplyWriter<'_>,
    work: &mut Work,
) -> Outcome {
    context.stats.frames += 1;
    if let Some((command, text)) = find_command(body.trim_ascii_start())
        && command.is_meant_with(text)
    {
        work.spent += command.cost;
        return match command.argument(text) {
            Ok(argument) => (command.run)(argument, context, reply, work),
            Err(error) => refuse(&error, context, reply),
        };
    }
    take_message(body, context, reply, work)
}

/// The command that `body` begins with, and all that follows its word and one separator.
#[inline]
fn find_command(body: &[u8]) -> Option<(&'static Command, &[u8])> {
    let front = front_of_body(body);
    for (command, word) in COMMANDS.iter().zip(&FRONTS) {
        if (front ^ word.letters) & word.mask == 0
            && let Some(text) = text_behind(command.word, body)
        {
            return Some((command, text));
        }
    }
    None
}

/// The first eight bytes with the case bit set, which makes letters, and nothing but letters, those
/// of a word; fewer if the body is shorter.
#[inline]
fn front_of_body(body: &[u8]) -> u64 {
    let bytes = match body.first_chunk() {
        Some(bytes) => *bytes,
        None => {
            let mut bytes = [0; FRONT_LEN];
            bytes.iter_mut().zip(body).for_each(|(to, from)| *to = *from);
            bytes
        }
    };
    u64::from_le_bytes(bytes) | u64::from_le_bytes([CASE; FRONT_LEN])
}

/// All that follows `word` and one separator in `body`, whose first eight bytes are those of the
/// word.
#[inline]
fn text_behind<'a>(word: &str, body: &'a [u8]) -> Option<&'a [u8]> {
    let (found, rest) = body.split_at_checked(word.len())?;
    if word.len() > FRONT_LEN && !found.eq_ignore_ascii_case(word.as_bytes()) {
        return None;
    }
    match rest {
        [] => Some(rest),
        [separator, text @ ..] if separator.is_ascii_whitespace() => Some(text),
        _ => None,
    }
}

#[cold]
fn refuse(
    error: &RequestError<'_>,
    context: &mut Context<'_>,
    reply: &mut ReplyWriter<'_>,
) -> Outcome {
    context.stats.refusals += 1;
    // Appending to a Vec cannot fail.
    let _ = write!(reply, "Error: {error}");
    Outcome::Continue
}

/// Takes a message that is no command, and shows it in the log.
#[inline(never)]
fn take_message(
    body: &[u8],
    context: &mut Context<'_>,
    reply: &mut ReplyWriter<'_>,
    work: &mut Work,
) -> Outcome {
    work.spent += MESSAGE_COST;
    let (peer, message) = (context.peer, Escaped(body));
    context.log.line(context.now, Level::Info, format_args!("{peer} message: {message}"));
    reply.push(RECEIVED);
    Outcome::Continue
}

fn daytime(
    format: &[u8],
    context: &mut Context<'_>,
    reply: &mut ReplyWriter<'_>,
    _: &mut Work,
) -> Outcome {
    let found = match format {
        b"" => Some(Format::Ctime),
        name => std::str::from_utf8(name).ok().and_then(Format::from_name),
    };
    let Some(found) = found else {
        return refuse(&RequestError::UnknownFormat(format), context, reply);
    };
    reply.push(context.dates.text(found, context.system.wall_time()));
    Outcome::Continue
}

fn lookup(
    key: &[u8],
    context: &mut Context<'_>,
    reply: &mut ReplyWriter<'_>,
    _: &mut Work,
) -> Outcome {
    lookup::write_value(key, context.table, reply);
    Outcome::Continue
}

/// Two readings of the clock itself, not the time of the turn: a client estimates the offset of its
/// clock from them, and the bound would not hold if the first were older than the request.
fn time_stamps(
    _: &[u8],
    context: &mut Context<'_>,
    reply: &mut ReplyWriter<'_>,
    _: &mut Work,
) -> Outcome {
    let read = context.system.wall_time();
    let _ = write!(reply, "{read} ");
    let made = context.system.wall_time();
    let _ = write!(reply, "{made}");
    Outcome::Continue
}

fn stats(
    argument: &[u8],
    context: &mut Context<'_>,
    reply: &mut ReplyWriter<'_>,
    work: &mut Work,
) -> Outcome {
    let detail = match argument {
        b"" => Detail::Together,
        word if word.eq_ignore_ascii_case(b"shards") => Detail::Each,
        other => return refuse(&RequestError::UnknownStatistics(other), context, reply),
    };
    if !context.publisher.may_read(context.peer) {
        return refuse(&RequestError::StatisticsForOthers, context, reply);
    }
    let Context { publisher, stats, system, now, .. } = context;
    work.spent += cost_of_statistics(publisher, stats, detail);
    reply.push(publisher.report(stats, *system, *now, detail).as_bytes());
    Outcome::Continue
}

/// What it costs to make the text of the statistics, if it is not made yet.
pub(super) fn cost_of_statistics(publisher: &Publisher, stats: &Stats, detail: Detail) -> u32 {
    let texts = u32::try_from(publisher.texts_to_make(stats, detail)).unwrap_or(u32::MAX);
    STATS_TEXT_COST.saturating_mul(texts)
}

fn help(_: &[u8], _: &mut Context<'_>, reply: &mut ReplyWriter<'_>, _: &mut Work) -> Outcome {
    for command in &COMMANDS {
        let _ = writeln!(reply, "{:<17} {}", command.usage(), command.help);
    }
    let _ = write!(reply, "{:<17} ", "anything else");
    reply.push(RECEIVED);
    reply.push(b"\n");
    Outcome::Continue
}
