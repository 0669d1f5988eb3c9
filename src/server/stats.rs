//! What the server counts: one struct of plain numbers, owned by the server, no globals.
//!
//! Invariant: `accepted` less all of `closed` is the number of connections open.
//!
//! Where several servers are shards of one, `scoreboard` is where they tell each other, and
//! [`publishing`] says when.

#[cfg(feature = "ops")]
mod exposition;
pub mod histogram;
pub mod publishing;
mod report;
#[cfg(unix)]
pub mod scoreboard;
pub mod standing;
pub mod turns;

use crate::io::host::Usage;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use crate::table::Table;
use histogram::{Events, Times};
use standing::Standings;
#[cfg(unix)]
use standing::{Activity, Depth};
use std::time::Duration;
use turns::{LongestTurn, SlowTurns};

#[cfg(test)]
mod tests;

/// Counters since the start, and the gauges that only their owner can know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections closed, by [`CloseReason`], in the order of [`CloseReason::ALL`].
    pub closed: [u64; CloseReason::ALL.len()],
    /// Most connections open at once.
    pub peak: u64,
    /// How the open connections stand.
    pub standings: Standings,
    /// Requests served: frames and lines, and on raw services what each read brought. A service
    /// that speaks without being asked has none.
    pub requests: u64,
    /// Requests that came as padded frames.
    pub frames: u64,
    /// Requests, or what should have been ones, answered with an `Error:`.
    pub refusals: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes the kernel took from us.
    pub bytes_out: u64,
    /// Clients turned away because no rule lets them in.
    pub refused_denied: u64,
    /// Clients turned away because their address had as many connections as one may have.
    pub refused_address_limit: u64,
    /// Clients turned away because their address connected more often than one may.
    pub refused_address_rate: u64,
    /// Clients turned away because the listener lets proxies in only, and they are none.
    pub refused_not_proxy: u64,
    /// Clients turned away because as many TLS handshakes had begun as may in a second.
    pub refused_tls_rate: u64,
    /// TLS handshakes that succeeded.
    pub tls_handshakes: u64,
    /// Those among them that resumed an earlier session.
    pub tls_resumed: u64,
    /// When the first certificate expires, in seconds since 1970; 0 if there is none.
    pub tls_certificate_expires: u64,
    /// Headers of the PROXY protocol that told of a client.
    pub proxy_headers: u64,
    /// Headers of the PROXY protocol that said LOCAL: the connection is the proxy's own.
    pub proxy_local: u64,
    /// Bytes in the buffers of all connections now.
    pub buffered: u64,
    /// Those among them that hold output; the others hold input.
    pub buffered_output: u64,
    /// Bytes that the connections' places take, whether used or not: slab, timers, queue.
    pub places_memory: u64,
    /// Bytes that the limits by address take: which clients are connected, which came lately.
    pub addresses_memory: u64,
    /// Bytes that the lookup table takes.
    pub table_memory: u64,
    /// Accepts that failed for one connection's reasons, such as a client gone already.
    pub accept_errors: u64,
    /// Times that accepting was paused for want of descriptors, memory or room.
    pub accept_pauses: u64,
    /// Events for a connection that no longer was.
    pub stale_events: u64,
    /// Visits to a connection: one for each time that it had something to do.
    pub visits: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// Turns that took long.
    pub slow_turns: SlowTurns,
    /// Tables loaded in place of another.
    pub table_reloads: u64,
    /// Tables that could not be loaded.
    pub table_failures: u64,
    /// Keys in the table.
    pub table_keys: u64,
    /// Log lines not written because clients caused too many.
    pub log_suppressed: u64,
    /// Most connections that are held at once.
    pub max_connections: u64,
    /// Bytes that all connections may hold in buffers.
    pub memory_limit: u64,
    /// Processor time used by the process, in microseconds.
    pub cpu_micros: u64,
    /// Bytes of memory that the process has in use.
    pub resident: u64,
    /// The ABI of Landlock that confines the process; 0 if none does.
    pub landlock_abi: u64,
    /// The longest turn of the loop lately.
    pub longest_turn: LongestTurn,
    /// Connections of metrics listeners accepted; they are among all others, too.
    pub metrics_accepted: u64,
    /// Connections of metrics listeners closed, likewise.
    pub metrics_closed: u64,
    /// Processes that were told to stop.
    pub draining: u64,
    /// How long turns of the loop took.
    pub turn_times: Times,
    /// How many events turns had.
    pub turn_events: Events,
    /// How long visits waited since the turn began: one of 64.
    pub queue_waits: Times,
}

