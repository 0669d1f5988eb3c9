//! What the supervisor tells the service manager of all shards.

use super::process::Process;
use super::shard_slot::ShardSlot;
use super::watchdog::Watchdog;
use super::{Phase, Supervisor};
use crate::certificates::CertificateReader;
use crate::reconfiguring::ConfigReader;
use crate::service_manager::Counts;
use nix::sys::signal::Signal;
use readyd::io::clock::Moment;

impl Supervisor {
    /// Tells the service manager what is new. Returns when it is to be told more.
    pub(super) fn tell_the_manager(&mut self, now: Moment) -> Option<Moment> {
        if matches!(self.phase, Phase::Stopping { .. }) {
            let limits = &self.template.config.limits;
            let limit = limits.drain_delay + limits.drain_timeout;
            if !self.manager.is_stopping() {
                let open = self.template.scoreboard.total().open();
                self.manager.on_stopping(open, limit, now);
            }
        } else if self.phase == Phase::Serving && self.slots.iter().all(ShardSlot::is_served) {
            self.is_ready(now);
        }
        if self.manager.is_reloading() && self.has_reloaded() {
            self.manager.on_reloaded(now);
        }
        let is_well = self.is_well();
        let scoreboard = &self.template.scoreboard;
        self.manager.turn(now, is_well, || {
            let total = scoreboard.total();
            Counts { open: total.open(), requests: total.requests }
        })
    }

    /// Logs the statistics of all shards together, and has each log its own.
    pub(super) fn report(&self, now: Moment) {
        self.slots.iter().flat_map(ShardSlot::processes).for_each(|it| it.signal(Signal::SIGUSR1));
        let uptime = now.since(Moment::START);
        let total = self.template.scoreboard.total();
        let report = total.report_of_shards(self.overview, uptime, std::process::id()).to_string();
        for line in report.lines() {
            log::info!("statistics: {line}");
        }
    }

    /// Whether the files have been read, and each shard that answers has said what came of them.
    fn has_reloaded(&self) -> bool {
        let mut processes = self.slots.iter().filter_map(ShardSlot::server);
        !self.loader.is_loading()
            && !self.zone_reader.is_reading()
            && !self.certificate_reader.as_ref().is_some_and(CertificateReader::is_reading)
            && !self.configs.as_ref().is_some_and(ConfigReader::is_reading)
            && !processes.any(|process| process.answers() && process.has_unanswered_delivery())
    }

    /// Whether each stuck shard is being replaced: the kernel has ended those that were killed.
    fn is_well(&self) -> bool {
        let Some(timeout) = self.watchdog.as_ref().map(Watchdog::timeout) else { return true };
        let mut processes = self.slots.iter().flat_map(ShardSlot::processes);
        !processes.any(|process: &Process| process.outlives_its_kill(timeout))
    }
}
