//! From a configuration to a server that serves.
//!
//! Invariant: what needs root's rights comes first (reading the table, binding the ports), then they
//! are given up, and only then are bytes of clients read.

use crate::daemon::{Daemon, TableSource};
use crate::{logger, print};
use readyd::config::Config;
use readyd::config::listen::{Listen, Place};
use readyd::descriptors;
use readyd::handlers::daytime::Calendar;
use readyd::inherited::{self, InheritError};
use readyd::limits::Limits;
use readyd::listener::{self, Port};
use readyd::memory;
use readyd::privileges::{Account, AccountError, Rights};
use readyd::reactor::Reactor;
use readyd::server::Server;
use readyd::table::LoadError;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::fd::RawFd;

/// Why the server could not run.
pub(crate) enum StartError {
    Listen(Listen, Port, io::Error),
    Inherit(Listen, InheritError),
    Account(Account, AccountError),
    Table(LoadError),
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen(listen, port, error) => {
                write!(f, "cannot listen on {}: {error}", shown(listen))?;
                f.write_str(advice(*port, error.kind()))
            }
            StartError::Inherit(listen, error) => {
                write!(f, "cannot listen on {}: {error}", shown(listen))
            }
            StartError::Account(account, error) => write!(f, "--user {account}: {error}"),
            StartError::Table(error) => write!(f, "{error}"),
            StartError::System(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

fn shown(listen: &Listen) -> String {
    format!("{}={}", listen.service.name(), listen.place)
}

/// What to do about a failure to listen.
fn advice(port: Port, error: ErrorKind) -> &'static str {
    match (error, port) {
        (ErrorKind::AddrInUse, Port::Exclusive) => {
            " (another program listens there; stop it, or choose another port)"
        }
        (ErrorKind::AddrInUse, Port::Shared) => {
            " (another program listens there without sharing the port, or as another user; stop it, \
             start it with --reuse-port too, or choose another port)"
        }
        (ErrorKind::PermissionDenied, _) => {
            " (ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another)"
        }
        (ErrorKind::AddrNotAvailable, _) => " (no interface of this machine has this address)",
        _ => "",
    }
}

/// Serves until it is told to stop.
pub(crate) fn run(config: Config) -> Result<(), StartError> {
    let inherited = if config.check_only { Vec::new() } else { take_inherited(&config)? };
    logger::start(&config);
    let rights = look_up(config.user.as_ref())?;
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
    let descriptor_limit = descriptors::raise_limit();
    let net = reactor.net().map_err(|error| StartError::System("share epoll", error))?;
    let listeners = bind_all(&config, inherited)?;
    give_up_rights(&config, rights)?;
    let mut limits = config.limits.clone();
    limits.max_connections = max_connections(config.max_connections, descriptor_limit);
    limits.memory_limit = memory_limit(config.memory_limit);

    let listeners: Vec<_> =
        listeners.into_iter().map(|(socket, listen)| (net.listener(socket), listen)).collect();
    let calendar = Calendar::new(config.zone);
    let mut server = Server::new(net, limits, table, calendar, reactor.now());
    for (listener, listen) in listeners {
        server
            .listen(listener, listen.service)
            .map_err(|error| StartError::Listen(listen, port(&config), error))?;
    }
    let mut daemon = Daemon::new(server, source, &reactor);
    reactor.run(&mut daemon).map_err(|error| StartError::System("wait for events", error))?;
    daemon.say_goodbye();
    Ok(())
}

fn look_up(user: Option<&Account>) -> Result<Option<Rights>, StartError> {
    let look_up = |account: &Account| {
        account.look_up().map_err(|error| StartError::Account(account.clone(), error))
    };
    user.map(look_up).transpose()
}

fn give_up_rights(config: &Config, rights: Option<Rights>) -> Result<(), StartError> {
    if let (Some(rights), Some(account)) = (rights, &config.user) {
        rights.assume().map_err(|error| StartError::Account(account.clone(), error))?;
        log::info!("serving as {account} ({rights})");
    }
    Ok(())
}

/// The sockets that were inherited, by number. Taken before anything else is opened: a number that
/// stands for nothing now could stand for something of ours later.
fn take_inherited(config: &Config) -> Result<Vec<(u16, TcpListener)>, StartError> {
    let mut taken = Vec::new();
    for listen in &config.listeners {
        if let Place::Inherited(number) = listen.place {
            let socket = inherited::listener(RawFd::from(number))
                .map_err(|error| StartError::Inherit(listen.clone(), error))?;
            taken.push((number, socket));
        }
    }
    Ok(taken)
}

fn port(config: &Config) -> Port {
    if config.reuse_port { Port::Shared } else { Port::Exclusive }
}

/// A listening socket, and what was asked for.
type Bound = (TcpListener, Listen);

fn bind_all(
    config: &Config,
    mut inherited: Vec<(u16, TcpListener)>,
) -> Result<Vec<Bound>, StartError> {
    let mut bound = Vec::new();
    let mut addresses = String::new();
    for listen in &config.listeners {
        let failed = |error| StartError::Listen(listen.clone(), port(config), error);
        let socket = match listen.place {
            Place::Address(address) => {
                listener::bind(address, config.backlog, port(config)).map_err(failed)?
            }
            Place::Inherited(number) => {
                let place = inherited.iter().position(|(taken, _)| *taken == number);
                let missing = || failed(ErrorKind::NotFound.into());
                inherited.swap_remove(place.ok_or_else(missing)?).1
            }
        };
        let address = socket.local_addr().map_err(failed)?;
        let service = listen.service.name();
        log::info!("listening {service} {address}");
        addresses += &format!("{service} {address}\n");
        bound.push((socket, listen.clone()));
    }
    if config.print_addresses {
        print(&addresses);
    }
    Ok(bound)
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
