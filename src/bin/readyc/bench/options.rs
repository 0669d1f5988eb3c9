//! The command line of `readyc bench`.

use crate::args::{ServerName, at_least_one, some_time};
use readyd::config::values;
use readyd::loadgen::goal::Goal;
use readyd::loadgen::plan::{Sizes, Step};
use readyd::loadgen::report::Quantity;
use std::path::PathBuf;
use std::time::Duration;

/// What `--help` says behind the options.
pub(crate) const AFTER_HELP: &str = "\
With --rate, --step or --herd, requests are sent on a schedule whatever the server does (open \
loop), and latency counts from the moment at which each was to be sent. Without, a new request is \
sent for each answer (closed loop).

Counts and rates take k and m (1000), sizes KiB and MiB or k and m (1024), times ms, s, m, h and d.

Exit status: 0 all that was asked for was achieved, 1 could not run, 2 wrong command line, 3 ran \
and fell short of what was asked.";

/// The options of `readyc bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The servers: HOST, HOST:PORT or unix:/PATH; connections are spread evenly [default: that of
    /// --server]
    #[arg(value_name = "ADDR")]
    pub(super) addresses: Vec<ServerName>,

    /// Connections that make requests
    #[arg(help_heading = "Connections", short, long, value_name = "N", default_value = "64",
          value_parser = connections)]
    pub(super) connections: usize,

    /// Connections that are held open besides and say nothing
    #[arg(help_heading = "Connections", short = 'I', long, value_name = "N", default_value = "0",
          value_parser = connections)]
    pub(super) idle: usize,

    /// End after this many requests
    #[arg(help_heading = "Pace", short = 'n', long, value_name = "N", value_parser = at_least_one)]
    pub(super) requests: Option<u64>,

    /// End after this time [default: 10s, unless --requests or --step is given]
    #[arg(help_heading = "Pace", short, long, value_name = "DURATION", value_parser = some_time)]
    pub(super) duration: Option<Duration>,

    /// Requests a second over all connections, on a schedule (open loop)
    #[arg(help_heading = "Pace", short = 'R', long, value_name = "N", value_parser = rate)]
    pub(super) rate: Option<f64>,

    /// A ramp of rates, such as 1000:10s,5000:10s
    #[arg(help_heading = "Pace", long, value_name = "RATE:DURATION,...", value_parser = step,
          value_delimiter = ',', conflicts_with_all = ["rate", "herd"])]
    pub(super) step: Vec<Step>,

    /// Have all connections stay silent and then all speak at once, each time that this has passed
    #[arg(help_heading = "Pace", long, value_name = "DURATION", value_parser = some_time,
          conflicts_with = "rate")]
    pub(super) herd: Option<Duration>,

    /// Look for the greatest load that meets the goals: a rate of requests, or a number of
    /// connections (which make a new request for each answer, or share --rate)
    #[arg(help_heading = "Goals", long, value_name = "WHAT", value_enum,
          conflicts_with_all = ["requests", "step", "herd", "storm", "duration", "csv", "hdr"])]
    pub(super) find: Option<Find>,

    /// The run passes if it meets these goals: p50, p90, p99, p99.9 or max below a duration, errors
    /// below a percentage (0.1% if not given): p99<5ms,errors<1%
    #[arg(help_heading = "Goals", long, value_name = "GOAL,...", value_delimiter = ',')]
    pub(super) goal: Vec<Goal>,

    /// How long --find may take in all
    #[arg(help_heading = "Goals", long, value_name = "DURATION", default_value = "2m",
          value_parser = some_time)]
    pub(super) find_time: Duration,

    /// Requests under way at once on a connection
    #[arg(help_heading = "Pace", short = 'P', long, value_name = "N", default_value = "1",
          value_parser = pipeline)]
    pub(super) pipeline: usize,

    /// Payload of a request: a size, or a range such as 16-1KiB
    #[arg(help_heading = "Requests", short, long, value_name = "SIZE", default_value = "64",
          value_parser = sizes)]
    pub(super) size: Sizes,

    /// A mixture of requests by weight, of echo, lookup and daytime: echo=80,lookup=15,daytime=5
    #[arg(help_heading = "Requests", long, value_name = "KIND=WEIGHT,...", value_parser = weight,
          value_delimiter = ',')]
    pub(super) mix: Vec<(String, u32)>,

    /// A key to look up; several are taken in turn [default: readyd]
    #[arg(help_heading = "Requests", long, value_name = "KEY")]
    pub(super) key: Vec<String>,

    /// Speak to a plain service (RFC 862 to 868) instead of a framed one
    #[arg(help_heading = "Requests", long, value_name = "SERVICE", value_enum,
          conflicts_with_all = ["mix", "send"])]
    pub(super) plain: Option<Service>,

    /// Send this instead, to any TCP server; understands \r \n \t \0 \\ \xHH
    #[arg(help_heading = "Requests", long, value_name = "TEXT", value_parser = escaped,
          conflicts_with = "mix",
          requires = "answer")]
    pub(super) send: Option<Bytes>,

    /// The answer to --send is exactly this
    #[arg(help_heading = "Requests", long, value_name = "TEXT", value_parser = escaped,
          requires = "send", group = "answer")]
    pub(super) expect: Option<Bytes>,

    /// The answer to --send is this long
    #[arg(help_heading = "Requests", long, value_name = "N", value_parser = answer_size,
          requires = "send", group = "answer")]
    pub(super) expect_bytes: Option<usize>,

    /// The answer to --send ends with this
    #[arg(help_heading = "Requests", long, value_name = "TEXT", value_parser = escaped,
          requires = "send", group = "answer")]
    pub(super) until: Option<Bytes>,

    /// The server greets each client with exactly this, before the first request
    #[arg(help_heading = "Requests", long, value_name = "TEXT", value_parser = escaped,
          group = "greets")]
    pub(super) greeting: Option<Bytes>,

    /// The server's greeting is this long
    #[arg(help_heading = "Requests", long, value_name = "N", value_parser = answer_size,
          group = "greets")]
    pub(super) greeting_bytes: Option<usize>,

    /// The server's greeting ends with this
    #[arg(help_heading = "Requests", long, value_name = "TEXT", value_parser = escaped,
          group = "greets")]
    pub(super) greeting_until: Option<Bytes>,

    /// Load before the measured part, which counts for nothing
    #[arg(help_heading = "Pace", long, value_name = "DURATION", default_value = "0s",
          value_parser = any_time)]
    pub(super) warmup: Duration,

    /// Replace each connection by a new one after this time (5s), or this many requests (1)
    #[arg(help_heading = "Connections", long, value_name = "DURATION|N", value_parser = lifetime)]
    pub(super) lifetime: Option<readyd::loadgen::plan::Lifetime>,

    /// How a connection that is replaced is closed: in order, or by a reset that frees its port
    #[arg(
        help_heading = "Connections",
        long,
        value_name = "HOW",
        value_enum,
        default_value = "fin"
    )]
    pub(super) close: CloseName,

    /// Drop all connections at once, and have all return, each time that this has passed
    #[arg(help_heading = "Pace", long, value_name = "DURATION", value_parser = some_time)]
    pub(super) storm: Option<Duration>,

    /// Connections besides that make requests and take the answers slowly
    #[arg(help_heading = "Pace", long, value_name = "N", default_value = "0",
          value_parser = connections)]
    pub(super) slow_readers: usize,

    /// Connections besides that make requests and send them slowly
    #[arg(help_heading = "Pace", long, value_name = "N", default_value = "0",
          value_parser = connections)]
    pub(super) slow_writers: usize,

    /// Bytes a second of a slow connection
    #[arg(help_heading = "Pace", long, value_name = "N", default_value = "100",
          value_parser = answer_size)]
    pub(super) slow_rate: usize,

    /// Connections opened a second, by all workers together [default: as fast as they are accepted]
    #[arg(help_heading = "Connections", long, value_name = "N", value_parser = rate)]
    pub(super) connect_rate: Option<f64>,

    /// Connections being made at once
    #[arg(help_heading = "Connections", long, value_name = "N", default_value = "256",
          value_parser = pipeline)]
    pub(super) connect_parallel: usize,

    /// Addresses to connect from: ADDRESS, FIRST-LAST or CIDR, separated by commas; without, the
    /// system chooses
    #[arg(help_heading = "Connections", long, value_name = "ADDRESSES")]
    pub(super) source: Vec<String>,

    /// Processes that the load is spread over, each with a thread
    #[arg(help_heading = "Connections", long, value_name = "N", default_value = "1",
          value_parser = workers)]
    pub(super) workers: usize,

    /// Before a lost connection is opened again, it waits for a random part of this; twice as long
    /// after each attempt that fails, up to 32 times this
    #[arg(help_heading = "Connections", long, value_name = "DURATION", default_value = "100ms",
          value_parser = some_time)]
    pub(super) backoff: Duration,

    /// Have each idle connection make the request of --send once, to see whether it is served
    #[arg(help_heading = "Connections", long, requires = "send", conflicts_with = "no_probe")]
    pub(super) probe: bool,

    /// Do not have idle connections make one request, which shows whether they are served
    #[arg(help_heading = "Connections", long)]
    pub(super) no_probe: bool,

    /// Give up when nothing was open for this long [default: never with -d or --step, else 10s]
    #[arg(help_heading = "Connections", long, value_name = "DURATION", value_parser = some_time)]
    pub(super) give_up_after: Option<Duration>,

    /// Do not open lost connections again
    #[arg(help_heading = "Connections", long)]
    pub(super) no_reconnect: bool,

    /// Count replies without looking at their bytes
    #[arg(help_heading = "Requests", long)]
    pub(super) no_verify: bool,

    /// Chooses sizes, kinds and jitter; the same number chooses the same
    #[arg(help_heading = "Requests", long, value_name = "N", default_value = "1")]
    pub(super) seed: u64,

    /// Warn instead of refusing when the system's limits are too low
    #[arg(help_heading = "Connections", long)]
    pub(super) force: bool,

    /// Write the report as JSON, to standard output if no FILE is given
    #[arg(help_heading = "Output", short, long, value_name = "FILE", num_args = 0..=1,
          default_missing_value = "-")]
    pub(super) json: Option<PathBuf>,

    /// Write the run second by second as CSV
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,

    /// Write the latency distribution in HdrHistogram's text format (.hgrm)
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub(super) hdr: Option<PathBuf>,

    /// Write the report as a page that needs nothing else
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,

    /// Print the latency distribution in detail
    #[arg(help_heading = "Output", long)]
    pub(super) latency: bool,

    /// How progress is shown: auto is a view on a terminal and nothing elsewhere; lines is a line
    /// per second on standard error, for logs
    #[arg(help_heading = "Output", long, value_name = "HOW", value_enum)]
    pub(super) progress: Option<Progress>,

    /// Print no report and no progress: only what goes to a file, errors, and one line if the run
    /// fell short, which says in what
    #[arg(help_heading = "Output", short, long)]
    pub(super) quiet: bool,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Progress {
    Auto,
    Lines,
    None,
}

