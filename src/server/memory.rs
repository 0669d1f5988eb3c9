//! The memory that all connections share: how much is in use, and which connections are closed when
//! it is too much.
//!
//! Each connection has limits of its own, but ten thousand times a tolerable amount is not
//! tolerable. When the sum is over the limit, the newest connections that hold some of it are
//! closed: a connection that was there before the crowd came is served on.
//!
//! Invariants:
//!
//! - The sum is what the connections hold, at each moment at which no call to one of them is under
//!   way.
//! - A search for the newest walks through all connections. It frees an eighth of the limit, and
//!   the next search comes only after that has filled up again: so clients must send many bytes to
//!   cause one.

use super::connection::ServerConnection;
use super::warning::RateLimitedWarning;
use crate::counted::counted;
use crate::io::clock::Moment;
use crate::io::socket_table::{Socket, SocketTable};
use crate::io::token::Token;
use crate::io::trim::TrimSchedule;
use crate::server::stats::Stats;

/// Heap bytes of a connection: of its input, of its output.
type Held = (usize, usize);

/// The sum of what all connections hold.
#[derive(Debug)]
pub(super) struct MemoryAccounting {
    limit: usize,
    used: usize,
    used_by_output: usize,
    trim: TrimSchedule,
    warning: RateLimitedWarning,
}

impl MemoryAccounting {
    pub(super) fn new(limit: usize) -> MemoryAccounting {
        let warning = RateLimitedWarning::default();
        let trim = TrimSchedule::default();
        MemoryAccounting { limit, used: 0, used_by_output: 0, trim, warning }
    }

    /// A connection that held `before` holds `after`.
    #[inline]
    pub(super) fn change(&mut self, before: Held, after: Held) {
        self.used = self.used - before.0 - before.1 + after.0 + after.1;
        self.used_by_output = self.used_by_output - before.1 + after.1;
    }

    /// Tells what is in use.
    pub(super) fn report(&self, stats: &mut Stats) {
        stats.buffered = self.used as u64;
        stats.buffered_output = self.used_by_output as u64;
    }

    /// Whether to give freed memory back to the system now. Call it once a turn.
    pub(super) fn should_trim(&mut self, now: Moment) -> bool {
        self.trim.should_trim(self.used, now)
    }

    /// When to ask for that, though nothing happens.
    pub(super) fn next_look(&self) -> Option<Moment> {
        self.trim.next_look()
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.used > self.limit
    }

    /// Whether it would be, if connections held `more` bytes that may yet be sent.
    pub(super) fn is_exceeded_with(&self, more: usize) -> bool {
        self.used.saturating_add(more) > self.limit
    }

    /// Another limit. The caller sheds if it is exceeded.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The connections to be closed: the newest that hold something, until an eighth of the limit
    /// is free.
    pub(super) fn newest_to_shed<S>(
        &self,
        sockets: &SocketTable<S, ServerConnection>,
        held: impl Fn(&Socket<S, ServerConnection>) -> Held,
    ) -> Vec<Token> {
        let mut holders: Vec<(u32, Token, usize)> = sockets
            .iter()
            .filter_map(|(token, socket)| {
                let (input, output) = held(socket);
                (input + output > 0).then(|| (sockets.age(token), token, input + output))
            })
            .collect();
        holders.sort_unstable_by_key(|&(age, ..)| age);
        let mut excess = self.used.saturating_sub(self.limit - self.limit / 8);
        let is_needed = |&(.., held): &(u32, Token, usize)| {
            let is_needed = excess > 0;
            excess = excess.saturating_sub(held);
            is_needed
        };
        holders.into_iter().take_while(is_needed).map(|(_, token, _)| token).collect()
    }

    /// Tells the operator that connections were shed.
    pub(super) fn warn(&mut self, now: Moment, shed: usize) {
        self.warning.warn(
            now,
            format_args!(
                "buffers reached {} (--memory-limit): {shed} of the newest connections closed",
                counted(self.limit, "byte")
            ),
        );
    }
}
