//! The log of what clients cause: bounded, whatever they do.
//!
//! Invariants: clients cause at most a set number of lines a second, and what is left out is
//! counted and told. No byte of a client reaches the log unescaped, so none can forge a line or
//! reprogram a terminal.

use crate::counted::counted;
use crate::io::clock::Moment;
use log::{Level, LevelFilter};
use std::fmt;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Bytes of a client's text that are shown; of the rest only the length.
const SHOWN: usize = 200;

/// A client's bytes, fit to be logged: quoted, printable ASCII, cut.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Escaped(bytes) = *self;
        match bytes.get(..SHOWN) {
            Some(shown) if shown.len() < bytes.len() => {
                write!(f, "\"{}\"... ({} bytes)", shown.escape_ascii(), bytes.len())
            }
            _ => write!(f, "\"{}\"", bytes.escape_ascii()),
        }
    }
}

/// Writes lines to the log, and no more a second than a limit says.
#[derive(Debug)]
pub struct ClientLog {
    level: LevelFilter,
    rate: u32,
    second: Moment,
    written: u32,
    suppressed: u64,
    suppressed_total: u64,
}

impl ClientLog {
    /// A log of at most `rate` lines a second, none of them more detailed than `level`.
    pub fn new(level: LevelFilter, rate: u32) -> ClientLog {
        ClientLog {
            level,
            rate,
            second: Moment::START,
            written: 0,
            suppressed: 0,
            suppressed_total: 0,
        }
    }

    /// Keeps another level and rate from now on.
    pub fn set_limits(&mut self, level: LevelFilter, rate: u32) {
        (self.level, self.rate) = (level, rate);
    }

    /// Writes a line, or counts it if there have been too many. Costs next to nothing when the log
    /// level leaves it out.
    pub fn line(&mut self, now: Moment, level: Level, line: fmt::Arguments<'_>) {
        if level > self.level {
            return;
        }
        self.report(now);
        if now.since(self.second) >= SECOND {
            self.second = now;
            self.written = 0;
        }
        if self.written < self.rate {
            self.written += 1;
            log::log!(level, "{line}");
        } else {
            self.suppressed += 1;
            self.suppressed_total += 1;
        }
    }

    /// Lines that were written in this second.
    pub fn written(&self, now: Moment) -> u32 {
        if now.since(self.second) < SECOND { self.written } else { 0 }
    }

    /// Says how many lines were left out, once their second is over.
    pub fn report(&mut self, now: Moment) {
        if self.report_due().is_some_and(|due| now >= due) {
            let lines = counted(self.suppressed, "line");
            log::warn!("{lines} suppressed (--log-rate {})", self.rate);
            self.suppressed = 0;
        }
    }

    /// When [`ClientLog::report`] has something to say.
    pub fn report_due(&self) -> Option<Moment> {
        (self.suppressed > 0).then_some(self.second + SECOND)
    }

    /// Lines left out since the start.
    pub fn suppressed_total(&self) -> u64 {
        self.suppressed_total
    }
}

const SECOND: Duration = Duration::from_secs(1);
