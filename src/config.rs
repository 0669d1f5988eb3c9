//! The server's configuration: one table of flags, read from the command line and from a file.
//!
//! Invariant: whatever can be said on the command line can be said in the file, in the same words,
//! because both go through one table, `FLAGS`, and one setter. The command line wins.

mod error;
mod flags;
pub mod listen;
pub mod values;
mod words;

#[cfg(test)]
mod tests;

pub use error::ConfigError;
pub use flags::help;

use crate::access;
use crate::files::{self, ReadError};
use crate::handlers::Service;
use crate::limits::Limits;
use crate::listener::TcpTimeouts;
use crate::privileges::Account;
use crate::table::Order;
use crate::zone::Zone;
use flags::{Flag, find_flag};
use listen::{Listen, Place};
use log::LevelFilter;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use values::ValueError;

/// All that the server is told at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What to serve, where.
    pub listeners: Vec<Listen>,
    /// Whether other processes may listen on the same ports.
    pub reuse_port: bool,
    /// How many processes serve, from 1 to [`Config::MAX_SHARDS`].
    pub shards: usize,
    /// Whom to become once the ports are bound.
    pub user: Option<Account>,
    /// Whether to print the bound addresses on standard output.
    pub print_addresses: bool,
    /// The lookup table's file; the embedded table if there is none.
    pub table: Option<PathBuf>,
    /// Which of a table line's words is the key.
    pub table_order: Order,
    /// Largest table file, in bytes.
    pub table_limit: u64,
    /// Whose time of day is told.
    pub zone: Zone,
    /// The limits. `max_connections` holds only if [`Config::max_connections`] is set.
    pub limits: Limits,
    /// Connections at once, if that was asked for.
    pub max_connections: Option<usize>,
    /// Bytes that buffers may hold, if that was asked for; [`Limits::memory_limit`] holds only then.
    pub memory_limit: Option<usize>,
    /// Connections the kernel may queue for accepting.
    pub backlog: u32,
    /// When the kernel gives up on a client that answers nothing.
    pub tcp_timeouts: TcpTimeouts,
    /// How much to log, if the command line says so.
    pub log: Option<LevelFilter>,
    /// How much to log unless the command line or the environment say so.
    pub log_from_file: Option<LevelFilter>,
    /// Whether only to check the configuration.
    pub check_only: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listeners: Vec::new(),
            reuse_port: false,
            shards: 1,
            user: None,
            print_addresses: false,
            table: None,
            table_order: Order::KeyValue,
            table_limit: 1 << 30,
            zone: Zone::Local,
            limits: Limits::default(),
            max_connections: None,
            memory_limit: None,
            backlog: 4096,
            tcp_timeouts: TcpTimeouts::default(),
            log: None,
            log_from_file: None,
            check_only: false,
        }
    }
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve.
    Run(Box<Config>),
    /// Print [`help`].
    Help,
    /// Print the version.
    Version,
}

/// Reads the command line (without the program's name), and the configuration file if it names one.
///
/// # Errors
///
/// [`ConfigError`] for the first thing that is wrong.
pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Command, ConfigError> {
    use lexopt::Arg::{Long, Short, Value};
    let mut parser = lexopt::Parser::from_args(args);
    let mut given: Vec<(&'static Flag, Option<String>)> = Vec::new();
    while let Some(argument) = parser.next().map_err(unexpected_value)? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            Long(name) => {
                let flag =
                    find_flag(name).ok_or_else(|| ConfigError::UnknownFlag(format!("--{name}")))?;
                let value = match flag.value {
                    Some(_) => Some(text(
                        flag,
                        parser.value().map_err(|_| ConfigError::MissingValue(flag.name))?,
                    )?),
                    None => None,
                };
                given.push((flag, value));
            }
            Short(letter) => return Err(ConfigError::UnknownFlag(format!("-{letter}"))),
            Value(value) => {
                return Err(ConfigError::UnexpectedArgument(value.to_string_lossy().into_owned()));
            }
        }
    }
    build(given).map(|config| Command::Run(Box::new(config)))
}

