//! The server as a daemon: what it does on signals, and the table's reload off the loop.
//!
//! Invariant: at most one thread loads a table. A SIGHUP during a load is not lost: the file may
//! have changed after it was read, so it is loaded once more.

use readyd::clock::Moment;
use readyd::net::{Driver, Next, Notice, Readiness, Token};
use readyd::reactor::{MioNet, Reactor};
use readyd::server::Server;
use readyd::table::{LoadError, Order, Table};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

/// Where the lookup table comes from.
#[derive(Clone, Debug)]
pub(crate) struct TableSource {
    pub(crate) path: Option<PathBuf>,
    pub(crate) order: Order,
    pub(crate) limit: u64,
}

impl TableSource {
    /// Loads the table: the embedded one if there is no file.
    pub(crate) fn load(&self) -> Result<Table, LoadError> {
        match &self.path {
            Some(path) => Table::load(path, self.order, self.limit),
            None => Ok(Table::embedded()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reload {
    Idle,
    Loading,
    LoadingAndAskedAgain,
}

/// Who tells the server to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Whoever it is, a second SIGTERM means: at once.
    Alone,
    /// The supervisor. What goes to a terminal's or a service's processes all together arrives twice, from
    /// there and by way of the supervisor; so a second SIGTERM says nothing new, and SIGQUIT means: at
    /// once.
    Shard,
}

/// The server with what surrounds it in a process of its own.
pub(crate) struct Daemon {
    server: Server<MioNet>,
    source: TableSource,
    role: Role,
    reload: Reload,
    loaded: Receiver<Result<Table, LoadError>>,
    loader: Sender<Result<Table, LoadError>>,
    waker: Arc<mio::Waker>,
}

impl Daemon {
    pub(crate) fn new(
        server: Server<MioNet>,
        source: TableSource,
        role: Role,
        reactor: &Reactor,
    ) -> Daemon {
        let (loader, loaded) = mpsc::channel();
        let waker = reactor.waker();
        Daemon { server, source, role, reload: Reload::Idle, loaded, loader, waker }
    }

    /// The last line of the log.
    pub(crate) fn say_goodbye(&self) {
        let stats = self.server.stats();
        log::info!("stopped: {} connections, {} requests", stats.accepted, stats.requests);
    }

    fn terminate(&mut self, now: Moment) {
        if !self.server.is_draining() {
            log::info!("draining {} connections", self.server.stats().open());
            self.server.drain(now);
        } else if self.role == Role::Alone {
            self.stop_at_once(now);
        }
    }

    fn stop_at_once(&mut self, now: Moment) {
        log::info!("stopping at once, {} connections are open", self.server.stats().open());
        if !self.server.is_draining() {
            self.server.drain(now);
        }
        self.server.drain(now);
    }

    fn report(&self, now: Moment) {
        for line in self.server.statistics(now).lines() {
            log::info!("statistics: {line}");
        }
    }

    fn start_reload(&mut self) {
        // The wake-up of the last one may have failed; its table would wait for ever, and with it this.
        self.finish_reload();
        if self.reload != Reload::Idle {
            self.reload = Reload::LoadingAndAskedAgain;
            return;
        }
        let Some(path) = &self.source.path else {
            log::warn!("nothing to reload: the table is the embedded one (see --table)");
            return;
        };
        log::info!("loading table {}", path.display());
        let (source, loader) = (self.source.clone(), self.loader.clone());
        let waker = Arc::clone(&self.waker);
        let thread = thread::Builder::new().name("table".to_owned()).spawn(move || {
            // Both fail only if the server is gone, and then nobody waits for the table.
            let _ = loader.send(source.load());
            let _ = waker.wake();
        });
        match thread {
            Ok(_) => self.reload = Reload::Loading,
            Err(error) => self.keep_table(&format!("cannot start a thread: {error}")),
        }
    }

    fn finish_reload(&mut self) {
        let Ok(result) = self.loaded.try_recv() else { return };
        match result {
            Ok(table) => {
                log::info!("table reloaded: {} keys", table.len());
                let old = self.server.replace_table(table);
                // A big table takes milliseconds to free. If no thread can be had, then here.
                let _ = thread::Builder::new().spawn(move || drop(old));
            }
            Err(error) => self.keep_table(&error.to_string()),
        }
        let asked_again = self.reload == Reload::LoadingAndAskedAgain;
        self.reload = Reload::Idle;
        if asked_again {
            self.start_reload();
        }
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
            Notice::Reload => self.start_reload(),
            Notice::Report => self.report(now),
            Notice::Woken => self.finish_reload(),
            Notice::ChildEnded => {}
        }
    }

    fn end_turn(&mut self, now: Moment) -> Next {
        self.server.end_turn(now)
    }
}
