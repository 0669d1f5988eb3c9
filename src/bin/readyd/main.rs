//! readyd, the server: reads its configuration, binds its listeners, and introduces the server to
//! the reactor.
//!
//! Exit status: 0 after an orderly stop, 1 if it could not run, 2 for a wrong command line.

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
mod child;
mod daemon;
mod interruptible;
mod loader;
mod logger;
mod shard;
mod start;
mod supervisor;
mod zone;

use readyd::config::{self, Command, Config, ConfigError};
use readyd::reactor::{self, Reactor};
use readyd::signals;
use readyd::stats::VERSION;
use start::StartError;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

fn main() -> ExitCode {
    let is_shard = env::var_os(shard::VARIABLE).is_some();
    let process = if is_shard { signals::Process::Shard } else { signals::Process::Server };
    if let Err(error) = signals::prepare(process) {
        return complain(&StartError::System("set what signals do", error), 1);
    }
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    // A stop may come before the flags have been read.
    let check_only = arguments.iter().any(|argument| argument == "--check-config");
    // Before anything that may take long, or wait for somebody.
    let mut reactor = match start::reactor() {
        Ok(reactor) => reactor,
        Err(error) => return complain(&error, 1),
    };
    let outcome = match read_command(arguments, &mut reactor) {
        Ok(Ok(Command::Help)) => print_for_people(&config::help()),
        Ok(Ok(Command::Version)) => print_for_people(&format!("readyd {VERSION}\n")),
        Ok(Ok(Command::Run(config))) => start::run(*config, reactor),
        Ok(Err(error)) => return complain(&error, 2),
        Err(StartError::Stopped) => {
            // What was to be logged, and how much, is not known yet.
            logger::start(&Config::default());
            start::stopped(check_only)
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, 1),
    }
}

/// Reads the command line, and the configuration file if it names one. That may be a pipe, and so take as
/// long as whoever writes there likes; without a file no thread is needed.
fn read_command(
    arguments: Vec<OsString>,
    reactor: &mut Reactor,
) -> Result<Result<Command, ConfigError>, StartError> {
    let may_name_a_file =
        arguments.iter().any(|argument| argument.as_bytes().starts_with(b"--config"));
    if may_name_a_file {
        return interruptible::run(reactor, || config::from_args(arguments));
    }
    Ok(config::from_args(arguments))
}

/// Prints on standard output what somebody has asked to read, before the process ends. Whoever has closed
/// it does not want to read on, as head(1), and that is no failure.
pub(crate) fn print_for_people(text: &str) -> Result<(), StartError> {
    // All is done but this, which a full pipe may hold up.
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

fn complain(error: &dyn fmt::Display, status: u8) -> ExitCode {
    let _ = reactor::unblock_stopping_signals();
    // In one write, for several processes may have something to say.
    let line = format!("readyd: {}{error}\n", shard::own_prefix());
    let _ = io::stderr().write_all(line.as_bytes());
    ExitCode::from(status)
}
