//! Upgrades of a server: as the old process and as the new one. See [`crate::upgrade`].

use super::{Daemon, Parent, Stage};
use crate::certificates::Held;
use crate::start::StartError;
use crate::upgrade::{Passed, Step, Upgrades};
use readyd::counted::counted;
use readyd::io::clock::Moment;
use readyd::io::net::Net;
use readyd::os::usage::cpu_time;
use readyd::server::stats::scoreboard::{Scoreboard, ScoreboardSlot};
use std::io;
use std::time::Duration;

/// The upgrades of a server without a supervisor.
pub(crate) struct Upgrading {
    pub(crate) upgrades: Upgrades,
    /// Its listeners, in the order in which they were given to the server.
    pub(crate) listeners: Vec<Passed>,
}

/// What is there of an upgrade in a program with the feature `ops`.
fn upgrading(parent: &mut Parent) -> Option<&mut Upgrading> {
    match parent {
        Parent::None { upgrades: Some(upgrading), .. } if cfg!(feature = "ops") => Some(upgrading),
        _ => None,
    }
}

impl<N: Net> Daemon<N> {
    /// SIGUSR2.
    pub(super) fn start_upgrade(&mut self, now: Moment) {
        if matches!(self.parent, Parent::Supervisor(_)) {
            return log::warn!("SIGUSR2 is ignored: it is for the supervisor of the shards");
        }
        if cfg!(not(feature = "ops")) {
            return log::warn!("SIGUSR2 is ignored: this readyd was built without feature ops");
        }
        if self.server.is_draining() || self.server.has_handed_over() {
            return log::warn!("SIGUSR2 is ignored: this process ends");
        }
        if let Err(error) = self.share_statistics() {
            return log::error!("cannot share the statistics with a new process: {error}");
        }
        let descriptors = self.server.descriptors();
        let Some(Upgrading { upgrades, listeners }) = upgrading(&mut self.parent) else { return };
        let listeners = descriptors.into_iter().zip(listeners.iter().cloned());
        let seed = self.held.as_ref().map(Held::seal_seed);
        upgrades.begin(listeners.collect(), seed, now);
    }

    /// From now on the next process can read what this one counts.
    fn share_statistics(&mut self) -> io::Result<()> {
        let Some(Upgrading { upgrades, .. }) = upgrading(&mut self.parent) else { return Ok(()) };
        if upgrades.needs_board() {
            let board = Scoreboard::create(1)?;
            upgrades.set_board(board.try_clone()?);
            let slot = ScoreboardSlot::take(board, 0, Duration::ZERO)?.measuring(cpu_time);
            self.server.leave_statistics(Box::new(slot));
        }
        Ok(())
    }

    /// Goes on with an upgrade when a message has come.
    pub(super) fn attend_upgrade(&mut self, now: Moment) {
        while let Some(Upgrading { upgrades, .. }) = upgrading(&mut self.parent) {
            match upgrades.attend(now) {
                Step::Wait => return,
                Step::Introduce { pid } => self.introduce(pid, now),
                Step::HandOver { pid } => {
                    let open = counted(self.server.stats().open(), "connection");
                    log::info!("process {pid} serves from now on; this one finishes with {open}");
                    self.hand_over(now);
                }
                Step::TakeBack => {
                    if let Parent::None { manager, .. } = &mut self.parent {
                        manager.take_back(now);
                    }
                }
                Step::Serve => {
                    if let Parent::None { manager, .. } = &mut self.parent {
                        manager.on_serving(now);
                    }
                    if let Some(Upgrading { upgrades, .. }) = upgrading(&mut self.parent) {
                        upgrades.say_that_it_serves();
                    }
                    self.begin_to_serve();
                }
                Step::GiveUp(why) => return self.never_serve(Some(StartError::Upgrade(why))),
            }
        }
    }

    /// The new process could serve.
    fn introduce(&mut self, pid: u64, now: Moment) {
        // The new process tells what this one has counted, from its first moment on.
        let _ = self.server.statistics(now);
        let Parent::None { manager, .. } = &mut self.parent else { return };
        let told = manager.introduce(pid);
        let Some(Upgrading { upgrades, .. }) = upgrading(&mut self.parent) else { return };
        let step = match told {
            Ok(()) => upgrades.let_it_serve(pid, now),
            Err(error) => upgrades.fail(format!("the service manager cannot be told: {error}")),
        };
        if matches!(step, Step::TakeBack)
            && let Parent::None { manager, .. } = &mut self.parent
        {
            manager.take_back(now);
        }
    }

    pub(super) fn hand_over(&mut self, now: Moment) {
        self.server.hand_over(now);
    }

    /// The order has come that a new process waits for.
    pub(super) fn begin_to_serve(&mut self) {
        if matches!(self.stage, Stage::Waits) {
            self.stage = Stage::Serves;
        }
    }

    /// A new process is not wanted any more. It leaves the listeners as they are.
    pub(super) fn never_serve(&mut self, why: Option<StartError>) {
        if !matches!(self.stage, Stage::Ends(_)) {
            self.stage = Stage::Ends(why);
        }
    }

    /// This process is to stop.
    pub(super) fn stop_upgrading(&mut self, now: Moment) {
        if let Some(Upgrading { upgrades, .. }) = upgrading(&mut self.parent)
            && upgrades.stop()
        {
            self.hand_over(now);
        }
    }

    /// At the end of each turn. Returns when to look again.
    pub(super) fn look_after_upgrade(&mut self, now: Moment) -> Option<Moment> {
        let due = upgrading(&mut self.parent)?.upgrades.due()?;
        if due > now {
            return Some(due);
        }
        self.attend_upgrade(now);
        upgrading(&mut self.parent)?.upgrades.due()
    }
}
