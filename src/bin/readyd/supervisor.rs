//! `--shards COUNT`: a process that serves no client, and looks after the processes that do.
//!
//! It binds each shard's listeners, gives up root's rights if it is to, starts the shards, and
//! starts another for each that ends or drains. It keeps the listeners open: a client that connects
//! while a shard is missing waits in the kernel for its successor.
//!
//! Invariants: a shard that ends harms the clients of no other. When the supervisor ends, so do the
//! shards. It waits for no shard: each time limit that it keeps is its own, and ends in SIGKILL. It
//! is woken by signals, by what a shard says, and by its own deadlines: a start, a look of the
//! watchdog, an end.

mod handover;
mod idle;
mod process;
mod shard_slot;
mod sockets;
mod watchdog;

use crate::child::{Ending, Program};
use crate::control::Answer;
use crate::listening::Inherited;
use crate::loader::Loader;
use crate::logger;
use crate::shard::monotonic_nanos;
use crate::start::{self, StartError};
use crate::zone::{self, ZoneReader};
use handover::{SealedTable, SealedZone};
use idle::IdleWatch;
use nix::sys::signal::Signal;
use process::Process;
use readyd::config::{Config, Origins};
use readyd::counted::counted;
use readyd::io::clock::Moment;
use readyd::io::net::{Driver, Next, Notice, Readiness, Token};
use readyd::os::inherited_fd;
use readyd::reactor::{Inputs, Reactor};
use readyd::server::limits::Limits;
use readyd::server::stats::board::Board;
use readyd::server::stats::publishing::Shards;
use shard_slot::{Ended, ShardSlot};
use sockets::Sockets;
use std::fs::File;
use std::io;
use std::time::Duration;
use watchdog::Watchdog;

/// A process that has to end, because its drain timeout is over or it was told to end at once, has
/// so long for it. Then it is killed.
const STOPPING_GRACE: Duration = Duration::from_secs(1);

/// What all shards are started with.
struct SpawnTemplate {
    /// The program that they run.
    program: Program,
    /// What is asked of each, but for its listeners.
    config: Config,
    board: Board,
    /// When the supervisor began, on the system's monotonic clock.
    began: u64,
    table: SealedTable,
    zone: SealedZone,
    /// What they write their log to, if it is not simply standard error.
    log: Option<File>,
    inputs: Inputs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A shard that ends is replaced.
    Serving,
    /// All have been told to end, by then at the latest.
    Stopping { deadline: Moment },
}

/// See the [module](self).
struct Supervisor {
    template: SpawnTemplate,
    slots: Vec<ShardSlot>,
    phase: Phase,
    loader: Loader<SealedTable>,
    zone_reader: ZoneReader,
    idle: Option<IdleWatch>,
    watchdog: Option<Watchdog>,
    /// What the board says of the shards.
    overview: Shards,
    /// Why it was stopped, if it was not told to.
    failure: Option<StartError>,
    /// Shards that ended otherwise than in order after they were told to.
    broken: Vec<String>,
}

/// Starts shards, looks after them until they have ended, and tells how it went.
pub(crate) fn run(
    config: &Config,
    origins: &Origins,
    inherited: Inherited,
    mut reactor: Reactor,
) -> Result<(), StartError> {
    let program =
        Program::own().map_err(|error| StartError::System("open the program's own file", error))?;
    let credentials = start::resolve(config.user.as_ref(), &mut reactor)?;
    if let Some(credentials) = &credentials {
        start::check_that_it_may_execute(config, credentials, &program)?;
    }
    let (table, source) = start::first_table(config, SealedTable::of, &mut reactor)?;
    let zone_source = zone::source(config);
    let zone = SealedZone::of(zone::first_rules(&zone_source), 0)
        .map_err(|error| StartError::System("put the time zone into shared memory", error))?;
    // What was read from a descriptor without a name here has been read: see --table /dev/fd/63.
    inherited_fd::close_others();
    // SIGQUIT is among them: what is blocked here is blocked in the shards that it starts, until
    // they watch it.
    reactor
        .watch_signals_and(&[Signal::SIGCHLD])
        .map_err(|error| StartError::System("watch signals", error))?;
    let Sockets { addresses, of_shards } = sockets::for_each_shard(config, origins, inherited)?;
    start::announce(config, &addresses)?;
    // While there is the right to open it.
    let log = logger::own_description(true);
    start::drop_privileges(config, credentials)?;
    let board = Board::create(config.shards)
        .map_err(|error| StartError::System("make the board for statistics", error))?;
    let inputs = reactor.inputs().map_err(|error| StartError::System("share epoll", error))?;
    let now = reactor.now();
    let slots = of_shards.into_iter().enumerate();
    let mut supervisor = Supervisor {
        slots: slots.map(|(number, sockets)| ShardSlot::new(number, sockets, now)).collect(),
        phase: Phase::Serving,
        loader: Loader::new(source, SealedTable::of, &reactor),
        zone_reader: ZoneReader::new(zone_source, &reactor),
        idle: config.limits.exit_on_idle.map(|limit| IdleWatch::new(limit, now)),
        watchdog: config.shard_timeout.map(|timeout| Watchdog::new(timeout, now)),
        overview: Shards::default(),
        failure: None,
        broken: Vec::new(),
        template: SpawnTemplate {
            program,
            board,
            began: monotonic_nanos(),
            table,
            zone,
            log,
            inputs,
            config: config_of_a_shard(config),
        },
    };
    log::info!("starting {}", counted(config.shards, "shard"));
    supervisor.start_shards(now);
    supervisor.publish_overview();
    reactor.run(&mut supervisor).map_err(|error| StartError::System("wait for events", error))?;
    supervisor.outcome()
}

