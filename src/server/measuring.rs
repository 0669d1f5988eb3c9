//! What the server tells of itself, and of the process that it runs in.

use super::Server;
use super::context::ServerContext;
use crate::io::clock::Moment;
use crate::io::net::{Net, Told};
use crate::server::stats::publishing::{Publisher, SharedStats};

/// Of this number of visits, one is asked how long it has waited: that takes a look at the clock.
const VISITS_PER_SAMPLE: u64 = 64;

impl<N: Net> Server<N> {
    /// The counters of this server as text, one `name value` a line: of a shard without the others,
    /// else with those of the processes that it goes on from.
    pub fn statistics(&mut self, now: Moment) -> String {
        self.cx.net.told(Told::Statistics(now));
        let usage = self.cx.net.usage();
        let ServerContext { stats, publisher, .. } = &mut self.cx;
        stats.describe_usage(usage);
        // A shard counts its windows as all do, from the start of the first, and its age from its
        // own.
        stats.longest_turn.advance(publisher.uptime(now));
        let (uptime, process) = (publisher.uptime(now), usage.process_id);
        match publisher.alone_in_all(stats, now) {
            Some(total) => total.report(uptime, process).to_string(),
            None => stats.report(now.since(Moment::START), process).to_string(),
        }
    }

    /// Makes this server a shard: what it counts becomes known to the others, and `STATS` tells the
    /// sum, and the process `supervisor` as the one that takes signals.
    pub fn share_statistics(&mut self, stats: Box<dyn SharedStats>, supervisor: u32) {
        self.cx.publisher = Publisher::new(stats, supervisor);
        self.cx.publisher.confine_to(self.cx.limits.stats_from.clone());
    }

    /// Has the next process go on from what this server counts, which was the first.
    pub fn leave_statistics(&mut self, stats: Box<dyn SharedStats>) {
        self.cx.publisher = Publisher::first(stats);
        self.cx.publisher.confine_to(self.cx.limits.stats_from.clone());
    }

    /// Makes this server one that goes on from what earlier processes have counted, and whose next
    /// process goes on from what this one counts.
    pub fn continue_statistics(&mut self, stats: Box<dyn SharedStats>) {
        self.cx.publisher = Publisher::alone(stats);
        self.cx.publisher.confine_to(self.cx.limits.stats_from.clone());
    }

    /// Keeps how long a turn has taken, if it was a long one.
    pub(super) fn note_turn(&mut self, began: Moment, ended: Moment) {
        let (took, uptime) = (ended.since(began), self.cx.publisher.uptime(ended));
        self.cx.stats.slow_turns.note(took);
        self.cx.stats.longest_turn.note(took, uptime);
        if self.cx.limits.measures_turns {
            let nanos = ended.as_nanos().saturating_sub(began.as_nanos());
            self.cx.stats.turn_times.note(nanos);
            self.cx.stats.turn_events.note(self.cx.events.into());
            self.cx.events = 0;
        }
    }
}

impl<N: Net> ServerContext<N> {
    /// Counts a visit to a connection that was ready.
    #[inline]
    pub(super) fn count_visit(&mut self) {
        self.stats.visits += 1;
        if self.stats.visits.is_multiple_of(VISITS_PER_SAMPLE) {
            self.sample_wait();
        }
    }

    /// Notes how long a visit that begins now has waited since the turn began.
    #[cold]
    fn sample_wait(&mut self) {
        if self.limits.measures_turns
            && let Some(now) = self.net.time_in_turn()
        {
            self.stats.queue_waits.note(now.as_nanos().saturating_sub(self.now.as_nanos()));
        }
    }
}
