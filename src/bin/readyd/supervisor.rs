//! `--shards COUNT`: a process that serves nobody, and looks after those that do.
//!
//! It binds each shard's listeners, gives up root's rights if it is to, starts the shards, and starts
//! another for each that ends. It keeps the listeners open: who connects while a shard is missing waits
//! in the kernel for its successor.
//!
//! Invariants: a shard that ends harms the clients of no other. When the supervisor ends, so do the
//! shards. It is woken by signals alone, and by the clock while a shard waits to be started again or
//! `--exit-on-idle` is asked for.

mod idle;
mod place;

use crate::child::{self, Ending};
use crate::listening::{self, Inherited};
use crate::loader::Loader;
use crate::logger;
use crate::shard::{self, monotonic_nanos};
use crate::start::{self, StartError};
use idle::IdleWatch;
use nix::sys::signal::Signal;
use place::Place;
use readyd::clock::Moment;
use readyd::config::{Config, Origins};
use readyd::limits::Limits;
use readyd::net::{Driver, Next, Notice, Readiness, Token};
use readyd::reactor::Reactor;
use readyd::stats::board::Board;
use readyd::table::Table;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process;

/// What all shards are started with.
struct Orders {
    /// What is asked of each, but for its listeners.
    config: Config,
    board: Board,
    shards: usize,
    /// When the supervisor began, on the system's monotonic clock.
    began: u64,
    table: Sealed,
    /// What they write their log to, if it is not simply standard error.
    log: Option<File>,
}

/// A table in memory that all shards map.
struct Sealed {
    memory: OwnedFd,
    keys: usize,
}

