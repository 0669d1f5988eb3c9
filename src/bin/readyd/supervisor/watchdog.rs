//! The watchdog: whether the loop of each shard turns.
//!
//! A shard may be stopped by SIGSTOP, run an endless loop, or wait for a disk that does not answer.
//! Its process still exists, so the kernel gives it its share of the new clients, and it serves
//! none. The number of turns on the scoreboard shows this.
//!
//! Invariant: a shard is not killed for time in which it could not run. A check counts no more time
//! than was planned between two checks: if the whole machine was suspended, so was the supervisor,
//! and its check comes late.

use readyd::io::clock::Moment;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Checks within the timeout.
const LOOKS: u32 = 4;

/// The timeout before the first turn of a shard: it may have to wait for a CPU.
const FIRST_TURN_WITHIN: Duration = Duration::from_secs(30);

/// The schedule of the checks, and the timeout.
#[derive(Debug)]
pub(super) struct Watchdog {
    timeout: Duration,
    interval: Duration,
    last_look: Moment,
}

impl Watchdog {
    /// A watchdog for shards whose loops turn within `timeout`.
    pub(super) fn new(timeout: Duration, now: Moment) -> Watchdog {
        Watchdog { timeout, interval: timeout / LOOKS, last_look: now }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// When the next check is due.
    pub(super) fn looks_at(&self) -> Moment {
        self.last_look + self.interval
    }

    /// The check, if it is due.
    pub(super) fn look(&mut self, now: Moment) -> Option<Look> {
        if now < self.looks_at() {
            return None;
        }
        let passed = now.since(self.last_look).min(self.interval);
        self.last_look = now;
        Some(Look { passed, interval: self.interval, timeout: self.timeout })
    }
}

/// One check of all shards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    passed: Duration,
    interval: Duration,
    timeout: Duration,
}

/// The result of a check of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It has turned since the last check.
    Turns,
    /// It has not, perhaps because nothing happened: the supervisor sends it a message.
    StandsStill,
    /// It has not, in spite of the message: it does not answer now, but may later.
    Silent,
    /// It has not turned for the whole timeout.
    Stuck,
}

/// The checks of one process so far.
#[derive(Debug)]
pub(super) struct Pulse {
    turns: u64,
    has_turned: bool,
    silent: Duration,
}

impl Pulse {
    /// Of a process that starts in a slot whose turn counter stands at `turns_before`.
    pub(super) fn new(turns_before: u64) -> Pulse {
        Pulse { turns: turns_before, has_turned: false, silent: Duration::ZERO }
    }

    /// Notes the turn counter without a check.
    pub(super) fn see(&mut self, turns: u64) {
        if turns != self.turns {
            self.turns = turns;
            self.has_turned = true;
            self.silent = Duration::ZERO;
        }
    }

    /// Whether it has turned at least once.
    pub(super) fn has_turned(&self) -> bool {
        self.has_turned
    }

    /// How long it has not turned.
    pub(super) fn silent(&self) -> Duration {
        self.silent
    }

    /// Checks the shard, whose turn counter stands at `turns` now.
    pub(super) fn look(&mut self, turns: u64, look: Look) -> Finding {
        self.silent += look.passed;
        self.see(turns);
        let limit = match self.has_turned {
            true => look.timeout,
            false => look.timeout.max(FIRST_TURN_WITHIN),
        };
        match self.silent {
            Duration::ZERO => Finding::Turns,
            silent if silent >= limit => Finding::Stuck,
            silent if silent > look.interval => Finding::Silent,
            _ => Finding::StandsStill,
        }
    }
}
