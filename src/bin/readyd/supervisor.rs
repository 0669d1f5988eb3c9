//! `--shards COUNT`: the supervisor, a process that serves no client and runs the shards that do.
//!
//! It binds each shard's listeners, drops root's privileges for `--user`, starts the shards, and
//! starts a successor for each shard that ends or drains. It keeps the listeners open: a client
//! that connects while a shard is missing waits in the backlog for the successor.
//!
//! Invariants: a shard that ends harms no client of another shard. When the supervisor ends, so do
//! the shards. It blocks on no shard: each time limit is its own, and ends in SIGKILL. Signals,
//! messages of shards and its own deadlines (a start, a watchdog check, a kill) wake it.

mod handover;
mod idle;
mod killing;
mod process;
mod shard_slot;
mod sockets;
mod spawn_template;
mod telling;
mod upgrading;
mod watchdog;

use crate::certificates::{self, CertificateReader};
use crate::child::{Ending, Program};
use crate::control::Answer;
use crate::loader::{Loader, first_table};
use crate::logger;
use crate::reconfiguring::ConfigReader;
use crate::recordings::Recordings;
use crate::service_manager::ServiceManager;
use crate::start::{self, Given, StartError};
use crate::upgrade::{Command, Upgrades};
use crate::zone::{self, ZoneReader};
use handover::{SealedCertificates, SealedConfig, SealedTable, SealedZone};
use idle::IdleWatch;
use nix::sys::signal::Signal;
use process::Process;
use readyd::counted::counted;
use readyd::io::clock::Moment;
use readyd::io::event_loop::{EventHandler, LoopControl, Wakeup};
use readyd::io::net::Token;
use readyd::io::readiness::Readiness;
use readyd::os::inherited_fd;
use readyd::reactor::Reactor;
use readyd::server::stats::publishing::Shards;
use shard_slot::{Ended, ShardSlot};
use sockets::Sockets;
use spawn_template::{SpawnTemplate, config_of_a_shard};
use std::io;
use std::time::Duration;
use watchdog::Watchdog;

/// How long a process may take to exit after its drain timeout or SIGQUIT, before SIGKILL.
const STOPPING_GRACE: Duration = Duration::from_secs(1);

/// The signals that a supervisor watches beside those of every server.
const OTHER_SIGNALS: &[Signal] = &[Signal::SIGCHLD];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A shard that ends is replaced.
    Serving,
    /// Another supervisor has the listeners. Shards serve their clients until these leave, or until
    /// then.
    HandedOver { deadline: Moment },
    /// All shards have been told to exit, at the latest at the deadline.
    Stopping { deadline: Moment },
}

/// See the [module](self).
struct Supervisor {
    template: SpawnTemplate,
    slots: Vec<ShardSlot>,
    phase: Phase,
    loader: Loader<SealedTable>,
    zone_reader: ZoneReader,
    configs: Option<ConfigReader>,
    certificate_reader: Option<CertificateReader>,
    idle: Option<IdleWatch>,
    watchdog: Option<Watchdog>,
    manager: ServiceManager,
    /// What was last published about the shards.
    overview: Shards,
    /// Why it stops, if no signal asked for it.
    failure: Option<StartError>,
    /// Names of shards that exited with an error after they were told to stop.
    broken: Vec<String>,
    /// Upgrades, in a program with the feature `ops`.
    upgrades: Option<Upgrades>,
}

