//! `--exit-on-idle` of several shards: whether all of them together have had nobody for long enough.
//!
//! A shard cannot tell: the next client may come to any of them. So the supervisor looks at the board,
//! from time to time.

use readyd::clock::Moment;
use readyd::stats::Stats;
use readyd::stats::publishing::PERIOD;
use std::time::Duration;

const SHORTEST_STEP: Duration = Duration::from_millis(10);
const LONGEST_STEP: Duration = Duration::from_secs(60);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct IdleWatch {
    limit: Duration,
    looks_at: Moment,
    /// Since when nobody has been seen, if nobody is there.
    empty_since: Option<Moment>,
    /// Connections until then.
    accepted: u64,
}

impl IdleWatch {
    pub(super) fn new(limit: Duration, now: Moment) -> IdleWatch {
        IdleWatch { limit, looks_at: now, empty_since: Some(now), accepted: 0 }
    }

    pub(super) fn looks_at(&self) -> Moment {
        self.looks_at
    }

    /// Whether nobody has been connected for the limit, by the `total` of all shards.
    pub(super) fn is_over(&mut self, now: Moment, total: impl FnOnce() -> Stats) -> bool {
        if now < self.looks_at {
            return false;
        }
        self.looks_at = now + (self.limit / 4).clamp(SHORTEST_STEP, LONGEST_STEP);
        let total = total();
        let is_new = total.accepted != self.accepted;
        self.accepted = total.accepted;
        self.empty_since = match self.empty_since {
            _ if total.open() > 0 => None,
            Some(since) if !is_new => Some(since),
            _ => Some(now),
        };
        // What is on the board may be that much older than what it tells of.
        let limit = self.limit + 2 * PERIOD;
        self.empty_since.is_some_and(|since| now.since(since) >= limit)
    }
}