impl Sealed {
    /// Copies `table` there; it is then no longer needed here.
    fn of(table: Table) -> Result<Sealed, String> {
        match table.seal() {
            Ok(memory) => Ok(Sealed { memory, keys: table.len() }),
            Err(error) => Err(format!("cannot put it into memory that is shared: {error}")),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A shard that ends is replaced.
    Serving,
    /// All have been told to end.
    Stopping,
}

/// See the [module](self).
struct Supervisor {
    orders: Orders,
    places: Vec<Place>,
    phase: Phase,
    loader: Loader<Sealed>,
    idle: Option<IdleWatch>,
    /// Why it was stopped, if it was not told to.
    failure: Option<StartError>,
    /// Shards that ended otherwise than in order after they were told to.
    broken: usize,
}

/// Starts shards, looks after them until they have ended, and tells how it went.
pub(crate) fn run(
    config: &Config,
    origins: &Origins,
    inherited: Inherited,
    mut reactor: Reactor,
) -> Result<(), StartError> {
    let rights = start::look_up(config.user.as_ref(), &mut reactor)?;
    let (table, source) = start::first_table(config, Sealed::of, &mut reactor)?;
    reactor
        .watch_signals_and(&[Signal::SIGCHLD])
        .map_err(|error| StartError::System("watch signals", error))?;
    child::keep_endings().map_err(|error| StartError::System("watch SIGCHLD", error))?;
    let listeners = listening::bind_all(config, origins, config.shards, inherited)?;
    // While there is the right to open it.
    let log = logger::own_description(true);
    start::give_up_rights(config, rights)?;
    let board = Board::create(config.shards)
        .map_err(|error| StartError::System("make the board for statistics", error))?;
    let now = reactor.now();
    let places = listeners.into_iter().enumerate();
    let mut supervisor = Supervisor {
        places: places.map(|(number, bound)| Place::new(number, bound, now)).collect(),
        phase: Phase::Serving,
        loader: Loader::new(source, Sealed::of, &reactor),
        idle: config.limits.exit_on_idle.map(|limit| IdleWatch::new(limit, now)),
        failure: None,
        broken: 0,
        orders: Orders {
            board,
            shards: config.shards,
            began: monotonic_nanos(),
            table,
            log,
            config: config_of_a_shard(config),
        },
    };
    log::info!("starting {} shards", config.shards);
    supervisor.start_shards(now);
    start::announce(config, supervisor.places.first().map_or(&[], Place::listeners))?;
    reactor.run(&mut supervisor).map_err(|error| StartError::System("wait for events", error))?;
    supervisor.outcome()
}

/// What a shard is asked for: its part of what is bounded in total, and nothing that is the supervisor's.
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
    fn terminate(&mut self) {
        if self.phase == Phase::Serving {
            log::info!("stopping {} shards", self.places.len());
            self.phase = Phase::Stopping;
            // Before the shards close theirs: a socket that is open anywhere takes clients.
            self.places.iter_mut().for_each(Place::close);
            self.signal_all(Signal::SIGTERM);
        } else {
            log::info!("stopping {} shards at once", self.places.len());
            self.signal_all(Signal::SIGQUIT);
        }
    }

    fn signal_all(&self, signal: Signal) {
        self.places.iter().for_each(|place| place.signal(signal));
    }

    fn start_reload(&mut self) {
        // The wake-up of the last one may have failed; its table would wait for ever, and with it this.
        self.take_table();
        self.loader.order();
    }

    /// Hands the table that was loaded to all shards.
    fn take_table(&mut self) {
        let Some(outcome) = self.loader.take() else { return };
        match outcome {
            Ok(table) => {
                log::info!("table reloaded: {} keys", table.keys);
                let memory = table.memory.as_fd();
                self.places.iter().for_each(|place| place.tell(shard::NEW_TABLE, Some(memory)));
                self.orders.table = table;
            }
            Err(why) => {
                log::error!("the old table stays in use: {why}");
                self.places.iter().for_each(|place| place.tell(shard::NO_TABLE, None));
            }
        }
    }

    fn report(&self, now: Moment) {
        self.signal_all(Signal::SIGUSR1);
        let uptime = now.since(Moment::START);
        let total = self.orders.board.total();
        let report = total.report_of_shards(self.orders.shards, uptime, process::id()).to_string();
        for line in report.lines() {
            log::info!("statistics: {line}");
        }
    }

    /// Looks which shards have ended. One SIGCHLD may stand for several.
    fn look_after_shards(&mut self, now: Moment) {
        for number in 0..self.places.len() {
            let Some(place) = self.places.get_mut(number) else { return };
            let Some(ending) = place.take_ended(&self.orders.board, now) else { continue };
            match self.phase {
                Phase::Stopping => self.ended_while_stopping(number, ending),
                Phase::Serving if place.has_served() => {
                    let when = place.wait_for_a_successor(now);
                    let name = shard::name(number);
                    log::error!("{name} has ended ({ending}); another starts {when}");
                }
                // What one cannot, the others cannot either, now or later.
                Phase::Serving => self.give_up(StartError::ShardFailed(number, ending)),
            }
        }
    }

    fn ended_while_stopping(&mut self, number: usize, ending: Ending) {
        if !ending.is_success() {
            self.broken += 1;
            log::error!("{} did not end in order ({ending})", shard::name(number));
        }
    }

    fn give_up(&mut self, failure: StartError) {
        self.failure.get_or_insert(failure);
        if self.phase == Phase::Serving {
            self.terminate();
        }
    }

    /// Starts each shard whose time has come.
    fn start_shards(&mut self, now: Moment) {
        for number in 0..self.places.len() {
            if self.phase == Phase::Stopping {
                return;
            }
            let Some(place) = self.places.get_mut(number) else { return };
            match place.start_if_due(&self.orders, now) {
                Ok(()) => {}
                Err(error) if !place.has_served() => {
                    self.give_up(StartError::System("start a shard", error));
                }
                Err(error) => {
                    let when = place.wait_for_a_successor(now);
                    let name = shard::name(number);
                    log::error!("cannot start {name}: {error}; tried again {when}");
                }
            }
        }
    }

    fn stop_if_idle(&mut self, now: Moment) {
        let Some(idle) = &mut self.idle else { return };
        if self.phase == Phase::Serving && idle.is_over(now, || self.orders.board.total()) {
            log::info!("nobody has been connected for long enough (--exit-on-idle)");
            self.terminate();
        }
    }

    fn outcome(self) -> Result<(), StartError> {
        let stats = self.orders.board.total();
        log::info!("stopped: {} connections, {} requests", stats.accepted, stats.requests);
        match (self.failure, self.broken) {
            (Some(failure), _) => Err(failure),
            (None, 0) => Ok(()),
            (None, broken) => Err(StartError::ShardsBroke(broken)),
        }
    }
}

impl Driver for Supervisor {
    /// It has no sockets that it watches.
    fn ready(&mut self, _token: Token, _readiness: Readiness) {}

    fn notice(&mut self, notice: Notice, now: Moment) {
        match notice {
            // It comes again and again, and is no second order.
            Notice::CpuTimeLimit if self.phase == Phase::Stopping => {}
            Notice::Terminate | Notice::CpuTimeLimit => self.terminate(),
            Notice::ChildEnded => self.look_after_shards(now),
            Notice::Reload => self.start_reload(),
            Notice::Report => self.report(now),
            Notice::Woken => self.take_table(),
            Notice::StopAtOnce => {}
        }
    }

    fn end_turn(&mut self, now: Moment) -> Next {
        self.stop_if_idle(now);
        self.start_shards(now);
        if self.phase == Phase::Stopping {
            let is_over = !self.places.iter().any(Place::is_running);
            return if is_over { Next::Stop } else { Next::Wait };
        }
        let starts = self.places.iter().filter_map(Place::starts_at);
        let idle = self.idle.as_ref().map(IdleWatch::looks_at);
        starts.chain(idle).min().map_or(Next::Wait, Next::WaitUntil)
    }
}

/// A refusal by the program itself, in the form of those of the system.
fn refusal(why: &'static str) -> io::Error {
    io::Error::other(why)
}