/// What `--find` looks for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Find {
    Rate,
    Connections,
}

impl From<Find> for Quantity {
    fn from(find: Find) -> Quantity {
        match find {
            Find::Rate => Quantity::Rate,
            Find::Connections => Quantity::Connections,
        }
    }
}

/// A plain service.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Service {
    Echo,
    Discard,
    Daytime,
    Time,
    Chargen,
    Greeting,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum CloseName {
    Fin,
    Rst,
}

/// Bytes given as text with escapes. (A `Vec<u8>` would be taken for a list of numbers.)
#[derive(Clone, Debug)]
pub(super) struct Bytes(pub(super) Vec<u8>);

/// More are not to be had from any system.
const MOST_CONNECTIONS: u64 = 100_000_000;

fn connections(text: &str) -> Result<usize, String> {
    bounded(text, 0, MOST_CONNECTIONS)
}

fn pipeline(text: &str) -> Result<usize, String> {
    bounded(text, 1, 1_000_000)
}

fn workers(text: &str) -> Result<usize, String> {
    bounded(text, 1, 1024)
}

fn bounded(text: &str, least: u64, most: u64) -> Result<usize, String> {
    match values::count(text) {
        Ok(count) if count < least => Err(format!("must be at least {least}")),
        Ok(count) if count > most => Err(format!("must be at most {most}")),
        Ok(count) => Ok(count as usize),
        Err(error) => Err(error.to_string()),
    }
}

