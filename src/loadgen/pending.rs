//! A request in flight, as a value that is used up by its end.
//!
//! Invariant: a [`Pending`] is made where a request is counted as sent, and cannot be copied. So a
//! request that has had one end cannot have another.

use crate::io::clock::Moment;
use std::time::Duration;

/// Requests in flight that were sent together, mostly one.
#[derive(Debug)]
#[must_use = "a request that is dropped has no end"]
pub(super) struct Pending {
    count: u32,
    /// How late it was sent through the client's own fault, in nanoseconds; four seconds stand for
    /// all that is longer. So small, since there is one for each request in flight.
    lag_nanos: u32,
    intended: Moment,
    sent: Moment,
}

impl Pending {
    /// One request that was to be sent at `intended`. The first system call for it was made at
    /// `sent`. Only the accounting makes one.
    #[inline]
    pub(super) fn one(intended: Moment, sent: Moment) -> Pending {
        Pending { count: 1, lag_nanos: 0, intended, sent }
    }

    #[inline]
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// When it was to be sent; in a closed loop, when it was.
    #[inline]
    pub(super) fn intended(&self) -> Moment {
        self.intended
    }

    /// When the first system call for it was made.
    #[inline]
    pub(super) fn sent(&self) -> Moment {
        self.sent
    }

    /// Notes how late it was sent through the client's own fault.
    #[inline]
    pub(super) fn set_lag(&mut self, lag: Duration) {
        self.lag_nanos = u32::try_from(lag.as_nanos()).unwrap_or(u32::MAX);
    }

    /// How late it was sent through the client's own fault.
    #[inline]
    pub(super) fn lag(&self) -> Duration {
        Duration::from_nanos(u64::from(self.lag_nanos))
    }

    /// Adds a request that was sent together with these; gives it back if it was not.
    #[inline]
    pub(super) fn join(&mut self, other: Pending) -> Option<Pending> {
        if (self.intended, self.sent) != (other.intended, other.sent) {
            return Some(other);
        }
        self.count += other.count;
        None
    }

    /// Takes the first `count` of more requests than that.
    #[inline]
    pub(super) fn split(&mut self, count: u32) -> Pending {
        self.count -= count;
        Pending { count, ..*self }
    }
}
