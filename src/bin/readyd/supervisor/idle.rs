//! `--exit-on-idle` with shards: whether all shards together have had no client for that time.
//!
//! A shard cannot decide this alone, because the next client may connect to any shard. So the
//! supervisor reads the scoreboard from time to time. The scoreboard may be outdated, and a client
//! may connect at any moment. So before it stops, it asks each shard, which then accepts the
//! clients in its backlog and no new ones.
//!
//! Invariant: it stops only when every shard has answered that it has no client and accepts none.

use readyd::io::clock::Moment;
use readyd::server::stats::Stats;
use readyd::server::stats::publishing::PERIOD;
use std::time::Duration;

#[cfg(test)]
mod tests;

const SHORTEST_STEP: Duration = Duration::from_millis(10);
const LONGEST_STEP: Duration = Duration::from_secs(60);

/// How long shards may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct IdleWatch {
    limit: Duration,
    state: State,
    /// Since when there has been no client; `None` if there is one.
    empty_since: Option<Moment>,
    /// Connections accepted until then.
    accepted: u64,
    /// Questions asked so far.
    questions: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Watching {
        looks_at: Moment,
    },
    /// The shards have been asked.
    Asking {
        until: Moment,
        /// The scoreboard slots of the shards that have not answered.
        missing: Vec<usize>,
    },
    /// A shard has clients.
    HeardOfClients,
}

/// What the supervisor has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Wait,
    /// Ask all shards.
    Ask {
        question: u64,
    },
    /// Tell all shards to let clients connect again.
    GoOn,
    Stop,
}

impl IdleWatch {
    pub(super) fn new(limit: Duration, now: Moment) -> IdleWatch {
        IdleWatch {
            limit,
            state: State::Watching { looks_at: now },
            empty_since: Some(now),
            accepted: 0,
            questions: 0,
        }
    }

    /// When the supervisor must call `turn` next.
    pub(super) fn looks_at(&self) -> Moment {
        match self.state {
            State::Watching { looks_at } => looks_at,
            State::Asking { until, .. } => until,
            State::HeardOfClients => Moment::START,
        }
    }

    /// Takes the answer of the shard with `scoreboard_slot`.
    pub(super) fn on_answer(&mut self, question: u64, scoreboard_slot: usize, is_idle: bool) {
        let State::Asking { missing, .. } = &mut self.state else { return };
        if question != self.questions {
            return;
        }
        match is_idle {
            true => missing.retain(|asked| *asked != scoreboard_slot),
            false => self.state = State::HeardOfClients,
        }
    }

    /// What to do now, by the `total` of all shards, which have these slots on the scoreboard.
    pub(super) fn turn(
        &mut self,
        now: Moment,
        total: impl FnOnce() -> Stats,
        scoreboard_slots: impl Iterator<Item = usize>,
    ) -> Step {
        match &self.state {
            State::Watching { looks_at } if now < *looks_at => Step::Wait,
            State::Watching { .. } => self.look(now, &total(), scoreboard_slots),
            State::Asking { missing, .. } if missing.is_empty() => Step::Stop,
            State::Asking { until, .. } if now < *until => Step::Wait,
            State::Asking { .. } | State::HeardOfClients => {
                self.empty_since = Some(now);
                self.watch(now);
                Step::GoOn
            }
        }
    }

    fn look(
        &mut self,
        now: Moment,
        total: &Stats,
        scoreboard_slots: impl Iterator<Item = usize>,
    ) -> Step {
        if !self.is_over(now, total) {
            self.watch(now);
            return Step::Wait;
        }
        self.questions += 1;
        let until = now + ANSWER_WITHIN;
        self.state = State::Asking { until, missing: scoreboard_slots.collect() };
        Step::Ask { question: self.questions }
    }

    fn watch(&mut self, now: Moment) {
        let step = (self.limit / 4).clamp(SHORTEST_STEP, LONGEST_STEP);
        self.state = State::Watching { looks_at: now + step };
    }

    /// Whether there was no client for the time limit, as far as the scoreboard shows.
    fn is_over(&mut self, now: Moment, total: &Stats) -> bool {
        let accepted = total.accepted_from_clients();
        let is_new = accepted != self.accepted;
        self.accepted = accepted;
        self.empty_since = match self.empty_since {
            _ if total.open_to_clients() > 0 => None,
            Some(since) if !is_new => Some(since),
            _ => Some(now),
        };
        // The scoreboard may be that much out of date.
        let limit = self.limit + 2 * PERIOD;
        self.empty_since.is_some_and(|since| now.since(since) >= limit)
    }
}
