//! Upgrades of a server with shards: as the old supervisor and as the new one. See
//! [`crate::upgrade`].
//!
//! The new supervisor starts its shards, which wait for an order to accept clients.

use super::process::Process;
use super::shard_slot::ShardSlot;
use super::sockets::OfAShard;
use super::{Phase, STOPPING_GRACE, Supervisor};
use crate::listening::Bound;
use crate::shard::monotonic_nanos;
use crate::start::StartError;
use crate::upgrade::{self, Command, Given, Passed, Predecessor, Starter, Step, Upgrades};
use nix::sys::stat::fstat;
use readyd::counted::counted;
use readyd::io::clock::Moment;
use readyd::os::listener::Listener;
use readyd::reactor::Reactor;
use readyd::server::stats::scoreboard::Scoreboard;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

/// What a supervisor needs to be upgraded, and to be the new one of an upgrade.
pub(super) struct Prepared {
    pub(super) scoreboard: Scoreboard,
    /// Whether shards wait for an order before they serve.
    pub(super) waits: bool,
    /// When the server began, in nanoseconds of CLOCK_MONOTONIC.
    pub(super) began: u64,
    /// The scoreboards of the processes before this server.
    pub(super) earlier: Vec<Scoreboard>,
    pub(super) upgrades: Option<Upgrades>,
}

/// With `predecessor`, the server goes on from what that has counted.
pub(super) fn prepare(
    mut predecessor: Option<Predecessor>,
    command: Command,
    of_shards: &[OfAShard],
    reactor: &Reactor,
) -> Result<Prepared, StartError> {
    let ended = predecessor.as_mut().map(Predecessor::take_ended).unwrap_or_default();
    let scoreboard = Scoreboard::create_after(of_shards.len(), &ended)
        .map_err(|error| StartError::System("create the shared statistics", error))?;
    let (waits, began) = match &predecessor {
        Some(predecessor) => (true, predecessor.began()),
        None => (false, monotonic_nanos()),
    };
    let cannot = |error| StartError::System("share the statistics", error);
    let earlier = predecessor.as_ref().map(Predecessor::boards).transpose();
    let earlier = earlier.map_err(cannot)?.unwrap_or_default();
    let upgrades = match cfg!(feature = "ops") {
        true => {
            let board = scoreboard.try_clone().map_err(cannot)?;
            Some(upgrades(predecessor, command, board, of_shards, reactor)?)
        }
        false => None,
    };
    Ok(Prepared { scoreboard, waits, began, earlier, upgrades })
}

fn upgrades(
    predecessor: Option<Predecessor>,
    command: Command,
    board: Scoreboard,
    of_shards: &[OfAShard],
    reactor: &Reactor,
) -> Result<Upgrades, StartError> {
    let inputs = reactor.inputs().map_err(|error| StartError::System("share epoll", error))?;
    let file = |(socket, _): &Bound| match socket {
        Listener::Unix { file: Some(file), .. } => Some(Arc::downgrade(file)),
        _ => None,
    };
    let files = of_shards.iter().flat_map(|shard| &shard.listeners).filter_map(file).collect();
    let starter = Starter::here(command, reactor);
    let upgrades = Upgrades::new(Given { starter, inputs, board: Some(board), predecessor, files });
    upgrades.map_err(|error| StartError::System("watch the old process", error))
}

impl Supervisor {
    fn upgrades(&mut self) -> Option<&mut Upgrades> {
        self.upgrades.as_mut().filter(|_| cfg!(feature = "ops"))
    }

    /// SIGUSR2.
    pub(super) fn start_upgrade(&mut self, now: Moment) {
        if self.phase != Phase::Serving {
            return log::warn!("SIGUSR2 is ignored: this process ends");
        }
        if cfg!(not(feature = "ops")) {
            return log::warn!("SIGUSR2 is ignored: this readyd was built without feature ops");
        }
        let listeners = self.listeners();
        let certificates = self.template.certificates.as_ref();
        let seed = certificates.map(|sealed| sealed.certificates.seal_seed());
        if let Some(upgrades) = self.upgrades() {
            upgrades.begin(listeners, seed, now);
        }
    }

