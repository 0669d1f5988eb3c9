//! The server's configuration: one table of flags, read from the command line and from a file.
//!
//! Invariant: each flag works on the command line and in the file, in the same words, because both
//! go through one table, `FLAGS`, and one setter. The command line wins. One reading finds all
//! errors, each with its file and line.

pub mod activation;
pub mod address;
pub mod capturing;
mod duplicates;
mod error;
pub mod excess;
mod flags;
mod health;
pub mod listen;
mod reading;
pub mod sandbox;
mod similar;
pub mod tracing;
pub mod values;
mod words;

#[cfg(test)]
mod tests;

pub use error::{ConfigError, ConfigErrors, Located, Origin, Origins, write_lines};
pub use flags::{HelpLength, help};
pub use reading::{Reading, from_args, read};

use crate::io::address::Address;
use crate::os::listener::TcpTimeouts;
use crate::os::privileges::Account;
use crate::os::{cpus, files};
use crate::server::access;
use crate::server::limits::Limits;
use crate::table::ColumnOrder;
use crate::trace::{AddressPolicy, Trigger};
use crate::zone::Zone;
use capturing::CaptureFile;
use flags::{CHECK_SANDBOX, Flag};
use listen::Listen;
use log::LevelFilter;
use sandbox::Sandbox;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::TraceFile;
use values::ValueError;

/// The settings of a server, as flags and the file give them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The listeners: service, address, options.
    pub listeners: Vec<Listen>,
    /// Whether to serve all further sockets that the service manager passes on, each by the service
    /// that has its name.
    pub takes_passed_sockets: bool,
    /// Whether other processes may listen on the same ports.
    pub reuse_port: bool,
    /// How many processes serve, from 1 to [`Config::MAX_SHARDS`].
    pub shards: usize,
    /// The CPUs that were counted for [`Config::shards`], if a flag asks for one process each.
    pub counted_cpus: Option<usize>,
    /// How long a shard's loop may take for one turn before the shard is killed and replaced;
    /// `None` if there is no watchdog.
    pub shard_timeout: Option<Duration>,
    /// The account to become once the ports are bound.
    pub user: Option<Account>,
    /// Whether processes that read clients' bytes are confined.
    pub sandbox: Sandbox,
    /// Whether to print the bound addresses on standard output.
    pub print_addresses: bool,
    /// The inherited descriptor that gets a newline when clients are served.
    pub ready_fd: Option<u16>,
    /// The lookup table's file; the embedded table if there is none.
    pub table: Option<PathBuf>,
    /// Which of a table line's words is the key.
    pub table_order: ColumnOrder,
    /// Largest table file, in bytes.
    pub table_limit: u64,
    /// Which time zone the daytime service uses.
    pub zone: Zone,
    /// The limits. `max_connections` holds only if [`Config::max_connections`] is set.
    pub limits: Limits,
    /// The most open connections, if a flag sets it.
    pub max_connections: Option<usize>,
    /// The most bytes that buffers may hold, if a flag sets it; only then [`Limits::memory_limit`]
    /// holds.
    pub memory_limit: Option<usize>,
    /// Connections that the kernel queues for accept(2), listen(2).
    pub backlog: u32,
    /// When the kernel gives up on a client that does not answer.
    pub tcp_timeouts: TcpTimeouts,
    /// Where a trace is recorded, if it is.
    pub trace: Option<TraceFile>,
    /// At what the trace so far is kept.
    pub trace_on: Vec<Trigger>,
    /// How a trace names clients.
    pub trace_addresses: AddressPolicy,
    /// Where all input is captured, if it is.
    pub capture: Option<CaptureFile>,
    /// The log level, if the command line sets it.
    pub log: Option<LevelFilter>,
    /// The log level of the file, if neither the command line nor RUST_LOG sets one.
    pub log_from_file: Option<LevelFilter>,
    /// Whether only to check the configuration.
    pub check_only: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listeners: Vec::new(),
            takes_passed_sockets: false,
            reuse_port: false,
            shards: 1,
            counted_cpus: None,
            shard_timeout: Some(Duration::from_secs(10)),
            user: None,
            sandbox: Sandbox::DEFAULT,
            print_addresses: false,
            ready_fd: None,
            table: None,
            table_order: ColumnOrder::KeyValue,
            table_limit: 1 << 30,
            zone: Zone::Local,
            limits: Limits::default(),
            max_connections: None,
            memory_limit: None,
            backlog: 4096,
            tcp_timeouts: TcpTimeouts::default(),
            trace: None,
            trace_on: Vec::new(),
            trace_addresses: AddressPolicy::Full,
            capture: None,
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
    Help(HelpLength),
    /// Print the version.
    Version,
    /// Confine this process, and print what is in force.
    CheckSandbox,
    /// Ask the server with a metrics listener at one of these addresses how it is.
    Health(Vec<Address>),
}

impl Config {
    /// The most shards. More shards than cores gain nothing.
    pub const MAX_SHARDS: usize = 1024;

    /// The largest configuration file: 1 MiB.
    pub const MAX_FILE_BYTES: usize = 1 << 20;

    /// Shortest time after which a shard counts as stuck.
    pub const SHORTEST_SHARD_TIMEOUT: Duration = Duration::from_secs(1);

