//! The command line of `readyc bench`.
//!
//! The first paragraph of a doc is what `-h` says, in a line; all of it is what `--help` says.

mod choices;
mod values;

pub(super) use choices::{CloseName, Find, Progress, Service};
pub(super) use values::Bytes;

use crate::args::{at_least_one, some_time};
use crate::encryption::TlsTexts;
use crate::server_name::ServerName;
use crate::server_options::BenchServer;
use readyd::loadgen::goal::Goal;
use readyd::loadgen::plan::{Lifetime, Sizes, Step};
use std::path::PathBuf;
use std::time::Duration;
use values::{
    answer_size, any_time, connections, escaped, lifetime, pipeline, rate, sizes, step, weight,
    workers,
};

/// What `-h` says behind the options.
pub(crate) const AFTER_HELP: &str = "\
Counts: k, m = 1000, 1000000. Sizes: KiB, MiB = 1024 (also k, m); kB, MB = 1000.
More options, explanations and examples: readyc bench --help";

/// What `--help` says behind the options.
pub(crate) const AFTER_LONG_HELP: &str = "\
Examples:
  readyc bench -c 64 -d 10s 127.0.0.1:9999
      the throughput with 64 connections (closed loop)
  readyc bench -c 1000 -R 20k -d 60s --warmup 5s --html report.html
      the latency at 20,000 requests per second (open loop)
  readyc bench --find rate --goal 'p99<5ms'
      the greatest rate whose 99th percentile is below 5 ms
  readyc bench -c 100 -I 50k --workers 4 --source 127.0.0.2-127.0.0.9
      100 busy connections beside 50,000 idle ones
  readyc bench --send 'GET / HTTP/1.0\\r\\n\\r\\n' --until '</html>' 127.0.0.1:80
      another TCP server

With --rate, --step or --herd, requests are sent on a schedule whatever the
server does (open loop), and latency counts from the moment at which each was to
be sent. Without, each connection sends a new request for each answer (closed
loop).

Units:
  counts, rates  k = 1,000, m = 1,000,000
  sizes          KiB, MiB, GiB = 1024 (also k, m, g); kB, MB, GB = 1000
  times          us, ms, s, m, h, d; fractions allowed; a bare number is seconds

Exit status:
  0  everything that was asked for was achieved
  1  could not run
  2  a wrong command line
  3  ran, but did not achieve what was asked for";

