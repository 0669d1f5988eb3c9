//! Reading the configuration again after SIGHUP, in a thread: limits, lists of addresses, timeouts
//! and the log level change while the server serves.
//!
//! Invariant: a configuration with an error changes nothing. A setting that cannot change without a
//! restart keeps its value, and a line of the log names it.

use crate::background::{Ordered, Repeatable};
use crate::logger;
use crate::start::most_connections;
use readyd::config::{self, Command, Config, Reading};
use readyd::os::descriptors::Budget;
use readyd::os::memory;
use readyd::os::sealed_memfd::{self, SealedMemfd};
use readyd::reactor::Reactor;
use readyd::server::limits::Limits;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The flags that take effect without a restart.
const LIVE: &[&str] = &[
    "accept-rate-per-address",
    "allow",
    "deny",
    "drain-delay",
    "drain-timeout",
    "exit-on-idle",
    "frame-timeout",
    "idle-timeout",
    "log",
    "log-rate",
    "max-connections",
    "max-connections-per-address",
    "max-frame",
    "memory-limit",
    "output-limit",
    "stats-from",
    "tls-handshake-rate",
    "write-timeout",
];

/// The command line, and the configuration that it had at the start.
#[derive(Clone)]
pub(crate) struct Asked {
    arguments: Vec<OsString>,
    config: Config,
}

impl Asked {
    /// `config` is what `arguments` were read as, before anything else changed it.
    pub(crate) fn new(arguments: Vec<OsString>, config: Config) -> Asked {
        Asked { arguments, config }
    }

    /// The configuration file.
    pub(crate) fn file(&self) -> Option<&Path> {
        file(&self.arguments)
    }
}

/// Reads the configuration in a thread.
pub(crate) struct ConfigReader {
    /// What was read last.
    asked: Config,
    /// What is in effect.
    running: Config,
    reads: Repeatable<Result<Config, String>>,
}

/// Another configuration, and what is new in it: flags with their values.
pub(crate) struct Changes {
    config: Config,
    live: Vec<String>,
    at_a_restart: Vec<String>,
}

impl ConfigReader {
    /// A reader that wakes `reactor` when there is something to [take](ConfigReader::take); `None`
    /// if no file was named, for then nothing can have changed.
    pub(crate) fn new(asked: Asked, running: &Config, reactor: &Reactor) -> Option<ConfigReader> {
        let Asked { arguments, config } = asked;
        file(&arguments)?;
        let read = move || read_again(&arguments);
        let running = running.clone();
        Some(ConfigReader { asked: config, running, reads: Repeatable::new(reactor, read) })
    }

    /// Orders a read of the file.
    pub(crate) fn order(&mut self) {
        if let Ordered::NoThread(error) = self.reads.order() {
            log::error!("keeping the old configuration: cannot start a thread: {error}");
        }
    }

    /// Whether a read has begun and not ended.
    pub(crate) fn is_reading(&self) -> bool {
        self.reads.is_at_work()
    }

    /// The limit of idleness that is in effect.
    pub(crate) fn exit_on_idle(&self) -> Option<Duration> {
        self.running.limits.exit_on_idle
    }

    /// What has changed, if a read has ended and anything has. An error is logged. If another read
    /// was ordered meanwhile, it begins.
    pub(crate) fn take(&mut self) -> Option<Changes> {
        let (outcome, ordered_again) = self.reads.take()?;
        if ordered_again {
            self.order();
        }
        match outcome {
            Ok(config) => {
                let changes = Changes::between(&self.asked, config);
                if changes.is_none() {
                    log::info!("configuration reloaded: nothing has changed");
                }
                changes
            }
            Err(why) => {
                why.lines().for_each(|line| log::error!("keeping the old configuration: {line}"));
                None
            }
        }
    }

    /// The changes are in effect: the next configuration is compared with this one.
    pub(crate) fn applied(&mut self, changes: Changes, running: Config) {
        let Changes { config, live, at_a_restart } = changes;
        if !live.is_empty() {
            log::info!("configuration reloaded: {}", live.join(", "));
        }
        for setting in at_a_restart {
            log::warn!("{setting} takes effect at the next start; the old value stays until then");
        }
        (self.asked, self.running) = (config, running);
    }

    /// What the running configuration becomes by these changes: what takes effect without a
    /// restart, and else what it was.
    pub(crate) fn changed(&self, changes: &Changes) -> Config {
        let Config { limits, max_connections, memory_limit, log, log_from_file, .. } =
            changes.config.clone();
        let running = self.running.clone();
        Config { limits, max_connections, memory_limit, log, log_from_file, ..running }
    }
}

