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
use start::StartError;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    // A stop may come before the flags have been read.
    let check_only = arguments.iter().any(|argument| argument == "--check-config");
    // Before anything that may take long, or wait for somebody.
    let mut reactor = match start::reactor() {
        Ok(reactor) => reactor,
        Err(error) => return complain(&error, 1),
    };
    match read_command(arguments, &mut reactor) {
        Ok(Ok(Command::Help)) => print_and_end(&config::help()),
        Ok(Ok(Command::Version)) => {
            print_and_end(concat!("readyd ", env!("CARGO_PKG_VERSION"), "\n"))
        }
        Ok(Ok(Command::Run(config))) => end(start::run(*config, reactor)),
        Ok(Err(error)) => complain(&error, 2),
        Err(StartError::Stopped) => {
            // What was to be logged, and how much, is not known yet.
            logger::start(&Config::default());
            end(start::stopped(check_only))
        }
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

fn end(outcome: Result<(), StartError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, 1),
    }
}

fn print_and_end(text: &str) -> ExitCode {
    let _ = reactor::unblock_stopping_signals();
    print(text)
}

/// Prints on standard output; whoever closed it does not want to read on.
fn print(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn complain(error: &dyn fmt::Display, status: u8) -> ExitCode {
    let _ = reactor::unblock_stopping_signals();
    // In one write, for several processes may have something to say.
    let line = format!("readyd: {}{error}\n", shard::own_prefix());
    let _ = io::stderr().write_all(line.as_bytes());
    ExitCode::from(status)
}
