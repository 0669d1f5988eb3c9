//! readyd, the server: reads its configuration, binds its listeners, and introduces the server to
//! the reactor.
//!
//! Exit status: 0 after an orderly stop, 1 if it could not run (files, the system), 2 for a wrong command
//! line or configuration file. If both kinds of errors are found, 2: the command has to be mended first.

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

mod check;
mod child;
mod daemon;
mod listening;
mod loader;
mod logger;
mod shard;
mod start;
mod supervisor;

use readyd::config::{self, Command, Located, Reading};
use readyd::descriptors::{self, Allowance};
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Reading { command, origins, errors } = config::read(std::env::args_os().skip(1));
    match command {
        Command::Help => print(&config::help()),
        Command::Version => print(concat!("readyd ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Run(config) if errors.is_empty() => match start::run(*config, &origins) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error.to_string(), 1),
        },
        Command::Run(config) => {
            // It will not start, so there is time to find out what else is wrong.
            let leaked = descriptors::leaked(0);
            let descriptors = Allowance { limit: descriptors::raise_limit(), leaked };
            let others = check::faults(&config, &origins, descriptors);
            let all = [errors.to_string()].into_iter().chain(others.iter().map(Located::to_string));
            let status = if errors.has_wrong_flags() { 2 } else { 1 };
            complain(&all.collect::<Vec<_>>().join("\n"), status)
        }
    }
}

/// Prints on standard output; whoever closed it does not want to read on.
fn print(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// Reports errors, one a line.
fn complain(errors: &str, status: u8) -> ExitCode {
    let prefix = shard::own_prefix();
    let lines = errors.lines().map(|error| format!("readyd: {prefix}{error}\n"));
    // In one write, for several processes may have something to say.
    let _ = io::stderr().write_all(lines.collect::<String>().as_bytes());
    ExitCode::from(status)
}
