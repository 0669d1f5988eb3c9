//! The command line, and the plan of each command.

use crate::bench;
use crate::doctor::Doctor;
use crate::encryption::TlsOptions;
use crate::failure::Failure;
use crate::server_name::ServerName;
use crate::server_options::ServerOptions;
use crate::watch::Stats;
use clap::builder::StyledStr;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use readyd::client::Expect;
use readyd::client::conversations::{Check, Exchange, Plan};
use readyd::config::values;
use readyd::handlers::daytime::Format;
use std::ffi::OsString;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// What the help of `readyc` ends with.
const AFTER_HELP: &str = "\
Options of a command: readyc COMMAND -h (short), readyc COMMAND --help (full)
Environment: READYC_SERVER replaces the default server.";

/// Client and load generator for readyd and other TCP servers
#[derive(Debug, Parser)]
#[command(name = "readyc", version, max_term_width = 80, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// or unix:/PATH [default: 127.0.0.1:9999]
    ///
    /// The server: HOST or HOST:PORT (port 9999 if none is given), an IPv6 address in brackets, or
    /// a unix socket (unix:/PATH, or unix:@NAME for an abstract one). Like the timeouts, it may
    /// stand before the command or behind it
    #[arg(help_heading = "Server", long, value_name = "HOST[:PORT]")]
    server: Option<ServerName>,

    /// Time limit to connect [default: 5s]
    ///
    /// How long to wait for a connection [default: 5s]
    #[arg(help_heading = "Server", long, value_name = "DURATION", value_parser = some_time)]
    connect_timeout: Option<Duration>,

    /// For each answer [default: 30s; bench: 5s]
    ///
    /// How long to wait for each answer [default: 30s; bench: 5s]
    #[arg(help_heading = "Server", short, long, value_name = "DURATION", value_parser = some_time)]
    timeout: Option<Duration>,

    #[command(flatten)]
    tls: TlsOptions,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The command line, for clap.
///
/// The first paragraph of a doc is the short help, and the rest is the long help. clap's derive
/// would repeat the first paragraph in the long help.
pub(crate) fn command() -> clap::Command {
    without_repetitions(Args::command())
}

fn without_repetitions(command: clap::Command) -> clap::Command {
    let long = |short: Option<&StyledStr>, long: Option<&StyledStr>| {
        let (short, long) = (short?.to_string(), long?.to_string());
        Some(long.strip_prefix(&short)?.trim_start().to_owned())
    };
    let about = long(command.get_about(), command.get_long_about());
    let command = match about {
        Some(about) => command.long_about(about),
        None => command,
    };
    let command = command.mut_args(|arg| match long(arg.get_help(), arg.get_long_help()) {
        Some(help) => arg.long_help(help),
        None => arg,
    });
    command.mut_subcommands(without_repetitions)
}