/// lexopt reports a `--switch=value` at the argument after it.
fn unexpected_value(error: lexopt::Error) -> ConfigError {
    match error {
        lexopt::Error::UnexpectedValue { option, .. } => {
            match find_flag(option.trim_start_matches('-')) {
                Some(flag) => ConfigError::UnexpectedValue(flag.name),
                None => ConfigError::UnknownFlag(option),
            }
        }
        other => ConfigError::UnexpectedArgument(other.to_string()),
    }
}

fn text(flag: &Flag, value: OsString) -> Result<String, ConfigError> {
    value.into_string().map_err(|value| ConfigError::BadValue {
        flag: flag.name,
        value: value.to_string_lossy().into_owned(),
        why: "not valid UTF-8".to_owned(),
    })
}

/// The file first, then the command line over it.
fn build(given: Vec<(&'static Flag, Option<String>)>) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    let file = given.iter().rev().find(|(flag, _)| flag.name == "config");
    if let Some((_, Some(path))) = file {
        config.read_file(Path::new(path))?;
        config.log_from_file = config.log.take();
    }
    // What can be repeated is replaced as a whole.
    for (flag, _) in &given {
        match flag.name {
            "listen" => config.listeners.clear(),
            "allow" => config.limits.access.allow.clear(),
            "deny" => config.limits.access.deny.clear(),
            _ => {}
        }
    }
    for (flag, value) in &given {
        if flag.name != "config" {
            config.set(flag, value.as_deref().unwrap_or_default())?;
        }
    }
    if config.listeners.is_empty() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9999));
        config.listeners.push(Listen { service: Service::Framed, place: Place::Address(address) });
    }
    let is_inherited = |listen: &Listen| matches!(listen.place, Place::Inherited(_));
    if config.shards > 1 && config.listeners.iter().any(is_inherited) {
        return Err(ConfigError::InheritedByShards);
    }
    if let Some(max_connections) = config.max_connections {
        config.limits.max_connections = max_connections;
    }
    if let Some(memory_limit) = config.memory_limit {
        config.limits.memory_limit = memory_limit;
    }
    config.limits.validate().map_err(ConfigError::Limits)?;
    Ok(config)
}

impl Config {
    /// Most shards. More than there are cores gain nothing.
    pub const MAX_SHARDS: usize = 1024;

    /// Most bytes of a configuration file: 1 MiB.
    pub const MAX_FILE_BYTES: usize = 1 << 20;

    fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let unreadable = |error| ConfigError::Unreadable(path.to_owned(), error);
        let bytes = files::read(path, Config::MAX_FILE_BYTES).map_err(unreadable)?;
        let text = String::from_utf8(bytes).map_err(|_| {
            let error =
                io::Error::new(ErrorKind::InvalidData, "stream did not contain valid UTF-8");
            unreadable(ReadError::System(error))
        })?;
        for (number, line) in text.lines().enumerate() {
            self.read_line(line).map_err(|error| ConfigError::InFile {
                path: path.to_owned(),
                line: number + 1,
                error: Box::new(error),
            })?;
        }
        Ok(())
    }

    /// `name value`, `name = value` or `name`; `#` begins a comment at the start of a line.
    fn read_line(&mut self, line: &str) -> Result<(), ConfigError> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let line = line.trim_start_matches("--");
        let end = line.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let value = rest.trim_start();
        let value = value.strip_prefix('=').unwrap_or(value).trim();
        let flag = find_flag(name)
            .filter(|flag| !matches!(flag.name, "config" | "check-config"))
            .ok_or_else(|| ConfigError::UnknownFlag(name.to_owned()))?;
        match (flag.value, value.is_empty()) {
            (Some(_), true) => Err(ConfigError::MissingValue(flag.name)),
            (None, false) => Err(ConfigError::UnexpectedValue(flag.name)),
            _ => self.set(flag, value),
        }
    }

    fn set(&mut self, flag: &'static Flag, value: &str) -> Result<(), ConfigError> {
        self.try_set(flag.name, value).map_err(|Reason(why)| ConfigError::BadValue {
            flag: flag.name,
            value: value.to_owned(),
            why,
        })
    }

    fn try_set(&mut self, name: &str, value: &str) -> Result<(), Reason> {
        let limits = &mut self.limits;
        match name {
            "listen" => self.listeners.push(value.parse()?),
            "reuse-port" => self.reuse_port = true,
            "shards" => self.shards = shards(value)?,
            "user" => self.user = Some(value.parse()?),
            "print-addresses" => self.print_addresses = true,
            "table" => self.table = Some(value.into()),
            "table-order" => self.table_order = table_order(value)?,
            "table-limit" => self.table_limit = values::size(value)?,
            "utc" => self.zone = Zone::Utc,
            "max-connections" => self.max_connections = Some(narrow(values::count(value)?)?),
            "max-connections-per-address" => {
                limits.max_connections_per_address = Some(narrow(values::count(value)?)?);
            }
            "accept-rate-per-address" => {
                limits.accept_rate_per_address = Some(narrow(values::count(value)?)?);
            }
            "allow" => limits.access.allow.extend(access::ranges(value)?),
            "deny" => limits.access.deny.extend(access::ranges(value)?),
            "memory-limit" => self.memory_limit = Some(narrow(values::size(value)?)?),
            "max-frame" => limits.max_frame = narrow(values::size(value)?)?,
            "output-limit" => limits.output_limit = narrow(values::size(value)?)?,
            "frame-timeout" => limits.frame_timeout = values::duration(value)?,
            "idle-timeout" => limits.idle_timeout = values::duration(value)?,
            "write-timeout" => limits.write_timeout = values::duration(value)?,
            "drain-timeout" => limits.drain_timeout = values::duration(value)?,
            "log-rate" => limits.log_rate = narrow(values::count(value)?)?,
            "exit-on-idle" => limits.exit_on_idle = Some(values::duration(value)?),
            "backlog" => self.backlog = narrow(values::count(value)?)?,
            "tcp-keepalive" => {
                let range = Duration::from_secs(1)..=TcpTimeouts::LONGEST_KEEPALIVE;
                self.tcp_timeouts.keepalive = Some(within(range, "1s to 32767s", value)?);
            }
            "tcp-user-timeout" => {
                let range = Duration::from_millis(1)..=TcpTimeouts::LONGEST_USER_TIMEOUT;
                self.tcp_timeouts.user_timeout = Some(within(range, "1ms to 24d", value)?);
            }
            "log" => self.log = Some(level(value)?),
            "check-config" => self.check_only = true,
            _ => return Err("this flag has no meaning here".into()),
        }
        Ok(())
    }
}

/// Why a value does not do, in words. Errors of many kinds end here, and `Box<dyn Error>` would keep how
/// each is shown to programmers in the program, which nobody asks for.
struct Reason(String);

impl<E: fmt::Display> From<E> for Reason {
    fn from(error: E) -> Reason {
        Reason(error.to_string())
    }
}

/// A value as the type of number that the setting is kept in.
fn narrow<T: TryFrom<u64>>(value: u64) -> Result<T, ValueError> {
    value.try_into().map_err(|_| ValueError::TooLarge)
}

/// A duration that the kernel takes, in a range that people write as `words`.
fn within(range: RangeInclusive<Duration>, words: &str, value: &str) -> Result<Duration, Reason> {
    let duration = values::duration(value)?;
    match range.contains(&duration) {
        true => Ok(duration),
        false => Err(format!("not from {words}").into()),
    }
}

fn shards(value: &str) -> Result<usize, Reason> {
    let count = narrow(values::count(value)?)?;
    match count {
        1..=Config::MAX_SHARDS => Ok(count),
        _ => Err(format!("not from 1 to {}", Config::MAX_SHARDS).into()),
    }
}

fn table_order(value: &str) -> Result<Order, &'static str> {
    match value {
        "key-value" => Ok(Order::KeyValue),
        "value-key" => Ok(Order::ValueKey),
        _ => Err("not an order (use key-value or value-key)"),
    }
}

fn level(value: &str) -> Result<LevelFilter, &'static str> {
    value.parse().map_err(|_| "not a level (use off, error, warn, info, debug or trace)")
}
