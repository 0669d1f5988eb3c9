//! What became of connections.

use super::RequestAccounting;
use crate::io::clock::Moment;
use crate::loadgen::ends::ConnectionEnd;
use std::time::Duration;

impl RequestAccounting {
    /// The first reply has come on any connection of a slot.
    pub(in crate::loadgen) fn first_served(&mut self) {
        self.counters.connections.served += 1;
    }

    /// A connection was opened, `after` its connect(2).
    pub(in crate::loadgen) fn opened(&mut self, after: Duration) {
        self.interval.opened += 1;
        self.counters.connect.record(after);
        let connections = &mut self.counters.connections;
        connections.opened += 1;
        connections.open += 1;
        connections.peak = connections.peak.max(connections.open);
        self.interval.most = self.interval.most.max(connections.open);
    }

    /// An open connection was closed.
    pub(in crate::loadgen) fn closed(&mut self) {
        let connections = &mut self.counters.connections;
        connections.open -= 1;
        self.interval.least = self.interval.least.min(connections.open);
    }

    /// A connection has ended, or an attempt to make one. The only place where that is counted.
    pub(in crate::loadgen) fn ended(&mut self, end: ConnectionEnd) {
        self.counters.connections.ends.end(end);
    }

    /// Nothing was open between these moments, although attempts to connect were made.
    pub(in crate::loadgen) fn outage(&mut self, from: Moment, to: Moment) {
        let end = to.min(self.measured_until);
        self.counters.outage += end.since(from.max(self.measured_from));
    }

    /// A connection that a storm dropped had a request answered, this long after.
    pub(in crate::loadgen) fn served_after_storm(&mut self, after: Duration) {
        if let Some(storm) = self.counters.storms.last_mut() {
            storm.served.record(after);
            storm.last_served = storm.last_served.max(after);
        }
    }
}