impl Args {
    /// Parses the arguments; the first is the program's name.
    ///
    /// # Errors
    ///
    /// If they are wrong, or ask for the help or the version.
    pub(crate) fn read(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Args, clap::Error> {
        Args::from_arg_matches(&command().try_get_matches_from(arguments)?)
    }

    /// The options before the command.
    pub(crate) fn before_command(&self) -> ServerOptions {
        ServerOptions {
            server: self.server.clone(),
            connect_timeout: self.connect_timeout,
            timeout: self.timeout,
            tls: self.tls.clone(),
        }
    }
}

/// The subcommands; the docs of the variants are their help: the first paragraph in short.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send a text and print the echo
    Echo(Echo),
    /// Print the server's date and time
    Daytime(Daytime),
    /// Print the value of each key
    Lookup(Lookup),
    /// Print this client's address as the server sees it
    Whoami {
        /// Use a plain greeting service instead of a framed one
        #[arg(long)]
        plain: bool,
        #[command(flatten)]
        server: ServerOptions,
    },
    /// Print the server's counters, or watch their rates per second
    Stats(Stats),
    /// Watch the server's connections, rates and loop on a screen
    #[command(after_long_help = crate::top::AFTER_LONG_HELP)]
    Top(crate::top::Top),
    /// Load-test a TCP server; report throughput, latency, and whether the numbers can be trusted
    #[command(after_help = bench::AFTER_HELP, after_long_help = bench::AFTER_LONG_HELP)]
    Bench(Box<bench::Options>),
    /// Check whether this machine can open N connections
    #[command(after_long_help = crate::doctor::AFTER_LONG_HELP)]
    Doctor(Doctor),
    /// Send messages and print the replies
    ///
    /// Send messages and print the replies, each when the one before was answered. Without a
    /// MESSAGE, each line of standard input is one
    Send {
        /// The messages [default: the lines of standard input]
        #[arg(value_name = "MESSAGE")]
        messages: Vec<String>,
        #[command(flatten)]
        server: ServerOptions,
    },
    /// Use an exchange service: print its date and its reply
    ///
    /// Use an exchange service: print its date, send our address, print its reply
    Exchange {
        #[command(flatten)]
        server: ServerOptions,
    },
    /// Estimate the offset of the server's clock from ours
    Sync {
        /// Requests to send
        ///
        /// Requests to send; the one with the shortest round trip gives the estimate
        #[arg(long, value_name = "N", default_value_t = 8,
              value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        samples: u32,
        #[command(flatten)]
        server: ServerOptions,
    },
    /// Compare the reports of two load tests
    #[command(after_help = crate::compare::AFTER_HELP,
              after_long_help = crate::compare::AFTER_LONG_HELP)]
    Compare(crate::compare::Arguments),
    /// Merge the reports of several machines into one
    Merge(crate::merge::Arguments),
    /// Print what a server's loop did, from a trace that readyd wrote
    Trace(crate::trace::Arguments),
    /// Run the server again over a capture that readyd wrote
    Replay(crate::replay::Arguments),
}

/// The number of sessions, and of repetitions in each.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Crowd {
    /// Sessions at the same time
    ///
    /// Sessions at the same time; with more than one, a summary is printed instead of the answers
    #[arg(long, value_name = "N", default_value = "1", value_parser = crowd_size)]
    pub(crate) sessions: u64,

    /// How often each session repeats it
    ///
    /// How often each session repeats it; with more than once, a summary is printed instead of the
    /// answers
    #[arg(long, value_name = "N", default_value = "1", value_parser = at_least_one)]
    pub(crate) repeat: u64,
}

/// Parses a count of 1 or more.
pub(crate) fn at_least_one(text: &str) -> Result<u64, String> {
    match values::count(text) {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(error.to_string()),
    }
}

/// The most sessions: more than an address has ports, and few enough to fit into memory.
pub(crate) const MOST_SESSIONS: u64 = 1_000_000;

fn crowd_size(text: &str) -> Result<u64, String> {
    match at_least_one(text)? {
        size if size > MOST_SESSIONS => Err(format!("must be at most {MOST_SESSIONS}")),
        size => Ok(size),
    }
}

