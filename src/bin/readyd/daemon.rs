//! The event handler of a server: what it does on signals, and how it reloads its table and its
//! time zone.

use crate::background::in_a_thread;
use crate::certificates::{CertificateReader, Certificates, Held};
use crate::control::{Answer, Control, Instruction};
use crate::loader::Loader;
use crate::reconfiguring::{self, ConfigReader, live_limits};
use crate::service_manager::{Counts, ServiceManager};
use crate::start::StartError;
use crate::tracing::Keeper;
use crate::zone::{self, ZoneReader};
use readyd::counted::counted;
use readyd::io::clock::Moment;
use readyd::io::event_loop::{EventHandler, LoopControl, Wakeup};
use readyd::io::net::{Net, Token};
use readyd::io::readiness::Readiness;
use readyd::os::descriptors::Budget;
use readyd::server::Server;
use readyd::table::Table;
use readyd::zone::ZoneRules;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
pub(crate) use upgrading::Upgrading;

mod upgrading;

/// The parent of the server, which decides how it stops and who reads its table and its time zone.
pub(crate) enum Parent {
    /// No supervisor. The server reads both itself, and a second SIGTERM stops it at once.
    None {
        /// Reads the table.
        tables: Loader<Table>,
        /// Reads the time zone.
        zone: ZoneReader,
        /// Reads the configuration, if it has a file.
        configs: Option<Box<ConfigReader>>,
        /// Reads the certificates, if there are any.
        certificates: Option<Box<CertificateReader>>,
        /// Is told the state of the server.
        manager: Box<ServiceManager>,
        /// Upgrades, in a program with the feature `ops`.
        upgrades: Option<Box<Upgrading>>,
    },
    /// A supervisor. A signal to a whole process group arrives twice, directly and from the
    /// supervisor. So a second SIGTERM has no effect, and SIGQUIT stops the shard at once. On
    /// SIGHUP the supervisor reads the files and sends the new table and time zone.
    Supervisor(Control),
}

/// A server, and its parent.
pub(crate) struct Daemon<N: Net> {
    server: Server<N>,
    parent: Parent,
    budget: Budget,
    keeper: Option<Keeper>,
    /// The certificates in use.
    held: Option<Held>,
    /// What the server asked for at the end of this turn. The loop may be asked to wake earlier,
    /// for the service manager; a replay of the server knows none.
    asked_for: LoopControl,
    stage: Stage,
}

/// Whether the server may serve.
enum Stage {
    /// Not before an order: an old process still has the listeners.
    Waits,
    Serves,
    /// It never will: why, if that is an error.
    Ends(Option<StartError>),
}

impl<N: Net> Daemon<N> {
    /// The event handler of `server`.
    pub(crate) fn new(
        server: Server<N>,
        parent: Parent,
        budget: Budget,
        keeper: Option<Keeper>,
        held: Option<Held>,
    ) -> Daemon<N> {
        let (asked_for, stage) = (LoopControl::Poll, Stage::Serves);
        Daemon { server, parent, budget, keeper, held, asked_for, stage }
    }

    /// Writes the last line of the log.
    ///
    /// # Errors
    ///
    /// Why it never served.
    pub(crate) fn say_goodbye(self) -> Result<(), StartError> {
        if let Stage::Ends(why) = self.stage {
            return why.map_or(Err(StartError::Stopped), Err);
        }
        let stats = self.server.stats();
        let connections = counted(stats.accepted, "connection");
        log::info!("stopped: {connections}, {}", counted(stats.requests, "request"));
        Ok(())
    }

    /// Tells the supervisor or the service manager that clients are served from now on.
    /// If there is an old process, or `waits`, an order has to come first.
    pub(crate) fn say_that_it_serves(&mut self, waits: bool, now: Moment) {
        if waits {
            self.stage = Stage::Waits;
        }
        match &mut self.parent {
            Parent::None { upgrades: Some(upgrading), .. } if upgrading.upgrades.awaits_order() => {
                upgrading.upgrades.say_that_it_is_ready(now);
                self.stage = Stage::Waits;
            }
            Parent::None { manager, .. } => manager.on_serving(now),
            Parent::Supervisor(_) => self.answer(Answer::Serves),
        }
    }