fn any_time(text: &str) -> Result<Duration, String> {
    values::duration(text).map_err(|error| error.to_string())
}

/// Longest payload; as much has to be held for each connection.
const LONGEST: u64 = 1 << 30;

fn size(text: &str) -> Result<usize, String> {
    match values::size(text) {
        Ok(size) if size > LONGEST => Err("must be at most 1 GiB".to_owned()),
        Ok(size) => Ok(size as usize),
        Err(error) => Err(error.to_string()),
    }
}

fn answer_size(text: &str) -> Result<usize, String> {
    match size(text)? {
        0 => Err("must be at least 1".to_owned()),
        size => Ok(size),
    }
}

fn sizes(text: &str) -> Result<Sizes, String> {
    match text.split_once('-') {
        None => Ok(Sizes::fixed(size(text)?)),
        Some((min, max)) => match (size(min)?, size(max)?) {
            (min, max) if min <= max => Ok(Sizes { min, max }),
            (min, max) => Err(format!("the range ends at {max}, before its start at {min}")),
        },
    }
}

/// Requests a second that no schedule of nanoseconds can hold.
const HIGHEST_RATE: f64 = 1e9;

fn rate(text: &str) -> Result<f64, String> {
    let rate = match text.parse::<f64>() {
        Ok(rate) => rate,
        Err(_) => values::count(text).map_err(|error| error.to_string())? as f64,
    };
    if rate.is_finite() && rate > 0.0 && rate <= HIGHEST_RATE {
        Ok(rate)
    } else {
        Err(format!("must be more than 0 and at most {HIGHEST_RATE}"))
    }
}

