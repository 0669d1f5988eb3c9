//! What this process tells the service manager that started it: systemd with datagrams,
//! sd_notify(3), and s6 with a newline on a descriptor.
//!
//! Invariants: the manager hears that the server is ready when clients are served, and not before.
//! A message that cannot be sent harms no client. One about a new state is sent again until it is
//! delivered.
//!
//! A server tells for itself, and a supervisor for all its shards: a shard has no such variables.

use crate::shard::monotonic_nanos;
use readyd::config::{Config, Located, Origins};
use readyd::counted::counted;
use readyd::io::clock::Moment;
use readyd::os::inherited_fd::{self, InheritError};
use readyd::os::notify::{self, Notifier};
use std::env;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::process;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The time between two status messages, if there is something new.
const PERIOD: Duration = Duration::from_secs(10);

/// Delay before a message that was not delivered is sent again.
const RETRY: Duration = Duration::from_secs(1);

/// How much longer a start or a reload may take each time that this is told. It is told at least
/// every [`PERIOD`].
const EXTENSION: Duration = Duration::from_secs(30);

/// Pings within the time that the watchdog allows.
const PINGS: u32 = 3;

/// What of the server the manager shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Open connections.
    pub(crate) open: u64,
    /// Requests so far.
    pub(crate) requests: u64,
}

/// The manager's watchdog leaves too little time for `--shard-timeout`, at most `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatchdogError {
    watchdog: Duration,
    most: Duration,
}

impl fmt::Display for WatchdogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WatchdogError { watchdog, most } = self;
        write!(
            f,
            "--shard-timeout must be from {:?} to {most:?}, a third of WATCHDOG_USEC \
             ({watchdog:?}): a stuck shard has to be replaced before the service manager restarts \
             all (raise WatchdogSec= of the unit, or change --shard-timeout)",
            Config::SHORTEST_SHARD_TIMEOUT
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Serving,
    Reloading,
    Stopping,
}

/// See the [module](self).
pub(crate) struct ServiceManager {
    notifier: Option<Notifier>,
    /// The time within which a ping is expected.
    watchdog: Option<Duration>,
    ready_fd: Option<File>,
    phase: Phase,
    /// A message about the phase that was not delivered.
    unsent: Option<String>,
    /// What was told last.
    counts: Counts,
    /// When the next message is due, if there is a manager.
    due: Option<Moment>,
    has_complained: bool,
    /// Of a process that is to take the place of another: tells that one instead, until it serves.
    sign_of_life: Option<Box<dyn Fn()>>,
    /// The manager, while it is told nothing since another process was introduced.
    introduced_to: Option<Notifier>,
}

impl ServiceManager {
    /// No manager.
    pub(crate) fn none() -> ServiceManager {
        ServiceManager {
            notifier: None,
            watchdog: None,
            ready_fd: None,
            phase: Phase::Starting,
            unsent: None,
            counts: Counts::default(),
            due: None,
            has_complained: false,
            sign_of_life: None,
            introduced_to: None,
        }
    }

    /// The manager that the environment names. A wrong variable is a warning.
    pub(crate) fn from_environment() -> ServiceManager {
        let variable = |name: &str| env::var_os(name);
        let notifier = Notifier::from_environment(variable).unwrap_or_else(|error| {
            log::warn!("{error}; the service manager is not notified");
            None
        });
        ServiceManager { watchdog: watchdog(), notifier, ..ServiceManager::none() }
    }

    /// Takes the inherited descriptor of `--ready-fd`. Call it before anything else is opened.
    ///
    /// # Errors
    ///
    /// If it was not inherited.
    pub(crate) fn take_ready_fd(config: &Config) -> Result<Option<File>, InheritError> {
        let take = |number| inherited_fd::take(RawFd::from(number)).map(File::from);
        config.ready_fd.map(take).transpose()
    }

    /// Writes a newline to this descriptor when the server is ready.
    pub(crate) fn with_ready_fd(mut self, ready_fd: Option<File>) -> ServiceManager {
        self.ready_fd = ready_fd;
        self
    }

    /// Of a process that is to take the place of another. The manager listens to it only when that
    /// one has introduced it.
    pub(crate) fn with_sign_of_life(mut self, sign: Option<Box<dyn Fn()>>) -> ServiceManager {
        self.sign_of_life = sign;
        self
    }

    /// Tells of the process that is to take the place of this one, and nothing from now on.
    ///
    /// # Errors
    ///
    /// When it could not be told; then the other process must not take that place.
    pub(crate) fn introduce(&mut self, pid: u64) -> io::Result<()> {
        let Some(notifier) = self.notifier.take() else { return Ok(()) };
        let told = notifier.send(&format!("MAINPID={pid}"));
        let place = if told.is_ok() { &mut self.introduced_to } else { &mut self.notifier };
        *place = Some(notifier);
        if told.is_ok() {
            (self.unsent, self.due) = (None, None);
        }
        told
    }

    /// That process has failed: the manager is told that this one is the main one, and serves.
    pub(crate) fn take_back(&mut self, now: Moment) {
        if let Some(notifier) = self.introduced_to.take() {
            self.notifier = Some(notifier);
            self.phase = Phase::Serving;
            self.tell(format!("MAINPID={}\nREADY=1", process::id()), now);
        }
    }

    /// The table is loading, which may take longer than the manager allows for a start.
    pub(crate) fn on_loading(&mut self) {
        if let Some(sign) = &self.sign_of_life {
            return sign();
        }
        let ping = if self.watchdog.is_some() { "WATCHDOG=1\n" } else { "" };
        let micros = EXTENSION.as_micros();
        self.send(&format!("{ping}EXTEND_TIMEOUT_USEC={micros}\nSTATUS=Loading the table"));
    }

