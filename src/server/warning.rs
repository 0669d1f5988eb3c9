//! A warning that clients can cause again and again, and that is written once a second.

use crate::io::clock::Moment;
use std::fmt;
use std::time::Duration;

/// Between one warning and the next.
const PERIOD: Duration = Duration::from_secs(1);

/// Writes at most one warning a second.
#[derive(Debug, Default)]
pub(super) struct RateLimitedWarning {
    last: Option<Moment>,
}

impl RateLimitedWarning {
    /// Writes the warning, unless there was one within the last second.
    pub(super) fn warn(&mut self, now: Moment, warning: fmt::Arguments<'_>) {
        if self.last.is_none_or(|last| now.since(last) >= PERIOD) {
            self.last = Some(now);
            log::warn!("{warning}");
        }
    }
}