    /// Each listening socket once: shards may have several descriptors of one.
    fn listeners(&self) -> Vec<(RawFd, Passed)> {
        let mut seen = Vec::new();
        let all = self.slots.iter().flat_map(ShardSlot::listeners);
        let is_new = |(socket, _): &&Bound| match fstat(socket) {
            Ok(stat) => {
                let socket = (stat.st_dev, stat.st_ino);
                let is_new = !seen.contains(&socket);
                seen.push(socket);
                is_new
            }
            Err(_) => true,
        };
        all.filter(is_new).map(|bound| (bound.0.as_raw_fd(), upgrade::passed(bound))).collect()
    }

    /// Whether another process is about to take the place of this one.
    pub(super) fn is_upgrading(&self) -> bool {
        self.upgrades.as_ref().is_some_and(|it| it.is_running() || it.awaits_order())
    }

    /// All shards could serve, or do.
    pub(super) fn is_ready(&mut self, now: Moment) {
        match self.upgrades() {
            Some(upgrades) if upgrades.awaits_order() => upgrades.say_that_it_is_ready(now),
            _ => self.manager.on_serving(now),
        }
    }

    /// Goes on with an upgrade when a message has come.
    pub(super) fn attend_upgrade(&mut self, now: Moment) {
        while let Some(upgrades) = self.upgrades() {
            match upgrades.attend(now) {
                Step::Wait => return,
                Step::Introduce { pid } => self.introduce(pid, now),
                Step::HandOver { pid } => {
                    let open = self.template.scoreboard.total().open();
                    let open = counted(open, "connection");
                    log::info!("process {pid} serves from now on; this one finishes with {open}");
                    self.hand_over(now);
                }
                Step::TakeBack => self.manager.take_back(now),
                Step::Serve => self.begin_to_serve(now),
                Step::GiveUp(why) => return self.give_up(StartError::Upgrade(why), now),
            }
        }
    }

    fn introduce(&mut self, pid: u64, now: Moment) {
        let told = self.manager.introduce(pid);
        let Some(upgrades) = self.upgrades() else { return };
        let step = match told {
            Ok(()) => upgrades.let_it_serve(pid, now),
            Err(error) => upgrades.fail(format!("the service manager cannot be told: {error}")),
        };
        if matches!(step, Step::TakeBack) {
            self.manager.take_back(now);
        }
    }

    /// The old process has said that this one is to serve.
    fn begin_to_serve(&mut self, now: Moment) {
        self.template.waits = false;
        self.processes_mut().for_each(|process: &mut Process| process.line().open());
        self.manager.on_serving(now);
        if let Some(upgrades) = self.upgrades() {
            upgrades.say_that_it_serves();
        }
    }

    fn hand_over(&mut self, now: Moment) {
        let timeout = self.template.config.limits.drain_timeout;
        // From the handover to the drain of what is left, and for that.
        let deadline = now + timeout + timeout + STOPPING_GRACE;
        self.phase = Phase::HandedOver { deadline };
        self.slots.iter_mut().for_each(|slot| slot.hand_over(deadline));
    }

    /// This process is to stop.
    pub(super) fn stop_upgrading(&mut self, now: Moment) {
        if let Some(upgrades) = self.upgrades()
            && upgrades.stop()
        {
            self.hand_over(now);
        }
    }

    /// At the end of each turn. Returns when to look again.
    pub(super) fn look_after_upgrade(&mut self, now: Moment) -> Option<Moment> {
        let due = self.upgrades()?.due()?;
        if due > now {
            return Some(due);
        }
        self.attend_upgrade(now);
        self.upgrades()?.due()
    }
}