/// What a shard is asked for: its part of what is bounded in total, and nothing that is the
/// supervisor's.
fn config_of_a_shard(config: &Config) -> Config {
    let shards = config.shards;
    let memory_limit = start::memory_limit(config.memory_limit).div_ceil(shards);
    let log_rate = config.limits.log_rate.div_ceil(u32::try_from(shards).unwrap_or(u32::MAX));
    Config {
        listeners: Vec::new(),
        reuse_port: false,
        shards: 1,
        user: None,
        print_addresses: false,
        table: None,
        max_connections: config.max_connections.map(|total| total.div_ceil(shards)),
        memory_limit: Some(memory_limit),
        log: logger::level_of_a_shard(config),
        limits: Limits { log_rate, exit_on_idle: None, ..config.limits.clone() },
        ..config.clone()
    }
}

impl Supervisor {
    /// Tells all to end, the second time at once.
    fn terminate(&mut self, now: Moment) {
        if self.phase != Phase::Serving {
            return self.stop_at_once(now);
        }
        log::info!("stopping {}", counted(self.slots.len(), "shard"));
        let deadline = now + self.template.config.limits.drain_timeout + STOPPING_GRACE;
        self.phase = Phase::Stopping { deadline };
        self.slots.iter_mut().for_each(|slot| slot.stop(now, deadline));
    }

