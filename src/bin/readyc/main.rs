//! readyc, the client: each command is a pool of sessions, mostly of one.
//!
//! Exit status: 0 when all was done as asked, 1 if it could not be done, 2 for a wrong command
//! line, 3 if many sessions ran and some fell short, or would.

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

mod args;
mod bench;
mod chat;
mod compare;
mod doctor;
mod encryption;
mod failure;
mod many;
mod merge;
mod output;
mod replay;
mod screen;
mod server_name;
mod server_options;
mod single;
mod style;
mod top;
mod trace;
mod watch;

use args::{Args, Command};
use encryption::{ClientNet, TlsTexts};
use failure::Failure;
use readyd::client::session::SessionLimits;
use readyd::client::{Conversation, Finished, PoolLimits, SessionPool};
use readyd::io::address::Address;
use readyd::os::signals;
use readyd::reactor::Reactor;
use server_options::ServerOptions;
use std::env;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// How long `bench` waits for each answer: less than a person would, because a late answer is as
/// good as lost to a measurement.
const BENCH_TIMEOUT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    if let Err(error) = signals::prepare(signals::Process::Client) {
        return complain(&Failure::Signals(error));
    }
    let outcome = if bench::is_worker() {
        bench::work().map(|()| 0)
    } else {
        Args::read(env::args_os())
            .map_or_else(|error| explain(&error), |mut args| run(&mut args).map(|()| 0))
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        // EPIPE: the reader of our standard output has closed it and wants no more.
        Err(failure) if failure.is_closed_output() => ExitCode::SUCCESS,
        Err(failure) => complain(&failure),
    }
}

fn complain(failure: &Failure) -> ExitCode {
    output::complain(failure);
    ExitCode::from(failure.status())
}

/// Prints the help, the version or the error of the command line. Returns the exit status.
fn explain(error: &clap::Error) -> Result<u8, Failure> {
    if error.use_stderr() {
        // The exit status shows the failure, too.
        let _ = error.print();
        return Ok(2);
    }
    output::check()?;
    let printed = error.print().and_then(|()| io::stdout().flush());
    printed.map(|()| 0).map_err(Failure::Output)
}

fn run(args: &mut Args) -> Result<(), Failure> {
    let before = args.before_command();
    // Resolved only when needed: some commands have no server.
    let server = |options: &ServerOptions| Server::named_in(&options.clone().or(&before));
    match &mut args.command {
        Command::Echo(command) => {
            many::run(&server(&command.server)?, command.plan(), &command.crowd)
        }
        Command::Daytime(command) => {
            many::run(&server(&command.server)?, command.plan(), &command.crowd)
        }
        Command::Lookup(command) => {
            many::run(&server(&command.server)?, command.plan()?, &command.crowd)
        }
        Command::Whoami { plain, server: options } => single::whoami(&server(options)?, *plain),
        Command::Stats(command) => watch::run(&server(&command.server)?, command),
        Command::Bench(command) => {
            let options = ServerOptions::from(&command.server).or(&before);
            let server = options.server()?;
            command.encryption = options.tls.read(command.first_server().unwrap_or(&server))?;
            bench::run(
                command,
                &options.server()?,
                options.connect_timeout(),
                options.timeout.unwrap_or(BENCH_TIMEOUT),
            )
        }
        Command::Doctor(command) => {
            let options = command.server.with(&before, "doctor")?;
            doctor::run(command, &options.server()?)
        }
        Command::Send { messages, server: options } => chat::run(&server(options)?, messages),
        Command::Exchange { server: options } => single::exchange(&server(options)?),
        Command::Sync { samples, server: options } => single::sync(&server(options)?, *samples),
        Command::Compare(arguments) => {
            before.refuse("compare")?;
            compare::run(arguments)
        }
        Command::Merge(arguments) => {
            before.refuse("merge")?;
            merge::run(arguments)
        }
        Command::Top(command) => {
            let options = command.server(&before);
            top::run(Server::named_in(&options)?, options.server()?.to_string(), command)
        }
        Command::Trace(arguments) => {
            before.refuse("trace")?;
            trace::run(arguments)
        }
        Command::Replay(arguments) => {
            before.refuse("replay")?;
            replay::run(arguments)
        }
    }
}

/// The server, and how long to wait for it.
pub(crate) struct Server {
    pub(crate) addresses: Vec<Address>,
    pub(crate) limits: SessionLimits,
    tls: Option<TlsTexts>,
}

impl Server {
    fn named_in(options: &ServerOptions) -> Result<Server, Failure> {
        let limits = SessionLimits::default();
        Ok(Server {
            addresses: options.server()?.resolve()?,
            tls: options.tls.read(&options.server()?)?,
            limits: SessionLimits {
                connect_timeout: options.connect_timeout(),
                answer_timeout: options.timeout.unwrap_or(limits.answer_timeout),
                ..limits
            },
        })
    }

    /// A pool that will run `conversations`, `open` at once, and the reactor that drives it.
    pub(crate) fn pool<S: Conversation>(
        &self,
        conversations: impl IntoIterator<Item = S>,
        open: usize,
    ) -> Result<(Reactor, SessionPool<ClientNet, S>), Failure> {
        let reactor = Reactor::new().map_err(Failure::Reactor)?;
        let net = reactor.net().map_err(Failure::Reactor)?;
        let net = encryption::network(net, self.tls.as_ref()).map_err(Failure::Usage)?;
        let limits = PoolLimits { session: self.limits, open, ..PoolLimits::default() };
        let pool =
            SessionPool::new(net, self.addresses.clone(), limits, conversations, reactor.now());
        Ok((reactor, pool))
    }

    /// Runs one session to its end.
    pub(crate) fn run_one<S: Conversation>(&self, conversation: S) -> Result<S, Failure> {
        let (mut reactor, mut pool) = self.pool([conversation], 1)?;
        reactor.run(&mut pool).map_err(Failure::Reactor)?;
        match pool.into_finished().pop() {
            Some(Finished { conversation, result: Ok(()) }) => Ok(conversation),
            Some(Finished { result: Err(error), .. }) => Err(Failure::Session(error)),
            None => {
                Err(Failure::Session(readyd::client::SessionError::ClosedEarly { received: 0 }))
            }
        }
    }
}
