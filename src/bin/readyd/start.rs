//! From a configuration to a server that serves.
//!
//! Invariant: what needs root's rights comes first (reading the table, binding the ports), then they
//! are given up, and only then are bytes of clients read.

use crate::check;
use crate::child::Ending;
use crate::daemon::{Daemon, Keeper};
use crate::listening::{self, Bound, Inherited, ListenFailure};
use crate::loader::{Loader, TableSource};
use crate::shard::{self, Shard, ShardError};
use crate::{logger, print, supervisor};
use nix::sys::signal::Signal;
use readyd::config::excess::Excess;
use readyd::config::{self, Config, Located, Origins};
use readyd::descriptors::{self, Allowance, Budget, TooFewDescriptors};
use readyd::handlers::daytime::Calendar;
use readyd::limits::Limits;
use readyd::memory;
use readyd::privileges::{Account, AccountError, Rights};
use readyd::reactor::Reactor;
use readyd::server::Server;
use readyd::stats::board::Seat;
use readyd::table::{LoadError, Table};
use std::fmt;
use std::io;

/// Why the server could not run.
pub(crate) enum StartError {
    Listen(ListenFailure),
    Account(Account, AccountError),
    Table(LoadError),
    TooFewDescriptors(TooFewDescriptors),
    /// A limit is more than the system gives: an error only for who asked for a check.
    Excess(Excess),
    SharedTable(String),
    Shard(ShardError),
    /// A shard, counted from 0, that ended before it served.
    ShardFailed(usize, Ending),
    /// Shards that did not end in order when they were told to.
    ShardsBroke(usize),
    System(&'static str, io::Error),
    /// More than one, or one with its place.
    Several(Vec<Located<StartError>>),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen(failure) => write!(f, "{failure}"),
            StartError::Account(account, error) => write!(f, "--user {account}: {error}"),
            StartError::Table(error) => write!(f, "{error}"),
            StartError::TooFewDescriptors(error) => write!(f, "{error}"),
            StartError::Excess(excess) => write!(f, "{excess}"),
            StartError::SharedTable(why) => write!(f, "the table cannot be served: {why}"),
            StartError::Shard(error) => write!(f, "{error}"),
            StartError::ShardFailed(number, ending) => {
                write!(f, "{} could not start ({ending}); see above", shard::name(*number))
            }
            StartError::ShardsBroke(count) => write!(f, "{count} shards did not end in order"),
            StartError::System(what, error) => write!(f, "cannot {what}: {error}"),
            StartError::Several(errors) => config::write_lines(f, errors.iter(), 0),
        }
    }
}

/// No error, if there are none.
pub(crate) fn take_all(errors: Vec<Located<StartError>>) -> Result<(), StartError> {
    if errors.is_empty() { Ok(()) } else { Err(StartError::Several(errors)) }
}

/// Serves until it is told to stop: alone, as a shard, or by way of shards.
pub(crate) fn run(config: Config, origins: &Origins) -> Result<(), StartError> {
    let shard = Shard::from_environment().map_err(StartError::Shard)?;
    let inherited = if config.check_only { Vec::new() } else { listening::take_inherited(&config) };
    let of_a_shard = shard.as_ref().map_or(0, |_| descriptors::OF_A_SHARD);
    let leaked = descriptors::leaked(inherited.len() + of_a_shard);
    logger::start(&config);
    let descriptors = Allowance { limit: descriptors::raise_limit(), leaked };
    if config.check_only {
        take_all(check::faults(&config, origins, descriptors))?;
        print("the configuration is in order\n");
        return Ok(());
    }
    if shard.is_none() {
        if !check::obstacles(&config, origins, descriptors).is_empty() {
            // It will not start, so there is time to find out what else is wrong.
            let mut faults = check::faults(&config, origins, descriptors);
            faults.extend(listening::obstacles(&config, origins));
            return take_all(faults);
        }
        check::warn_of_excesses(&config, origins, descriptors);
    }
    let outcome = match config.shards {
        1 => serve(&config, origins, inherited, shard, descriptors),
        _ => supervisor::run(&config, origins),
    };
    match outcome {
        // Nothing has been bound by then.
        Err(StartError::Table(error)) => {
            let mut faults = vec![check::of_the_table(origins, error)];
            faults.extend(listening::obstacles(&config, origins));
            take_all(faults)
        }
        outcome => outcome,
    }
}

/// Serves in this process.
fn serve(
    config: &Config,
    origins: &Origins,
    inherited: Inherited,
    shard: Option<Shard>,
    descriptors: Allowance,
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
            let source = table_source(config);
            let table = source.load().map_err(StartError::Table)?;
            (table, Keeper::Itself(Loader::new(source, Ok, &reactor)), None)
        }
    };
    if !is_shard {
        log_size(config, &table);
    }
    let net = reactor.net().map_err(|error| StartError::System("share epoll", error))?;
    let bound = listening::bind_all(config, origins, 1, inherited)?;
    let listeners: Vec<Bound> = bound.into_iter().flatten().collect();
    let of_this = if is_shard { Budget::of_a_shard } else { Budget::of_a_server };
    let budget = of_this(descriptors, listeners.len()).with_what_is_open();
    budget.check(config.max_connections).map_err(StartError::TooFewDescriptors)?;
    if !is_shard {
        announce(config, &listeners)?;
    }
    give_up_rights(config, rights)?;
    let mut limits = config.limits.clone();
    limits.max_connections = max_connections(config.max_connections, budget);
    limits.memory_limit = memory_limit(config.memory_limit);

    let listeners: Vec<_> =
        listeners.into_iter().map(|(socket, listen)| (net.listener(socket), listen)).collect();
    let calendar = Calendar::new(config.zone);
    let mut server = Server::new(net, limits, table, calendar, reactor.now());
    for (listener, listen) in listeners {
        server
            .listen(listener, listen.service)
            .map_err(|error| StartError::System("watch a listener", error))?;
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
fn max_connections(asked: Option<usize>, budget: Budget) -> usize {
    asked.unwrap_or_else(|| {
        let room = budget.room().min(Limits::MAX_CONNECTIONS_BOUND);
        log::info!("at most {room} connections (descriptor limit {})", budget.limit());
        room
    })
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
