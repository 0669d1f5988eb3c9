//! For how long a thread has busy-waited: it was awake, and found nothing to do.
//!
//! The loop reads its clock twice a turn anyway, and nothing else is read here. So the thread may
//! have lost some of the time to other processes. No look for events takes long; where one does,
//! the thread was not running, and that part is left out.
//!
//! Invariant: what is counted was spent between a turn that left nothing to do and one that has an
//! event, or whose moment has come.

use crate::io::clock::Moment;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// A look for events that takes longer was interrupted. Most take a microsecond or two.
const LONGEST_LOOK: Duration = Duration::from_micros(50);

/// For how long a loop has busy-waited so far. All clones tell of the same loop.
#[derive(Clone, Debug, Default)]
pub struct BusyWaited(Rc<Cell<Duration>>);

impl BusyWaited {
    /// All the time so far. It grows while the loop turns.
    pub fn so_far(&self) -> Duration {
        self.0.get()
    }

    fn add(&self, time: Duration) {
        self.0.set(self.0.get() + time.min(LONGEST_LOOK));
    }
}

/// Counts it.
#[derive(Debug, Default)]
pub(super) struct BusyWait {
    waited: BusyWaited,
    doing: Doing,
}

#[derive(Clone, Copy, Debug, Default)]
enum Doing {
    /// It works, or sleeps.
    #[default]
    Other,
    /// It looks for events, since the first of these moments, in a wait until the second.
    Looking(Moment, Moment),
    /// It turns without an event since then, and what it waits for is still to come.
    TurningIdly(Moment),
}

impl BusyWait {
    /// What tells how long it was.
    pub(super) fn waited(&self) -> BusyWaited {
        self.waited.clone()
    }

    /// A turn begins. A look that has found something was none in vain.
    pub(super) fn turn_began(&mut self, now: Moment, has_events: bool) {
        self.doing = match self.doing {
            Doing::Looking(since, until) if !has_events => {
                self.waited.add(now.since(since));
                if now < until { Doing::TurningIdly(now) } else { Doing::Other }
            }
            _ => Doing::Other,
        };
    }

    /// A turn ended that left nothing to do until `moment`. If the thread is not to sleep,
    /// it looks for events from now on.
    pub(super) fn turn_ended(&mut self, moment: Moment, now: Moment, sleeps: bool) {
        if let Doing::TurningIdly(since) = self.doing {
            self.waited.add(now.since(since));
        }
        let waits = !sleeps && now < moment;
        self.doing = if waits { Doing::Looking(now, moment) } else { Doing::Other };
    }
}
