//! The command line, and the plan of each command.

use crate::bench;
use crate::doctor::Doctor;
use crate::failure::Failure;
use crate::watch::Stats;
use clap::{Parser, Subcommand, ValueEnum};
use readyd::client::Expect;
use readyd::client::conversations::{Check, Exchange, Plan};
use readyd::config::values;
use readyd::handlers::daytime::Format;
use readyd::io::address::{Address, UnixAddress, UnixAddressError};
use std::net::{Ipv6Addr, ToSocketAddrs};
use std::num::NonZeroU16;
use std::str::FromStr;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The port that readyd listens on by default.
const DEFAULT_PORT: u16 = 9999;

/// The client of readyd, and of any server that speaks the same few protocols.
#[derive(Debug, Parser)]
#[command(name = "readyc", version, max_term_width = 100)]
pub(crate) struct Args {
    /// The server: HOST or HOST:PORT (else port 9999), an IPv6 address in brackets, or unix:/PATH
    #[arg(long, global = true, env = "READYC_SERVER", default_value = "127.0.0.1:9999")]
    pub(crate) server: ServerName,

    /// How long to wait for a connection
    #[arg(long, global = true, value_name = "DURATION", default_value = "5s",
          value_parser = some_time)]
    pub(crate) connect_timeout: Duration,

    /// How long to wait for each answer [default: 30s; bench: 5s]
    #[arg(short, long, global = true, value_name = "DURATION", value_parser = some_time)]
    pub(crate) timeout: Option<Duration>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands; the docs of the variants are their help.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send a text and print it as it comes back
    Echo(Echo),
    /// Print the server's date and time
    Daytime(Daytime),
    /// Print the value of each key
    Lookup(Lookup),
    /// Print our own address as the server sees it
    Whoami {
        /// Speak to a plain greeting service instead of a framed one
        #[arg(long)]
        plain: bool,
    },
    /// Print the server's counters
    Stats(Stats),
    /// Put load on a server, and report what can be believed of it
    #[command(after_help = bench::AFTER_HELP)]
    Bench(Box<bench::Options>),
    /// Tell whether so many connections can be had here, and what to do if not
    Doctor(Doctor),
    /// Send messages and print the replies; without any, one a line from standard input
    Send {
        /// What to send
        #[arg(value_name = "MESSAGE")]
        messages: Vec<String>,
    },
    /// Speak to an exchange service: print its date, send our address, print its reply
    Exchange,
    /// Estimate how far the server's clock is from ours
    Sync {
        /// Requests to make; the one with the shortest round trip counts
        #[arg(long, default_value_t = 8,
              value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        samples: u32,
    },
    /// Compare the reports of two load runs
    #[command(after_help = crate::compare::AFTER_HELP)]
    Compare(crate::compare::Arguments),
    /// Merge the reports of several machines into one
    Merge(crate::merge::Arguments),
    /// Print what a server's loop did, from the file of `readyd --trace`
    Trace(crate::trace::Arguments),
}

/// The number of sessions, and of repetitions in each.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Crowd {
    /// Sessions at once; with more than one, a summary is printed instead of the answers
    #[arg(long, value_name = "N", default_value = "1", value_parser = crowd_size)]
    pub(crate) sessions: u64,

    /// Times that each session does it
    #[arg(long, value_name = "M", default_value = "1", value_parser = at_least_one)]
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
    /// Speak to a plain echo service (RFC 862) instead of a framed one
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    pub(crate) crowd: Crowd,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Daytime {
    /// How the date is written [default: ctime]
    #[arg(long, conflicts_with = "plain")]
    format: Option<FormatName>,
    /// Speak to a plain daytime service (RFC 867) instead of a framed one
    #[arg(long)]
    plain: bool,
    /// Acknowledge the date with TEXT
    #[arg(long, value_name = "TEXT", requires = "plain")]
    ack: Option<String>,
    #[command(flatten)]
    pub(crate) crowd: Crowd,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Lookup {
    /// The keys
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    /// Speak to a plain lookup service instead of a framed one; keys are sent without a line end,
    /// and an answer ends when nothing more comes for 50 ms
    #[arg(long)]
    plain: bool,
    /// Send each key as a line, and expect the answers as lines: faster
    #[arg(long, requires = "plain")]
    lines: bool,
    /// Acknowledge the last answer with TEXT
    #[arg(long, value_name = "TEXT", requires = "plain")]
    ack: Option<String>,
    #[command(flatten)]
    pub(crate) crowd: Crowd,
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

/// A server as named on the command line.
#[derive(Clone, Debug)]
pub(crate) enum ServerName {
    Inet { host: String, port: u16 },
    Unix(UnixAddress),
}

impl FromStr for ServerName {
    type Err = String;

    fn from_str(text: &str) -> Result<ServerName, String> {
        if text.starts_with(UnixAddress::PREFIX) {
            return text
                .parse()
                .map(ServerName::Unix)
                .map_err(|error: UnixAddressError| error.to_string());
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return Err(is_a_url(scheme, rest));
        }
        let not_a_server = || "not a server (write HOST:PORT, such as 127.0.0.1:9999)".to_owned();
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(not_a_server)?)),
            // Without brackets, all colons of an IPv6 address are its own.
            None if is_ipv6(text) => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() {
            return Err(not_a_server());
        }
        let port = match port {
            Some(port) => port
                .parse::<NonZeroU16>()
                .map_err(|_| format!("{port:?} is not a port (1 to 65535)"))?
                .get(),
            None => DEFAULT_PORT,
        };
        Ok(ServerName::Inet { host: host.to_owned(), port })
    }
}

/// Whether it is an IPv6 address, with its interface behind a `%` if it is link-local.
fn is_ipv6(text: &str) -> bool {
    text.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// What to write in place of a URL.
fn is_a_url(scheme: &str, rest: &str) -> String {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let server = authority.rsplit('@').next().unwrap_or_default();
    let port = match scheme {
        "https" => 443,
        "redis" => 6379,
        "memcached" => 11_211,
        _ => 80,
    };
    let has_port = server.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let server = match (server, has_port) {
        ("", _) => "HOST:PORT".to_owned(),
        (server, true) => server.to_owned(),
        (server, false) => format!("{server}:{port}"),
    };
    format!("a URL is not a server (write HOST:PORT, here {server})")
}

impl ServerName {
    /// Resolves the name to its addresses, at least one.
    pub(crate) fn resolve(&self) -> Result<Vec<Address>, Failure> {
        let (host, port) = match self {
            ServerName::Inet { host, port } => (host, *port),
            ServerName::Unix(address) => return Ok(vec![address.clone().into()]),
        };
        let failed = |error| Failure::Resolve(host.clone(), error);
        let addresses: Vec<Address> =
            (host.as_str(), port).to_socket_addrs().map_err(failed)?.map(Address::Inet).collect();
        if addresses.is_empty() {
            return Err(failed(std::io::ErrorKind::NotFound.into()));
        }
        Ok(addresses)
    }
}