/// Starts the shards, and runs until all have exited.
///
/// # Errors
///
/// Why it could not start, why it stopped, or which shards exited with an error.
pub(crate) fn run(given: Given<'_>, mut reactor: Reactor) -> Result<(), StartError> {
    let Given { config, origins, asked, inherited, mut manager, mut predecessor } = given;
    let command = Command::own();
    let program =
        Program::own().map_err(|error| StartError::System("open the program's own file", error))?;
    let credentials = start::resolve(config.user.as_ref(), &mut reactor)?;
    start::check_that_it_may_execute(config, credentials.as_ref(), &program)?;
    let certificates = certificates::first(config, origins, &mut reactor, predecessor.as_mut())?;
    let (table, source) = first_table(config, SealedTable::of, &mut manager, &mut reactor)?;
    let zone_source = zone::source(config);
    let zone = SealedZone::first(&zone_source)?;
    let sealed_certificates = SealedCertificates::first(certificates.as_ref(), reactor.now())?;
    // The table may have been one of these descriptors (--table /dev/fd/63); it has been read.
    inherited_fd::close_others();
    // Children inherit the signal mask, SIGQUIT included: a signal that is sent before a shard
    // opens its own signalfd stays pending.
    reactor
        .watch_signals_and(OTHER_SIGNALS)
        .map_err(|error| StartError::System("watch signals", error))?;
    let Sockets { addresses, of_shards } = sockets::for_each_shard(config, origins, inherited)?;
    start::announce(config, &addresses, &mut reactor, OTHER_SIGNALS)?;
    let recordings = Recordings::of_shards(config, predecessor.is_some(), credentials.as_ref())?;
    // Opened while the privileges to do so are there.
    let log = logger::own_description(true);
    start::drop_privileges(config, credentials)?;
    let prepared = upgrading::prepare(predecessor, command, &of_shards, &reactor)?;
    let upgrading::Prepared { scoreboard, waits, began, earlier, upgrades } = prepared;
    let of_a_shard = config_of_a_shard(config, start::memory_limit(config.memory_limit));
    let sealed_config = SealedConfig::of(&of_a_shard, 0)
        .map_err(|error| StartError::System("put the configuration into shared memory", error))?;
    let inputs = reactor.inputs().map_err(|error| StartError::System("share epoll", error))?;
    let now = reactor.now();
    let slots = of_shards.into_iter().zip(recordings).enumerate();
    let mut supervisor = Supervisor {
        slots: slots.map(|(number, given)| ShardSlot::new(number, given, now)).collect(),
        phase: Phase::Serving,
        loader: Loader::new(source, SealedTable::of, &reactor),
        zone_reader: ZoneReader::new(zone_source, &reactor),
        configs: ConfigReader::new(asked, config, &reactor),
        certificate_reader: certificates.map(|it| CertificateReader::new(config, &it, &reactor)),
        idle: config.limits.exit_on_idle.map(|limit| IdleWatch::new(limit, now)),
        watchdog: config.shard_timeout.map(|timeout| Watchdog::new(timeout, now)),
        manager,
        overview: Shards::default(),
        failure: None,
        broken: Vec::new(),
        upgrades,
        template: SpawnTemplate {
            program,
            scoreboard,
            began,
            waits,
            earlier,
            table,
            zone,
            log,
            inputs,
            measures_turns: config.has_metrics(),
            certificates: sealed_certificates,
            config: of_a_shard,
            sealed_config,
        },
    };
    log::info!("starting {}", counted(config.shards, "shard"));
    supervisor.start_shards(now);
    supervisor.publish_overview();
    reactor.run(&mut supervisor).map_err(|error| StartError::System("wait for events", error))?;
    supervisor.outcome()
}

impl Supervisor {
    /// Drains all shards; the second time, stops them at once.
    fn terminate(&mut self, now: Moment) {
        self.stop_upgrading(now);
        if matches!(self.phase, Phase::Stopping { .. }) {
            return self.stop_at_once(now);
        }
        log::info!("stopping {}", counted(self.slots.len(), "shard"));
        let limits = &self.template.config.limits;
        let deadline = now + limits.drain_delay + limits.drain_timeout + STOPPING_GRACE;
        self.phase = Phase::Stopping { deadline };
        self.slots.iter_mut().for_each(|slot| slot.stop(now, deadline));
    }

    fn stop_at_once(&mut self, now: Moment) {
        self.stop_upgrading(now);
        log::info!("stopping {} at once", counted(self.slots.len(), "shard"));
        let deadline = now + STOPPING_GRACE;
        self.phase = Phase::Stopping { deadline };
        for slot in &mut self.slots {
            slot.close();
            slot.give_up_starting();
            for process in slot.processes_mut() {
                process.signal(Signal::SIGQUIT);
                process.must_end_by(deadline);
            }
        }
    }

    fn processes_mut(&mut self) -> impl Iterator<Item = &mut Process> {
        self.slots.iter_mut().flat_map(ShardSlot::processes_mut)
    }

