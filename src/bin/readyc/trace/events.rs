//! Where events come from: a trace of readyd, or a recording of another program.

use crate::failure::Failure;
use readyd::trace::decode::Entry;
use readyd::trace::reader::{ReadError, Reader};
use readyd::trace::strace::Import;
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
}

impl Ring {
    pub(super) fn open(path: &Path) -> Result<Ring, Failure> {
        let failed = |error: ReadError| Failure::Trace(path.to_owned(), error);
        let file = File::open(path).map_err(|error| failed(error.into()))?;
        Ok(Ring { path: path.to_owned(), reader: Reader::open(file).map_err(failed)? })
    }

    /// The process that recorded, and its shard. 1 and 0 if nothing was recorded.
    pub(super) fn origin(&mut self) -> Result<(u32, u16), Failure> {
        let header = self.reader.first_header();
        let header = header.map_err(|error| Failure::Trace(self.path.clone(), error))?;
        Ok(header.map_or((1, 0), |header| (header.pid, header.shard)))
    }

    /// Looks for events that were written since.
    pub(super) fn look_again(&mut self) -> Result<(), Failure> {
        self.reader.find_blocks().map_err(|error| Failure::Trace(self.path.clone(), error))
    }
}

impl Events for Ring {
    fn each(&mut self, mut tell: impl FnMut(Told<'_>) -> bool) -> Result<(), Failure> {
        let read = self.reader.for_each(|_, entry| match &entry {
            Some(entry) => tell(Told::Event(entry, b"")),
            None => tell(Told::Gap),
        });
        read.map_err(|error| Failure::Trace(self.path.clone(), error))
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
