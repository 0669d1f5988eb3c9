//! The bound on what libraries log.
//!
//! The client log bounds the lines that clients cause in this program. But a client also causes
//! lines of libraries: mio logs one for each connection at `trace`, which `RUST_LOG` can switch on.
//!
//! Invariant: libraries write at most `--log-rate` lines a second, at any level; the number of
//! dropped lines is logged.

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::sync::Mutex;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// The prefix of the log targets of this program; the library and the binary have the same name.
pub(super) const PROGRAM: &str = env!("CARGO_PKG_NAME");

const SECOND: Duration = Duration::from_secs(1);

/// A logger that writes all lines of this program, and a limited number of lines a second of
/// libraries.
pub(super) struct Bounded<L> {
    logger: L,
    rate: u32,
    second: Mutex<Second>,
}

/// The lines of libraries in this second.
#[derive(Debug)]
struct Second {
    began: Instant,
    written: u32,
    suppressed: u64,
}

impl Bounded<env_logger::Logger> {
    /// The most detailed level of any target.
    pub(super) fn max_level(&self) -> LevelFilter {
        self.logger.filter()
    }
}

impl<L: Log> Bounded<L> {
    pub(super) fn new(logger: L, rate: u32) -> Bounded<L> {
        let second = Second { began: Instant::now(), written: 0, suppressed: 0 };
        Bounded { logger, rate, second: Mutex::new(second) }
    }

    /// Whether a library may write one more line; and how many were dropped in the last second, if
    /// it is over.
    fn take(&self, now: Instant) -> (bool, u64) {
        let mut second = self.second.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut left_out = 0;
        if now.duration_since(second.began) >= SECOND {
            left_out = second.suppressed;
            *second = Second { began: now, written: 0, suppressed: 0 };
        }
        let may_write = second.written < self.rate;
        if may_write {
            second.written += 1;
        } else {
            second.suppressed += 1;
        }
        (may_write, left_out)
    }

    fn log_of_library(&self, record: &Record<'_>, now: Instant) {
        let (may_write, left_out) = self.take(now);
        if left_out > 0 {
            let rate = self.rate;
            self.logger.log(
                &Record::builder()
                    .level(Level::Warn)
                    .target(PROGRAM)
                    .args(format_args!(
                        "{left_out} lines of libraries suppressed (--log-rate {rate})"
                    ))
                    .build(),
            );
        }
        if may_write {
            self.logger.log(record);
        }
    }
}

/// Whether a line is of this program, not of a library.
fn is_own(target: &str) -> bool {
    let rest = target.strip_prefix(PROGRAM);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

impl<L: Log> Log for Bounded<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.logger.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if is_own(record.target()) {
            self.logger.log(record);
        } else if self.logger.enabled(record.metadata()) {
            self.log_of_library(record, Instant::now());
        }
    }

    fn flush(&self) {
        self.logger.flush();
    }
}