    /// Tells the service manager what is new. Returns when it is to be told more.
    fn tell_the_manager(&mut self, now: Moment) -> Option<Moment> {
        let Parent::None { tables, zone, configs, certificates, manager, .. } = &mut self.parent
        else {
            return None;
        };
        let stats = self.server.stats();
        if self.server.is_draining() {
            manager.on_stopping(stats.open(), self.server.longest_drain(), now);
        }
        let is_reading = configs.as_ref().is_some_and(|configs| configs.is_reading())
            || certificates.as_ref().is_some_and(|reader| reader.is_reading());
        if manager.is_reloading() && !tables.is_loading() && !zone.is_reading() && !is_reading {
            manager.on_reloaded(now);
        }
        manager.turn(now, true, || Counts { open: stats.open(), requests: stats.requests })
    }

    fn terminate(&mut self, now: Moment) {
        // The supervisor may have sent what this signal means.
        self.follow_instructions(now);
        if !matches!(self.stage, Stage::Serves) {
            return self.never_serve(None);
        }
        self.stop_upgrading(now);
        if self.server.is_draining() {
            if matches!(self.parent, Parent::None { .. }) {
                self.stop_at_once(now);
            }
            return;
        }
        match &self.parent {
            // The signal is not the supervisor's. It decides whether a successor serves the
            // backlog.
            Parent::Supervisor(control) if control.answer(Answer::Drains).is_ok() => {
                self.say_that_it_drains();
                self.server.drain_and_wait(now);
            }
            Parent::Supervisor(_) | Parent::None { .. } => self.drain(now),
        }
    }

    fn drain(&mut self, now: Moment) {
        self.say_that_it_drains();
        self.server.drain(now);
    }

    fn say_that_it_drains(&self) {
        let open = counted(self.server.stats().open(), "connection");
        match self.server.drain_delay() {
            Duration::ZERO => log::info!("draining {open}"),
            delay => log::info!("not ready any more; draining {open} in {delay:?} (--drain-delay)"),
        }
    }

    fn stop_at_once(&mut self, now: Moment) {
        if !matches!(self.stage, Stage::Serves) {
            return self.never_serve(None);
        }
        self.stop_upgrading(now);
        let open = counted(self.server.stats().open(), "connection");
        log::info!("stopping at once with {open} open");
        if !self.server.is_draining() {
            self.server.drain(now);
        }
        self.server.drain(now);
    }

    /// SIGXCPU comes every second; draining goes on until the kernel sends SIGKILL.
    fn stop_for_want_of_cpu_time(&mut self, now: Moment) {
        if !self.server.is_draining() {
            log::error!("the CPU time limit is nearly reached (ulimit -t, LimitCPU=)");
            self.terminate(now);
        }
    }

    fn toggle_recording(&mut self) {
        match self.server.toggle_recording() {
            Some(true) => log::info!("recording begins (signal 40)"),
            Some(false) => log::info!("recording ends (signal 40)"),
            None => log::warn!(
                "nothing is recorded: signal 40 needs --trace FILE or --log trace at the start"
            ),
        }
    }

    /// Has the trace kept, if something has happened at which it is to be.
    fn keep_trace(&mut self, now: Moment) {
        if let Some(trigger) = self.server.take_trigger()
            && let Some(keeper) = &mut self.keeper
        {
            keeper.keep(trigger, now);
        }
    }

    fn report(&mut self, now: Moment) {
        for line in self.server.statistics(now).lines() {
            log::info!("statistics: {line}");
        }
    }

    fn start_reload(&mut self, now: Moment) {
        // If waking the loop failed for the last load, its table would wait for ever, and so would
        // this one.
        self.take_files();
        if let Parent::None { tables, zone, configs, certificates, manager, .. } = &mut self.parent
        {
            manager.on_reload(now);
            configs.iter_mut().for_each(|configs| configs.order());
            certificates.iter_mut().for_each(|reader| reader.order());
            // The warning that there is none helps only if nothing else is read for the operator.
            if tables.has_file() || (configs.is_none() && certificates.is_none()) {
                tables.order();
            }
            zone.order();
        }
    }

