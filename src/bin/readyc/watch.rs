//! `readyc stats`: the server's counters, printed once; with `--watch`, their rates per second.
//!
//! Watching uses one connection for all requests. When it breaks, readyc connects again and prints
//! a note on standard error.

use crate::Server;
use crate::args::{at_least_one, some_time};
use crate::failure::Failure;
use crate::output::print_line;
use crate::server_options::ServerOptions;
use crate::single;
use crate::style::text_options;
pub(crate) use link::{Answer, Link};
use rates::Rates;
pub(crate) use rates::Sample;
use readyd::client::SessionError;
use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

mod link;
mod object;
mod rates;

/// Lines after which the header is printed again, so that it stays visible.
const LINES_PER_HEADER: u64 = 20;

/// Delay between attempts to connect to a server that is restarting.
const RETRY_AFTER: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(crate) struct Stats {
    /// Print a line of rates every DURATION
    ///
    /// Print a line of rates per second every DURATION instead of the counters; the first line is
    /// the average since the server was started
    #[arg(long, value_name = "DURATION", value_parser = some_time)]
    watch: Option<Duration>,

    /// Lines to print with --watch [default: no end]
    #[arg(long, value_name = "N", requires = "watch", value_parser = at_least_one)]
    count: Option<u64>,

    /// Print JSON
    ///
    /// Print the counters as one JSON object; with --watch, one object per line
    #[arg(short, long)]
    json: bool,

    /// The server, and how long to wait for it.
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

/// Prints the statistics once, or with `--watch` a line of rates for each interval.
pub(crate) fn run(server: &Server, stats: &Stats) -> Result<(), Failure> {
    match stats.watch {
        None if stats.json => print_line(&object::json(&single::ask_for_stats(server)?)),
        None => single::stats(server),
        Some(interval) => watch(server, stats, interval),
    }
}

fn watch(server: &Server, stats: &Stats, interval: Duration) -> Result<(), Failure> {
    let mut watcher = Watcher { server, link: None, was_answered: false };
    let mut last = Sample::before_start();
    for line in 0..stats.count.unwrap_or(u64::MAX) {
        let asked = Instant::now();
        let sample = watcher.ask()?;
        if sample.is_of_new_start(&last) {
            note("the server was restarted; the next line is the average since then");
            last = Sample::before_start();
        }
        let rates = Rates::between(&last, &sample);
        if stats.json {
            print_line(&rates.json())?;
        } else {
            if line % LINES_PER_HEADER == 0 {
                print_line(&Rates::header(width()))?;
            }
            print_line(&rates.line(width()))?;
        }
        last = sample;
        if stats.count != Some(line + 1) {
            thread::sleep(interval.saturating_sub(asked.elapsed()));
        }
    }
    Ok(())
}

/// The columns of the terminal, which may change meanwhile. Into files and pipes go all rates.
fn width() -> usize {
    let stdout = io::stdout();
    if stdout.is_terminal() { text_options(&stdout).width } else { usize::MAX / 2 }
}

/// Writes a note to standard error. An error of that write does not stop the lines.
fn note(text: &str) {
    let _ = writeln!(io::stderr(), "readyc: {text}");
}

/// Asks a server for its counters, on one connection until it breaks.
struct Watcher<'a> {
    server: &'a Server,
    link: Option<Link>,
    was_answered: bool,
}

impl Watcher<'_> {
    /// Requests the counters. A server that answered before may take the connect timeout to come
    /// back.
    fn ask(&mut self) -> Result<Sample, Failure> {
        let mut broken_since: Option<Instant> = None;
        loop {
            let error = match self.ask_once() {
                Err(Failure::Session(error)) if self.was_answered && may_come_back(&error) => error,
                result => return result,
            };
            match broken_since {
                None => {
                    note(&format!("{error}; reconnecting"));
                    broken_since = Some(Instant::now());
                }
                Some(since) if since.elapsed() >= self.server.limits.connect_timeout => {
                    return Err(Failure::Session(error));
                }
                Some(_) => thread::sleep(RETRY_AFTER),
            }
        }
    }

    fn ask_once(&mut self) -> Result<Sample, Failure> {
        let link = match self.link.take() {
            Some(link) => link,
            None => Link::new(self.server, b"STATS")?,
        };
        let (answer, link) = link.ask()?;
        self.link = Some(link);
        self.was_answered = true;
        Ok(answer.sample)
    }
}

/// Whether the server may be restarting, or may have closed an idle connection.
pub(crate) fn may_come_back(error: &SessionError) -> bool {
    matches!(
        error,
        SessionError::Connect(..)
            | SessionError::ConnectTimeout(..)
            | SessionError::ClosedEarly { .. }
            | SessionError::Broken(_)
    )
}