/// The version of the program, as Cargo.toml has it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Stats {
    /// Nothing counted yet.
    pub fn new(table: &Table, limits: &Limits) -> Stats {
        let mut stats = Stats::default();
        stats.describe_limits(limits);
        stats.describe_table(table);
        stats
    }

    /// Says which limits hold.
    pub fn describe_limits(&mut self, limits: &Limits) {
        self.max_connections = limits.max_connections as u64;
        self.memory_limit = limits.memory_limit as u64;
        self.landlock_abi = u64::from(limits.landlock_abi);
        self.tls_certificate_expires = limits.tls_certificate_expires;
    }

    /// Says what the process has used by now.
    pub fn describe_usage(&mut self, usage: Usage) {
        self.describe_cpu_time(usage.cpu);
        self.resident = usage.resident_bytes;
    }

    /// Says how much processor time the process has used by now.
    pub fn describe_cpu_time(&mut self, cpu: Duration) {
        self.cpu_micros = u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX);
    }

    /// Says what there is to be said of another table.
    pub fn describe_table(&mut self, table: &Table) {
        self.table_keys = table.len() as u64;
        self.table_memory = table.memory() as u64;
    }

    /// Counts one connection closed for `reason`.
    pub fn count_close(&mut self, reason: CloseReason) {
        if let Some(count) = self.closed.get_mut(reason as usize) {
            *count += 1;
        }
        if matches!(
            reason,
            CloseReason::BadFrame | CloseReason::OverLimit | CloseReason::FrameTimeout
        ) {
            self.refusals += 1;
        }
    }

    /// Connections closed for any reason.
    pub fn closed_total(&self) -> u64 {
        self.closed.iter().sum()
    }

    /// Connections open.
    pub fn open(&self) -> u64 {
        self.accepted.saturating_sub(self.closed_total())
    }

    /// Connections open, without those of metrics listeners.
    pub fn open_to_clients(&self) -> u64 {
        self.open().saturating_sub(self.metrics_open())
    }

    /// Connections of metrics listeners that are open.
    pub fn metrics_open(&self) -> u64 {
        self.metrics_accepted.saturating_sub(self.metrics_closed)
    }

    /// Connections accepted, without those of metrics listeners.
    pub fn accepted_from_clients(&self) -> u64 {
        self.accepted.saturating_sub(self.metrics_accepted)
    }

    /// Counts all that is open as closed by the system: the process that had it is gone.
    pub fn end_all(&mut self) {
        let open = self.open();
        if let Some(count) = self.closed.get_mut(CloseReason::SystemError as usize) {
            *count += open;
        }
        (self.metrics_closed, self.draining) = (self.metrics_accepted, 0);
        self.standings = Standings::default();
        (self.buffered, self.buffered_output) = (0, 0);
        (self.places_memory, self.addresses_memory, self.table_memory) = (0, 0, 0);
        (self.resident, self.max_connections, self.memory_limit) = (0, 0, 0);
        (self.landlock_abi, self.tls_certificate_expires) = (0, 0);
    }

    /// Adds what another shard counted. What is said of the table and of Landlock holds for all
    /// shards alike, so there the largest number counts. The sum of the peaks may be more than
    /// there ever were at once.
    pub fn add(&mut self, other: &Stats) {
        let mut sum = other.clone();
        for (sum, number) in sum.numbers().into_iter().zip(self.clone().numbers()) {
            *sum = sum.saturating_add(*number);
        }
        *self = Stats {
            table_keys: self.table_keys.max(other.table_keys),
            table_memory: self.table_memory.max(other.table_memory),
            table_reloads: self.table_reloads.max(other.table_reloads),
            table_failures: self.table_failures.max(other.table_failures),
            landlock_abi: self.landlock_abi.max(other.landlock_abi),
            tls_certificate_expires: self
                .tls_certificate_expires
                .max(other.tls_certificate_expires),
            longest_turn: self.longest_turn.merge(other.longest_turn),
            ..sum
        };
    }

    /// Adds what earlier processes counted, in whose place this one is. What is said of the table
    /// and of limits holds for this one.
    pub fn follow(&mut self, earlier: &Stats) {
        let own = self.clone();
        self.add(earlier);
        *self = Stats {
            peak: own.peak.max(earlier.peak),
            table_keys: own.table_keys,
            table_memory: own.table_memory,
            table_reloads: own.table_reloads.saturating_add(earlier.table_reloads),
            table_failures: own.table_failures.saturating_add(earlier.table_failures),
            max_connections: own.max_connections,
            memory_limit: own.memory_limit,
            landlock_abi: own.landlock_abi,
            longest_turn: own.longest_turn,
            draining: own.draining,
            ..self.clone()
        };
    }

    /// Every number, for [`Stats::from_numbers`].
    pub fn to_numbers(&self) -> Vec<u64> {
        self.clone().numbers().into_iter().map(|number| *number).collect()
    }

    /// The statistics with these numbers; those that are missing are 0.
    pub fn from_numbers(numbers: impl IntoIterator<Item = u64>) -> Stats {
        let mut stats = Stats::default();
        for (own, number) in stats.numbers().into_iter().zip(numbers) {
            *own = number;
        }
        stats
    }

    /// Every number, always in the same order. As a list, for a loop over so long a chain of
    /// iterators is 1 KB of the program each time.
    #[inline(never)]
    fn numbers(&mut self) -> Vec<&mut u64> {
        // Without `..`: the compiler reports a number that is not listed here.
        let Stats {
            accepted,
            closed,
            peak,
            standings: Standings { activities, depths },
            requests,
            frames,
            refusals,
            bytes_in,
            bytes_out,
            refused_denied,
            refused_address_limit,
            refused_address_rate,
            refused_not_proxy,
            refused_tls_rate,
            tls_handshakes,
            tls_resumed,
            tls_certificate_expires,
            proxy_headers,
            proxy_local,
            buffered,
            buffered_output,
            places_memory,
            addresses_memory,
            table_memory,
            accept_errors,
            accept_pauses,
            stale_events,
            visits,
            turns,
            slow_turns: SlowTurns { over_1ms, over_10ms, over_100ms },
            table_reloads,
            table_failures,
            table_keys,
            log_suppressed,
            max_connections,
            memory_limit,
            cpu_micros,
            resident,
            landlock_abi,
            longest_turn,
            metrics_accepted,
            metrics_closed,
            draining,
            turn_times,
            turn_events,
            queue_waits,
        } = self;
        let connections = [accepted, peak].into_iter().chain(closed);
        let connections = connections.chain(activities).chain(depths);
        let memory = [buffered, buffered_output, places_memory, addresses_memory, table_memory];
        let traffic = [requests, frames, refusals, bytes_in, bytes_out];
        let refused =
            [refused_denied, refused_address_limit, refused_address_rate, refused_not_proxy];
        let proxies = [proxy_headers, proxy_local];
        let tls = [refused_tls_rate, tls_handshakes, tls_resumed, tls_certificate_expires];
        let loops = [accept_errors, accept_pauses, stale_events, visits, turns, log_suppressed];
        let slow = [over_1ms, over_10ms, over_100ms];
        let table = [table_reloads, table_failures, table_keys];
        let process = [max_connections, memory_limit, cpu_micros, resident, landlock_abi];
        let numbers =
            connections.chain(memory).chain(traffic).chain(refused).chain(proxies).chain(tls);
        let numbers = numbers.chain(loops).chain(slow);
        let numbers = numbers.chain(table).chain(process).chain(longest_turn.numbers());
        let numbers = numbers.chain([metrics_accepted, metrics_closed, draining]);
        let times = turn_times.numbers().chain(turn_events.numbers());
        numbers.chain(times).chain(queue_waits.numbers()).collect()
    }

    /// The names of [`Stats::numbers`] on the scoreboard, in the same order: those that `STATS` has
    /// for them, but for the parts of the longest turn.
    #[cfg(unix)]
    fn names() -> Vec<String> {
        let closed = CloseReason::ALL.iter().map(|reason| format!("closed_{}", reason.word()));
        let activities = Activity::ALL.iter().skip(1).map(|it| it.name().to_owned());
        let depths = Depth::ALL.iter().skip(1).map(|it| it.name().to_owned());
        let others = [
            "buffered_bytes",
            "buffered_output_bytes",
            "connection_places_bytes",
            "address_limits_bytes",
            "table_bytes",
            "requests",
            "frames",
            "refusals",
            "bytes_in",
            "bytes_out",
            "refused_denied",
            "refused_address_limit",
            "refused_address_rate",
            "refused_not_proxy",
            "proxy_headers",
            "proxy_local",
            "refused_tls_rate",
            "tls_handshakes",
            "tls_resumed",
            "tls_certificate_expires",
            "accept_errors",
            "accept_pauses",
            "events_stale",
            "visits",
            "turns",
            "log_lines_suppressed",
            "turns_over_one_ms",
            "turns_over_ten_ms",
            "turns_over_hundred_ms",
            "table_reloads",
            "table_failures",
            "table_keys",
            "connections_max",
            "memory_limit_bytes",
            "cpu_microseconds",
            "resident_bytes",
            "landlock_abi",
            "longest_turn_window",
            "longest_turn_microseconds",
            "longest_turn_before_microseconds",
        ];

        let first = ["connections_accepted", "connections_peak"].map(str::to_owned).into_iter();
        let standings = activities.chain(depths);
        let others = others.map(str::to_owned).into_iter().chain(Stats::names_for_metrics());
        first.chain(closed).chain(standings).chain(others).collect()
    }

    /// Those among [`Stats::names`] that only metrics listeners show.
    #[cfg(unix)]
    fn names_for_metrics() -> Vec<String> {
        let others = ["metrics_connections_accepted", "metrics_connections_closed", "draining"];
        let of_turns = Times::names("turn_nanoseconds").chain(Events::names("turn_events"));
        let histograms = of_turns.chain(Times::names("queue_wait_nanoseconds"));
        others.map(str::to_owned).into_iter().chain(histograms).collect()
    }
}
