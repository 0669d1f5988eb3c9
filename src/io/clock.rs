//! Time as plain values: [`Moment`] for deadlines, [`WallTime`] for people.
//!
//! Invariant: nothing in here reads a clock. A [`Moment`] only ever moves forward, because it comes
//! from a monotonic source; a [`WallTime`] may jump either way, because an administrator or NTP may
//! set it, so it is only ever *printed*. Every operation saturates: no clock value can panic the
//! server.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// A point on the monotonic clock: nanoseconds since the process took its first reading.
///
/// A `u64` of nanoseconds lasts 584 years, fits half the space of a [`std::time::Instant`], and
/// lets a simulator make up any moment it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The moment at which the clock started.
    pub const START: Moment = Moment(0);

    /// A moment further off than any deadline.
    pub const NEVER: Moment = Moment(u64::MAX);

    /// The moment `nanos` nanoseconds after [`Moment::START`].
    pub const fn from_nanos(nanos: u64) -> Moment {
        Moment(nanos)
    }

    /// Nanoseconds since [`Moment::START`].
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long it has been since `earlier`; zero if `earlier` is in fact later.
    pub const fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    /// The moment `duration` later, or [`Moment::NEVER`] if that is beyond the clock's range.
    fn add(self, duration: Duration) -> Moment {
        // In 64 bits, unlike Duration::as_nanos(): the clock is read several times a turn.
        let seconds = duration.as_secs().saturating_mul(1_000_000_000);
        let nanos = seconds.saturating_add(duration.subsec_nanos().into());
        Moment(self.0.saturating_add(nanos))
    }
}

/// A reading of the wall clock: time since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime {
    /// Whole seconds since the epoch.
    pub seconds: u64,
    /// Nanoseconds within the second, `0..1_000_000_000`.
    pub nanos: u32,
}

impl From<Duration> for WallTime {
    /// The wall time `since_epoch` after 1970-01-01T00:00:00Z.
    fn from(since_epoch: Duration) -> WallTime {
        WallTime { seconds: since_epoch.as_secs(), nanos: since_epoch.subsec_nanos() }
    }
}

impl fmt::Display for WallTime {
    /// `SECONDS.NANOSECONDS`, the nanoseconds always nine digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.seconds, self.nanos)
    }
}
