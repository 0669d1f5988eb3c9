//! When freed memory is worth giving back to the system.
//!
//! The C library keeps freed blocks on its heap for the next user. That is right while traffic goes
//! on, and wrong when a crowd with waiting bytes has left. To give the heap back takes time in
//! proportion to what is free, so it is done when use has stayed low for a while, and not when it
//! dips.
//!
//! Invariant: while more than 4 MiB were in use since memory was last given back, a next look is
//! due. So a server that falls idle wakes up once more and gives back what is free.

use crate::io::clock::Moment;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// From one look to the next. Memory goes back after one or two of these.
const BETWEEN_LOOKS: Duration = Duration::from_millis(400);

/// Less free memory than this is not worth the walk over the heap, in bytes.
const WORTH_IT: usize = 4 << 20;

/// Follows how many bytes are in use, and tells when to give back what is free.
///
/// ```
/// use readyd::io::clock::Moment;
/// use readyd::io::trim::TrimSchedule;
/// use std::time::Duration;
///
/// let mut schedule = TrimSchedule::default();
/// assert!(!schedule.should_trim(100 << 20, Moment::START));
/// // All is freed. Two looks later it has stayed so.
/// let mut trimmed = false;
/// while let Some(due) = schedule.next_look() {
///     trimmed |= schedule.should_trim(0, due);
/// }
/// assert!(trimmed);
/// ```
#[derive(Debug, Default)]
pub struct TrimSchedule {
    /// The most that was in use since memory was last given back: so much may be held, free or not.
    most: usize,
    /// The most since the last look.
    most_lately: usize,
    next_look: Option<Moment>,
}

impl TrimSchedule {
    /// Notes that `in_use` bytes of buffers are in use: once a turn. Returns whether now is the
    /// time to give back what is free.
    pub fn should_trim(&mut self, in_use: usize, now: Moment) -> bool {
        self.most_lately = self.most_lately.max(in_use);
        self.most = self.most.max(in_use);
        match self.next_look {
            None if self.most < WORTH_IT => return false,
            None => self.next_look = Some(now + BETWEEN_LOOKS),
            Some(due) if due <= now => return self.look(in_use, now),
            Some(_) => {}
        }
        false
    }

    /// When [`should_trim`](TrimSchedule::should_trim) has to be called though nothing happens.
    pub fn next_look(&self) -> Option<Moment> {
        self.next_look
    }

    fn look(&mut self, in_use: usize, now: Moment) -> bool {
        let is_worth_it = self.most - self.most_lately >= WORTH_IT;
        if is_worth_it {
            self.most = self.most_lately;
        }
        self.most_lately = in_use;
        self.next_look = (self.most >= WORTH_IT).then(|| now + BETWEEN_LOOKS);
        is_worth_it
    }
}
