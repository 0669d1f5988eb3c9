//! `--exit-on-idle` of several shards: whether all of them together have had no client for long
//! enough.
//!
//! A shard cannot tell: the next client may come to any of them. So the supervisor looks at the
//! board, from time to time. What stands there may be a moment old, and a client may connect right
//! now. So before it stops, it asks each shard, which then accepts the clients that wait and lets
//! no new one connect.
//!
//! Invariant: it says stop only when every shard has answered that it has no client and lets none
//! connect.

use readyd::io::clock::Moment;
use readyd::server::stats::Stats;
use readyd::server::stats::publishing::PERIOD;
use std::time::Duration;

#[cfg(test)]
mod tests;

const SHORTEST_STEP: Duration = Duration::from_millis(10);
const LONGEST_STEP: Duration = Duration::from_secs(60);

/// Shards have so long for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct IdleWatch {
    limit: Duration,
    state: State,
    /// Since when no client has been seen, if none is there.
    empty_since: Option<Moment>,
    /// Connections until then.
    accepted: u64,
    /// Questions until now.
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
        /// The seats of those that have not answered.
        missing: Vec<usize>,
    },
    /// One of them has clients.
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

    /// When there is something to do.
    pub(super) fn looks_at(&self) -> Moment {
        match self.state {
            State::Watching { looks_at } => looks_at,
            State::Asking { until, .. } => until,
            State::HeardOfClients => Moment::START,
        }
    }

    /// Takes the answer of the shard in `seat`.
    pub(super) fn on_answer(&mut self, question: u64, seat: usize, is_idle: bool) {
        let State::Asking { missing, .. } = &mut self.state else { return };
        if question != self.questions {
            return;
        }
        match is_idle {
            true => missing.retain(|asked| *asked != seat),
            false => self.state = State::HeardOfClients,
        }
    }

    /// What is to be done now, by the `total` of all shards, which have these `seats`.
    pub(super) fn turn(
        &mut self,
        now: Moment,
        total: impl FnOnce() -> Stats,
        seats: impl Iterator<Item = usize>,
    ) -> Step {
        match &self.state {
            State::Watching { looks_at } if now < *looks_at => Step::Wait,
            State::Watching { .. } => self.look(now, &total(), seats),
            State::Asking { missing, .. } if missing.is_empty() => Step::Stop,
            State::Asking { until, .. } if now < *until => Step::Wait,
            State::Asking { .. } | State::HeardOfClients => {
                self.empty_since = Some(now);
                self.watch(now);
                Step::GoOn
            }
        }
    }

    fn look(&mut self, now: Moment, total: &Stats, seats: impl Iterator<Item = usize>) -> Step {
        if !self.is_over(now, total) {
            self.watch(now);
            return Step::Wait;
        }
        self.questions += 1;
        let until = now + ANSWER_WITHIN;
        self.state = State::Asking { until, missing: seats.collect() };
        Step::Ask { question: self.questions }
    }

    fn watch(&mut self, now: Moment) {
        let step = (self.limit / 4).clamp(SHORTEST_STEP, LONGEST_STEP);
        self.state = State::Watching { looks_at: now + step };
    }

    /// Whether the limit is over, as far as the board tells.
    fn is_over(&mut self, now: Moment, total: &Stats) -> bool {
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
