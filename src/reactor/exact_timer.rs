//! A wait that ends at a moment to the microsecond, for an open loop that sends at intended times.
//!
//! A timer wakes a sleeping thread late: by 30 to 80 µs where the processor has gone to sleep, too,
//! and by more in a virtual machine. So the thread sleeps until shortly before the moment, and then
//! looks for events without waiting. How long before is learned from how late the timer was.
//!
//! A virtual processor that sleeps is given to another machine, and comes back milliseconds late at
//! times. A thread with a processor of its own therefore may have a lead of a millisecond: at more
//! than 1,000 moments per second it does not sleep at all then, until the machine becomes quiet.
//!
//! Invariant: the lead stays within its bounds, whatever the timer does.

use crate::io::clock::Moment;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

pub use busy_wait::BusyWaited;

use busy_wait::BusyWait;

mod busy_wait;

#[cfg(test)]
mod tests;

/// Whether others need the processor on which the thread busy-waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    /// There is one for this thread alone.
    Own,
    /// The server, or another worker, may need it.
    Shared,
}

/// A timer of the kernel, and how late it wakes the thread.
#[derive(Debug)]
pub(super) struct ExactTimer {
    timer: TimerFd,
    /// `None` if the thread sleeps until each moment.
    lead: Option<Lead>,
    /// When the timer expires, while it is set.
    expires: Option<Moment>,
    busy_wait: BusyWait,
}

impl ExactTimer {
    /// A timer that is not set. The thread busy-waits on a processor like `processor`, if at all.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor for timerfd_create(2).
    pub(super) fn new(processor: Option<Processor>) -> io::Result<ExactTimer> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let lead = processor.map(Lead::new);
        Ok(ExactTimer { timer, lead, expires: None, busy_wait: BusyWait::default() })
    }

    /// What tells for how long the thread has busy-waited.
    pub(super) fn busy_waited(&self) -> BusyWaited {
        self.busy_wait.waited()
    }

    /// A turn of the loop begins at `now`, with events or none.
    pub(super) fn turn_began(&mut self, now: Moment, has_events: bool) {
        self.busy_wait.turn_began(now, has_events);
    }

    /// What is registered with epoll.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }

    /// Sets the timer for a wait from `now` until `moment`. Returns how long epoll may wait: as
    /// long as it likes, for the timer ends the wait; or not at all, if it is too late to sleep.
    ///
    /// # Errors
    ///
    /// When timerfd_settime(2) fails.
    pub(super) fn wait_until(
        &mut self,
        moment: Moment,
        now: Moment,
    ) -> io::Result<Option<Duration>> {
        let sleep = match &mut self.lead {
            Some(lead) => lead.sleep(moment, now),
            None => Some(moment.since(now)).filter(|sleep| !sleep.is_zero()),
        };
        self.busy_wait.turn_ended(moment, now, sleep.is_some());
        let Some(sleep) = sleep else {
            self.expires = None;
            return Ok(Some(Duration::ZERO));
        };
        // It is registered for edges, and each setting is an edge of its own: it need not be read.
        let expiration = Expiration::OneShot(TimeSpec::from_duration(sleep));
        self.timer.set(expiration, TimerSetTimeFlags::empty())?;
        self.expires = Some(now + sleep);
        Ok(None)
    }

    /// The timer woke the thread, which runs at `now`.
    pub(super) fn woke(&mut self, now: Moment) {
        if let Some(expires) = self.expires.take()
            && let Some(lead) = &mut self.lead
        {
            lead.learn(now.since(expires));
        }
    }
}

/// How long before a moment a thread must be awake, so that it is late for one in two thousand.
#[derive(Debug)]
struct Lead {
    length: Duration,
    most: Duration,
    /// The last moment that was too near to sleep until.
    too_near: Option<Moment>,
}

/// The leads on a machine that was not measured yet.
const FIRST_OWN: Duration = Duration::from_micros(250);
const FIRST_SHARED: Duration = Duration::from_micros(100);

/// The longest lead on a processor of its own.
const MOST_OWN: Duration = Duration::from_millis(1);

/// The longest on a shared one. A thread that is late by more was not woken late: another process
/// had its processor, and to be awake earlier does not help against that.
const MOST_SHARED: Duration = Duration::from_micros(250);

const LEAST: Duration = Duration::from_micros(20);

/// By what part the lead grows when the timer was later, and shrinks when it was not. The lead
/// stands still where one wake-up in two thousand is later: it grows then by as much as the others
/// take from it.
const GROWTH: u32 = 8;
const SHRINKAGE: u32 = GROWTH * 2000;

impl Lead {
    fn new(processor: Processor) -> Lead {
        let (length, most) = match processor {
            Processor::Own => (FIRST_OWN, MOST_OWN),
            Processor::Shared => (FIRST_SHARED, MOST_SHARED),
        };
        Lead { length, most, too_near: None }
    }

    /// How long the thread may sleep at `now` before `moment`, if at all.
    fn sleep(&mut self, moment: Moment, now: Moment) -> Option<Duration> {
        let sleep = moment.since(now).checked_sub(self.length).filter(|sleep| !sleep.is_zero());
        // A thread that never sleeps would never learn that the machine has become quiet.
        if sleep.is_none() && self.too_near.replace(moment) != Some(moment) {
            self.shrink();
        }
        sleep
    }

    /// The timer woke the thread late by this much.
    fn learn(&mut self, late: Duration) {
        if late > self.length {
            self.length = (self.length + self.length / GROWTH).min(self.most);
        } else {
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        self.length = (self.length - self.length / SHRINKAGE).max(LEAST);
    }
}
