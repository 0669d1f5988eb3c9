//! `readyc trace --html`: the events as a page.

use super::View;
use super::events::{Events, Recorded, Recording, Ring, Told};
use super::filter::Filter;
use crate::failure::Failure;
use readyd::counted::counted;
use readyd::loadgen::report::Output;
use readyd::trace::decode::Entry;
use readyd::trace::diff::Divergence;
use readyd::trace::event::{Event, TracedPeer, VisitCause};
use readyd::trace::imported::Imported;
use readyd::trace::page::{self, Clocks, MOST_EVENTS, Page, Program, Source};
use readyd::trace::strace::{Import, LoopOf};
use readyd::trace::text;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Characters of a recording's line that the page shows.
const LINE_SHOWN: usize = 300;

/// Writes the page of a trace of readyd to `out`, and says on standard output what is in it.
pub(super) fn write_ring(
    view: &View,
    ring: &mut Ring,
    path: &Path,
    out: Output,
) -> Result<(), Failure> {
    let name = name_of(path);
    let mut source = Source::new(&name, Program::Readyd);
    fill(view, &mut source, ring)?;
    let (title, sources) = (format!("The loop of {name}"), vec![source]);
    finish(Page { title, sources, clocks: Clocks::Shared }, out)
}

/// Writes the page of a recording of strace(1): one source for each of these loops.
pub(super) fn write_import(
    view: &View,
    import: &mut Import<File>,
    loops: &[LoopOf],
    path: &Path,
    out: Output,
) -> Result<(), Failure> {
    let name = name_of(path);
    let notes = super::import::notes(import.loops(), loops, import.losses());
    let mut sources = Vec::new();
    for it in loops {
        let label = if loops.len() > 1 { format!("thread {}", it.thread) } else { name.clone() };
        let mut source =
            Source::new(&label, Program::Other).with_most(MOST_EVENTS / loops.len().max(1));
        if sources.is_empty() {
            notes.iter().for_each(|note| source.note(note));
        }
        fill(view, &mut source, &mut Recorded { path, import, thread: it.thread })?;
        sources.push(source);
    }
    let title = format!("The loop of {name}, seen by strace");
    finish(Page { title, sources, clocks: Clocks::Shared }, out)
}

/// Writes a page of two traces, marked where they part.
pub(super) fn write_diff(
    view: &View,
    paths: [&PathBuf; 2],
    divergence: Option<&Divergence>,
    out: Output,
) -> Result<(), Failure> {
    let mut sources = Vec::new();
    for (side, path) in paths.into_iter().enumerate() {
        let mut recording = Recording::open(path)?;
        let program = match recording {
            Recording::Ring(_) => Program::Readyd,
            Recording::Strace(..) => Program::Other,
        };
        let label = format!("{}: {}", if side == 0 { "A" } else { "B" }, name_of(path));
        let mut source = Source::new(&label, program).with_most(MOST_EVENTS / 2);
        let place = divergence.and_then(|it| it.place.get(side)).copied();
        let marked = fill_to(view, &mut source, &mut recording, place)?;
        if let (Some(divergence), Some(marked)) = (divergence, marked) {
            source.mark(marked, &words_at(divergence, side));
        }
        sources.push(source);
    }
    let [first, second] = paths.map(|path| name_of(path));
    let title = format!("{first} and {second}");
    finish(Page { title, sources, clocks: Clocks::Apart }, out)
}

/// What is said at the place where two traces part.
fn words_at(divergence: &Divergence, side: usize) -> String {
    let of = match divergence.connection {
        0 => "the loop".to_owned(),
        connection => format!("connection {connection}"),
    };
    let Some(entry) = divergence.at.get(side).copied().flatten() else {
        return format!("the first divergence: no more of {of}");
    };
    let mut line = Vec::new();
    text::line(&mut line, &entry);
    let line = String::from_utf8_lossy(&line);
    let what = line.split_once(' ').map_or("", |(_, what)| what.trim());
    format!("the first divergence: {what}")
}

/// What a file is called in a page.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn fill(view: &View, source: &mut Source, events: &mut impl Events) -> Result<(), Failure> {
    fill_to(view, source, events, None).map(|_| ())
}

