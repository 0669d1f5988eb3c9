//! The statistics as text: one `name value` a line, each ended by `\n`.

use super::publishing::Shards;
use super::{Stats, VERSION};
use crate::server::close::CloseReason;
use std::fmt;
use std::time::Duration;

impl Stats {
    /// The statistics of a process that has run for `uptime`.
    pub fn report(&self, uptime: Duration, process_id: u32) -> impl fmt::Display {
        Report { stats: self, uptime, process_id, shards: None }
    }

    /// The same of several shards together. The first has run for `uptime`. Signals go to the
    /// process `supervisor`.
    pub fn report_of_shards(
        &self,
        shards: Shards,
        uptime: Duration,
        supervisor: u32,
    ) -> impl fmt::Display {
        Report { stats: self, uptime, process_id: supervisor, shards: Some(shards) }
    }

    /// What the shard of that number, from 1, has counted: the same names behind `shard_1_`. The
    /// first shard has run for `uptime`.
    pub fn report_of_shard(&self, number: usize, uptime: Duration) -> impl fmt::Display {
        ShardReport { stats: self, number, uptime }
    }

    /// Has every number written that one process can know of itself.
    fn write_numbers(
        &self,
        uptime: Duration,
        write: &mut dyn FnMut(fmt::Arguments<'_>, u64) -> fmt::Result,
    ) -> fmt::Result {
        write(format_args!("connections_open"), self.open())?;
        write(format_args!("connections_peak"), self.peak)?;
        write(format_args!("connections_max"), self.max_connections)?;
        for (name, count) in self.standing_gauges() {
            write(format_args!("{name}"), count)?;
        }
        write(format_args!("connections_accepted"), self.accepted)?;
        write(format_args!("connections_closed"), self.closed_total())?;
        for (reason, count) in CloseReason::ALL.iter().zip(self.closed) {
            write(format_args!("closed_{}", reason.word()), count)?;
        }
        let counters = [
            ("requests", self.requests),
            ("frames", self.frames),
            ("refusals", self.refusals),
            ("bytes_in", self.bytes_in),
            ("bytes_out", self.bytes_out),
            ("memory_limit_bytes", self.memory_limit),
            ("buffered_bytes", self.buffered),
            ("buffered_input_bytes", self.buffered.saturating_sub(self.buffered_output)),
            ("buffered_output_bytes", self.buffered_output),
            ("connection_places_bytes", self.places_memory),
            ("address_limits_bytes", self.addresses_memory),
            ("table_bytes", self.table_memory),
            ("resident_bytes", self.resident),
            ("cpu_microseconds", self.cpu_micros),
            ("landlock_abi", self.landlock_abi),
            ("refused_denied", self.refused_denied),
            ("refused_address_limit", self.refused_address_limit),
            ("refused_address_rate", self.refused_address_rate),
            ("refused_not_proxy", self.refused_not_proxy),
            ("refused_tls_rate", self.refused_tls_rate),
            ("tls_handshakes", self.tls_handshakes),
            ("tls_resumed", self.tls_resumed),
            ("tls_certificate_expires", self.tls_certificate_expires),
            ("proxy_headers", self.proxy_headers),
            ("proxy_local", self.proxy_local),
            ("accept_errors", self.accept_errors),
            ("accept_pauses", self.accept_pauses),
            ("events_stale", self.stale_events),
            ("visits", self.visits),
            ("turns", self.turns),
            ("turns_over_one_ms", self.slow_turns.over_1ms),
            ("turns_over_ten_ms", self.slow_turns.over_10ms),
            ("turns_over_hundred_ms", self.slow_turns.over_100ms),
            ("longest_turn_microseconds", self.longest_turn.micros(uptime)),
            ("table_keys", self.table_keys),
            ("table_reloads", self.table_reloads),
            ("table_failures", self.table_failures),
            ("log_lines_suppressed", self.log_suppressed),
        ];
        counters.iter().try_for_each(|&(name, value)| write(format_args!("{name}"), value))
    }
}

/// Of a server: a process, or several shards together.
struct Report<'a> {
    stats: &'a Stats,
    uptime: Duration,
    process_id: u32,
    shards: Option<Shards>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.uptime.as_secs(), self.uptime.subsec_millis());
        // The code that prints floats would be 20 KB of the program, and nothing else needs it.
        writeln!(f, "uptime_seconds {whole}.{part:03}")?;
        writeln!(f, "version {VERSION}")?;
        writeln!(f, "pid {}", self.process_id)?;
        if let Some(Shards { count, answering, with_newest_table }) = self.shards {
            writeln!(f, "shards {count}")?;
            writeln!(f, "shards_answering {answering}")?;
            writeln!(f, "shards_with_newest_table {with_newest_table}")?;
        }
        self.stats.write_numbers(self.uptime, &mut |name, value| writeln!(f, "{name} {value}"))
    }
}

/// Of one shard among others.
struct ShardReport<'a> {
    stats: &'a Stats,
    number: usize,
    uptime: Duration,
}

impl fmt::Display for ShardReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number;
        self.stats.write_numbers(self.uptime, &mut |name, value| {
            writeln!(f, "shard_{number}_{name} {value}")
        })
    }
}
