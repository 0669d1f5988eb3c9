//! The accounts of one worker: the result, and what is beside it.

use super::accounting::RequestAccounting;
use super::conn_state::Role;
use super::counters::{Counters, Operation, StormCounters};
use super::ends::ConnectionEnd;
use super::plan::Plan;
use crate::io::clock::Moment;
use std::io;
use std::time::Duration;

/// The accounts of one worker.
#[derive(Debug)]
pub(super) struct Accounts {
    /// Requests that are the result, and all connections.
    pub(super) main: RequestAccounting,
    /// Requests of slow peers: they are no part of the result.
    pub(super) side: RequestAccounting,
    /// Requests that ask whether idle connections are served: neither are they.
    pub(super) probes: RequestAccounting,
}

impl Accounts {
    pub(super) fn new(plan: &Plan) -> Accounts {
        let account = || RequestAccounting::new(plan);
        Accounts { main: account(), side: account(), probes: account() }
    }

    /// The run begins at `start`.
    pub(super) fn begin(&mut self, plan: &Plan, start: Moment) {
        self.main.begin(plan, start);
        self.side.begin(plan, start);
        self.probes.begin(plan, start);
    }

    /// A slot has had its first connection.
    pub(super) fn established(&mut self, role: Role) {
        let counters = self.main.counters_mut();
        counters.connections.established += 1;
        counters.slow.established += u64::from(role.is_slow());
    }

    /// The reply to a probe has come. Tells whether it was the right one.
    pub(super) fn is_probe_right(&mut self) -> bool {
        let mismatch = self.probes.counters_mut().first_mismatch.take();
        let is_right = mismatch.is_none();
        let first = &mut self.main.counters_mut().probe_mismatch;
        *first = first.take().or(mismatch);
        is_right
    }

    /// An open connection was closed, by whichever side.
    pub(super) fn closed(&mut self) {
        self.main.closed();
    }

    /// A connection has ended.
    pub(super) fn ended(&mut self, end: ConnectionEnd) {
        self.main.ended(end);
        if end == ConnectionEnd::SlowPeer {
            self.main.counters_mut().slow.closed_by_server += 1;
        }
    }

    /// An attempt to connect failed.
    pub(super) fn connect_failed(&mut self, error: &io::Error) {
        self.main.failed(Operation::Connecting, error);
        self.main.ended(ConnectionEnd::NeverConnected);
        if let Some(storm) = self.main.counters_mut().storms.last_mut() {
            storm.failed_attempts += 1;
        }
    }

    /// A storm begins, this long after the measured part did.
    pub(super) fn begin_storm(&mut self, at: Duration) {
        for account in [&mut self.main, &mut self.probes] {
            account.counters_mut().storms.push(StormCounters { at, ..StormCounters::default() });
        }
    }

    /// The storm has dropped this many connections.
    pub(super) fn dropped(&mut self, count: u64) {
        if let Some(storm) = self.main.counters_mut().storms.last_mut() {
            storm.dropped = count;
        }
    }

    /// All that was counted. What storms did to idle connections is counted beside their requests,
    /// and belongs to the result.
    pub(super) fn into_counters(self) -> Counters {
        let (side, probes) = (self.side.into_counters(), self.probes.into_counters());
        let mut counters = self.main.into_counters();
        counters.slow.answered = side.requests.answered();
        for (storm, of_idle) in counters.storms.iter_mut().zip(&probes.storms) {
            storm.merge(of_idle);
        }
        counters
    }
}
