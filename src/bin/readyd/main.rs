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
mod zone;

use readyd::config::{self, Command};
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match config::from_args(std::env::args_os().skip(1)) {
        Ok(Command::Help) => print(&config::help()),
        Ok(Command::Version) => print(concat!("readyd ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Run(config)) => match start::run(*config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error, 1),
        },
        Err(error) => complain(&error, 2),
    }
}

/// Prints on standard output; whoever closed it does not want to read on.
fn print(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn complain(error: &dyn fmt::Display, status: u8) -> ExitCode {
    // In one write, for several processes may have something to say.
    let line = format!("readyd: {}{error}\n", shard::own_prefix());
    let _ = io::stderr().write_all(line.as_bytes());
    ExitCode::from(status)
}
