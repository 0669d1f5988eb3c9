//! Room for what is sent: when an event tells of it, and what the kernel knows of who makes it.

use super::faults::Call;
use super::kernel::Kernel;
use super::knobs::Knob;
use super::sockets::Owner;
use super::trace::{Outcome, What};
use crate::io::net::Output;
use std::time::Duration;

impl Kernel {
    /// Whether there is so much room for what `index` sends that an event tells of it: Linux waits
    /// for a third of the buffer.
    pub fn tells_of_room(&self, index: usize) -> bool {
        let pipe = &self.ends[index ^ 1].incoming;
        let least = if self.has(Knob::RoomUntold) { pipe.window.div_ceil(3) } else { 1 };
        pipe.room() >= least
    }

    /// What the kernel knows of what the server sent at `index`.
    pub fn output(&mut self, index: usize) -> Output {
        let fault = self.faults.next(Call::Output, self.knobs, &mut self.prng);
        self.note(Owner::Server, What::Output, index, Outcome::Done);
        let pipe = &self.ends[index ^ 1].incoming;
        let is_delivered = pipe.in_flight() == 0 && pipe.readable() == 0;
        if fault.is_none() && !is_delivered {
            let last_taken = self.facts[index / 2].taken_at;
            return Output::Held { last_taken, kept_back: Duration::ZERO };
        }
        // What is sent now is sent for want of anything better, or before an event that is to come.
        self.ends[index].told_of_room = true;
        if fault.is_some() {
            self.facts[index / 2].not_told_at = Some(self.now);
            return Output::Unknown;
        }
        self.facts[index / 2].delivered_at = self.now;
        Output::Delivered
    }
}
