//! `readyc trace import`: what strace(1) recorded of any program, as a trace.

use super::events::Recorded;
use super::filter::Filter;
use super::{View, page, perfetto, print, summarize};
use crate::failure::Failure;
use readyd::counted::counted;
use readyd::loadgen::report::Output;
use readyd::trace::strace::{Import, LoopOf, Losses};
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What strace wrote
    ///
    /// What strace wrote: strace -f -v -s 0 -ttt -T -yy -e trace=%network,%desc,%process -o FILE
    /// COMMAND
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Only the loop of this thread
    ///
    /// Only the loop of this thread. Each thread that waits for events is a loop; without this,
    /// those are shown that have connections
    #[arg(long, value_name = "TID")]
    thread: Option<u32>,

    #[command(flatten)]
    view: View,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = &arguments.file;
    let failed = |error| Failure::Import(path.clone(), error);
    let file = File::open(path).map_err(|error| failed(error.into()))?;
    let mut import = Import::open(file).map_err(failed)?;
    let loops = import.loops().to_vec();
    let chosen = choose(&loops, arguments.thread)?;
    say(&notes(&loops, &chosen, import.losses()));
    let view = &arguments.view;
    if let Some(out) = &view.html {
        let out = Output::open(out).map_err(Failure::Save)?;
        return page::write_import(view, &mut import, &chosen, path, out);
    }
    if let Some(out) = &view.perfetto {
        let out = Output::open(out).map_err(Failure::Save)?;
        return perfetto::write_import(view, &mut import, &chosen, path, out);
    }
    for it in &chosen {
        if chosen.len() > 1 {
            writeln!(io::stdout(), "{}", describe(it)).map_err(Failure::Output)?;
        }
        let mut recorded = Recorded { path, import: &mut import, thread: it.thread };
        if view.summary {
            summarize(view, &mut recorded)?;
        } else {
            print(&mut Filter::new(view), &mut recorded)?;
        }
    }
    Ok(())
}

/// The loops that are shown: those that serve, or all if none does.
fn choose(loops: &[LoopOf], thread: Option<u32>) -> Result<Vec<LoopOf>, Failure> {
    let serves = |it: &&LoopOf| it.connections > 0 || it.listens;
    let chosen: Vec<LoopOf> = match thread {
        Some(thread) => loops.iter().filter(|it| it.thread == thread).copied().collect(),
        None if loops.iter().any(|it| serves(&it)) => {
            loops.iter().filter(serves).copied().collect()
        }
        None => loops.to_vec(),
    };
    match thread {
        Some(thread) if chosen.is_empty() => {
            let threads: Vec<String> = loops.iter().map(|it| it.thread.to_string()).collect();
            Err(Failure::Usage(format!(
                "thread {thread} waits for no events in this recording; these do: {}",
                threads.join(", ")
            )))
        }
        _ => Ok(chosen),
    }
}

/// A loop in a few words.
fn describe(it: &LoopOf) -> String {
    let (turns, connections) = (counted(it.turns, "turn"), counted(it.connections, "connection"));
    format!("thread {}: {turns}, {connections}", it.thread)
}

/// What has to be known of a recording, in sentences.
pub(super) fn notes(loops: &[LoopOf], chosen: &[LoopOf], losses: Losses) -> Vec<String> {
    let mut notes = Vec::new();
    if loops.len() > 1 {
        let threads: Vec<String> = loops.iter().map(describe).collect();
        let shown = match chosen {
            chosen if chosen.len() == loops.len() => "all are shown".to_owned(),
            [only] => format!("thread {} is shown (--thread chooses)", only.thread),
            chosen => format!("the {} that have connections are shown", chosen.len()),
        };
        notes.push(format!(
            "{} threads wait for events, each is a loop; {shown}: {}",
            loops.len(),
            threads.join("; ")
        ));
    }
    if losses.io_uring {
        notes.push("the program uses io_uring: strace does not see its calls there".to_owned());
    }
    if losses.cut > 0 {
        let cut = counted(losses.cut, "event");
        notes.push(format!("{cut} not told: strace cut lists (strace -v leaves them whole)"));
    }
    if losses.unknown > 0 {
        let unknown = counted(losses.unknown, "event");
        notes.push(format!(
            "{unknown} for descriptors that are not known: they were registered before strace began"
        ));
    }
    if losses.elsewhere > 0 {
        let calls = counted(losses.elsewhere, "call");
        notes.push(format!("{calls} by threads that wait for no events, not shown"));
    }
    notes
}

/// Standard output may go to a file or a program, so notes go to standard error.
fn say(notes: &[String]) {
    for note in notes {
        let _ = writeln!(io::stderr(), "note: {note}");
    }
}
