//! `readyc trace`: the events of a trace in words, or a summary of them.
//!
//! Invariant: the file is read in a stream, so memory does not grow with it; what is kept of a turn
//! or of a connection is bounded.

use crate::args::some_time;
use crate::failure::Failure;
use crate::style;
use events::{Events, Ring, Told};
use filter::{Filter, Range};
use readyd::loadgen::report::Output;
use readyd::loadgen::report::units::{columns, wrapped};
use readyd::trace::reader::{ReadError, Reader};
use readyd::trace::summary::Summary;
use readyd::trace::text::Printer;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

mod ahead;
mod diff;
mod events;
mod filter;
mod import;
mod page;
mod perfetto;

/// Bytes that are written to standard output at once.
const OUTPUT_AT_ONCE: usize = 64 * 1024;

/// Between one look for new events and the next, with `--follow`.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    /// A trace that readyd has written or is writing, or a copy of it
    #[arg(value_name = "TRACE", required_unless_present = "pid")]
    file: Option<PathBuf>,

    /// Read the trace of this running server
    #[arg(long, value_name = "PID", conflicts_with = "file")]
    pid: Option<u32>,

    #[command(flatten)]
    view: View,

    /// Go on when the newest event was printed
    #[arg(long, conflicts_with_all = ["why_closed", "summary", "html", "perfetto"])]
    follow: bool,

    #[command(subcommand)]
    other: Option<Other>,
}

/// Traces that are not one file of readyd.
#[derive(Debug, clap::Subcommand)]
enum Other {
    /// Show what strace recorded of any program
    ///
    /// Show what strace recorded of any program that waits with epoll, poll or select
    Import(import::Arguments),

    /// Compare two traces of the same work
    ///
    /// Compare two traces of the same work: where they part, and what followed
    Diff(diff::Arguments),
}

/// Which events are shown, and how.
#[derive(Debug, Default, clap::Args)]
struct View {
    /// Only the events of connection N
    ///
    /// Only the events of connection N; connections are counted from 1 as they are accepted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    connection: Option<u32>,

    /// Only events between these seconds
    ///
    /// Only events between these seconds of the server's clock, as 12.5..13
    #[arg(long, value_name = "FROM..TO")]
    between: Option<Range>,

    /// Only turns that took this long or longer
    #[arg(long, value_name = "DURATION", value_parser = some_time, conflicts_with = "connection")]
    slow_turns: Option<Duration>,

    /// The last events of each closed connection
    #[arg(long, conflicts_with = "slow_turns")]
    why_closed: bool,

    /// Print a summary instead
    ///
    /// Print a summary instead: how long turns took, who waited for whom
    #[arg(long)]
    summary: bool,

    /// Write a page for a browser
    ///
    /// Write a page that shows the events to OUT, for a browser; - is standard output. It needs no
    /// network. It has 1,000,000 events at most: the last ones, or those of --between
    #[arg(long, value_name = "OUT",
        conflicts_with_all = ["summary", "connection", "slow_turns", "why_closed"])]
    html: Option<PathBuf>,

    /// Write the events for ui.perfetto.dev
    ///
    /// Write the events to OUT for ui.perfetto.dev, as TrackEvent; - is standard output. The loop
    /// and each connection have a track, the queue and the bytes to send are counters, and arrows
    /// lead from an event to the sends that it caused
    #[arg(long, value_name = "OUT",
        conflicts_with_all = ["html", "summary", "connection", "slow_turns", "why_closed"])]
    perfetto: Option<PathBuf>,
}

/// Prints a trace.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.other {
        Some(Other::Import(import)) => return import::run(import),
        Some(Other::Diff(diff)) => return diff::run(diff),
        None => {}
    }
    let path = match (&arguments.file, arguments.pid) {
        (Some(path), _) => path.clone(),
        (None, Some(pid)) => path_of_process(pid)?,
        (None, None) => return Err(Failure::Usage("no trace was named".to_owned())),
    };
    let mut ring = Ring::open(&path)?;
    let view = &arguments.view;
    if let Some(out) = &view.html {
        let out = Output::open(out).map_err(Failure::Save)?;
        return page::write_ring(view, &mut ring, &path, out);
    }
    if let Some(out) = &view.perfetto {
        let out = Output::open(out).map_err(Failure::Save)?;
        return perfetto::write_ring(view, &mut ring, &path, out);
    }
    if view.summary {
        return summarize(view, &mut ring);
    }
    let mut filter = Filter::new(view);
    if !arguments.follow {
        return if filter.passes_all() {
            print_all(&mut ring)
        } else {
            print(&mut filter, &mut ring)
        };
    }
    ring.follow();
    loop {
        print(&mut filter, &mut ring)?;
        thread::sleep(LOOK_AGAIN_AFTER);
        ring.look_again()?;
    }
}

