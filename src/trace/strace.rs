//! Recordings that strace(1) made of any program, as events of its loops.
//!
//! Each thread that waits with epoll_wait(2), poll(2) or select(2) is a loop. A turn begins when
//! the call returns. Connections are numbered over all loops, as they are opened or found.
//!
//! Invariant: a recording is read line by line. Memory grows with what is open at once, never with
//! the file, and no file makes this panic.

mod calls;
mod descriptor;
mod lexer;
mod loops;
mod machine;
mod tables;
mod transfer;
mod turns;
mod waits;

#[cfg(test)]
mod tests;

pub use machine::Losses;

use super::decode::Entry;
use super::event::Event;
use super::imported::Imported;
use lexer::What;
use machine::Machine;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use waits::Family;

/// Bytes of a line that are looked at. The rest of a longer one is left out.
const LONGEST_LINE: usize = 1024 * 1024;

/// Loops that are followed, at most.
const MOST_LOOPS: usize = 4096;

/// Why a recording cannot be read.
#[derive(Debug)]
pub enum ImportError {
    /// The system's fault.
    System(io::Error),
    /// No line of the file was written by strace(1).
    Foreign,
    /// The last line has no end: strace(1) was killed, or the disk was full.
    CutOff,
    /// This line, from 1, was not written by strace(1).
    Line(u64),
    /// No thread waits for events.
    NoLoop,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportError::System(error) => write!(f, "{error}"),
            ImportError::Foreign => f.write_str(
                "this is no recording of strace with times (strace -f -v -s 0 -ttt -T -yy -e \
                 trace=%network,%desc,%process -o FILE COMMAND)",
            ),
            ImportError::CutOff => f.write_str(
                "the last line is cut off: strace did not write all (events up to it \
                             were read)",
            ),
            ImportError::Line(number) => write!(
                f,
                "line {number} was not written by strace (with -o FILE, it keeps apart from what \
                 the program prints)"
            ),
            ImportError::NoLoop => f.write_str(
                "no thread waits for events with epoll_wait, poll or select (was it recorded with \
                 -f -e trace=%network,%desc,%process? io_uring cannot be seen)",
            ),
        }
    }
}

impl std::error::Error for ImportError {}

impl From<io::Error> for ImportError {
    fn from(error: io::Error) -> ImportError {
        ImportError::System(error)
    }
}

/// A thread that waits for events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopOf {
    /// Its number. 0 if the recording does not tell it.
    pub thread: u32,
    /// Turns.
    pub turns: u64,
    /// Connections that it opened or had events of.
    pub connections: u64,
    /// Whether it had events of a listener.
    pub listens: bool,
}

/// A recording.
#[derive(Debug)]
pub struct Import<F> {
    file: F,
    loops: Vec<LoopOf>,
    waiting: HashMap<u32, Family>,
    losses: Losses,
}

impl<F: Read + Seek> Import<F> {
    /// Reads a recording twice, to find its loops and what they do. A fault in the middle is kept
    /// for [`Import::for_each`].
    ///
    /// # Errors
    ///
    /// [`ImportError`] if it cannot be read, is no recording, or has no loop.
    pub fn open(mut file: F) -> Result<Import<F>, ImportError> {
        let mut waiting = HashMap::new();
        let found = each_line(&mut file, |line| {
            note_wait(&mut waiting, line);
            true
        });
        match found {
            Err(error) if waiting.is_empty() => return Err(error),
            Err(error @ ImportError::System(_)) => return Err(error),
            _ => {}
        }
        file.seek(SeekFrom::Start(0))?;
        let mut machine = Machine::new(&waiting);
        let mut loops: HashMap<u32, LoopOf> = HashMap::new();
        let read = each_line(&mut file, |line| {
            machine.line(line, &mut |thread, entry| {
                count(loops.entry(thread).or_insert(LoopOf { thread, ..LoopOf::default() }), entry);
            });
            true
        });
        let mut loops: Vec<LoopOf> = loops.into_values().filter(|it| it.turns > 0).collect();
        loops.sort_unstable_by_key(|it| it.thread);
        match read {
            Err(error) if loops.is_empty() => return Err(error),
            Err(error @ ImportError::System(_)) => return Err(error),
            Ok(()) if loops.is_empty() => return Err(ImportError::NoLoop),
            _ => {}
        }
        Ok(Import { file, loops, waiting, losses: machine.losses })
    }

