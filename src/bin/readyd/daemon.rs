//! The server as a daemon: what it does on signals, and where its table and its time zone come from.

use crate::background::in_a_thread;
use crate::loader::Loader;
use crate::shard::{Control, News};
use crate::zone::{self, ZoneReader};
use readyd::clock::Moment;
use readyd::counted::counted;
use readyd::net::{Driver, Next, Notice, Readiness, Token};
use readyd::reactor::MioNet;
use readyd::server::Server;
use readyd::table::Table;
use readyd::zone::ZoneRules;

/// Who looks after the server: who stops it, and who loads its table.
pub(crate) enum Keeper {
    /// Nobody. It loads the table itself, and a second SIGTERM, whoever sends it, means: at once.
    Itself(Loader<Table>),
    /// A supervisor. What goes to a terminal's or a service's processes all together arrives twice, from
    /// there and by way of the supervisor; so a second SIGTERM says nothing new, and SIGQUIT means: at
    /// once. SIGHUP is the supervisor's: it hands the new table over.
    Supervisor(Control),
}

/// The server with what surrounds it in a process of its own.
pub(crate) struct Daemon {
    server: Server<MioNet>,
    keeper: Keeper,
    zone: ZoneReader,
}

impl Daemon {
    pub(crate) fn new(server: Server<MioNet>, keeper: Keeper, zone: ZoneReader) -> Daemon {
        Daemon { server, keeper, zone }
    }

    /// The last line of the log.
    pub(crate) fn say_goodbye(&self) {
        let stats = self.server.stats();
        let connections = counted(stats.accepted, "connection");
        log::info!("stopped: {connections}, {}", counted(stats.requests, "request"));
    }

    fn terminate(&mut self, now: Moment) {
        if !self.server.is_draining() {
            log::info!("draining {}", counted(self.server.stats().open(), "connection"));
            self.server.drain(now);
        } else if matches!(self.keeper, Keeper::Itself(_)) {
            self.stop_at_once(now);
        }
    }

    fn stop_at_once(&mut self, now: Moment) {
        let open = counted(self.server.stats().open(), "connection");
        log::info!("stopping at once with {open} open");
        if !self.server.is_draining() {
            self.server.drain(now);
        }
        self.server.drain(now);
    }

    /// The signal comes again and again; draining goes on as long as the kernel lets it.
    fn stop_for_want_of_cpu_time(&mut self, now: Moment) {
        if !self.server.is_draining() {
            log::error!("the limit of processor time is nearly reached (ulimit -t, LimitCPU=)");
            self.terminate(now);
        }
    }

    fn report(&mut self, now: Moment) {
        for line in self.server.statistics(now).lines() {
            log::info!("statistics: {line}");
        }
    }

    fn start_reload(&mut self) {
        // The wake-up of the last one may have failed; its table would wait for ever, and with it this.
        self.take_tables();
        self.take_zone();
        if let Keeper::Itself(loader) = &mut self.keeper {
            loader.order();
            self.zone.order();
        }
    }

    /// Uses the tables that have come, from the loader or the supervisor.
    fn take_tables(&mut self) {
        match &mut self.keeper {
            Keeper::Itself(loader) => match loader.take() {
                Some(Ok(table)) => {
                    log::info!("table reloaded: {}", counted(table.len(), "key"));
                    self.replace_table(table);
                }
                Some(Err(why)) => self.keep_table(&why),
                None => {}
            },
            Keeper::Supervisor(control) => {
                let news = control.news();
                if news.is_some() {
                    // The supervisor got SIGHUP: the zone may have changed, too.
                    self.zone.order();
                }
                match news {
                    Some(News::Table(table)) => {
                        log::debug!("table replaced: {}", counted(table.len(), "key"));
                        self.replace_table(table);
                        self.take_tables();
                    }
                    Some(News::NoTable(None)) => {
                        self.server.keep_table();
                        self.take_tables();
                    }
                    Some(News::NoTable(Some(error))) => self.keep_table(&error.to_string()),
                    None => {}
                }
            }
        }
    }

    /// Uses the rules of the time zone that have come.
    fn take_zone(&mut self) {
        let Some(outcome) = self.zone.take() else { return };
        match outcome {
            Ok(rules) => self.replace_zone(rules),
            Err(error) => zone::complain(&error),
        }
    }

    fn replace_zone(&mut self, rules: ZoneRules) {
        if self.server.replace_zone(rules) {
            log::info!("time zone read again: its rules have changed");
        }
    }

    fn replace_table(&mut self, table: Table) {
        let old = self.server.replace_table(table);
        // A big table takes milliseconds to free. If no thread can be had, then here.
        let _ = in_a_thread(Box::new(move || drop(old)));
    }

    fn keep_table(&mut self, why: &str) {
        self.server.keep_table();
        log::error!("the old table stays in use: {why}");
    }
}

impl Driver for Daemon {
    fn ready(&mut self, token: Token, readiness: Readiness) {
        self.server.ready(token, readiness);
    }

    fn notice(&mut self, notice: Notice, now: Moment) {
        match notice {
            Notice::Terminate => self.terminate(now),
            Notice::StopAtOnce => self.stop_at_once(now),
            Notice::CpuTimeLimit => self.stop_for_want_of_cpu_time(now),
            Notice::Reload => self.start_reload(),
            Notice::Report => self.report(now),
            Notice::Woken => {
                self.take_tables();
                self.take_zone();
            }
            Notice::ChildEnded => {}
        }
    }

    fn end_turn(&mut self, now: Moment) -> Next {
        self.server.end_turn(now)
    }

    fn turn_ended(&mut self, began: Moment, ended: Moment) {
        self.server.turn_ended(began, ended);
    }
}
