//! Whether the shards' loops turn.
//!
//! A shard can be stopped by a signal, be busy in an endless loop, or wait for a disk that does not
//! answer. Its process is there then, the kernel gives it its share of the new clients, and none of
//! them is served. What tells is the number of turns that it has published.
//!
//! Invariant: nobody is accused for time that did not pass for it. A look counts no more time than
//! was planned between two looks: if the whole machine was suspended, the supervisor was, too, and
//! its look comes late.

use readyd::io::clock::Moment;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Looks within the timeout.
const LOOKS: u32 = 4;

/// A shard that has not turned yet has so long: it may have to wait for a processor.
const FIRST_TURN_WITHIN: Duration = Duration::from_secs(30);

/// When to look, and how long a shard may stand still.
#[derive(Debug)]
pub(super) struct Watchdog {
    timeout: Duration,
    interval: Duration,
    last_look: Moment,
}

impl Watchdog {
    /// For shards that may stand still for `timeout`.
    pub(super) fn new(timeout: Duration, now: Moment) -> Watchdog {
        Watchdog { timeout, interval: timeout / LOOKS, last_look: now }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// When to look next.
    pub(super) fn looks_at(&self) -> Moment {
        self.last_look + self.interval
    }

    /// If it is time to look: the look.
    pub(super) fn look(&mut self, now: Moment) -> Option<Look> {
        if now < self.looks_at() {
            return None;
        }
        let passed = now.since(self.last_look).min(self.interval);
        self.last_look = now;
        Some(Look { passed, interval: self.interval, timeout: self.timeout })
    }
}

/// One look at all shards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    passed: Duration,
    interval: Duration,
    timeout: Duration,
}

/// What a look at a shard shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It has turned since the last look.
    Turns,
    /// It has not, perhaps because nothing happened: it is to be told to turn.
    StandsStill,
    /// It has not for so long, though it was told to: it does not answer now, but may again.
    Silent,
    /// It has not turned for the whole timeout.
    Stuck,
}

/// What was seen of one process.
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

    /// Notes how many turns there are now.
    pub(super) fn see(&mut self, turns: u64) {
        if turns != self.turns {
            self.turns = turns;
            self.has_turned = true;
            self.silent = Duration::ZERO;
        }
    }

    /// Whether it has come as far as serving.
    pub(super) fn has_turned(&self) -> bool {
        self.has_turned
    }

    /// Looks at the shard, whose turn counter stands at `turns` now.
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
