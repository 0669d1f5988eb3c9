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
mod check;
mod child;
mod control;
mod daemon;
mod interruptible;
mod listening;
mod loader;
mod logger;
mod shard;
mod start;
mod supervisor;
mod zone;

use readyd::config::{self, Command, Config, ConfigErrors, Located, Origins, Reading};
use readyd::os::{memory, signals};
use readyd::reactor::{self, Reactor};
use readyd::server::stats::VERSION;
use start::StartError;
use std::env;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

fn main() -> ExitCode {
    memory::return_large_blocks();
    let is_shard = env::var_os(shard::VARIABLE).is_some();
    let process = if is_shard { signals::Process::Shard } else { signals::Process::Server };
    if let Err(error) = signals::prepare(process) {
        return complain(&StartError::System("set what signals do", error).to_string(), 1);
    }
    match run(env::args_os().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Flags { text, status }) => complain(&text, status),
        Err(error) => complain(&error.to_string(), 1),
    }
}

fn run(arguments: Vec<OsString>) -> Result<(), StartError> {
    // A signal may come before the flags have been read.
    let check_only = arguments.iter().any(|argument| argument == "--check-config");
    // Before anything that may take long or block.
    let mut reactor = start::reactor()?;
    let Reading { command, origins, errors } = match read(arguments, &mut reactor) {
        Err(StartError::Stopped) => {
            // The log level of the configuration is not known yet.
            logger::start(&Config::default());
            return start::stopped(check_only);
        }
        reading => reading?,
    };
    match command {
        Command::Help => print_for_people(&config::help()),
        Command::Version => print_for_people(&format!("readyd {VERSION}\n")),
        Command::Run(config) if errors.is_empty() => start::run(*config, origins, reactor),
        Command::Run(config) => Err(all_that_is_wrong(*config, origins, errors, reactor)),
    }
}

/// Reads the command line, and the configuration file if it names one. Reading a pipe may block, so
/// a file is read in a thread.
fn read(arguments: Vec<OsString>, reactor: &mut Reactor) -> Result<Reading, StartError> {
    let may_name_a_file =
        arguments.iter().any(|argument| argument.as_bytes().starts_with(b"--config"));
    if may_name_a_file {
        return interruptible::run(reactor, || config::read(arguments));
    }
    Ok(config::read(arguments))
}

/// The errors of a configuration, and since the server will not start anyway, the faults of files
/// and system, too.
fn all_that_is_wrong(
    config: Config,
    origins: Origins,
    errors: ConfigErrors,
    mut reactor: Reactor,
) -> StartError {
    let others = match start::faults(config, origins, &mut reactor) {
        Ok(others) => others,
        Err(error) => return error,
    };
    let lines = [errors.to_string()].into_iter().chain(others.iter().map(Located::to_string));
    let status = if errors.has_wrong_flags() { 2 } else { 1 };
    StartError::Flags { text: lines.collect::<Vec<_>>().join("\n"), status }
}

/// Prints a text that the user has asked for on standard output, before the process exits. EPIPE is
/// no failure: a reader such as head(1) has read enough.
pub(crate) fn print_for_people(text: &str) -> Result<(), StartError> {
    // Only this write is left, and a full pipe may block it: signals may end the process.
    let _ = reactor::unblock_stopping_signals();
    match print(text) {
        Err(StartError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Prints on standard output.
pub(crate) fn print(text: &str) -> Result<(), StartError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(StartError::Output)
}

/// Reports errors, one a line.
fn complain(errors: &str, status: u8) -> ExitCode {
    let _ = reactor::unblock_stopping_signals();
    let prefix = shard::own_prefix();
    let lines = errors.lines().map(|error| format!("readyd: {prefix}{error}\n"));
    // In one write(2), because several processes may write.
    let _ = io::stderr().write_all(lines.collect::<String>().as_bytes());
    ExitCode::from(status)
}