/// Prints all events: each thread makes lines of blocks of its own.
fn print_all(ring: &mut Ring) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    let mut outcome = Ok(());
    let read = ring.work_ahead(
        |batch, printer: &mut Printer| {
            printer.clear();
            batch.for_each(|entry| match entry {
                Some(entry) => printer.line(entry),
                None => printer.add(GAP),
            })
        },
        |printer| {
            outcome = output.write_all(printer.lines());
            outcome.is_ok()
        },
    );
    outcome.and_then(|()| output.flush()).map_err(Failure::Output)?;
    read
}

/// What is printed where events are missing.
const GAP: &[u8] = b"... events are missing: they were overwritten\n";

/// Prints the events that the filter passes on.
fn print(filter: &mut Filter, events: &mut impl Events) -> Result<(), Failure> {
    let mut output = Lines { printer: Printer::default(), outcome: Ok(()) };
    let read = events.each(|told| {
        match told {
            Told::Event(entry, _) if filter.passes_all() => output.printer.line(entry),
            Told::Event(entry, _) => {
                filter.pass(*entry, &mut |entry| output.printer.line(entry));
            }
            Told::Gap => filter.gap(&mut output.printer),
        }
        output.write_if_long()
    });
    output.write();
    output.outcome.map_err(Failure::Output)?;
    read
}

/// Lines that are to be printed.
struct Lines {
    printer: Printer,
    outcome: io::Result<()>,
}

impl Lines {
    /// Returns whether to go on.
    fn write_if_long(&mut self) -> bool {
        if self.printer.lines().len() >= OUTPUT_AT_ONCE {
            self.write();
        }
        self.outcome.is_ok()
    }

    fn write(&mut self) {
        if self.outcome.is_ok() {
            let mut output = io::stdout().lock();
            self.outcome = output.write_all(self.printer.lines()).and_then(|()| output.flush());
        }
        self.printer.clear();
    }
}

/// Prints a summary of the events that the view has.
fn summarize(view: &View, events: &mut impl Events) -> Result<(), Failure> {
    let mut summary = Summary::default();
    let mut filter = Filter::new(view);
    let read = events.each(|told| {
        match told {
            Told::Event(entry, _) if filter.passes_all() => summary.add(entry),
            Told::Event(entry, _) => filter.pass(*entry, &mut |entry| summary.add(entry)),
            Told::Gap => summary.gap(),
        }
        true
    });
    let mut output = io::stdout().lock();
    let text = fitted(&summary, style::size(&output).map(|(width, _)| width));
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(Failure::Output)?;
    read
}

/// The summary as text, its lines broken between words where a terminal ends.
fn fitted(summary: &Summary, width: Option<usize>) -> String {
    let Some(width) = width else { return summary.to_string() };
    let mut text = String::new();
    for line in format!("{summary:width$}").lines() {
        let words = line.trim_start();
        let indent = line.len() - words.len();
        if columns(line) <= width {
            text.push_str(line);
            text.push('\n');
            continue;
        }
        // What goes on in the next line is indented more than what begins there.
        let indent = indent.min(width / 4);
        let parts = wrapped(words, width.saturating_sub(indent + 2));
        for (at, part) in parts.iter().enumerate() {
            let indent = if at == 0 { indent } else { indent + 2 };
            text.push_str(&format!("{:indent$}{part}\n", ""));
        }
    }
    text
}

/// The trace that a process has mapped: proc_pid_maps(5).
fn path_of_process(pid: u32) -> Result<PathBuf, Failure> {
    let maps = PathBuf::from(format!("/proc/{pid}/maps"));
    let text = std::fs::read_to_string(&maps)
        .map_err(|error| Failure::Trace(maps.clone(), ReadError::System(error)))?;
    let is_trace = |path: &&str| {
        File::open(path).is_ok_and(|file| Reader::open(file).is_ok_and(|found| found.blocks() > 0))
    };
    // Address, rights (s: shared), offset, device, inode, then the path, which may have spaces.
    let shared = text.lines().filter(|line| line.contains(" rw-s "));
    let mut paths = shared.filter_map(|line| line.find('/').and_then(|at| line.get(at..)));
    paths.find(is_trace).map(PathBuf::from).ok_or_else(|| {
        Failure::Usage(format!(
            "process {pid} records no trace that can be read here (readyd --trace FILE; with \
             --shards, each shard is a process)"
        ))
    })
}