/// The options of `readyc bench`.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Servers to load: HOST, HOST:PORT or unix:/PATH
    ///
    /// The servers to load: HOST, HOST:PORT (port 9999 if none is given) or unix:/PATH. Connections
    /// are spread evenly over them [default: the server of --server, or 127.0.0.1:9999]
    #[arg(value_name = "ADDR")]
    pub(super) addresses: Vec<ServerName>,

    /// What encrypts connections, of the options before the command and behind it.
    #[arg(skip)]
    pub(crate) encryption: Option<TlsTexts>,

    /// Connections that send requests
    #[arg(help_heading = "Load", short, long, value_name = "N", default_value = "64",
          value_parser = connections)]
    pub(super) connections: usize,

    /// Additional idle connections
    ///
    /// Additional idle connections: each is opened, probed once, and then kept open without
    /// requests
    #[arg(help_heading = "Load", short = 'I', long, value_name = "N", default_value = "0",
          value_parser = connections)]
    pub(super) idle: usize,

    /// Stop after this many requests
    ///
    /// Stop after this many requests, over all connections
    #[arg(help_heading = "Load", short = 'n', long, value_name = "N", value_parser = at_least_one)]
    pub(super) requests: Option<u64>,

    /// Stop after this long [default: 10s]
    ///
    /// Stop after this long [default: 10s; with --requests or --step, when they are done]
    #[arg(help_heading = "Load", short, long, value_name = "DURATION", value_parser = some_time)]
    pub(super) duration: Option<Duration>,

    /// Requests per second in all (open loop)
    ///
    /// Requests per second, over all connections, on a schedule (open loop). Without, each
    /// connection sends a new request for each answer (closed loop)
    #[arg(help_heading = "Load", short = 'R', long, value_name = "N", value_parser = rate)]
    pub(super) rate: Option<f64>,

    /// A ramp, such as 1000:10s,5000:10s
    ///
    /// A ramp of rates, such as 1000:10s,5000:10s: 1,000 requests per second for 10 seconds, then
    /// 5,000. Each step has a line of its own in the report
    #[arg(help_heading = "Load", long, value_name = "RATE:DURATION,...", value_parser = step,
          value_delimiter = ',', conflicts_with_all = ["rate", "herd"])]
    pub(super) step: Vec<Step>,

    /// Requests in flight per connection
    ///
    /// Requests in flight per connection (pipeline depth)
    #[arg(help_heading = "Load", short = 'P', long, value_name = "N", default_value = "1",
          value_parser = pipeline)]
    pub(super) pipeline: usize,

    /// Run this long before measuring
    ///
    /// Warm-up: run the load this long before measuring; none of it is reported
    #[arg(help_heading = "Load", long, value_name = "DURATION", default_value = "0s",
          value_parser = any_time)]
    pub(super) warmup: Duration,

    /// Pass or fail: 'p99<5ms,errors<1%'
    ///
    /// The run passes if it meets these goals, else the exit status is 3: p50, p90, p99, p99.9 or
    /// max below a duration, errors below a percentage (0.1% if not given). Several are separated
    /// by commas: 'p99<5ms,errors<1%'
    #[arg(help_heading = "Goals", long, value_name = "GOAL,...", value_delimiter = ',')]
    pub(super) goal: Vec<Goal>,

    /// Find the greatest "rate" or "connections"
    ///
    /// Find the greatest load that meets --goal: "rate" (requests per second) or "connections"
    /// (which send a new request for each answer, or share --rate)
    #[arg(help_heading = "Goals", long, value_name = "WHAT", value_enum,
          hide_possible_values = true,
          conflicts_with_all = ["requests", "step", "herd", "storm", "duration", "csv", "hdr"])]
    pub(super) find: Option<Find>,

    /// How long --find may take in all
    #[arg(help_heading = "Goals", long, value_name = "DURATION", default_value = "2m",
          value_parser = some_time)]
    pub(super) find_time: Duration,

    /// Payload, or a range such as 16-1KiB
    ///
    /// Payload of a request: a size, or a range such as 16-1KiB
    #[arg(help_heading = "Requests", short, long, value_name = "SIZE", default_value = "64",
          value_parser = sizes)]
    pub(super) size: Sizes,

    /// A mix: echo=80,lookup=15,daytime=5
    ///
    /// A mix of requests by weight, of echo, lookup and daytime: echo=80,lookup=15,daytime=5
    #[arg(help_heading = "Requests", long, value_name = "KIND=WEIGHT,...", value_parser = weight,
          value_delimiter = ',')]
    pub(super) mix: Vec<(String, u32)>,

    /// Key for lookups; repeatable [default: readyd]
    ///
    /// A key to look up; if given several times, the keys take turns [default: readyd]
    #[arg(help_heading = "Requests", long, value_name = "KEY")]
    pub(super) key: Vec<String>,

    /// Use a plain service, such as echo
    ///
    /// Use a plain service (RFC 862 to 868) instead of a framed one: echo, discard, daytime, time,
    /// chargen or greeting
    #[arg(help_heading = "Requests", long, value_name = "SERVICE", value_enum,
          hide_possible_values = true, conflicts_with_all = ["mix", "send"])]
    pub(super) plain: Option<Service>,

    /// Send TEXT to any TCP server
    ///
    /// Send TEXT as each request, to any TCP server; understands \r \n \t \0 \\ \xHH. Say with
    /// --expect, --expect-bytes or --until where the answer ends
    #[arg(help_heading = "Requests", long, value_name = "TEXT", value_parser = escaped,
          conflicts_with = "mix", requires = "answer")]
    pub(super) send: Option<Bytes>,

    /// The answer to --send is exactly TEXT
    #[arg(help_heading = "Requests", long, value_name = "TEXT", value_parser = escaped,
          requires = "send", group = "answer")]
    pub(super) expect: Option<Bytes>,

    /// The answer to --send has N bytes
    #[arg(help_heading = "Requests", long, value_name = "N", value_parser = answer_size,
          requires = "send", group = "answer", hide_short_help = true)]
    pub(super) expect_bytes: Option<usize>,

    /// The answer to --send ends with TEXT
    #[arg(help_heading = "Requests", long, value_name = "TEXT", value_parser = escaped,
          requires = "send", group = "answer")]
    pub(super) until: Option<Bytes>,

    /// The server speaks first: exactly TEXT
    ///
    /// The server greets each client with exactly TEXT, before the first request
    #[arg(help_heading = "Requests", long, value_name = "TEXT", value_parser = escaped,
          group = "greets", hide_short_help = true)]
    pub(super) greeting: Option<Bytes>,

    /// The server's greeting has N bytes
    #[arg(help_heading = "Requests", long, value_name = "N", value_parser = answer_size,
          group = "greets", hide_short_help = true)]
    pub(super) greeting_bytes: Option<usize>,

    /// The server's greeting ends with TEXT
    #[arg(help_heading = "Requests", long, value_name = "TEXT", value_parser = escaped,
          group = "greets", hide_short_help = true)]
    pub(super) greeting_until: Option<Bytes>,

    /// Count answers, but do not check their bytes
    #[arg(help_heading = "Requests", long, hide_short_help = true)]
    pub(super) no_verify: bool,

    /// Seed of sizes, kinds and jitter
    ///
    /// Seed of the random numbers for sizes, kinds of request and jitter; the same seed gives the
    /// same sequence
    #[arg(
        help_heading = "Requests",
        long,
        value_name = "N",
        default_value = "1",
        hide_short_help = true
    )]
    pub(super) seed: u64,

    /// Where the server is, and how long to wait for it.
    #[command(flatten)]
    pub(crate) server: BenchServer,

    /// Connections opened per second
    ///
    /// Connections opened per second, by all workers together [default: as fast as the server
    /// accepts them]
    #[arg(help_heading = "Connections", long, value_name = "N", value_parser = rate)]
    pub(super) connect_rate: Option<f64>,

    /// Attempts to connect in flight
    #[arg(help_heading = "Connections", long, value_name = "N", default_value = "256",
          value_parser = pipeline, hide_short_help = true)]
    pub(super) connect_parallel: usize,

    /// Connect from these local addresses
    ///
    /// Local addresses to connect from: ADDRESS, FIRST-LAST or CIDR, separated by commas [default:
    /// the kernel chooses]
    #[arg(help_heading = "Connections", long, value_name = "ADDRESSES")]
    pub(super) source: Vec<String>,

    /// Replace each after this time, or N requests
    ///
    /// Replace each connection with a new one after this time (5s) or this many requests (1)
    #[arg(help_heading = "Connections", long, value_name = "DURATION|N", value_parser = lifetime)]
    pub(super) lifetime: Option<Lifetime>,

    /// Close by fin or rst, with --lifetime
    ///
    /// How --lifetime closes a connection: fin (in order) or rst (with a reset, which frees the
    /// local port at once)
    #[arg(
        help_heading = "Connections",
        long,
        value_name = "HOW",
        value_enum,
        hide_possible_values = true,
        hide_short_help = true,
        default_value = "fin"
    )]
    pub(super) close: CloseName,

    /// Do not reopen lost connections
    #[arg(help_heading = "Connections", long, hide_short_help = true)]
    pub(super) no_reconnect: bool,

    /// Delay before a lost one is reopened
    ///
    /// Before a lost connection is opened again, it waits for a random part of this; twice as long
    /// after each attempt that fails, up to 32 times this
    #[arg(help_heading = "Connections", long, value_name = "DURATION", default_value = "100ms",
          value_parser = some_time, hide_short_help = true)]
    pub(super) backoff: Duration,

    /// End the run when none was open for this long
    ///
    /// End the run when no connection was open for this long [default: never with --duration or
    /// --step, else 10s]
    #[arg(help_heading = "Connections", long, value_name = "DURATION", value_parser = some_time,
          hide_short_help = true)]
    pub(super) give_up_after: Option<Duration>,

    /// Probe idle connections with --send
    ///
    /// With --send: send the request once on each idle connection, to see whether it is served
    #[arg(
        help_heading = "Connections",
        long,
        requires = "send",
        conflicts_with = "no_probe",
        hide_short_help = true
    )]
    pub(super) probe: bool,

    /// Do not probe idle connections
    ///
    /// Do not probe idle connections: by default each makes one request, which shows that it is
    /// served
    #[arg(help_heading = "Connections", long, hide_short_help = true)]
    pub(super) no_probe: bool,

    /// Every DURATION, all send at once
    ///
    /// Every DURATION, send one request on all connections at the same moment
    #[arg(help_heading = "Stress", long, value_name = "DURATION", value_parser = some_time,
          conflicts_with = "rate")]
    pub(super) herd: Option<Duration>,

    /// Every DURATION, all reconnect at once
    ///
    /// Every DURATION, close all connections and reconnect them at once
    #[arg(help_heading = "Stress", long, value_name = "DURATION", value_parser = some_time)]
    pub(super) storm: Option<Duration>,

    /// Additional connections that read slowly
    ///
    /// Additional connections that send requests and read the answers slowly
    #[arg(help_heading = "Stress", long, value_name = "N", default_value = "0",
          value_parser = connections)]
    pub(super) slow_readers: usize,

    /// Additional connections that send slowly
    ///
    /// Additional connections that send their requests slowly
    #[arg(help_heading = "Stress", long, value_name = "N", default_value = "0",
          value_parser = connections)]
    pub(super) slow_writers: usize,

    /// Bytes per second of each slow one
    ///
    /// Bytes per second of each slow reader or writer
    #[arg(help_heading = "Stress", long, value_name = "N", default_value = "100",
          value_parser = answer_size, hide_short_help = true)]
    pub(super) slow_rate: usize,

    /// Processes that share the load
    ///
    /// Processes that share the load, each with one thread and a descriptor limit of its own
    #[arg(help_heading = "This machine", long, value_name = "N", default_value = "1",
          value_parser = workers)]
    pub(super) workers: usize,

    /// Sleep until intended times: less CPU, sent later
    ///
    /// In an open loop, sleep until each intended time. By default a worker wakes up shortly before
    /// it and looks for events without sleeping, because a sleeping thread is woken late. Sleeping
    /// needs less CPU time, on a laptop or a shared machine, and requests are sent later by some 50
    /// to 200 microseconds, which their latency includes
    #[arg(help_heading = "This machine", long, hide_short_help = true)]
    pub(super) no_busy_wait: bool,

    /// Run although limits of this machine are too low
    #[arg(help_heading = "This machine", long)]
    pub(super) force: bool,

    /// The server's process: its CPU time, memory
    ///
    /// The server's process on this machine, whose CPU time and memory the report shows, with its
    /// descendants: for servers other than readyd, and with --plain; several for several servers
    #[arg(help_heading = "Server", long, value_name = "PID,...", value_delimiter = ',',
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) server_pid: Vec<u32>,

    /// Do not ask the server for STATS
    ///
    /// Do not ask the server for its statistics (STATS) before and after the measured part. Servers
    /// of --plain and --send are never asked
    #[arg(help_heading = "Server", long, hide_short_help = true)]
    pub(super) no_server_stats: bool,

    /// Write the report as JSON (-: standard output)
    ///
    /// Write the report as JSON to FILE; to standard output if FILE is - or not given. The text
    /// goes to standard error then
    #[arg(help_heading = "Output", short, long, value_name = "FILE", num_args = 0..=1,
          default_missing_value = "-")]
    pub(super) json: Option<PathBuf>,

    /// Write a line per second as CSV
    ///
    /// Write a line per second of the run as CSV to FILE; - is standard output
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,

    /// Write the latency histogram (.hgrm)
    ///
    /// Write the latency distribution in HdrHistogram's text format (.hgrm) to FILE; - is standard
    /// output
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub(super) hdr: Option<PathBuf>,

    /// Write the report as an HTML page
    ///
    /// Write the report as an HTML page, complete in itself, to FILE; - is standard output
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,

    /// Print the latency distribution in detail
    #[arg(help_heading = "Output", long)]
    pub(super) latency: bool,

    /// How progress is shown: auto, lines or none
    ///
    /// How progress is shown: "auto" is a live view on a terminal and nothing elsewhere, "lines" a
    /// line per second on standard error, for logs, and "none" nothing [default: auto]
    #[arg(
        help_heading = "Output",
        long,
        value_name = "HOW",
        value_enum,
        hide_possible_values = true
    )]
    pub(super) progress: Option<Progress>,

    /// Print errors only
    ///
    /// Print no report and no progress: only errors, and one line that says what was not achieved,
    /// if anything
    #[arg(help_heading = "Output", short, long)]
    pub(super) quiet: bool,

    /// Print help: -h in short, --help in full
    #[arg(help_heading = "Output", short, long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

impl Options {
    /// The first of the servers that are named without an option.
    pub(crate) fn first_server(&self) -> Option<&ServerName> {
        self.addresses.first()
    }
}