    /// Takes the table and the time zone that have been read, and uses them.
    fn take_files(&mut self) {
        let Parent::None { tables, zone, configs, certificates, .. } = &mut self.parent else {
            return;
        };
        let (table, rules) = (tables.take(), zone.take());
        if let Some(certificates) = certificates.as_mut().and_then(|reader| reader.take())
            && let Some(held) = &self.held
            && held.replace(&certificates)
        {
            log::info!("certificates reloaded");
            certificates.say_when_they_expire();
            self.server.replace_certificates(held.first_expiry());
        }
        if let Some(configs) = configs
            && let Some(changes) = configs.take()
        {
            let config = configs.changed(&changes);
            match live_limits(&config, self.budget) {
                Ok(limits) => {
                    configs.applied(changes, config);
                    self.server.replace_limits(limits);
                }
                Err(why) => log::error!("keeping the old configuration: {why}"),
            }
        }
        match table {
            Some(Ok(table)) => {
                log::info!("table reloaded: {}", counted(table.len(), "key"));
                self.replace_table(table);
            }
            Some(Err(why)) => {
                self.server.keep_table();
                log::error!("keeping the old table: {why}");
            }
            None => {}
        }
        match rules {
            Some(Ok(rules)) => self.replace_zone(rules),
            Some(Err(error)) => zone::complain(&error),
            None => {}
        }
    }

    /// Handles the messages of the supervisor, if there is one.
    fn follow_instructions(&mut self, now: Moment) {
        while let Parent::Supervisor(control) = &self.parent {
            let Some(instruction) = control.instruction() else { return };
            match instruction {
                Instruction::UseTable { version, memory } => self.use_table(version, memory),
                Instruction::KeepTable => self.server.keep_table(),
                Instruction::UseZone { version, memory } => self.use_zone(version, memory),
                Instruction::UseConfig { version, memory } => self.use_config(version, memory),
                Instruction::UseCertificates { version, memory } => {
                    self.use_certificates(version, memory);
                }
                // Receiving the message was the turn.
                Instruction::Turn => {}
                Instruction::Open => self.begin_to_serve(),
                Instruction::HandOver => self.hand_over(now),
                Instruction::ServeBacklog if !matches!(self.stage, Stage::Serves) => {
                    self.never_serve(None);
                }
                Instruction::ServeBacklog if self.server.is_draining() => {
                    self.server.serve_backlog(now);
                }
                Instruction::ServeBacklog => self.drain(now),
                Instruction::LeaveBacklog => self.server.leave_backlog(),
                Instruction::HoldIfIdle { question } => {
                    let is_idle = self.server.hold_if_idle(now);
                    self.answer(match is_idle {
                        true => Answer::IsIdle { question },
                        false => Answer::IsBusy { question },
                    });
                }
                Instruction::AdmitAgain => self.server.admit_again(now),
            }
        }
    }

    /// Uses the table that the supervisor has sent. Without a free descriptor or memory this fails,
    /// and the supervisor sends it again.
    fn use_table(&mut self, version: u64, memory: Option<OwnedFd>) {
        match memory.ok_or_else(no_descriptor).and_then(Table::map) {
            Ok(table) => {
                log::debug!("table replaced: {}", counted(table.len(), "key"));
                self.replace_table(table);
                self.answer(Answer::HasTable { version });
            }
            Err(error) => {
                log::error!("keeping the old table until the next attempt: {error}");
                self.answer(Answer::LacksTable { version });
            }
        }
    }

    /// Uses the rules of the time zone that the supervisor has sent, likewise.
    fn use_zone(&mut self, version: u64, memory: Option<OwnedFd>) {
        match memory.ok_or_else(no_descriptor).and_then(zone::map) {
            Ok(rules) => {
                self.server.replace_zone(rules);
                self.answer(Answer::HasZone { version });
            }
            Err(error) => {
                log::error!("keeping the old time zone until the next attempt: {error}");
                self.answer(Answer::LacksZone { version });
            }
        }
    }

