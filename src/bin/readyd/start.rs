//! From a configuration to a server that serves.
//!
//! Invariant: what needs root's rights comes first (reading the table, binding the ports), then they
//! are given up, and only then are bytes of clients read.

use crate::child::Ending;
use crate::daemon::{Daemon, Keeper};
use crate::loader::{Loader, TableSource};
use crate::shard::{self, Shard, ShardError};
use crate::{logger, print, supervisor};
use nix::sys::signal::Signal;
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
use readyd::stats::board::Seat;
use readyd::table::{LoadError, Table};
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
    SharedTable(String),
    Shard(ShardError),
    /// A shard, counted from 0, that ended before it served.
    ShardFailed(usize, Ending),
    /// Shards that did not end in order when they were told to.
    ShardsBroke(usize),
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
            StartError::SharedTable(why) => write!(f, "the table cannot be served: {why}"),
            StartError::Shard(error) => write!(f, "{error}"),
            StartError::ShardFailed(number, ending) => {
                write!(f, "{} could not start ({ending}); see above", shard::name(*number))
            }
            StartError::ShardsBroke(count) => write!(f, "{count} shards did not end in order"),
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

/// Serves until it is told to stop: alone, as a shard, or by way of shards.
pub(crate) fn run(config: Config) -> Result<(), StartError> {
    let shard = Shard::from_environment().map_err(StartError::Shard)?;
    let inherited = if config.check_only { Vec::new() } else { take_inherited(&config)? };
    logger::start(&config);
    if config.shards > 1 && !config.check_only {
        return supervisor::run(config);
    }
    serve(config, inherited, shard)
}

/// Serves in this process.
fn serve(
    config: Config,
    inherited: Vec<(u16, TcpListener)>,
    shard: Option<Shard>,
) -> Result<(), StartError> {
    let rights = look_up(config.user.as_ref())?;
    let mut reactor = Reactor::new().map_err(|error| StartError::System("start epoll", error))?;
    // Before the table is loaded, which may take a while: a SIGHUP would end the process until then.
    let more_signals: &[Signal] = if shard.is_some() { &[Signal::SIGQUIT] } else { &[] };
    reactor
        .watch_signals_and(more_signals)
        .map_err(|error| StartError::System("watch signals", error))?;
    let is_shard = shard.is_some();
    let (table, keeper, seat) = match shard {
        Some(shard) => keeper_of_a_shard(shard, &mut reactor)?,
        None => {
            let source = table_source(&config);
            let table = source.load().map_err(StartError::Table)?;
            (table, Keeper::Itself(Loader::new(source, Ok, &reactor)), None)
        }
    };
    if config.check_only {
        print("the configuration is in order\n");
        return Ok(());
    }
    if !is_shard {
        log_size(&config, &table);
    }
    let descriptor_limit = descriptors::raise_limit();
    let net = reactor.net().map_err(|error| StartError::System("share epoll", error))?;
    let listeners = bind_all(&config, port(&config), inherited)?;
    if !is_shard {
        announce(&config, &listeners)?;
    }
    give_up_rights(&config, rights)?;
    let mut limits = config.limits.clone();
    limits.max_connections = max_connections(config.max_connections, descriptor_limit);
    limits.memory_limit = memory_limit(config.memory_limit);
    limits.log_level = log::max_level();

    let listeners: Vec<_> =
        listeners.into_iter().map(|(socket, listen)| (net.listener(socket), listen)).collect();
    let calendar = Calendar::new(config.zone);
    let mut server = Server::new(net, limits, table, calendar, reactor.now());
    for (listener, listen) in listeners {
        // A supervisor accepts nobody from the sockets of its shards. What another program does with a
        // socket that it handed over is not known.
        let result = match listen.place {
            Place::Inherited(_) if !is_shard => server.listen_with_others(listener, listen.service),
            Place::Address(_) | Place::Inherited(_) => server.listen(listener, listen.service),
        };
        result.map_err(|error| StartError::Listen(listen, port(&config), error))?;
    }
    if let Some(seat) = seat {
        server.share_statistics(Box::new(seat));
    }
    let mut daemon = Daemon::new(server, keeper);
    reactor.run(&mut daemon).map_err(|error| StartError::System("wait for events", error))?;
    daemon.say_goodbye();
    Ok(())
}

/// The table that the supervisor shares, and what else a shard has from it.
fn keeper_of_a_shard(
    shard: Shard,
    reactor: &mut Reactor,
) -> Result<(Table, Keeper, Option<Seat>), StartError> {
    let (table, seat, control) = shard.into_parts();
    reactor
        .watch_input(&control)
        .map_err(|error| StartError::System("watch the supervisor", error))?;
    Ok((table, Keeper::Supervisor(control), Some(seat)))
}

pub(crate) fn table_source(config: &Config) -> TableSource {
    TableSource { path: config.table.clone(), order: config.table_order, limit: config.table_limit }
}

/// Says how many keys the table has, if it comes from a file.
pub(crate) fn log_size(config: &Config, table: &Table) {
    if let Some(path) = &config.table {
        log::info!("table {} has {} keys", path.display(), table.len());
    }
}

/// The account that is to be assumed, if one is.
pub(crate) fn look_up(user: Option<&Account>) -> Result<Option<Rights>, StartError> {
    let look_up = |account: &Account| {
        account.look_up().map_err(|error| StartError::Account(account.clone(), error))
    };
    user.map(look_up).transpose()
}

/// Becomes the user that was asked for, if one was.
pub(crate) fn give_up_rights(config: &Config, rights: Option<Rights>) -> Result<(), StartError> {
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
pub(crate) type Bound = (TcpListener, Listen);

/// Binds, or takes from what was inherited, all that is to be listened on.
pub(crate) fn bind_all(
    config: &Config,
    port: Port,
    mut inherited: Vec<(u16, TcpListener)>,
) -> Result<Vec<Bound>, StartError> {
    let mut bound = Vec::new();
    for listen in &config.listeners {
        let failed = |error| StartError::Listen(listen.clone(), port, error);
        let socket = match listen.place {
            Place::Address(address) => {
                listener::bind(address, config.backlog, port).map_err(failed)?
            }
            Place::Inherited(number) => {
                let place = inherited.iter().position(|(taken, _)| *taken == number);
                let missing = || failed(ErrorKind::NotFound.into());
                inherited.swap_remove(place.ok_or_else(missing)?).1
            }
        };
        bound.push((socket, listen.clone()));
    }
    Ok(bound)
}

/// Tells the addresses, in the log and to whoever asked for them.
pub(crate) fn announce(config: &Config, bound: &[Bound]) -> Result<(), StartError> {
    let mut addresses = String::new();
    for (socket, listen) in bound {
        let address =
            socket.local_addr().map_err(|error| StartError::System("read an address", error))?;
        let service = listen.service.name();
        log::info!("listening {service} {address}");
        addresses += &format!("{service} {address}\n");
    }
    if config.print_addresses {
        print(&addresses);
    }
    Ok(())
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
pub(crate) fn memory_limit(asked: Option<usize>) -> usize {
    const MIB: usize = 1 << 20;
    asked.unwrap_or_else(|| {
        let limit = memory::limit_for_buffers();
        log::info!("at most {} MiB in buffers (--memory-limit)", limit / MIB);
        limit
    })
}
