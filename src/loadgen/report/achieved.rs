//! What a run achieved, in counts and rates.

use super::{Asked, ConnectionEnds};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// For this long after the measured part, a request that was due before its end may still be sent,
/// and an answer is not late: a server that hesitates for a moment has not failed to keep up.
pub const GRACE_PERIOD: Duration = Duration::from_millis(250);

/// Handshakes of TLS that succeeded, in the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TlsAchieved {
    /// All of them.
    pub handshakes: u64,
    /// Those that resumed an earlier session.
    pub resumed: u64,
    /// Per second of the measured part; absent if that has no length.
    pub handshakes_per_s: Option<f64>,
}

impl TlsAchieved {
    /// Of two machines that worked at the same time.
    pub fn plus(self, other: TlsAchieved) -> TlsAchieved {
        TlsAchieved {
            handshakes: self.handshakes.saturating_add(other.handshakes),
            resumed: self.resumed.saturating_add(other.resumed),
            handshakes_per_s: self
                .handshakes_per_s
                .zip(other.handshakes_per_s)
                .map(|(ours, others)| ours + others),
        }
    }
}

/// What was achieved in the measured part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Achieved {
    /// Of all connections that were asked for, idle and slow ones included, those that were
    /// established at least once.
    pub connections_established: u64,
    /// Of these, those on which a reply came at least once; idle ones only if they are probed, and
    /// without slow ones.
    #[serde(default)]
    pub connections_served: u64,
    /// Of those established, the ones that were to make requests, and had none to make.
    #[serde(default)]
    pub connections_unasked: u64,
    /// Of those established, the idle ones that were not probed; older reports do not tell.
    #[serde(default)]
    pub connections_unprobed: Option<u64>,
    /// Most connections open at once.
    pub connections_peak: u64,
    /// Connections whose end cost something: requests were in flight on them, they were reset, or
    /// they were to be held.
    pub connections_lost: u64,
    /// Connections opened in all; more than established when connections are replaced.
    pub connections_opened: u64,
    /// Attempts to connect that failed.
    pub connections_failed: u64,
    /// How connections ended.
    #[serde(default)]
    pub connection_ends: ConnectionEnds,
    /// The handshakes of TLS, if connections were encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsAchieved>,
    /// Seconds until all connections were open or had failed.
    pub connect_elapsed_s: f64,
    /// Seconds for which nothing was open, and could not be; of several workers, the longest.
    #[serde(default)]
    pub outage_s: f64,
    /// Requests that the schedule held; in a closed loop, those sent.
    pub requested: u64,
    /// Requests sent.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// Answers that came within the measured part, to any request: what `rate` is made of.
    #[serde(default)]
    pub answered_in_window: u64,
    /// Of these, those to requests of the warm-up, which are not among `answered`.
    #[serde(default)]
    pub answered_for_warmup: u64,
    /// Of the requests answered, those whose answers came within 250 ms after it.
    #[serde(default)]
    pub answered_in_grace: u64,
    /// Answers that were verified to be the right ones.
    pub verified: u64,
    /// Answers that were not verified.
    #[serde(default)]
    pub unverified: u64,
    /// Answers that were wrong. With `verified` and `unverified` they are `answered`.
    #[serde(default)]
    pub wrong: u64,
    /// Replies that were not the right ones, see [`Mismatches`](super::Mismatches). Some are no
    /// answer to a request.
    pub mismatched: u64,
    /// Requests sent and never answered: `timed_out` and `lost`.
    pub unanswered: u64,
    /// Requests that were not answered in time.
    #[serde(default)]
    pub timed_out: u64,
    /// Requests in flight on a connection that was lost.
    #[serde(default)]
    pub lost: u64,
    /// Requests sent again on a new connection: the server had closed the old one behind its last
    /// answer.
    #[serde(default)]
    pub resent: u64,
    /// Requests in flight on connections that were dropped on purpose.
    #[serde(default)]
    pub abandoned: u64,
    /// Requests that the schedule held and that were never sent.
    pub unsent: u64,
    /// Requests sent more than a millisecond after their intended time.
    pub late: u64,
    /// Bytes sent, framing included.
    pub bytes_sent: u64,
    /// Bytes received, framing included.
    pub bytes_received: u64,
    /// Length of the measured part, in seconds.
    pub elapsed_s: f64,
    /// Throughput: `answered_in_window` per second of `elapsed_s`. Absent if it is unknown: the
    /// answer that ended the run was the only one, or the measured part has no length.
    pub rate: Option<f64>,
}

impl Achieved {
    /// Whether the rate was achieved that was asked for, but for a hundredth. What was due within
    /// the measured part and answered in the grace period counts for it, unless an answer to the
    /// warm-up stands in its place.
    pub fn meets_rate(&self, asked: &Asked) -> bool {
        let Some(rate) = asked.rate.filter(|&rate| rate > 0.0) else { return true };
        let length_s = match asked.duration_s {
            Some(_) => self.elapsed_s,
            // The last answer ended it, and may have been in the grace period.
            None => (self.requested as f64 / rate).max(self.elapsed_s - GRACE_PERIOD.as_secs_f64()),
        };
        let in_window = self.answered_in_window as f64;
        let in_window = self.rate.map_or(in_window, |rate| rate * self.elapsed_s);
        let in_grace = self.answered_in_grace.saturating_sub(self.answered_for_warmup);
        in_window + in_grace as f64 >= rate * length_s * 0.99
    }

    /// Requests answered neither within the measured part nor in the grace period after it.
    pub fn answered_late(&self) -> u64 {
        let in_window = self.answered_in_window.saturating_sub(self.answered_for_warmup);
        self.answered.saturating_sub(in_window).saturating_sub(self.answered_in_grace)
    }
}