    /// The threads that wait for events, in order of their numbers.
    pub fn loops(&self) -> &[LoopOf] {
        &self.loops
    }

    /// What cannot be told.
    pub fn losses(&self) -> Losses {
        self.losses
    }

    /// Calls `tell` with every event of the loop of a thread, and the line by which it is known.
    /// Stops when it returns false.
    ///
    /// # Errors
    ///
    /// [`ImportError`] at the first line that cannot be read.
    pub fn for_each(
        &mut self,
        thread: u32,
        mut tell: impl FnMut(&Entry, &[u8]) -> bool,
    ) -> Result<(), ImportError> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut machine = Machine::new(&self.waiting);
        let mut goes_on = true;
        each_line(&mut self.file, |line| {
            machine.line(line, &mut |of, entry| {
                if of == thread && goes_on {
                    goes_on = tell(entry, line.text);
                }
            });
            goes_on
        })
    }
}

/// Notes a thread that waits for events. One that uses epoll(7) may poll(2) for other reasons.
fn note_wait(waiting: &mut HashMap<u32, Family>, line: &lexer::Line<'_>) {
    let (What::Call(text) | What::Unfinished(text)) = line.what else { return };
    let Some(family) = Family::of(lexer::name(text)) else { return };
    if waiting.len() < MOST_LOOPS || waiting.contains_key(&line.thread) {
        let known = waiting.entry(line.thread).or_insert(family);
        *known = if family == Family::Epoll { family } else { *known };
    }
}

fn count(it: &mut LoopOf, entry: &Entry) {
    match entry.event {
        Event::TurnBegan { .. } => it.turns += 1,
        Event::Imported(Imported::Descriptor { .. }) => it.connections += 1,
        Event::ListenerReady { .. } | Event::Accepted { .. } => it.listens = true,
        _ => {}
    }
}

/// Calls `tell` with every line, its time counted from the first. Stops when it returns false.
fn each_line(
    file: impl Read,
    mut tell: impl FnMut(&lexer::Line<'_>) -> bool,
) -> Result<(), ImportError> {
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let mut text = Vec::new();
    let (mut first, mut number) = (None, 0);
    while let Some(is_whole) = next_line(&mut reader, &mut text)? {
        number += 1;
        if text.trim_ascii().is_empty() || text.starts_with(b"strace: ") {
            continue;
        }
        let line = lexer::line(text.trim_ascii_end());
        let is_cut = !is_whole
            && line.as_ref().is_none_or(|line| match line.what {
                What::Call(text) => lexer::call(text).is_none(),
                _ => false,
            });
        let mut line = match line {
            _ if is_cut && first.is_some() => return Err(ImportError::CutOff),
            None if first.is_none() => return Err(ImportError::Foreign),
            None => return Err(ImportError::Line(number)),
            Some(line) => line,
        };
        line.time = line.time.saturating_sub(*first.get_or_insert(line.time));
        if !tell(&line) {
            return Ok(());
        }
    }
    if first.is_none() { Err(ImportError::Foreign) } else { Ok(()) }
}

/// Reads a line without its end, and says whether it had one. `None` at the end of the file.
fn next_line(reader: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<Option<bool>> {
    text.clear();
    let mut has_begun = false;
    loop {
        let buffer = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        if buffer.is_empty() {
            return Ok(has_begun.then_some(false));
        }
        has_begun = true;
        let end = memchr::memchr(b'\n', buffer);
        let length = end.unwrap_or(buffer.len());
        let room = LONGEST_LINE.saturating_sub(text.len());
        text.extend_from_slice(buffer.get(..length.min(room)).unwrap_or_default());
        reader.consume(length + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(Some(true));
        }
    }
}
