//! How the connections of a run ended.

use serde::{Deserialize, Serialize};

/// Connections, by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionEnds {
    /// Closed by the load generator: it had served its time, a storm dropped it, or the run ended.
    pub by_us: u64,
    /// Closed by the server, right behind the last answer that was due on it.
    pub after_last_answer: u64,
    /// Closed by the server while no request was in flight.
    pub between_requests: u64,
    /// Closed by the server while it was only held.
    pub while_idle: u64,
    /// Closed by the server with requests in flight.
    pub in_flight: u64,
    /// Reset, or broken by another error.
    pub reset: u64,
    /// Closed by the load generator, because nothing told which reply would come next.
    pub given_up: u64,
    /// A slow reader's or writer's: closed or reset by the server.
    pub slow_peer: u64,
    /// Attempts to connect that failed.
    pub never_connected: u64,
    /// Those that were lost in the warm-up, whatever the end.
    pub in_warmup: u64,
}

impl ConnectionEnds {
    /// Connections whose end cost something: a request, or a connection that was to be held.
    pub fn lost(&self) -> u64 {
        self.while_idle + self.in_flight + self.reset + self.given_up
    }

    /// Connections that were open and have ended.
    pub fn closed(&self) -> u64 {
        self.lost()
            + self.by_us
            + self.after_last_answer
            + self.between_requests
            + self.slow_peer
            + self.in_warmup
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &ConnectionEnds) {
        self.by_us += other.by_us;
        self.after_last_answer += other.after_last_answer;
        self.between_requests += other.between_requests;
        self.while_idle += other.while_idle;
        self.in_flight += other.in_flight;
        self.reset += other.reset;
        self.given_up += other.given_up;
        self.slow_peer += other.slow_peer;
        self.never_connected += other.never_connected;
        self.in_warmup += other.in_warmup;
    }
}
