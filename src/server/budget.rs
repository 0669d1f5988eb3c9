//! The memory that all connections share: how much is in use, and who has to go when it is too much.
//!
//! Each connection has limits of its own, but ten thousand times a tolerable amount is not tolerable.
//! When the sum is over the limit, the newest connections that hold some of it are closed: whoever was
//! there before the crowd came is served on.
//!
//! Invariant: looking for the newest, which takes a walk through all connections, is paid for by bytes
//! received. A walk frees an eighth of the limit, and the next comes only after that has filled up again.

use super::entry::Entry;
use crate::counted::counted;
use crate::io::clock::Moment;
use crate::io::token::Generations;
use crate::server::stats::Stats;
use slab::Slab;
use std::time::Duration;

/// Between log lines on it.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(1);

/// Heap bytes that one connection holds. Both numbers fit: what each may hold is limited to far less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Buffered {
    input: u32,
    output: u32,
}

impl Buffered {
    pub(super) fn new((input, output): (usize, usize)) -> Buffered {
        let number = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
        Buffered { input: number(input), output: number(output) }
    }

    pub(super) fn total(self) -> usize {
        self.input as usize + self.output as usize
    }
}

#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    used: usize,
    used_by_output: usize,
    last_said: Option<Moment>,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Budget {
        Budget { limit, used: 0, used_by_output: 0, last_said: None }
    }

    /// A connection that held `before` holds `after`.
    pub(super) fn change(&mut self, before: Buffered, after: Buffered) {
        self.used = self.used - before.total() + after.total();
        self.used_by_output = self.used_by_output - before.output as usize + after.output as usize;
    }

    /// Tells what is in use.
    pub(super) fn report(&self, stats: &mut Stats) {
        stats.buffered = self.used as u64;
        stats.buffered_output = self.used_by_output as u64;
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.used > self.limit
    }

    /// Those to be closed: the newest that hold something, until an eighth of the limit is free.
    pub(super) fn newest_to_shed<S>(
        &self,
        connections: &Slab<Entry<S>>,
        generations: &Generations,
    ) -> Vec<usize> {
        let mut holders: Vec<(u32, usize, usize)> = connections
            .iter()
            .filter(|(_, entry)| entry.buffered.total() > 0)
            .map(|(index, entry)| {
                (generations.age(entry.generation), index, entry.buffered.total())
            })
            .collect();
        holders.sort_unstable();
        let mut excess = self.used.saturating_sub(self.limit - self.limit / 8);
        let is_needed = |&(_, _, buffered): &(u32, usize, usize)| {
            let is_needed = excess > 0;
            excess = excess.saturating_sub(buffered);
            is_needed
        };
        holders.into_iter().take_while(is_needed).map(|(_, index, _)| index).collect()
    }

    /// At most one line a second.
    pub(super) fn say(&mut self, now: Moment, shed: usize) {
        if self.last_said.is_none_or(|last| now.since(last) >= BETWEEN_WARNINGS) {
            self.last_said = Some(now);
            log::warn!(
                "buffers reached {} (--memory-limit): {shed} of the newest connections closed",
                counted(self.limit, "byte")
            );
        }
    }
}