    /// Handles the messages of the shards.
    fn take_answers(&mut self, now: Moment) {
        for number in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(number) else { return };
            for (scoreboard_slot, answer) in slot.take_answers() {
                match answer {
                    // All stop: the shard has been told to serve its backlog already.
                    Answer::Serves => slot.serves(scoreboard_slot),
                    Answer::Drains if self.phase != Phase::Serving => {}
                    Answer::Drains => {
                        if slot.drains(scoreboard_slot, &self.template, now) {
                            log::info!(
                                "{} is draining; its replacement starts at once",
                                slot.name()
                            );
                        }
                    }
                    Answer::HasTable { .. }
                    | Answer::LacksTable { .. }
                    | Answer::HasZone { .. }
                    | Answer::LacksZone { .. }
                    | Answer::HasConfig { .. }
                    | Answer::LacksConfig { .. }
                    | Answer::HasCertificates { .. }
                    | Answer::LacksCertificates { .. } => {
                        let mut processes = slot.processes_mut();
                        if let Some(process) =
                            processes.find(|process| process.scoreboard_slot() == scoreboard_slot)
                        {
                            process.on_answer(answer, &self.template, now);
                        }
                    }
                    Answer::CannotExecute { errno } => {
                        let error = io::Error::from_raw_os_error(errno);
                        let name = slot.name();
                        log::error!("{name} cannot execute the program's own file: {error}");
                    }
                    Answer::IsIdle { question } | Answer::IsBusy { question } => {
                        let is_idle = matches!(answer, Answer::IsIdle { .. });
                        self.idle
                            .iter_mut()
                            .for_each(|idle| idle.on_answer(question, scoreboard_slot, is_idle));
                    }
                }
            }
        }
    }

    /// Reaps the processes that have ended. One SIGCHLD may stand for several.
    fn look_after_shards(&mut self, now: Moment) {
        for number in 0..self.slots.len() {
            loop {
                let Some(slot) = self.slots.get_mut(number) else { return };
                let Some(ended) = slot.take_ended(&self.template, now) else { break };
                self.has_ended(number, ended, now);
            }
        }
    }

    fn has_ended(&mut self, number: usize, ended: Ended, now: Moment) {
        let Some(slot) = self.slots.get_mut(number) else { return };
        let name = slot.name();
        match (ended, self.phase) {
            (Ended::Server(ending) | Ended::Drained(ending), Phase::Stopping { .. }) => {
                if !ending.is_success() {
                    log::error!("{name} did not exit cleanly ({ending})");
                    self.broken.push(name);
                }
            }
            (Ended::Server(Ending::Status(0)), Phase::HandedOver { .. }) => {}
            (Ended::Server(ending), Phase::HandedOver { .. }) => {
                log::error!("{name} did not exit cleanly ({ending})");
                self.broken.push(name);
            }
            (Ended::Drained(Ending::Status(0)), _) => {
                log::info!("{name}: the old process has exited")
            }
            (Ended::Drained(ending), _) => {
                log::error!("{name}: the old process did not exit cleanly ({ending})");
            }
            (Ended::Server(ending), _) if slot.has_served() => {
                let when = slot.wait_for_a_successor(now);
                log::error!("{name} exited ({ending}); restarting {when}");
            }
            // It never served: the other shards will fail in the same way, now and later.
            (Ended::Server(ending), _) => {
                self.give_up(StartError::ShardFailed(number, ending), now);
            }
        }
    }

    fn give_up(&mut self, failure: StartError, now: Moment) {
        self.failure.get_or_insert(failure);
        if !matches!(self.phase, Phase::Stopping { .. }) {
            self.terminate(now);
        }
    }

    /// Starts each shard whose start is due.
    fn start_shards(&mut self, now: Moment) {
        for number in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(number) else { return };
            if matches!(self.phase, Phase::Stopping { deadline } if deadline <= now) {
                slot.give_up_starting();
            }
            match (slot.start_if_due(&self.template, now), self.phase) {
                (Ok(false), _) | (Ok(true), Phase::Serving | Phase::HandedOver { .. }) => {}
                // It serves the clients in the backlog, and exits.
                (Ok(true), Phase::Stopping { deadline }) => slot.stop(now, deadline),
                (Err(error), Phase::Stopping { .. }) => {
                    log::error!("cannot start {}: {error}", slot.name());
                    slot.give_up_starting();
                }
                (Err(error), _) if !slot.has_served() => {
                    self.give_up(StartError::ShardNotStarted(number, error.to_string()), now);
                }
                (Err(error), _) => {
                    let when = slot.wait_for_a_successor(now);
                    log::error!("cannot start {}: {error}; retrying {when}", slot.name());
                }
            }
        }
    }

    fn publish_overview(&mut self) {
        let servers = || self.slots.iter().filter_map(ShardSlot::server);
        let count = |is_so: fn(&Process) -> bool| servers().filter(|it| is_so(it)).count() as u64;
        let overview = Shards {
            count: self.slots.len() as u64,
            answering: count(Process::answers),
            with_newest_table: count(Process::has_newest_table),
        };
        if overview != self.overview {
            self.overview = overview;
            self.template.scoreboard.write_overview(&overview);
        }
    }

    /// `--exit-on-idle`: when no shard has had a client for that time, asks all whether this still
    /// holds, and stops if it does.
    fn stop_if_idle(&mut self, now: Moment) {
        if self.phase != Phase::Serving || self.is_upgrading() {
            return;
        }
        let Some(idle) = &mut self.idle else { return };
        let servers = self.slots.iter().filter_map(ShardSlot::server);
        match idle.turn(
            now,
            || self.template.scoreboard.total(),
            servers.clone().map(Process::scoreboard_slot),
        ) {
            idle::Step::Wait => {}
            idle::Step::Ask { question } => {
                servers.for_each(|process| process.line().hold_if_idle(question));
            }
            idle::Step::GoOn => servers.for_each(|process| process.line().admit_again()),
            idle::Step::Stop => {
                log::info!("no client for the time of --exit-on-idle: stopping");
                self.terminate(now);
            }
        }
    }

    fn next_wakeup(&self) -> Option<Moment> {
        let processes = || self.slots.iter().flat_map(ShardSlot::processes);
        let starts = self.slots.iter().filter_map(ShardSlot::starts_at);
        let ends = processes().filter_map(Process::ends_by);
        let deliveries = processes().filter_map(Process::sends_again_at);
        let certificates = self.template.certificates.as_ref();
        let renewal = certificates.map(|sealed| sealed.renew_at);
        let looks = match self.phase {
            Phase::Serving => [
                self.idle.as_ref().map(IdleWatch::looks_at),
                self.watchdog.as_ref().map(Watchdog::looks_at),
            ],
            Phase::HandedOver { .. } | Phase::Stopping { .. } => [None, None],
        };
        starts.chain(ends).chain(deliveries).chain(renewal).chain(looks.into_iter().flatten()).min()
    }

    fn outcome(self) -> Result<(), StartError> {
        let stats = self.template.scoreboard.total();
        let connections = counted(stats.accepted, "connection");
        log::info!("stopped: {connections}, {}", counted(stats.requests, "request"));
        match self.failure {
            Some(failure) => Err(failure),
            None if self.broken.is_empty() => Ok(()),
            None => Err(StartError::ShardsBroke(self.broken)),
        }
    }
}

