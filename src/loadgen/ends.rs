//! How requests and connections end.
//!
//! Invariant: `Requests::end` and `ConnectionEnds::end` are the only places where an end is
//! counted. A request has one end, and so has a connection.

use crate::loadgen::report::ConnectionEnds;
use serde::{Deserialize, Serialize};

/// How a request that was sent ended. A request that was never sent has no entry: it is what
/// remains of those that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestEnd {
    /// Answered, and verified to be the right answer.
    Verified,
    /// Answered; the answer was not verified.
    Unverified,
    /// Answered by a wrong reply.
    Wrong,
    /// Not answered in time. A reply that comes later changes nothing.
    TimedOut,
    /// In flight on a connection that was lost.
    Lost,
    /// In flight on a connection that was dropped on purpose.
    Abandoned,
}

/// Requests, by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// Sent.
    pub sent: u64,
    /// [`RequestEnd::Verified`].
    pub verified: u64,
    /// [`RequestEnd::Unverified`].
    pub unverified: u64,
    /// [`RequestEnd::Wrong`].
    pub wrong: u64,
    /// [`RequestEnd::TimedOut`].
    pub timed_out: u64,
    /// [`RequestEnd::Lost`].
    pub lost: u64,
    /// [`RequestEnd::Abandoned`].
    pub abandoned: u64,
    /// Sent again on a new connection: the server had closed the old one behind its last answer.
    pub resent: u64,
    /// Sent more than [`LATE`](super::counters::LATE) after their intended time.
    pub late: u64,
    /// Of these, those whose connection was free.
    pub late_by_client: u64,
}

impl Requests {
    /// Counts the end of `count` requests.
    #[inline]
    pub(super) fn end(&mut self, end: RequestEnd, count: u64) {
        let counter = match end {
            RequestEnd::Verified => &mut self.verified,
            RequestEnd::Unverified => &mut self.unverified,
            RequestEnd::Wrong => &mut self.wrong,
            RequestEnd::TimedOut => &mut self.timed_out,
            RequestEnd::Lost => &mut self.lost,
            RequestEnd::Abandoned => &mut self.abandoned,
        };
        *counter += count;
    }

    /// Requests that were answered, rightly or wrongly.
    pub fn answered(&self) -> u64 {
        self.verified + self.unverified + self.wrong
    }

    /// Requests that were not answered: the time was up, or the connection was lost first.
    pub fn unanswered(&self) -> u64 {
        self.timed_out + self.lost
    }

    /// Requests that have ended.
    pub fn ended(&self) -> u64 {
        self.answered() + self.unanswered() + self.abandoned
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Requests) {
        self.sent += other.sent;
        self.verified += other.verified;
        self.unverified += other.unverified;
        self.wrong += other.wrong;
        self.timed_out += other.timed_out;
        self.lost += other.lost;
        self.abandoned += other.abandoned;
        self.resent += other.resent;
        self.late += other.late;
        self.late_by_client += other.late_by_client;
    }
}

/// How a connection ended, or an attempt to make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// Closed by the load generator: it had served its time, a storm dropped it, or the run ended.
    ByUs,
    /// Closed by the server, right behind the last answer that was due on it.
    AfterLastAnswer,
    /// Closed by the server while no request was in flight.
    BetweenRequests,
    /// Closed by the server while it was only held.
    WhileIdle,
    /// Closed by the server with requests in flight.
    InFlight,
    /// Reset, or broken by another error.
    Reset,
    /// Closed by the load generator, because nothing told which reply would come next.
    GivenUp,
    /// A slow reader's or writer's: closed or reset by the server.
    SlowPeer,
    /// The attempt to connect failed.
    NeverConnected,
}

impl ConnectionEnds {
    /// Counts the end of a connection.
    pub(super) fn end(&mut self, end: ConnectionEnd) {
        let counter = match end {
            ConnectionEnd::ByUs => &mut self.by_us,
            ConnectionEnd::AfterLastAnswer => &mut self.after_last_answer,
            ConnectionEnd::BetweenRequests => &mut self.between_requests,
            ConnectionEnd::WhileIdle => &mut self.while_idle,
            ConnectionEnd::InFlight => &mut self.in_flight,
            ConnectionEnd::Reset => &mut self.reset,
            ConnectionEnd::GivenUp => &mut self.given_up,
            ConnectionEnd::SlowPeer => &mut self.slow_peer,
            ConnectionEnd::NeverConnected => &mut self.never_connected,
        };
        *counter += 1;
    }

    /// The measured part begins: what was lost since `opening` was lost in the warm-up.
    pub(super) fn begin_measuring(&mut self, opening: &ConnectionEnds) {
        self.in_warmup += self.lost() - opening.lost();
        self.while_idle = opening.while_idle;
        self.in_flight = opening.in_flight;
        self.reset = opening.reset;
        self.given_up = opening.given_up;
        self.never_connected = opening.never_connected;
    }
}