/// Parses a duration longer than 0.
pub(crate) fn some_time(text: &str) -> Result<Duration, String> {
    match values::duration(text) {
        Ok(Duration::ZERO) => Err("must be more than 0".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

impl Crowd {
    /// Whether this is one session without repetition: then its answers are printed.
    pub(crate) fn is_single(&self) -> bool {
        self.sessions == 1 && self.repeat == 1
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Echo {
    /// The text; several words are joined by spaces
    #[arg(required = true)]
    text: Vec<String>,
    /// Use a plain echo service (RFC 862)
    ///
    /// Use a plain echo service (RFC 862) instead of a framed one
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    pub(crate) crowd: Crowd,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Daytime {
    /// ctime, dmy, rfc3339, rfc2822, unix [default: ctime]
    ///
    /// Format of the date: ctime, dmy, rfc3339, rfc2822 or unix [default: ctime]
    #[arg(long, value_name = "NAME", hide_possible_values = true, conflicts_with = "plain")]
    format: Option<FormatName>,
    /// Use a plain daytime service (RFC 867)
    ///
    /// Use a plain daytime service (RFC 867) instead of a framed one
    #[arg(long)]
    plain: bool,
    /// Acknowledge the date with TEXT (needs --plain)
    #[arg(long, value_name = "TEXT", requires = "plain")]
    ack: Option<String>,
    #[command(flatten)]
    pub(crate) crowd: Crowd,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Lookup {
    /// The keys
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    /// Use a plain lookup service
    ///
    /// Use a plain lookup service instead of a framed one. Keys are sent without a line end, and an
    /// answer ends after a pause of 50 ms
    #[arg(long)]
    plain: bool,
    /// Send and receive lines, without pauses
    ///
    /// With --plain: send each key as a line, and expect each answer as a line; faster, because no
    /// pause has to end an answer
    #[arg(long, requires = "plain")]
    lines: bool,
    /// Acknowledge the last answer with TEXT (needs --plain)
    #[arg(long, value_name = "TEXT", requires = "plain")]
    ack: Option<String>,
    #[command(flatten)]
    pub(crate) crowd: Crowd,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    Ctime,
    Dmy,
    Rfc3339,
    Rfc2822,
    Unix,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Format {
        match name {
            FormatName::Ctime => Format::Ctime,
            FormatName::Dmy => Format::Dmy,
            FormatName::Rfc3339 => Format::Rfc3339,
            FormatName::Rfc2822 => Format::Rfc2822,
            FormatName::Unix => Format::Unix,
        }
    }
}

/// What each session of a command does.
pub(crate) struct Task {
    pub(crate) plan: Plan,
    /// Whether the service gives one answer per connection, so that each repetition is a new
    /// session.
    pub(crate) one_answer_each: bool,
}

impl Echo {
    /// What the sessions are to do.
    pub(crate) fn plan(&self) -> Task {
        let text = self.text.join(" ").into_bytes();
        let exchange = if self.plain {
            Exchange::plain(&text, Expect::Bytes(text.len()), Check::Exactly(text.clone()))
        } else {
            Exchange::framed(&[b"ECHO ", &text[..]].concat(), Check::Exactly(text))
        };
        // An echo of no bytes has no reply: waiting for it would never end.
        let is_empty = matches!(exchange.expect, Expect::Bytes(0));
        let exchanges = if is_empty { Vec::new() } else { vec![exchange] };
        task(exchanges, &self.crowd, None, false)
    }
}

impl Daytime {
    /// What the sessions are to do.
    pub(crate) fn plan(&self) -> Task {
        let exchange = if self.plain {
            Exchange::plain(b"", Expect::Pause, Check::Something)
        } else {
            let format = self.format.map_or(Format::Ctime, Format::from);
            let body = format!("DAYTIME {}", format.name());
            Exchange::framed(body.as_bytes(), Check::Date(format))
        };
        task(vec![exchange], &self.crowd, self.ack.as_deref(), self.plain)
    }
}

impl Lookup {
    /// What the sessions are to do.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] for a text that cannot be a key.
    pub(crate) fn plan(&self) -> Result<Task, Failure> {
        let exchange = |key: &String| match (self.plain, self.lines) {
            (false, _) => Exchange::framed(format!("LOOKUP {key}").as_bytes(), Check::Something),
            (true, false) => Exchange::plain(key.as_bytes(), Expect::Pause, Check::Something),
            (true, true) => {
                Exchange::plain(format!("{key}\n").as_bytes(), Expect::Line, Check::Something)
            }
        };
        // A plain service takes the text after a line end for the next key.
        let is_no_key = |key: &&String| key.trim().is_empty() || (self.plain && key.contains('\n'));
        if let Some(key) = self.keys.iter().find(is_no_key) {
            return Err(Failure::Usage(format!("{key:?} is not a key")));
        }
        let exchanges = self.keys.iter().map(exchange).collect();
        Ok(task(exchanges, &self.crowd, self.ack.as_deref(), false))
    }
}

fn task(exchanges: Vec<Exchange>, crowd: &Crowd, ack: Option<&str>, one_answer_each: bool) -> Task {
    Task {
        plan: Plan {
            exchanges,
            rounds: if one_answer_each { 1 } else { crowd.repeat },
            last_word: ack.unwrap_or_default().as_bytes().to_vec(),
            keep_answers: crowd.is_single(),
        },
        one_answer_each,
    }
}
