//! Waits for a peer: until it has read, or until the rest of its request is there.
//!
//! Invariant: at most [`MOST_PENDING`] connections are watched at once, and [`LISTED`] waits kept.

use crate::counted::counted;
use crate::io::clock::Moment;
use crate::trace::event::Number;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Waits that are listed.
const LISTED: usize = 5;

/// Connections that are watched at once. Of those beyond it, waits are not seen.
const MOST_PENDING: usize = 65_536;

/// The waits of one kind.
#[derive(Debug, Default)]
pub(super) struct PeerWaits {
    pending: BTreeMap<Number, Pending>,
    longest: Vec<PeerWait>,
}

/// A connection that waits.
#[derive(Clone, Copy, Debug)]
struct Pending {
    since: Moment,
    bytes: u32,
}

/// A wait that ended, or goes on at the end of the trace.
#[derive(Clone, Copy, Debug)]
struct PeerWait {
    took: Duration,
    connection: Number,
    wait: Pending,
    has_ended: bool,
}

impl PeerWaits {
    /// A visit ended, and this many bytes wait for the peer: 0 if none do.
    pub(super) fn settled(&mut self, connection: Number, bytes: u32, now: Moment) {
        if bytes == 0 {
            self.ended(connection, now);
        } else if let Some(wait) = self.pending.get_mut(&connection) {
            wait.bytes = wait.bytes.max(bytes);
        } else if self.pending.len() < MOST_PENDING {
            self.pending.insert(connection, Pending { since: now, bytes });
        }
    }

    /// The connection waits no more, or is closed.
    pub(super) fn ended(&mut self, connection: Number, now: Moment) {
        if let Some(wait) = self.pending.remove(&connection) {
            let took = now.since(wait.since);
            keep(&mut self.longest, PeerWait { took, connection, wait, has_ended: true });
        }
    }

    /// Events are missing: what began before is not known any more.
    pub(super) fn gap(&mut self) {
        self.pending.clear();
    }

    /// Writes the list, the longest first, if there is one. The trace ends at `last`.
    pub(super) fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        heading: &str,
        last: Moment,
    ) -> fmt::Result {
        let mut longest = self.longest.clone();
        for (&connection, &wait) in &self.pending {
            let took = last.since(wait.since);
            keep(&mut longest, PeerWait { took, connection, wait, has_ended: false });
        }
        if longest.is_empty() {
            return Ok(());
        }
        longest.sort_by_key(|wait| std::cmp::Reverse(wait.took));
        writeln!(f, "\n  {heading}")?;
        for PeerWait { took, connection, wait, has_ended } in longest {
            let (took, since) = (super::took(took), super::seconds(wait.since));
            let bytes = counted(u64::from(wait.bytes), "byte");
            let end = if has_ended { "" } else { ", and still waits" };
            writeln!(f, "  {took:>9} #{connection} from {since}, with {bytes}{end}")?;
        }
        Ok(())
    }
}

/// Keeps the wait if it is among the longest.
fn keep(longest: &mut Vec<PeerWait>, wait: PeerWait) {
    if longest.len() < LISTED {
        longest.push(wait);
    } else if let Some(least) = longest.iter_mut().min_by_key(|wait| wait.took)
        && least.took < wait.took
    {
        *least = wait;
    }
}
