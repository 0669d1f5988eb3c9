//! Where events come from: a trace of readyd, or a recording of another program.

use super::ahead;
use crate::failure::Failure;
use readyd::trace::decode::Entry;
use readyd::trace::reader::{Batch, ReadError, Reader};
use readyd::trace::strace::{Import, ImportError};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What a source of events tells.
pub(super) enum Told<'a> {
    /// An event, and the line that it was made from, if it was made from one.
    Event(&'a Entry, &'a [u8]),
    /// Events are missing.
    Gap,
}

/// A source of events.
pub(super) trait Events {
    /// Calls `tell` with all that was not told before. Stops when it returns false.
    fn each(&mut self, tell: impl FnMut(Told<'_>) -> bool) -> Result<(), Failure>;
}

/// A trace of readyd.
pub(super) struct Ring {
    path: PathBuf,
    reader: Reader,
    /// Whether it is read again at its end.
    is_followed: bool,
}

impl Ring {
    pub(super) fn open(path: &Path) -> Result<Ring, Failure> {
        let failed = |error: ReadError| Failure::Trace(path.to_owned(), error);
        let file = File::open(path).map_err(|error| failed(error.into()))?;
        let reader = Reader::open(file).map_err(failed)?;
        Ok(Ring { path: path.to_owned(), reader, is_followed: false })
    }

    /// The process that recorded, and its shard. 1 and 0 if nothing was recorded.
    pub(super) fn origin(&mut self) -> Result<(u32, u16), Failure> {
        let header = self.reader.first_header();
        let header = header.map_err(|error| Failure::Trace(self.path.clone(), error))?;
        Ok(header.map_or((1, 0), |header| (header.pid, header.shard)))
    }

    /// From now on, events are looked for behind the last one, too.
    pub(super) fn follow(&mut self) {
        self.is_followed = true;
    }

    /// Has `work` make something of every batch of blocks, on several threads, and `consume` take
    /// it in order, until it returns false. Events of a batch come before damage in it.
    pub(super) fn work_ahead<T: Default + Send>(
        &mut self,
        work: impl Fn(&Batch, &mut T) -> Result<(), ReadError> + Sync,
        consume: impl FnMut(&mut T) -> bool,
    ) -> Result<(), Failure> {
        ahead::in_order(|| self.reader.next_batch(), work, consume)
            .map_err(|error| Failure::Trace(self.path.clone(), error))
    }

    /// Looks for events that were written since.
    pub(super) fn look_again(&mut self) -> Result<(), Failure> {
        self.reader.find_blocks().map_err(|error| Failure::Trace(self.path.clone(), error))
    }
}

impl Events for Ring {
    fn each(&mut self, mut tell: impl FnMut(Told<'_>) -> bool) -> Result<(), Failure> {
        let mut pass = |entry: Option<&Entry>| match entry {
            Some(entry) => tell(Told::Event(entry, b"")),
            None => tell(Told::Gap),
        };
        if self.is_followed {
            let read = self.reader.for_each(|_, entry| pass(entry.as_ref()));
            return read.map_err(|error| Failure::Trace(self.path.clone(), error));
        }
        self.work_ahead(
            |batch, entries: &mut Vec<Option<Entry>>| {
                entries.clear();
                batch.for_each(|entry| entries.push(entry.copied()))
            },
            |entries| entries.iter().all(|entry| pass(entry.as_ref())),
        )
    }
}

/// One loop of a recording of strace.
pub(super) struct Recorded<'a> {
    pub(super) path: &'a Path,
    pub(super) import: &'a mut Import<File>,
    pub(super) thread: u32,
}

impl Events for Recorded<'_> {
    fn each(&mut self, mut tell: impl FnMut(Told<'_>) -> bool) -> Result<(), Failure> {
        let read = self.import.for_each(self.thread, |entry, line| tell(Told::Event(entry, line)));
        read.map_err(|error| Failure::Import(self.path.to_owned(), error))
    }
}

/// A trace of readyd, or a recording of strace with all its loops.
pub(super) enum Recording {
    Ring(Ring),
    Strace(PathBuf, Box<Import<File>>),
}

impl Recording {
    /// Opens either. What is neither counts as a trace that is none.
    pub(super) fn open(path: &Path) -> Result<Recording, Failure> {
        let failure = match Ring::open(path) {
            Ok(ring) => return Ok(Recording::Ring(ring)),
            Err(failure) => failure,
        };
        if !matches!(failure, Failure::Trace(_, ReadError::NoTrace(_))) {
            return Err(failure);
        }
        match Import::open(
            File::open(path).map_err(|error| Failure::Import(path.to_owned(), error.into()))?,
        ) {
            Ok(import) => Ok(Recording::Strace(path.to_owned(), Box::new(import))),
            Err(ImportError::Foreign) => Err(failure),
            Err(error) => Err(Failure::Import(path.to_owned(), error)),
        }
    }
}

impl Events for Recording {
    /// The loops of a recording come one after the other.
    fn each(&mut self, mut tell: impl FnMut(Told<'_>) -> bool) -> Result<(), Failure> {
        let (path, import) = match self {
            Recording::Ring(ring) => return ring.each(tell),
            Recording::Strace(path, import) => (path, import),
        };
        let mut goes_on = true;
        for it in import.loops().to_vec() {
            let mut recorded = Recorded { path, import, thread: it.thread };
            recorded.each(|told| {
                goes_on = tell(told);
                goes_on
            })?;
            if !goes_on {
                break;
            }
        }
        Ok(())
    }
}
