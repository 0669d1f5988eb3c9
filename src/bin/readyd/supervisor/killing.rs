//! Processes that are killed: those that do not exit in time, and those that are stuck.

use super::{Phase, Supervisor};
use readyd::io::clock::Moment;

impl Supervisor {
    /// Kills processes that were told to exit and have not.
    pub(super) fn kill_overdue(&mut self, now: Moment) {
        for slot in &mut self.slots {
            for pid in slot.kill_overdue(now) {
                log::error!("{} (process {pid}) did not exit in time; killed", slot.name());
            }
        }
    }

    /// Kills processes whose loops do not turn. Successors take their slots.
    pub(super) fn kill_stuck(&mut self, now: Moment) {
        let Some(watchdog) = self.watchdog.as_mut().filter(|_| self.phase == Phase::Serving) else {
            return;
        };
        let timeout = watchdog.timeout();
        let Some(look) = watchdog.look(now) else { return };
        for slot in &mut self.slots {
            for pid in slot.kill_stuck(&self.template, look) {
                let name = slot.name();
                log::error!(
                    "{name} (process {pid}) is stuck: its event loop has not run for {timeout:?} \
                     (--shard-timeout); killed"
                );
            }
        }
    }
}
