//! `readyc trace diff`: two traces side by side.

use super::View;
use super::events::{Events, Recording, Told};
use super::page::{self, name_of};
use crate::failure::Failure;
use readyd::counted::counted;
use readyd::loadgen::report::Output;
use readyd::trace::decode::Entry;
use readyd::trace::diff::{A, B, Diff, Divergence, Outcome, Report, Side};
use readyd::trace::text;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Events that one thread hands to the other at once.
const BATCH: usize = 1024;

/// Batches that wait, at most.
const BATCHES: usize = 4;

/// Divergences that are listed after the first.
const LISTED: usize = 10;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A trace, or what strace wrote
    #[arg(value_name = "A")]
    first: PathBuf,

    /// Another of the same work
    #[arg(value_name = "B")]
    second: PathBuf,

    /// Write a page that shows both above each other, where they part, for a browser
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let paths = [&arguments.first, &arguments.second];
    let report = compare(paths)?;
    if let Some(out) = &arguments.html {
        let out = Output::open(out).map_err(Failure::Save)?;
        page::write_diff(&View::default(), paths, report.divergences.first(), out)?;
    } else {
        let said = describe(&report, paths);
        let mut output = io::stdout().lock();
        output.write_all(&said).and_then(|()| output.flush()).map_err(Failure::Output)?;
    }
    if report.divergences.is_empty() { Ok(()) } else { Err(Failure::Diverged) }
}

/// What a thread reads: `None` stands for missing events.
type Batch = Result<Vec<Option<Entry>>, Failure>;

/// Reads both traces in step.
fn compare(paths: [&PathBuf; 2]) -> Result<Report, Failure> {
    let [first, second] = paths.map(|path| Recording::open(path));
    let (first, second) = (first?, second?);
    let mut diff = Diff::default();
    thread::scope(|scope| {
        let batches = [first, second].map(|recording| {
            let (sender, receiver) = sync_channel(BATCHES);
            scope.spawn(move || send(recording, &sender));
            Some(receiver)
        });
        alternate(batches, &mut diff)
    })?;
    Ok(diff.finish())
}

fn send(mut recording: Recording, sender: &SyncSender<Batch>) {
    let mut batch = Vec::with_capacity(BATCH);
    let read = recording.each(|told| {
        batch.push(match told {
            Told::Event(entry, _) => Some(*entry),
            Told::Gap => None,
        });
        let is_full = batch.len() >= BATCH;
        // The receiver is gone if the other trace cannot be read.
        !is_full || sender.send(Ok(std::mem::take(&mut batch))).is_ok()
    });
    let _ = sender.send(Ok(batch));
    if let Err(failure) = read {
        let _ = sender.send(Err(failure));
    }
}

fn alternate(mut batches: [Option<Receiver<Batch>>; 2], diff: &mut Diff) -> Result<(), Failure> {
    while batches.iter().any(Option::is_some) {
        for (side, receiver) in batches.iter_mut().enumerate() {
            let Some(Ok(batch)) = receiver.as_ref().map(Receiver::recv) else {
                *receiver = None;
                continue;
            };
            for entry in batch? {
                match entry {
                    Some(entry) => diff.add(side, &entry),
                    None => diff.gap(side),
                }
            }
        }
    }
    Ok(())
}

/// The report as text.
fn describe(report: &Report, paths: [&PathBuf; 2]) -> Vec<u8> {
    let mut said = Vec::new();
    let mut say = |line: String| {
        said.extend_from_slice(line.as_bytes());
        said.push(b'\n');
    };
    let [first, second] = paths.map(|path| name_of(path));
    say(format!("A: {first}\nB: {second}"));
    say(format!(
        "{} compared: {} the same, {} diverged",
        counted(report.paired, "connection"),
        counted(report.same, "event"),
        report.diverged
    ));
    if report.partly > 0 {
        say(format!(
            "{} not compared: a trace lacks the beginning, or has a gap",
            counted(report.partly, "connection")
        ));
    }
    let Some((divergence, others)) = report.divergences.split_first() else {
        return said;
    };
    said.push(b'\n');
    first_divergence(&mut said, divergence);
    if !others.is_empty() {
        let more = counted(report.diverged - 1, "more divergence");
        let title = format!("\n{more}, in order of A:\n");
        said.extend_from_slice(title.as_bytes());
        others.iter().take(LISTED).for_each(|other| later_divergence(&mut said, other));
        if others.len() > LISTED {
            said.extend_from_slice(b"  ...\n");
        }
    }
    said
}

fn first_divergence(said: &mut Vec<u8>, divergence: &Divergence) {
    let Divergence { connection, same, before, at, after, outcome, .. } = divergence;
    let of = match connection {
        0 => "the loop".to_owned(),
        connection => format!("connection {connection}"),
    };
    said.extend_from_slice(format!("first divergence: {of}, ").as_bytes());
    said.extend_from_slice(format!("after {} in both\n", counted(*same, "event")).as_bytes());
    before.iter().for_each(|entry| line(said, "    ", entry));
    for (name, entry) in ["A", "B"].iter().zip(at) {
        match entry {
            Some(entry) => line(said, &format!("> {name} "), entry),
            None => said.extend_from_slice(format!("> {name} has no more of it\n").as_bytes()),
        }
    }
    for (name, after) in ["A", "B"].iter().zip(after) {
        if !after.is_empty() {
            said.extend_from_slice(format!("what followed in {name}:\n").as_bytes());
            after.iter().for_each(|entry| line(said, "    ", entry));
        }
    }
    if *connection != 0 {
        said.extend_from_slice(format!("in the end, {}\n", outcomes(outcome)).as_bytes());
    }
}

fn later_divergence(said: &mut Vec<u8>, divergence: &Divergence) {
    let Divergence { connection, same, at, outcome, .. } = divergence;
    let of = match connection {
        0 => "  the loop".to_owned(),
        connection => format!("  #{connection}"),
    };
    let begin = format!("{of}, after {}\n", counted(*same, "event"));
    said.extend_from_slice(begin.as_bytes());
    for (name, entry) in ["A", "B"].iter().zip(at) {
        if let Some(entry) = entry {
            line(said, &format!("    {name} "), entry);
        }
    }
    if *connection != 0 {
        said.extend_from_slice(format!("    in the end, {}\n", outcomes(outcome)).as_bytes());
    }
}

fn line(said: &mut Vec<u8>, indent: &str, entry: &Entry) {
    said.extend_from_slice(indent.as_bytes());
    text::line(said, entry);
}

/// What became of a connection in both.
fn outcomes(outcomes: &[Outcome; 2]) -> String {
    let mut said = String::new();
    for (side, name) in [(A, "A"), (B, "B")] {
        let Some(outcome) = outcomes.get(side as Side) else { continue };
        let Outcome { requests, received, sent, closed } = outcome;
        let end = closed.map_or("open", |reason| reason.word());
        // Writing to a string cannot fail.
        let _ = write!(
            said,
            "{}{name}: {}, {received} B in, {sent} B out, {end}",
            if side == A { "" } else { "; " },
            counted(*requests, "request")
        );
    }
    said
}
