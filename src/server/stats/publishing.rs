//! When a shard tells the others what it has counted.
//!
//! Invariants: a shard publishes its counters before it reports them, so a client that asks one
//! shard after another never sees a counter go back. An idle shard does not wake up to publish.

use super::Stats;
#[cfg(feature = "ops")]
use super::exposition;
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::host::{Host, Usage};
use crate::server::access::Cidr;
use std::fmt;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Between one publication and the next while a shard is busy: often enough for people who watch,
/// and rare beside the system calls of its clients.
pub const PERIOD: Duration = Duration::from_millis(100);

/// What the supervisor of shards knows of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shards {
    /// How many there are to be.
    pub count: u64,
    /// How many answer: their loops turn.
    pub answering: u64,
    /// How many have the table that was loaded last.
    pub with_newest_table: u64,
}

/// Statistics that the shards of one server share.
pub trait SharedStats {
    /// Replaces what this shard had published.
    fn publish(&mut self, own: &Stats);

    /// What all have published, this one included.
    fn total(&self) -> Stats;

    /// What the processes of each shard have published together.
    fn each(&self) -> Vec<Stats>;

    /// What is known of all of them.
    fn shards(&self) -> Shards;

    /// For how long there had been shards when this one started.
    fn age_at_start(&self) -> Duration;
}

/// Publishes a server's statistics, if it is a shard, and keeps their text for as long as the turn
/// lasts.
#[derive(Debug, Default)]
pub struct Publisher {
    shared: Option<Shared>,
    /// One of each [`Detail`] at most.
    reports: Vec<Report>,
    /// Who may read the statistics; if there are none, all may.
    readers: Vec<Cidr>,
    has_handed_over: bool,
}

/// What a client wants to know of several shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The numbers of all together.
    Together,
    /// Behind them those of each.
    Each,
    /// The numbers of all together and those of each, in the text format of Prometheus.
    #[cfg(feature = "ops")]
    Metrics,
}

/// The text of the statistics, and the turn in which it was made.
#[derive(Debug)]
struct Report {
    turn: u64,
    detail: Detail,
    text: String,
}

struct Shared {
    stats: Box<dyn SharedStats>,
    role: Role,
    /// The next publication is not before this.
    pause_ends: Moment,
    /// Something has happened since the last time.
    has_news: bool,
}

/// With whom a server shares its statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// With the other shards. This process takes signals for all.
    Shard { supervisor: u32 },
    /// With the processes before it, whose counters it goes on from, and with the next. No other
    /// process reads what it has counted until it hands over, so it publishes only then.
    Alone,
    /// Likewise, with no process before it: all that it tells is its own.
    First,
}

impl Publisher {
    /// A publisher for a shard, whose supervisor has that number.
    pub fn new(stats: Box<dyn SharedStats>, supervisor: u32) -> Publisher {
        Publisher::in_role(stats, Role::Shard { supervisor })
    }

    /// A publisher for a server of one process, which goes on from what others have counted.
    pub fn alone(stats: Box<dyn SharedStats>) -> Publisher {
        Publisher::in_role(stats, Role::Alone)
    }

    /// A publisher for the first process of a server, from which the next one goes on.
    pub fn first(stats: Box<dyn SharedStats>) -> Publisher {
        Publisher::in_role(stats, Role::First)
    }

    fn in_role(stats: Box<dyn SharedStats>, role: Role) -> Publisher {
        let pause_ends = Moment::START;
        let shared = Shared { stats, role, pause_ends, has_news: false };
        Publisher { shared: Some(shared), ..Publisher::default() }
    }

    /// Another process has the listeners. It reads what is published here, so each turn publishes.
    pub fn hand_over(&mut self) {
        self.has_handed_over = true;
    }

    /// Whether another process has the listeners.
    pub fn has_handed_over(&self) -> bool {
        self.has_handed_over
    }

    /// Has only clients at these addresses read the statistics; if there are none, all may.
    pub fn confine_to(&mut self, readers: Vec<Cidr>) {
        self.readers = readers;
    }

    /// Whether a client may read the statistics. On a unix socket it may: the modes of the file say
    /// who connects.
    pub fn may_read(&self, peer: Peer) -> bool {
        self.readers.is_empty()
            || peer.ip().is_none_or(|ip| self.readers.iter().any(|range| range.contains(ip)))
    }

    /// How long there has been a server: for a shard, since the first of them started.
    pub fn uptime(&self, now: Moment) -> Duration {
        let own = now.since(Moment::START);
        self.shared.as_ref().map_or(own, |shared| shared.stats.age_at_start() + own)
    }