    /// Clients are served. Only the first call tells.
    pub(crate) fn on_serving(&mut self, now: Moment) {
        if self.phase != Phase::Starting {
            return;
        }
        self.phase = Phase::Serving;
        if let Some(mut file) = self.ready_fd.take() {
            // If nobody reads, nobody wants to know.
            let _ = file.write_all(b"\n");
        }
        let status = status(self.counts);
        self.tell(format!("READY=1\n{status}"), now);
    }

    /// A reload begins.
    pub(crate) fn on_reload(&mut self, now: Moment) {
        if self.phase == Phase::Serving {
            self.phase = Phase::Reloading;
            let micros = monotonic_nanos() / 1_000;
            self.tell(format!("RELOADING=1\nMONOTONIC_USEC={micros}"), now);
        }
    }

    /// Whether the manager waits for the end of a reload.
    pub(crate) fn is_reloading(&self) -> bool {
        self.phase == Phase::Reloading
    }

    /// The reload has ended, with a new table or the old one.
    pub(crate) fn on_reloaded(&mut self, now: Moment) {
        self.phase = Phase::Serving;
        self.tell("READY=1".to_owned(), now);
    }

    /// Whether the manager knows that the server stops.
    pub(crate) fn is_stopping(&self) -> bool {
        self.phase == Phase::Stopping
    }

    /// The server drains, which ends within `limit`. Only the first call tells.
    pub(crate) fn on_stopping(&mut self, open: u64, limit: Duration, now: Moment) {
        if self.phase == Phase::Stopping {
            return;
        }
        self.phase = Phase::Stopping;
        let (open, micros) = (counted(open, "connection"), (limit + EXTENSION).as_micros());
        let message = format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={micros}\nSTATUS=Draining {open}");
        self.tell(message, now);
    }

    /// At the end of each turn of the loop: sends what is due. Returns when to be called next.
    /// Without `is_well`, the watchdog is not fed.
    pub(crate) fn turn(
        &mut self,
        now: Moment,
        is_well: bool,
        counts: impl FnOnce() -> Counts,
    ) -> Option<Moment> {
        let due = self.due?;
        if now < due {
            return Some(due);
        }
        if let Some(message) = self.unsent.take() {
            self.tell(message, now);
        }
        let mut lines = String::new();
        if self.watchdog.is_some() && is_well {
            lines += "WATCHDOG=1\n";
        }
        if self.phase == Phase::Reloading {
            lines += &format!("EXTEND_TIMEOUT_USEC={}\n", EXTENSION.as_micros());
        }
        let counts = counts();
        if counts != self.counts && self.phase != Phase::Stopping {
            self.counts = counts;
            lines += &status(counts);
        }
        if !lines.is_empty() {
            self.send(&lines);
        }
        self.plan(now);
        self.due
    }

    /// Tells of a new phase, at once or as soon as possible.
    fn tell(&mut self, message: String, now: Moment) {
        if !self.send(&message) {
            self.unsent = Some(message);
        } else {
            self.unsent = None;
        }
        self.plan(now);
    }

    fn plan(&mut self, now: Moment) {
        let ping = self.watchdog.map(|limit| limit / PINGS);
        let retry = self.unsent.as_ref().map(|_| RETRY);
        let delay = [ping, retry].into_iter().flatten().fold(PERIOD, Duration::min);
        self.due = self.notifier.as_ref().map(|_| now + delay);
    }

    /// Returns whether nothing is left to send.
    fn send(&mut self, lines: &str) -> bool {
        let Some(notifier) = &self.notifier else { return true };
        let Err(error) = notifier.send(lines) else { return true };
        if !self.has_complained {
            self.has_complained = true;
            log::warn!("cannot notify the service manager (NOTIFY_SOCKET): {error}; retrying");
        }
        false
    }
}

fn status(counts: Counts) -> String {
    let (open, requests) =
        (counted(counts.open, "connection"), counted(counts.requests, "request"));
    format!("STATUS=Serving {open}; {requests} so far")
}

/// The watchdog of the manager for this process.
fn watchdog() -> Option<Duration> {
    notify::watchdog(process::id(), |name| env::var_os(name)).unwrap_or_else(|error| {
        log::warn!("{error}; the watchdog of the service manager is not fed");
        None
    })
}

/// Fits `--shard-timeout` to the manager's watchdog: a stuck shard has to be replaced before the
/// manager gives up on all of them. Returns an error if the flag asks for more than a third of the
/// watchdog's time, or for no check at all, or if a third is too short.
pub(crate) fn fit_shard_timeout(
    config: &mut Config,
    origins: &Origins,
) -> Option<Located<WatchdogError>> {
    if config.shards == 1 {
        return None;
    }
    fit(config, origins, watchdog()?)
}

fn fit(
    config: &mut Config,
    origins: &Origins,
    watchdog: Duration,
) -> Option<Located<WatchdogError>> {
    let most = watchdog / PINGS;
    let is_long = config.shard_timeout.is_none_or(|timeout| timeout > most);
    let origin = origins.of("shard-timeout");
    let is_short = most < Config::SHORTEST_SHARD_TIMEOUT;
    if is_short || (is_long && origin.is_some()) {
        return Some(Located::new(origin, WatchdogError { watchdog, most }));
    }
    if is_long {
        config.shard_timeout = Some(most);
    }
    None
}