    /// Uses the limits of a configuration that the supervisor has sent, likewise.
    fn use_config(&mut self, version: u64, memory: Option<OwnedFd>) {
        let limits = memory.ok_or_else(no_descriptor).and_then(reconfiguring::map);
        let limits = limits.map_err(|error| error.to_string());
        match limits.and_then(|config| live_limits(&config, self.budget)) {
            Ok(limits) => {
                self.server.replace_limits(limits);
                self.answer(Answer::HasConfig { version });
            }
            Err(why) => {
                log::error!("keeping the old configuration until the next attempt: {why}");
                self.answer(Answer::LacksConfig { version });
            }
        }
    }

    /// Uses the certificates that the supervisor has sent, likewise.
    fn use_certificates(&mut self, version: u64, memory: Option<OwnedFd>) {
        let Some(held) = &self.held else { return };
        match memory.ok_or_else(no_descriptor).and_then(Certificates::map) {
            Ok(certificates) if held.replace(&certificates) => {
                self.server.replace_certificates(held.first_expiry());
                self.answer(Answer::HasCertificates { version });
            }
            outcome => {
                let why = outcome.err().map_or("they are damaged".to_owned(), |it| it.to_string());
                log::error!("keeping the old certificates until the next attempt: {why}");
                self.answer(Answer::LacksCertificates { version });
            }
        }
    }

    /// Sends a message to the supervisor. If it is gone, the kernel has sent SIGTERM.
    fn answer(&self, answer: Answer) {
        if let Parent::Supervisor(control) = &self.parent {
            let _ = control.answer(answer);
        }
    }

    fn replace_zone(&mut self, rules: ZoneRules) {
        if self.server.replace_zone(rules) {
            zone::say_that_it_changed();
        }
    }

    fn replace_table(&mut self, table: Table) {
        let old = self.server.replace_table(table);
        // A big table takes milliseconds to free. If no thread can be started, it is freed here.
        let _ = in_a_thread(Box::new(move || drop(old)));
    }
}

/// The error if a message came without its descriptor.
fn no_descriptor() -> io::Error {
    io::Error::other("no descriptor is free")
}

impl<N: Net> EventHandler for Daemon<N> {
    fn on_ready(&mut self, token: Token, readiness: Readiness) {
        self.server.on_ready(token, readiness);
    }

    fn on_wakeup(&mut self, wakeup: Wakeup, now: Moment) {
        self.server.observe_wakeup(wakeup);
        match wakeup {
            Wakeup::Terminate => self.terminate(now),
            Wakeup::StopAtOnce => self.stop_at_once(now),
            Wakeup::CpuTimeLimit => self.stop_for_want_of_cpu_time(now),
            Wakeup::Reload => self.start_reload(now),
            Wakeup::Report => self.report(now),
            Wakeup::Message => {
                self.take_files();
                self.follow_instructions(now);
                self.attend_upgrade(now);
            }
            Wakeup::Upgrade => self.start_upgrade(now),
            Wakeup::ToggleTrace => self.toggle_recording(),
            Wakeup::ChildEnded => {}
        }
    }

    fn end_turn(&mut self, now: Moment) -> LoopControl {
        match self.stage {
            Stage::Serves => {
                self.asked_for = self.server.end_turn(now);
                let due = self.tell_the_manager(now);
                let upgrade_due = self.look_after_upgrade(now);
                self.asked_for.no_later_than(due).no_later_than(upgrade_due)
            }
            Stage::Waits => LoopControl::Wait.no_later_than(self.look_after_upgrade(now)),
            Stage::Ends(_) => LoopControl::Stop,
        }
    }

    fn turn_ended(&mut self, began: Moment, ended: Moment, _: LoopControl) {
        if !matches!(self.stage, Stage::Serves) {
            return;
        }
        self.server.turn_ended(began, ended, self.asked_for);
        self.keep_trace(ended);
    }
}