fn step(text: &str) -> Result<Step, String> {
    let (rate_text, duration) =
        text.split_once(':').ok_or("write RATE:DURATION, such as 1000:10s")?;
    Ok(Step { rate: rate(rate_text)?, duration: some_time(duration)? })
}

fn weight(text: &str) -> Result<(String, u32), String> {
    let (kind, weight) = text.split_once('=').ok_or("write KIND=WEIGHT, such as echo=80")?;
    if !["echo", "lookup", "daytime"].contains(&kind) {
        return Err(format!("{kind:?} is not echo, lookup or daytime"));
    }
    let weight = weight.parse().map_err(|_| format!("{weight:?} is not a whole number"))?;
    Ok((kind.to_owned(), weight))
}

fn lifetime(text: &str) -> Result<readyd::loadgen::plan::Lifetime, String> {
    use readyd::loadgen::plan::Lifetime;
    match text.parse::<u32>() {
        Ok(0) => Err("must be at least 1 request".to_owned()),
        Ok(requests) => Ok(Lifetime::Requests(requests)),
        Err(_) => some_time(text).map(Lifetime::Time),
    }
}

fn escaped(text: &str) -> Result<Bytes, String> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        match rest.next() {
            Some('r') => bytes.push(b'\r'),
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('0') => bytes.push(0),
            Some('\\') => bytes.push(b'\\'),
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                let is_hex = digits.len() == 2 && digits.chars().all(|c| c.is_ascii_hexdigit());
                let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| is_hex);
                bytes.push(byte.ok_or_else(|| format!("\\x{digits} is not \\x and two digits"))?);
            }
            Some(other) => return Err(format!("\\{other} is not an escape (write \\\\ for \\)")),
            None => return Err("ends with a single \\ (write \\\\ for \\)".to_owned()),
        }
    }
    if bytes.is_empty() { Err("must not be empty".to_owned()) } else { Ok(Bytes(bytes)) }
}
