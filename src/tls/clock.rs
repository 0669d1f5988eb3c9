//! The wall clock, as the network has it, for rustls: the dates of certificates and the age of
//! tickets depend on it.
//!
//! Invariant: rustls reads no clock of the system's. A simulator decides what time it is.

use crate::io::clock::WallTime;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A clock that shows the time that it was set to last, in seconds.
#[derive(Debug, Default)]
pub(super) struct EngineClock(AtomicU64);

impl EngineClock {
    pub(super) fn set(&self, now: WallTime) {
        self.0.store(now.seconds, Ordering::Relaxed);
    }

    /// Seconds since 1970.
    pub(super) fn seconds(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl TimeProvider for EngineClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.seconds())))
    }
}