    /// A turn of the loop has changed the statistics. What the process has used is asked only if
    /// they are published.
    pub fn turn(&mut self, own: &mut Stats, host: &impl Host, now: Moment) {
        let Some(shared) = &mut self.shared else { return };
        match shared.role {
            Role::Alone | Role::First if self.has_handed_over => shared.publish(own, now),
            Role::Alone | Role::First => {}
            Role::Shard { .. } => {
                shared.has_news = true;
                if now >= shared.pause_ends {
                    own.describe_usage(host.usage());
                    shared.publish(own, now);
                }
            }
        }
    }

    /// There will be no turn any more.
    pub fn last_turn(&mut self, own: &mut Stats, host: &impl Host, now: Moment) {
        let Some(shared) = &mut self.shared else { return };
        if matches!(shared.role, Role::Shard { .. }) {
            own.describe_usage(host.usage());
        }
        shared.publish(own, now);
    }

    /// When there is something to publish though nothing more happens.
    pub fn due(&self) -> Option<Moment> {
        self.shared.as_ref().filter(|shared| shared.has_news).map(|shared| shared.pause_ends)
    }

    /// How many texts of statistics [`Publisher::report`] has to make: none if it was asked for
    /// the same in this turn.
    pub fn texts_to_make(&self, own: &Stats, detail: Detail) -> u64 {
        if self.reports.iter().any(|report| report.is_of(own.turns, detail)) {
            return 0;
        }
        match (detail, &self.shared) {
            (Detail::Together, _) | (_, None) => 1,
            (_, Some(Shared { role: Role::Alone | Role::First, .. })) => 1,
            (_, Some(shared)) => 1 + shared.stats.shards().count,
        }
    }

    /// What there is to be said of a server of one process, and of those that it goes on from.
    pub fn alone_in_all(&mut self, own: &Stats, now: Moment) -> Option<Stats> {
        let shared = self.shared.as_mut().filter(|shared| shared.role == Role::Alone)?;
        shared.publish(own, now);
        Some(shared.stats.total())
    }

    /// The statistics as text: of this server, or of all shards if it is one. A text is made once a
    /// turn, when it is first asked for, so a client that asks often does not delay the others. A
    /// shard then publishes, too.
    pub fn report(
        &mut self,
        own: &mut Stats,
        host: &(impl Host + ?Sized),
        now: Moment,
        detail: Detail,
    ) -> &str {
        let turn = own.turns;
        if !self.reports.iter().any(|report| report.is_of(turn, detail)) {
            self.reports.retain(|report| report.detail != detail);
            let text = self.make_report(own, host.usage(), now, detail);
            self.reports.push(Report { turn, detail, text });
        }
        let report = self.reports.iter().find(|report| report.is_of(turn, detail));
        report.map_or("", |report| &report.text)
    }

    fn make_report(
        &mut self,
        own: &mut Stats,
        usage: Usage,
        now: Moment,
        detail: Detail,
    ) -> String {
        own.describe_usage(usage);
        let uptime = self.uptime(now);
        if let Some(shared) = &mut self.shared {
            shared.publish(own, now);
        }
        let others = self.shared.as_mut().filter(|shared| shared.role != Role::First);
        let Some(shared) = others else {
            #[cfg(feature = "ops")]
            if detail == Detail::Metrics {
                return exposition::of_server(own, uptime);
            }
            return own.report(uptime, usage.process_id).to_string();
        };
        let Shared { stats, role, .. } = shared;
        let Role::Shard { supervisor } = *role else {
            let total = stats.total();
            #[cfg(feature = "ops")]
            if detail == Detail::Metrics {
                return exposition::of_server(&total, uptime);
            }
            return total.report(uptime, usage.process_id).to_string();
        };
        #[cfg(feature = "ops")]
        if detail == Detail::Metrics {
            return exposition::of_shards(stats.shards(), &stats.each(), uptime);
        }
        let total = stats.total().report_of_shards(stats.shards(), uptime, supervisor).to_string();
        let each = if detail == Detail::Each { stats.each() } else { Vec::new() };
        let add = |text: String, (number, shard): (usize, &Stats)| {
            text + &shard.report_of_shard(number, uptime).to_string()
        };
        (1..).zip(&each).fold(total, add)
    }
}

impl Report {
    fn is_of(&self, turn: u64, detail: Detail) -> bool {
        self.turn == turn && self.detail == detail
    }
}

impl fmt::Debug for Shared {
    /// Without `stats`: a trait object keeps all that it can do in the program, used or not, and
    /// how a file is shown to programmers is 10 KB.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("pause_ends", &self.pause_ends)
            .field("has_news", &self.has_news)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn publish(&mut self, own: &Stats, now: Moment) {
        self.stats.publish(own);
        self.pause_ends = now + PERIOD;
        self.has_news = false;
    }
}