    /// Whether a listener shows metrics.
    pub fn has_metrics(&self) -> bool {
        self.listeners.iter().any(|listen| listen.service.is_for_operators())
    }

    /// The configuration file's bytes.
    fn read_file(path: &Path) -> Result<Vec<u8>, ConfigError> {
        let unreadable = |error| ConfigError::Unreadable(path.to_owned(), error);
        files::read(path, Config::MAX_FILE_BYTES).map_err(unreadable)
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
            "listen" if value == listen::SYSTEMD => {
                listen::check_ops()?;
                self.takes_passed_sockets = true;
            }
            "listen" => self.listeners.push(value.parse()?),
            "reuse-port" => self.reuse_port = true,
            "shards" => (self.shards, self.counted_cpus) = shards(value)?,
            "shard-timeout" => self.shard_timeout = shard_timeout(value)?,
            "user" => self.user = Some(value.parse()?),
            "sandbox" => {
                listen::check_ops()?;
                self.sandbox = value.parse()?;
            }
            "print-addresses" => self.print_addresses = true,
            "ready-fd" => self.ready_fd = Some(ready_fd(value)?),
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
            "stats-from" => {
                listen::check_ops()?;
                limits.stats_from.extend(access::ranges(value)?);
            }
            "memory-limit" => self.memory_limit = Some(narrow(values::size(value)?)?),
            "max-frame" => limits.max_frame = narrow(values::size(value)?)?,
            "output-limit" => limits.output_limit = narrow(values::size(value)?)?,
            "frame-timeout" => limits.frame_timeout = values::duration(value)?,
            "idle-timeout" => limits.idle_timeout = values::duration(value)?,
            "write-timeout" => limits.write_timeout = values::duration(value)?,
            "drain-timeout" => limits.drain_timeout = values::duration(value)?,
            "drain-delay" => {
                listen::check_ops()?;
                limits.drain_delay = values::duration(value)?;
            }
            "tls-handshake-rate" => limits.tls_handshake_rate = Some(handshake_rate(value)?),
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
            "trace" => self.trace = Some(tracing::file(value)?),
            "trace-on" => self.trace_on = tracing::triggers(value)?,
            "trace-addresses" => self.trace_addresses = tracing::addresses(value)?,
            "capture" => self.capture = Some(value.parse()?),
            "log" => self.log = Some(level(value)?),
            "check-config" => self.check_only = true,
            // Built with it, the program has checked instead of reading on.
            CHECK_SANDBOX => listen::check_ops()?,
            _ => return Err("this flag has no meaning here".into()),
        }
        Ok(())
    }
}

/// Why a value is wrong, as text. Errors of many types end here; `Box<dyn Error>` would link the
/// `Debug` impl of each into the binary.
struct Reason(String);

impl<E: fmt::Display> From<E> for Reason {
    fn from(error: E) -> Reason {
        Reason(error.to_string())
    }
}

/// Converts a number to the type of the setting.
fn narrow<T: TryFrom<u64>>(value: u64) -> Result<T, ValueError> {
    value.try_into().map_err(|_| ValueError::TooLarge)
}

/// A duration within `range`, which the error shows as `words`.
fn within(range: RangeInclusive<Duration>, words: &str, value: &str) -> Result<Duration, Reason> {
    let duration = values::duration(value)?;
    match range.contains(&duration) {
        true => Ok(duration),
        false => Err(format!("not from {words}").into()),
    }
}

fn handshake_rate(value: &str) -> Result<u32, Reason> {
    listen::check_tls()?;
    Ok(narrow(values::count(value)?)?)
}

/// How many processes serve, and the CPUs that were counted for it.
fn shards(value: &str) -> Result<(usize, Option<usize>), Reason> {
    if value == "auto" {
        listen::check_ops()?;
        let cpus = cpus::allowed();
        return Ok((cpus.min(Config::MAX_SHARDS), Some(cpus)));
    }
    let count = narrow(values::count(value)?)?;
    match count {
        1..=Config::MAX_SHARDS => Ok((count, None)),
        _ => Err(format!("not from 1 to {}", Config::MAX_SHARDS).into()),
    }
}

fn shard_timeout(value: &str) -> Result<Option<Duration>, Reason> {
    match values::duration(value)? {
        Duration::ZERO => Ok(None),
        timeout if timeout < Config::SHORTEST_SHARD_TIMEOUT => {
            Err("less than 1s: shards report ten times per second (0 switches it off)".into())
        }
        timeout => Ok(Some(timeout)),
    }
}

fn ready_fd(value: &str) -> Result<u16, Reason> {
    listen::check_ops()?;
    match narrow(values::count(value)?)? {
        number @ 3.. => Ok(number),
        0..3 => Err("standard input, output and error are not for this (use 3 or more)".into()),
    }
}

fn table_order(value: &str) -> Result<ColumnOrder, &'static str> {
    match value {
        "key-value" => Ok(ColumnOrder::KeyValue),
        "value-key" => Ok(ColumnOrder::ValueKey),
        _ => Err("not an order (use key-value or value-key)"),
    }
}

fn level(value: &str) -> Result<LevelFilter, &'static str> {
    value.parse().map_err(|_| "not a level (use off, error, warn, info, debug or trace)")
}
