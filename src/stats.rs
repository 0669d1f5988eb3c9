//! What the server counts: one struct of plain numbers, owned by the server, no globals.
//!
//! Invariant: `accepted` less all of `closed` is the number of connections open.

use crate::clock::Moment;
use crate::close::CloseReason;
use std::fmt;

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
    /// Requests served: frames and lines, and on raw services what each read brought. A service that
    /// speaks without being asked has none.
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
    /// Bytes in the buffers of all connections now.
    pub buffered: u64,
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
    /// Tables loaded in place of another.
    pub table_reloads: u64,
    /// Tables that could not be loaded.
    pub table_failures: u64,
    /// Keys in the table.
    pub table_keys: u64,
    /// Log lines not written because clients caused too many.
    pub log_suppressed: u64,
}

impl Stats {
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
        self.accepted - self.closed_total()
    }

    /// The statistics at `now` as text: one `name value` a line, each ended by `\n`.
    pub fn report(&self, now: Moment) -> impl fmt::Display {
        Report { stats: self, now }
    }
}

struct Report<'a> {
    stats: &'a Stats,
    now: Moment,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats;
        let uptime = self.now.since(Moment::START);
        // The code that prints floats would be 20 KB of the program, and nothing else needs it.
        writeln!(f, "uptime_seconds {}.{:03}", uptime.as_secs(), uptime.subsec_millis())?;
        writeln!(f, "connections_open {}", stats.open())?;
        writeln!(f, "connections_peak {}", stats.peak)?;
        writeln!(f, "connections_accepted {}", stats.accepted)?;
        writeln!(f, "connections_closed {}", stats.closed_total())?;
        for (reason, count) in CloseReason::ALL.iter().zip(stats.closed) {
            writeln!(f, "closed_{} {count}", reason.word())?;
        }
        let counters = [
            ("requests", stats.requests),
            ("frames", stats.frames),
            ("refusals", stats.refusals),
            ("bytes_in", stats.bytes_in),
            ("bytes_out", stats.bytes_out),
            ("buffered_bytes", stats.buffered),
            ("refused_denied", stats.refused_denied),
            ("refused_address_limit", stats.refused_address_limit),
            ("refused_address_rate", stats.refused_address_rate),
            ("accept_errors", stats.accept_errors),
            ("accept_pauses", stats.accept_pauses),
            ("events_stale", stats.stale_events),
            ("visits", stats.visits),
            ("turns", stats.turns),
            ("table_keys", stats.table_keys),
            ("table_reloads", stats.table_reloads),
            ("table_failures", stats.table_failures),
            ("log_lines_suppressed", stats.log_suppressed),
        ];
        counters.iter().try_for_each(|(name, value)| writeln!(f, "{name} {value}"))
    }
}
