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

mod child;
mod daemon;
mod loader;
mod logger;
mod shard;
mod start;
mod supervisor;

use readyd::config::{self, Command};
use readyd::signals;
use readyd::stats::VERSION;
use start::StartError;
use std::env;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let is_shard = env::var_os(shard::VARIABLE).is_some();
    let process = if is_shard { signals::Process::Shard } else { signals::Process::Server };
    if let Err(error) = signals::prepare(process) {
        return complain(&StartError::System("set what signals do", error), 1);
    }
    let outcome = match config::from_args(env::args_os().skip(1)) {
        Ok(Command::Help) => print_for_people(&config::help()),
        Ok(Command::Version) => print_for_people(&format!("readyd {VERSION}\n")),
        Ok(Command::Run(config)) => start::run(*config),
        Err(error) => return complain(&error, 2),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, 1),
    }
}

/// Prints on standard output what somebody has asked to read. Whoever has closed it does not want to read
/// on, as head(1), and that is no failure.
pub(crate) fn print_for_people(text: &str) -> Result<(), StartError> {
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
    // In one write, for several processes may have something to say.
    let line = format!("readyd: {}{error}\n", shard::own_prefix());
    let _ = io::stderr().write_all(line.as_bytes());
    ExitCode::from(status)
}
