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

mod daemon;
mod logger;

use daemon::{Daemon, TableSource};
use readyd::config::listen::Listen;
use readyd::config::{self, Command, Config};
use readyd::descriptors;
use readyd::handlers::daytime::Calendar;
use readyd::limits::Limits;
use readyd::memory;
use readyd::reactor::{MioNet, Reactor};
use readyd::server::Server;
use readyd::table::LoadError;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Why the server could not run.
enum StartError {
    Listen(Listen, io::Error),
    Table(LoadError),
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen(Listen { service, address }, error) => {
                write!(f, "cannot listen on {}={address}: {error}", service.name())?;
                match error.kind() {
                    ErrorKind::AddrInUse => f.write_str(
                        " (another program listens there; stop it, or choose another port)",
                    ),
                    ErrorKind::PermissionDenied => f.write_str(
                        " (ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another)",
                    ),
                    ErrorKind::AddrNotAvailable => {
                        f.write_str(" (no interface of this machine has this address)")
                    }
                    _ => Ok(()),
                }
            }
            StartError::Table(error) => write!(f, "{error}"),
            StartError::System(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

fn main() -> ExitCode {
    match config::from_args(std::env::args_os().skip(1)) {
        Ok(Command::Help) => print(&config::help()),
        Ok(Command::Version) => print(concat!("readyd ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Run(config)) => match run(*config) {
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
    let _ = writeln!(io::stderr(), "readyd: {error}");
    ExitCode::from(status)
}

fn run(config: Config) -> Result<(), StartError> {
    logger::start(&config);
    let source = TableSource {
        path: config.table.clone(),
        order: config.table_order,
        limit: config.table_limit,
    };
    let mut reactor = Reactor::new().map_err(|error| StartError::System("start epoll", error))?;
    // Before the table is loaded, which may take a while: a SIGHUP would end the process until then.
    reactor.watch_signals().map_err(|error| StartError::System("watch signals", error))?;
    let table = source.load().map_err(StartError::Table)?;
    if config.check_only {
        print("the configuration is in order\n");
        return Ok(());
    }
    if let Some(path) = &source.path {
        log::info!("table {} has {} keys", path.display(), table.len());
    }
    let mut limits = config.limits.clone();
    let descriptor_limit = descriptors::raise_limit();
    let net = reactor.net().map_err(|error| StartError::System("share epoll", error))?;
    let listeners = bind(&net, &config)?;
    limits.max_connections = max_connections(config.max_connections, descriptor_limit);
    limits.memory_limit = memory_limit(config.memory_limit);

    let calendar = Calendar::new(config.zone);
    let mut server = Server::new(net, limits, table, calendar, reactor.now());
    for (listener, listen) in listeners {
        server
            .listen(listener, listen.service)
            .map_err(|error| StartError::Listen(listen, error))?;
    }
    let mut daemon = Daemon::new(server, source, &reactor);
    reactor.run(&mut daemon).map_err(|error| StartError::System("wait for events", error))?;
    daemon.say_goodbye();
    Ok(())
}

type Bound = (mio::net::TcpListener, Listen);

fn bind(net: &MioNet, config: &Config) -> Result<Vec<Bound>, StartError> {
    let mut listeners = Vec::new();
    let mut addresses = String::new();
    for listen in &config.listeners {
        let (listener, address) = net
            .bind(listen.address, config.backlog)
            .map_err(|error| StartError::Listen(listen.clone(), error))?;
        let service = listen.service.name();
        log::info!("listening {service} {address}");
        addresses += &format!("{service} {address}\n");
        listeners.push((listener, Listen { address, ..*listen }));
    }
    if config.print_addresses {
        print(&addresses);
    }
    Ok(listeners)
}

/// As many connections as were asked for, or as many as there is room for.
fn max_connections(asked: Option<usize>, descriptor_limit: usize) -> usize {
    let room =
        descriptors::room_for_connections(descriptor_limit).min(Limits::MAX_CONNECTIONS_BOUND);
    let Some(asked) = asked else {
        log::info!("at most {room} connections (descriptor limit {descriptor_limit})");
        return room;
    };
    if asked > room {
        log::warn!(
            "--max-connections {asked} is more than the {room} that the descriptor limit of \
             {descriptor_limit} has room for (raise it with ulimit -n or LimitNOFILE=)"
        );
    }
    asked
}

/// As much as was asked for, or a share of what there is.
fn memory_limit(asked: Option<usize>) -> usize {
    const MIB: usize = 1 << 20;
    asked.unwrap_or_else(|| {
        let limit = memory::limit_for_buffers();
        log::info!("at most {} MiB in buffers (--memory-limit)", limit / MIB);
        limit
    })
}
