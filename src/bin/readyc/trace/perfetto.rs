//! `readyc trace --perfetto`: the events for ui.perfetto.dev.

use super::View;
use super::events::{Events, Recorded, Ring, Told};
use super::filter::Filter;
use super::page::name_of;
use crate::failure::Failure;
use readyd::loadgen::report::Output;
use readyd::trace::perfetto::Perfetto;
use readyd::trace::strace::{Import, LoopOf};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Bytes that are written at once.
const AT_ONCE: usize = 256 * 1024;

/// What a trace is written to.
type Writer<'a> = Perfetto<BufWriter<&'a mut dyn Write>>;

/// Writes a trace of readyd.
pub(super) fn write_ring(
    view: &View,
    ring: &mut Ring,
    path: &Path,
    out: Output,
) -> Result<(), Failure> {
    let (pid, shard) = ring.origin()?;
    let name = match shard {
        0 => name_of(path),
        shard => format!("{}, shard {shard}", name_of(path)),
    };
    written(out, |writer| add(writer, view, (&name, pid, pid), ring))
}

/// Writes a recording of strace(1): these loops.
pub(super) fn write_import(
    view: &View,
    import: &mut Import<File>,
    loops: &[LoopOf],
    path: &Path,
    out: Output,
) -> Result<(), Failure> {
    written(out, |writer| {
        for it in loops {
            let name = format!("{}, thread {}", name_of(path), it.thread);
            let recorded = &mut Recorded { path, import, thread: it.thread };
            add(writer, view, (&name, it.thread, it.thread), recorded)?;
        }
        Ok(())
    })
}

/// Why writing ended early.
enum Fault {
    Reading(Failure),
    Writing(io::Error),
}

fn add(
    writer: &mut Writer<'_>,
    view: &View,
    (name, process, thread): (&str, u32, u32),
    events: &mut impl Events,
) -> Result<(), Fault> {
    writer.source(name, process, thread).map_err(Fault::Writing)?;
    let mut filter = Filter::new(view);
    let mut outcome = Ok(());
    let read = events.each(|told| {
        match told {
            Told::Event(entry, _) => {
                filter.pass(*entry, &mut |entry| {
                    if outcome.is_ok() {
                        outcome = writer.add(entry);
                    }
                });
            }
            Told::Gap => outcome = writer.gap(),
        }
        outcome.is_ok()
    });
    outcome.map_err(Fault::Writing)?;
    read.map_err(Fault::Reading)?;
    writer.end().map_err(Fault::Writing)
}

/// Has `fill` write a trace to `out`.
fn written(
    out: Output,
    fill: impl FnOnce(&mut Writer<'_>) -> Result<(), Fault>,
) -> Result<(), Failure> {
    let mut failure = None;
    let saved = out.write_with(|out| {
        let mut writer = Perfetto::new(BufWriter::with_capacity(AT_ONCE, out));
        match fill(&mut writer) {
            Ok(()) => Ok(()),
            Err(Fault::Writing(error)) => Err(error),
            Err(Fault::Reading(error)) => {
                failure = Some(error);
                Err(io::ErrorKind::InvalidData.into())
            }
        }
    });
    match failure {
        Some(failure) => Err(failure),
        None => saved.map_err(Failure::Save),
    }
}
