//! On which connections the time at work was spent.
//!
//! Invariant: at most [`MOST_KNOWN`] connections are known.

use crate::counted::counted;
use crate::trace::event::Number;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Connections that are listed.
const LISTED: usize = 5;

/// Connections whose time is known. Later ones are left out.
const MOST_KNOWN: usize = 65_536;

/// The time of each connection.
#[derive(Debug, Default)]
pub(super) struct Busiest(BTreeMap<Number, Work>);

/// What was done for a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    took: Duration,
    visits: u64,
    requests: u64,
}

impl Busiest {
    /// A visit began.
    pub(super) fn visited(&mut self, connection: Number) {
        if let Some(work) = self.of(connection) {
            work.visits += 1;
        }
    }

    /// The loop worked for the connection for this time.
    pub(super) fn took(&mut self, connection: Number, took: Duration) {
        if let Some(work) = self.of(connection) {
            work.took += took;
        }
    }

    /// This number of its requests was answered.
    pub(super) fn served(&mut self, connection: Number, requests: u32) {
        if let Some(work) = self.of(connection) {
            work.requests += u64::from(requests);
        }
    }

    fn of(&mut self, connection: Number) -> Option<&mut Work> {
        let has_room = self.0.len() < MOST_KNOWN || self.0.contains_key(&connection);
        has_room.then(|| self.0.entry(connection).or_default())
    }

    /// Writes the list, if there is one; `busy` is the time at work in all.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, busy: Duration) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n  most time, of {} at work", super::took(busy))?;
        let mut sorted: Vec<(&Number, &Work)> = self.0.iter().collect();
        sorted.sort_by_key(|(_, work)| Reverse(work.took));
        for (connection, Work { took, visits, requests }) in sorted.into_iter().take(LISTED) {
            let (visits, requests) = (counted(*visits, "visit"), counted(*requests, "request"));
            writeln!(f, "  {:>9} #{connection}: {requests} in {visits}", super::took(*took))?;
        }
        Ok(())
    }
}
