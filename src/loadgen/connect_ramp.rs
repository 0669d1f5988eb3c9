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
    /// Attempts a second of all workers, if the plan has a rate.
    rate: Option<f64>,
    worker: Worker,
}

impl ConnectRamp {
    pub(super) fn new(plan: &Plan, worker: Worker, now: Moment) -> ConnectRamp {
        let parallel = worker.share(plan.connecting.parallel).max(1);
        let slots = worker.share_of_connections(plan.connections).total();
        let rate = plan.connecting.rate;
        ConnectRamp { next: 0, slots, decided: 0, began: now, parallel, rate, worker }
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
        // Workers take turns: the connections of all have consecutive numbers.
        let number = self.worker.connection(self.next) as f64;
        let wait = Duration::try_from_secs_f64(number / self.rate?).unwrap_or(Duration::MAX);
        Some(self.began + wait)
    }
}