/// Adds all events. Returns how many the source had when this many had been told.
fn fill_to(
    view: &View,
    source: &mut Source,
    events: &mut impl Events,
    place: Option<u64>,
) -> Result<Option<u64>, Failure> {
    let mut filter = Filter::new(view);
    let mut peer = String::new();
    let mut calls = Calls::default();
    let (mut told_before, mut marked) = (0, None);
    events.each(|told| {
        if place == Some(told_before) {
            calls.finish(source);
            marked = Some(source.pushed());
        }
        told_before += 1;
        match told {
            Told::Event(entry, line) => filter.pass(*entry, &mut |entry| {
                if !calls.take(source, entry, line) {
                    push(source, entry, line, &mut peer);
                }
            }),
            Told::Gap => {
                calls.finish(source);
                source.gap();
            }
        }
        true
    })?;
    calls.finish(source);
    Ok(marked)
}

/// A call of a readyd, kept until its payload is known: the page shows it beside the call.
#[derive(Default)]
struct Calls {
    last: Option<(Entry, Vec<u8>)>,
}

impl Calls {
    /// Takes the entry if it is a call, or payload of the last one.
    fn take(&mut self, source: &mut Source, entry: &Entry, line: &[u8]) -> bool {
        if let (Event::Payload { chunk, .. }, Some((_, payload))) = (&entry.event, &mut self.last) {
            payload.extend(chunk.bytes());
            return true;
        }
        self.finish(source);
        let is_call = matches!(entry.event, Event::Received { .. } | Event::Sent { .. });
        // A line of strace(1) is all that is known of its call.
        let is_kept = is_call && line.is_empty();
        if is_kept {
            self.last = Some((*entry, Vec::new()));
        }
        is_kept || matches!(entry.event, Event::Payload { .. })
    }

    /// No more payload comes for the last call.
    fn finish(&mut self, source: &mut Source) {
        let Some((entry, payload)) = self.last.take() else { return };
        let shown = match payload.is_empty() {
            true => String::new(),
            false => format!("\"{}\"", payload.escape_ascii()),
        };
        source.push_with(&entry, &shown);
    }
}

/// Adds an event. What only a recording tells becomes a name or an event that the page knows.
fn push(source: &mut Source, entry: &Entry, line: &[u8], peer: &mut String) {
    let shown = String::from_utf8_lossy(line);
    let shown: String = shown.chars().take(LINE_SHOWN).collect();
    let imported = match entry.event {
        Event::Imported(imported) => imported,
        event => {
            if let Event::Accepted { peer: TracedPeer::Inet(address), .. } = event {
                *peer = address.to_string();
            }
            return source.push_with(entry, &shown);
        }
    };
    match imported {
        Imported::Connecting { peer: of, .. } => *peer = format!("to {}", words_of(of)),
        Imported::Found { peer: of, .. } => *peer = words_of(of),
        Imported::Descriptor { connection, descriptor } => {
            source.name_connection(connection, &format!("fd {descriptor}, {peer}"));
        }
        Imported::Unasked { connection } => {
            let event = Event::Visit { connection, cause: VisitCause::Ready };
            let shown = format!("without an event of its own\n{shown}");
            source.push_with(&Entry { event, ..*entry }, &shown);
        }
        // They are in the notes.
        Imported::ListCut { .. } | Imported::Unknown { .. } => {}
    }
}

fn words_of(peer: TracedPeer) -> String {
    match peer {
        TracedPeer::Inet(address) => address.to_string(),
        _ => "a unix socket".to_owned(),
    }
}

/// Writes a page, and says what is in it.
fn finish(page: Page, out: Output) -> Result<(), Failure> {
    let sum = |of: fn(&Source) -> u64| page.sources.iter().map(of).sum::<u64>();
    let said = match (sum(Source::dropped), sum(Source::pushed)) {
        (0, pushed) => counted(pushed, "event").to_string(),
        (dropped, pushed) => format!(
            "the last {} of {} (--between chooses others)",
            pushed - dropped,
            counted(pushed, "event")
        ),
    };
    let is_standard_output = out.is_standard_output();
    let mut contents = Vec::new();
    page::write(&mut contents, &page).map_err(Failure::Output)?;
    out.write(&contents).map_err(Failure::Save)?;
    if is_standard_output {
        let _ = writeln!(io::stderr(), "the page has {said}");
        return Ok(());
    }
    writeln!(io::stdout(), "the page has {said}").map_err(Failure::Output)
}
