//! The ramp: how fast the connections are opened that the plan begins with.

use super::plan::{Plan, Worker};
use crate::io::clock::Moment;
use std::time::Duration;

/// Deals out the slots that the plan begins with, in order, as fast as the plan allows.
#[derive(Debug)]
pub(super) struct ConnectRamp {
    /// The next slot to be connected.
    next: usize,
    slots: usize,
    /// Slots that were connected, or could not be.
    decided: usize,
    began: Moment,
    /// How many may be connecting at once.
    parallel: usize,
    /// Between two attempts, if the plan has a rate.
    gap: Option<Duration>,
}

impl ConnectRamp {
    pub(super) fn new(plan: &Plan, worker: Worker, now: Moment) -> ConnectRamp {
        let gap = plan.connecting.rate.map(|rate| Duration::from_secs_f64(worker.of as f64 / rate));
        let parallel = worker.share(plan.connecting.parallel).max(1);
        let slots = worker.share_of_connections(plan.connections).total();
        ConnectRamp { next: 0, slots, decided: 0, began: now, parallel, gap }
    }

    /// The next slot, if it may be connected now.
    pub(super) fn next_slot(&mut self, now: Moment) -> Option<usize> {
        if !self.has_room() || self.next_due().is_some_and(|at| at > now) {
            return None;
        }
        self.next += 1;
        Some(self.next - 1)
    }

    /// A slot was connected for the first time, or could not be.
    pub(super) fn decided(&mut self) {
        self.decided += 1;
    }

    /// Whether that is known of every slot.
    pub(super) fn is_done(&self) -> bool {
        self.decided == self.slots
    }

    /// When the next slot may be connected, unless it waits for others, or there is none.
    pub(super) fn next_wakeup(&self) -> Option<Moment> {
        self.next_due().filter(|_| self.has_room())
    }

    fn has_room(&self) -> bool {
        self.next < self.slots && self.next - self.decided.min(self.next) < self.parallel
    }

    /// When the rate allows for the next one.
    fn next_due(&self) -> Option<Moment> {
        let gap = self.gap?;
        let nanos = gap.as_nanos() as u64;
        Some(self.began + Duration::from_nanos(nanos.saturating_mul(self.next as u64)))
    }
}