/// The file that `--config` names.
fn file(arguments: &[OsString]) -> Option<&Path> {
    let after = |at: usize| arguments.get(at + 1).map(OsString::as_os_str);
    arguments.iter().enumerate().find_map(|(at, argument)| {
        match argument.as_bytes().strip_prefix(b"--config")? {
            b"" => after(at).map(Path::new),
            rest => rest.strip_prefix(b"=").map(|path| Path::new(OsStr::from_bytes(path))),
        }
    })
}

fn read_again(arguments: &[OsString]) -> Result<Config, String> {
    // A pipe would block this read and all later ones.
    if let Some(path) = file(arguments)
        && fs::metadata(path).is_ok_and(|file| !file.is_file())
    {
        return Err(format!("{} is no regular file, and cannot be read again", path.display()));
    }
    let Reading { command, errors, .. } = config::read(arguments.iter().cloned());
    match command {
        Command::Run(config) if errors.is_empty() => Ok(*config),
        _ => Err(errors.to_string()),
    }
}

/// The values of each flag that a configuration is written with.
fn values(config: &Config) -> BTreeMap<String, Vec<String>> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut path_of = None;
    for word in config.to_args() {
        let word = word.to_string_lossy().into_owned();
        // A path stands in a word of its own, since it need not be UTF-8.
        if let Some(flag) = path_of.take() {
            values.entry(flag).or_default().push(word);
            continue;
        }
        let flag = word.strip_prefix("--").unwrap_or(&word);
        match flag.split_once('=') {
            Some((flag, value)) => {
                values.entry(flag.to_owned()).or_default().push(without_zeros(value));
            }
            None if ["table", "trace"].contains(&flag) => path_of = Some(flag.to_owned()),
            None => _ = values.entry(flag.to_owned()).or_default(),
        }
    }
    if let Some(level) = config.log.or(config.log_from_file) {
        values.insert("log".to_owned(), vec![level.to_string().to_lowercase()]);
    }
    values
}

/// A duration as a person writes it: `60s`, not `60.000000000s`.
fn without_zeros(value: &str) -> String {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match value.strip_suffix('s').and_then(|number| number.split_once('.')) {
        Some((whole, part)) if is_digits(whole) && is_digits(part) => {
            format!("{}s", format!("{whole}.{part}").trim_end_matches('0').trim_end_matches('.'))
        }
        _ => value.to_owned(),
    }
}

impl Changes {
    fn between(before: &Config, after: Config) -> Option<Changes> {
        let (old, new) = (values(before), values(&after));
        let (mut live, mut at_a_restart) = (Vec::new(), Vec::new());
        let mut all = old.clone();
        all.extend(new.clone());
        for flag in all.keys() {
            if old.get(flag) == new.get(flag) {
                continue;
            }
            let value = match new.get(flag) {
                Some(values) if values.is_empty() => flag.clone(),
                Some(values) => format!("{flag} {}", values.join(",")),
                None => format!("{flag} is gone"),
            };
            let changed = if LIVE.contains(&flag.as_str()) { &mut live } else { &mut at_a_restart };
            changed.push(value);
        }
        let is_empty = live.is_empty() && at_a_restart.is_empty();
        (!is_empty).then_some(Changes { config: after, live, at_a_restart })
    }
}

/// The limits of a server with this configuration, and its log level, which takes effect.
///
/// # Errors
///
/// That the descriptor limit has no room for the connections that are asked for.
pub(crate) fn live_limits(config: &Config, budget: Budget) -> Result<Limits, String> {
    budget.check(config.max_connections).map_err(|error| error.to_string())?;
    logger::set_level(config);
    Ok(Limits {
        max_connections: config.max_connections.unwrap_or_else(|| most_connections(budget)),
        memory_limit: config.memory_limit.unwrap_or_else(memory::limit_for_buffers),
        log_level: log::max_level(),
        ..config.limits.clone()
    })
}

/// Copies a configuration into a sealed memfd, for a shard.
///
/// # Errors
///
/// When the system has no descriptor or not enough memory.
pub(crate) fn seal(config: &Config) -> io::Result<OwnedFd> {
    let arguments = config.to_args();
    let words: Vec<&[u8]> = arguments.iter().map(|word| word.as_encoded_bytes()).collect();
    sealed_memfd::seal(c"readyd configuration", &[&words.join(&SEPARATOR)])
}

/// The configuration in a memfd that [`seal`] made.
///
/// # Errors
///
/// When mmap(2) fails, or the bytes are no configuration.
pub(crate) fn map(memory: OwnedFd) -> io::Result<Config> {
    let bytes = SealedMemfd::of_sealed(memory)?;
    let words = bytes.split(|&byte| byte == SEPARATOR);
    match config::from_args(words.map(|word| OsStr::from_bytes(word).to_owned())) {
        Ok(Command::Run(config)) => Ok(*config),
        Ok(_) => Err(io::Error::other("it is no configuration")),
        Err(errors) => Err(io::Error::other(errors.to_string())),
    }
}

/// What no argument of a program contains.
const SEPARATOR: u8 = 0;