    fn stop_at_once(&mut self, now: Moment) {
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

    /// Does what the shards have asked for.
    fn take_answers(&mut self, now: Moment) {
        for number in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(number) else { return };
            for (seat, answer) in slot.take_answers() {
                match answer {
                    // When all stop, it has been told to serve the backlog, and does.
                    Answer::Drains if self.phase != Phase::Serving => {}
                    Answer::Drains => {
                        if slot.drains(seat, &self.template, now) {
                            log::info!("{} drains; its successor starts at once", slot.name());
                        }
                    }
                    Answer::HasTable { .. }
                    | Answer::LacksTable { .. }
                    | Answer::HasZone { .. }
                    | Answer::LacksZone { .. } => {
                        let mut processes = slot.processes_mut();
                        if let Some(process) = processes.find(|process| process.seat() == seat) {
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
                            .for_each(|idle| idle.on_answer(question, seat, is_idle));
                    }
                }
            }
        }
    }

    fn report(&self, now: Moment) {
        self.slots.iter().flat_map(ShardSlot::processes).for_each(|it| it.signal(Signal::SIGUSR1));
        let uptime = now.since(Moment::START);
        let total = self.template.board.total();
        let report = total.report_of_shards(self.overview, uptime, std::process::id()).to_string();
        for line in report.lines() {
            log::info!("statistics: {line}");
        }
    }

    /// Looks which processes have ended. One SIGCHLD may stand for several.
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
                    log::error!("{name} did not end in order ({ending})");
                    self.broken.push(name);
                }
            }
            (Ended::Drained(Ending::Status(0)), _) => {
                log::info!("{name}: the old process has ended")
            }
            (Ended::Drained(ending), _) => {
                log::error!("{name}: the old process did not end in order ({ending})");
            }
            (Ended::Server(ending), _) if slot.has_served() => {
                let when = slot.wait_for_a_successor(now);
                log::error!("{name} has ended ({ending}); another starts {when}");
            }
            // What one cannot, the others cannot either, now or later.
            (Ended::Server(ending), _) => {
                self.give_up(StartError::ShardFailed(number, ending), now);
            }
        }
    }

    fn give_up(&mut self, failure: StartError, now: Moment) {
        self.failure.get_or_insert(failure);
        if self.phase == Phase::Serving {
            self.terminate(now);
        }
    }

    /// Starts each shard whose time has come.
    fn start_shards(&mut self, now: Moment) {
        for number in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(number) else { return };
            if matches!(self.phase, Phase::Stopping { deadline } if deadline <= now) {
                slot.give_up_starting();
            }
            match (slot.start_if_due(&self.template, now), self.phase) {
                (Ok(false), _) | (Ok(true), Phase::Serving) => {}
                // It serves those who wait in the backlog, and ends.
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
                    log::error!("cannot start {}: {error}; tried again {when}", slot.name());
                }
            }
        }
    }

    /// Ends processes that were told to end and have not.
    fn kill_overdue(&mut self, now: Moment) {
        for slot in &mut self.slots {
            for pid in slot.kill_overdue(now) {
                log::error!("{} (process {pid}) has not ended in time; killed", slot.name());
            }
        }
    }

    /// Ends processes whose loops do not turn. Others take their places.
    fn kill_stuck(&mut self, now: Moment) {
        let Some(watchdog) = self.watchdog.as_mut().filter(|_| self.phase == Phase::Serving) else {
            return;
        };
        let timeout = watchdog.timeout();
        let Some(look) = watchdog.look(now) else { return };
        for slot in &mut self.slots {
            for pid in slot.kill_stuck(&self.template, look) {
                let name = slot.name();
                log::error!(
                    "{name} (process {pid}) is stuck: its loop has not turned for {timeout:?} \
                     (--shard-timeout); killed"
                );
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
            self.template.board.write_overview(&overview);
        }
    }

    /// `--exit-on-idle`: when no shard has had a client for long enough, asks them whether that is
    /// still so.
    fn stop_if_idle(&mut self, now: Moment) {
        let Some(idle) = &mut self.idle else { return };
        if self.phase != Phase::Serving {
            return;
        }
        let servers = self.slots.iter().filter_map(ShardSlot::server);
        match idle.turn(now, || self.template.board.total(), servers.clone().map(Process::seat)) {
            idle::Step::Wait => {}
            idle::Step::Ask { question } => {
                servers.for_each(|process| process.line().hold_if_idle(question));
            }
            idle::Step::GoOn => servers.for_each(|process| process.line().admit_again()),
            idle::Step::Stop => {
                log::info!("nobody has been connected for long enough (--exit-on-idle)");
                self.terminate(now);
            }
        }
    }

    fn next_wakeup(&self) -> Option<Moment> {
        let processes = || self.slots.iter().flat_map(ShardSlot::processes);
        let starts = self.slots.iter().filter_map(ShardSlot::starts_at);
        let ends = processes().filter_map(Process::ends_by);
        let deliveries = processes().filter_map(Process::sends_again_at);
        let looks = match self.phase {
            Phase::Serving => [
                self.idle.as_ref().map(IdleWatch::looks_at),
                self.watchdog.as_ref().map(Watchdog::looks_at),
            ],
            Phase::Stopping { .. } => [None, None],
        };
        starts.chain(ends).chain(deliveries).chain(looks.into_iter().flatten()).min()
    }

    fn outcome(self) -> Result<(), StartError> {
        let stats = self.template.board.total();
        let connections = counted(stats.accepted, "connection");
        log::info!("stopped: {connections}, {}", counted(stats.requests, "request"));
        match self.failure {
            Some(failure) => Err(failure),
            None if self.broken.is_empty() => Ok(()),
            None => Err(StartError::ShardsBroke(self.broken)),
        }
    }
}

impl Driver for Supervisor {
    /// It has no sockets of clients.
    fn ready(&mut self, _token: Token, _readiness: Readiness) {}

    fn notice(&mut self, notice: Notice, now: Moment) {
        match notice {
            // It comes again and again, and is no second order.
            Notice::CpuTimeLimit if self.phase != Phase::Serving => {}
            Notice::Terminate | Notice::CpuTimeLimit => self.terminate(now),
            Notice::ChildEnded => {
                // What a process said before it ended tells why it did.
                self.take_answers(now);
                self.look_after_shards(now);
            }
            Notice::Reload => self.start_reload(now),
            Notice::Report => self.report(now),
            Notice::Woken => {
                self.take_files(now);
                self.take_answers(now);
            }
            Notice::StopAtOnce => self.stop_at_once(now),
        }
    }

    fn end_turn(&mut self, now: Moment) -> Next {
        self.kill_overdue(now);
        self.kill_stuck(now);
        self.send_again(now);
        self.stop_if_idle(now);
        self.start_shards(now);
        self.publish_overview();
        if self.phase != Phase::Serving && !self.slots.iter().any(ShardSlot::is_in_use) {
            return Next::Stop;
        }
        self.next_wakeup().map_or(Next::Wait, Next::WaitUntil)
    }
}