impl EventHandler for Supervisor {
    /// Never called: the supervisor registers no client sockets.
    fn on_ready(&mut self, _token: Token, _readiness: Readiness) {}

    fn on_wakeup(&mut self, wakeup: Wakeup, now: Moment) {
        match wakeup {
            // SIGXCPU comes every second, and is no second order to stop.
            Wakeup::CpuTimeLimit if self.phase != Phase::Serving => {}
            Wakeup::Terminate | Wakeup::CpuTimeLimit => self.terminate(now),
            Wakeup::ChildEnded => {
                // The last message of a process may say why it ended.
                self.take_answers(now);
                self.look_after_shards(now);
            }
            Wakeup::Reload => {
                self.manager.on_reload(now);
                self.start_reload(now);
            }
            Wakeup::Report => self.report(now),
            Wakeup::ToggleTrace => {
                self.slots.iter().flat_map(ShardSlot::processes).for_each(Process::toggle_trace);
            }
            Wakeup::Message => {
                self.take_files(now);
                self.take_answers(now);
                self.attend_upgrade(now);
            }
            Wakeup::Upgrade => self.start_upgrade(now),
            Wakeup::StopAtOnce => self.stop_at_once(now),
        }
    }

    fn end_turn(&mut self, now: Moment) -> LoopControl {
        self.kill_overdue(now);
        self.kill_stuck(now);
        self.send_again(now);
        self.stop_if_idle(now);
        self.start_shards(now);
        self.publish_overview();
        self.renew_seed(now);
        let due = self.tell_the_manager(now);
        let upgrade_due = self.look_after_upgrade(now);
        if self.phase != Phase::Serving && !self.slots.iter().any(ShardSlot::is_in_use) {
            return LoopControl::Stop;
        }
        self.next_wakeup()
            .map_or(LoopControl::Wait, LoopControl::WaitUntil)
            .no_later_than(due)
            .no_later_than(upgrade_due)
    }
}
