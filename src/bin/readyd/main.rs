//! readyd, the server: reads its configuration, binds its listeners, and runs the server on the
//! reactor.
//!
//! Exit status: 0 after an orderly stop, 1 if it could not run (files, the system), 2 for a wrong
//! command line or configuration file. If both kinds of errors are found, 2: the command has to be
//! corrected first.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]

mod background;
mod capturing;
#[cfg(feature = "tls")]
mod certificates;
#[cfg(not(feature = "tls"))]
#[path = "without_tls.rs"]
mod certificates;
mod check;
mod child;
mod control;
mod daemon;
mod health;
mod interruptible;
mod listening;
mod loader;
mod logger;
mod output;
#[cfg_attr(not(feature = "ops"), path = "reconfiguring/without.rs")]
mod reconfiguring;
mod recordings;
#[cfg_attr(not(feature = "ops"), path = "sandbox/without.rs")]
mod sandbox;
#[cfg_attr(not(feature = "ops"), path = "service_manager/without.rs")]
mod service_manager;
mod serving;
mod shard;
mod start;
mod supervisor;
mod tracing;
mod upgrade;
mod zone;

use output::{let_signals_end_a_write, print_for_people};
use readyd::config::{self, Command, Config, ConfigErrors, Located, Reading};
use readyd::io::address::{Address, UnixAddress};
use readyd::os::{descriptors, memory, signals};
use readyd::reactor::{self, Reactor};
use readyd::server::stats::VERSION;
use start::StartError;
use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

fn main() -> ExitCode {
    memory::return_large_blocks();
    let is_shard = env::var_os(shard::VARIABLE).is_some();
    let process = if is_shard { signals::Process::Shard } else { signals::Process::Server };
    if let Err(error) = signals::prepare(process) {
        return complain(&StartError::System("set signal dispositions", error).to_string(), 1);
    }
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    // Before anything is opened: it asks another process.
    if let Some(addresses) = addresses_to_ask(&arguments) {
        return health::ask(&addresses);
    }
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Flags { text, status }) => complain(&text, status),
        Err(error) => complain(&error.to_string(), 1),
    }
}

fn run(arguments: Vec<OsString>) -> Result<(), StartError> {
    // A signal may come before the flags have been read.
    let check_only = arguments.iter().any(|argument| argument == "--check-config");
    // Before anything is opened: the soft limit may have no room for a poll loop.
    let limit = descriptors::raise_limit();
    // Before anything that may take long or block.
    let mut reactor = match start::reactor() {
        Err(error) if error.is_of_the_descriptor_limit() => {
            return without_a_loop(arguments, limit, error);
        }
        reactor => reactor?,
    };
    let Reading { command, origins, errors } = match read(arguments.clone(), &mut reactor) {
        Err(StartError::Stopped) => {
            // The log level of the configuration is not known yet.
            logger::start(&Config::default());
            return start::stopped(check_only);
        }
        reading => reading?,
    };
    match command {
        Command::Help(length) => print_for_people(&config::help(length)),
        Command::Version => print_version(),
        Command::CheckSandbox => sandbox::check(),
        // It has been asked.
        Command::Health(_) => Ok(()),
        Command::Run(mut config) if errors.is_empty() => {
            let wrong = |text| StartError::Flags { text, status: 2 };
            capturing::from_environment(&mut config).map_err(wrong)?;
            start::run(arguments, *config, origins, reactor)
        }
        Command::Run(config) => {
            let others = start::faults(*config, origins, &mut reactor)?;
            Err(all_that_is_wrong(&errors, &others))
        }
    }
}

/// What `--health` asks for, if it is given and right. Errors are found later, with all others.
fn addresses_to_ask(arguments: &[OsString]) -> Option<Vec<Address>> {
    let is_health = |argument: &OsString| argument.as_bytes().starts_with(b"--health");
    if !cfg!(feature = "ops") || !arguments.iter().any(is_health) {
        return None;
    }
    match config::read(arguments.iter().cloned()).command {
        Command::Health(addresses) => Some(addresses),
        _ => None,
    }
}

fn print_version() -> Result<(), StartError> {
    print_for_people(&format!("readyd {VERSION}\n"))
}

/// Where the descriptor limit has no room for a poll loop, so that nothing can be served: tells
/// which limit is needed, and what else is wrong.
fn without_a_loop(
    arguments: Vec<OsString>,
    limit: usize,
    error: StartError,
) -> Result<(), StartError> {
    // Reading a pipe may block, and without a loop nothing watches for signals.
    let _ = reactor::unblock_stopping_signals();
    let Reading { command, origins, errors } = config::read(arguments);
    match command {
        Command::Help(length) => print_for_people(&config::help(length)),
        Command::Version => print_version(),
        Command::CheckSandbox => sandbox::check(),
        Command::Health(_) => Ok(()),
        Command::Run(config) => {
            let mut others = check::obstacles(&config, &origins, limit);
            // The limit would do, but inherited descriptors take up its room.
            if others.is_empty() {
                others.push(Located::new(None, error));
            }
            Err(all_that_is_wrong(&errors, &others))
        }
    }
}

/// Reads the command line, and the configuration file if it names one. Reading a pipe may block,
/// and so may looking for the folder of a unix socket, so both are done in a thread.
fn read(arguments: Vec<OsString>, reactor: &mut Reactor) -> Result<Reading, StartError> {
    const UNIX: &[u8] = UnixAddress::PREFIX.as_bytes();
    let may_name_a_file = |argument: &OsString| {
        let bytes = argument.as_bytes();
        bytes.starts_with(b"--config") || bytes.windows(UNIX.len()).any(|part| part == UNIX)
    };
    if arguments.iter().any(may_name_a_file) {
        return interruptible::run(reactor, || config::read(arguments));
    }
    Ok(config::read(arguments))
}

/// The errors of a configuration, and since the server will not start anyway, `others` of files and
/// system, too.
fn all_that_is_wrong(errors: &ConfigErrors, others: &[Located<StartError>]) -> StartError {
    let lines = [errors.to_string()].into_iter().chain(others.iter().map(Located::to_string));
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    let status = if errors.has_wrong_flags() { 2 } else { 1 };
    StartError::Flags { text: lines.join("\n"), status }
}

/// Reports errors, one a line.
fn complain(errors: &str, status: u8) -> ExitCode {
    let (priority, prefix) = (logger::priority(log::Level::Error), shard::own_prefix());
    let lines = errors.lines().map(|error| format!("{priority}readyd: {prefix}{error}\n"));
    let text: String = lines.collect();
    let_signals_end_a_write(&io::stderr(), &text);
    // In one write(2), because several processes may write.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(status)
}
