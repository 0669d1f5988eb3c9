//! Starting a server from a configuration.
//!
//! Invariant: steps that need root's privileges come first (reading the table, binding the ports),
//! then the privileges are dropped and the process confines itself, and only then the server reads
//! bytes of clients.

mod error;
mod upgrading;

pub(crate) use error::StartError;

use crate::certificates::{self, CertificateReader, Certificates, Held};
use crate::check;
use crate::child::Program;
use crate::daemon::Parent;
use crate::listening::{self, Bound, Inherited};
use crate::loader::{Loader, first_table};
use crate::output::{print_at_start, print_for_people};
use crate::reconfiguring::{Asked, ConfigReader};
use crate::recordings::{self, Source};
use crate::service_manager::{self, ServiceManager};
use crate::serving::Prepared;
use crate::shard::Shard;
use crate::upgrade::Predecessor;
use crate::zone::{self, ZoneReader};
use crate::{interruptible, logger, sandbox, supervisor};
use nix::sys::signal::Signal;
use readyd::config::listen::Listen;
use readyd::config::{Config, Located, Origins};
use readyd::counted::counted;
use readyd::handlers::daytime::DateCache;
use readyd::io::address::Address;
use readyd::os::descriptors::{self, Budget};
use readyd::os::inherited_fd::{self};
use readyd::os::memory;
use readyd::os::privileges::{Account, AccountError, Credentials};
use readyd::os::usage::Meter;
use readyd::reactor::Reactor;
use readyd::server::limits::Limits;
use readyd::server::stats::VERSION;
use readyd::server::stats::publishing::SharedStats;
use readyd::server::stats::scoreboard::ScoreboardSlot;
use readyd::table::Table;
use readyd::zone::ZoneRules;
use std::ffi::OsString;
use std::path::Path;
use std::process;

/// `Ok` if there are no errors.
pub(crate) fn take_all(errors: Vec<Located<StartError>>) -> Result<(), StartError> {
    if errors.is_empty() { Ok(()) } else { Err(StartError::Several(errors)) }
}

/// A loop that receives stopping signals from now on.
pub(crate) fn reactor() -> Result<Reactor, StartError> {
    let mut reactor = Reactor::new().map_err(|error| StartError::System("start epoll", error))?;
    reactor.watch_stopping_signals().map_err(|error| StartError::System("watch signals", error))?;
    Ok(reactor)
}

/// Runs until a signal stops it: as a server, as a shard, or as a supervisor of shards. A signal
/// before it serves is no error.
pub(crate) fn run(
    arguments: Vec<OsString>,
    mut config: Config,
    mut origins: Origins,
    mut reactor: Reactor,
) -> Result<(), StartError> {
    let asked = Asked::new(arguments, config.clone());
    let shard = Shard::from_environment().map_err(StartError::Shard)?;
    let check_only = config.check_only;
    let outcome = if check_only {
        logger::start(&config);
        check(config, origins, &mut reactor)
    } else {
        let mut predecessor = match shard {
            Some(_) => None,
            None => Predecessor::from_environment().map_err(StartError::Upgrade)?,
        };
        let assigned = listening::assign_passed(&mut config, &mut origins, predecessor.as_ref());
        let handed = predecessor.as_mut().map(Predecessor::take_listeners).unwrap_or_default();
        let inherited = listening::take_inherited(&config, handed);
        let ready_fd = match &predecessor {
            // The first process has written to it, and closed it.
            Some(_) => Ok(None),
            None => ServiceManager::take_ready_fd(&config),
        };
        logger::start(&config);
        let mut errors = listening::report_passed(assigned);
        let ready_fd = ready_fd.unwrap_or_else(|error| {
            errors.push(Located::new(origins.of("ready-fd"), StartError::ReadyFd(error)));
            None
        });
        let unfit = service_manager::fit_shard_timeout(&mut config, &origins);
        errors.extend(unfit.map(|error| error.map(StartError::Watchdog)));
        match errors {
            errors if errors.is_empty() => {
                let sign = predecessor.as_ref().map(Predecessor::sign_of_life).transpose();
                let sign = sign.map_err(|error| StartError::System("duplicate a socket", error))?;
                let manager = ServiceManager::from_environment().with_ready_fd(ready_fd);
                let manager = manager.with_sign_of_life(sign);
                let (config, origins) = (&config, &origins);
                let given = Given { config, origins, asked, inherited, manager, predecessor };
                start(given, shard, reactor)
            }
            errors => {
                let mut faults = faults(config, origins, &mut reactor)?;
                faults.extend(errors);
                take_all(faults)
            }
        }
    };
    match outcome {
        Err(StartError::Stopped) => stopped(check_only),
        outcome => outcome,
    }
}

/// The result of a signal before the server serves. For `--check-config` it is an error, so that a
/// script does not take the check for passed.
pub(crate) fn stopped(check_only: bool) -> Result<(), StartError> {
    if check_only {
        return Err(StartError::Stopped);
    }
    log::info!("stopped before serving");
    Ok(())
}

/// `--check-config`: reads all files that a start would read, and reports all errors.
fn check(config: Config, origins: Origins, reactor: &mut Reactor) -> Result<(), StartError> {
    let zone = zone::source(&config);
    let faults = faults(config, origins, reactor)?;
    let is_too_few =
        |fault: &Located<StartError>| matches!(fault.what, StartError::TooFewDescriptors(_));
    if !faults.iter().any(is_too_few) {
        // An unknown zone is only a warning, as at a start.
        zone::first_rules(&zone);
    }
    take_all(faults)?;
    print_for_people("the configuration is valid\n")
}

/// What is wrong with the configuration beyond its flags and addresses.
pub(crate) fn faults(
    config: Config,
    origins: Origins,
    reactor: &mut Reactor,
) -> Result<Vec<Located<StartError>>, StartError> {
    let limit = descriptors::raise_limit();
    interruptible::run(reactor, move || check::faults(&config, &origins, limit))
}

/// What a start begins with.
pub(crate) struct Given<'a> {
    pub(crate) config: &'a Config,
    /// Where each setting stands.
    pub(crate) origins: &'a Origins,
    /// What SIGHUP reads again.
    pub(crate) asked: Asked,
    pub(crate) inherited: Inherited,
    pub(crate) manager: ServiceManager,
    /// The process that has started this one by an upgrade.
    pub(crate) predecessor: Option<Predecessor>,
}

/// Serves, in this process or with shards, or reports all errors.
fn start(given: Given<'_>, shard: Option<Shard>, mut reactor: Reactor) -> Result<(), StartError> {
    let Given { config, origins, .. } = given;
    let limit = descriptors::raise_limit();
    let taken = listening::taken(config, &given.inherited);
    if shard.is_none() && has_obstacles(config, origins, limit, &mut reactor)? {
        // The server will not start, so all other errors are looked for, too.
        let mut faults = faults(config.clone(), origins.clone(), &mut reactor)?;
        faults.extend(listening::obstacles(config, origins, &taken));
        return take_all(faults);
    }
    log::info!("readyd {VERSION}, pid {}", process::id());
    if let Some(cpus) = config.counted_cpus {
        let (cpus, shards) = (counted(cpus, "CPU"), counted(config.shards, "shard"));
        log::info!("shards auto: {cpus} may be used, so {shards}");
    }
    if shard.is_none() {
        check::warn_of_excesses(config, origins, limit);
    }
    let outcome = match config.shards {
        1 => serve(given, shard, limit, reactor),
        _ => supervisor::run(given, reactor),
    };
    match outcome {
        // No address has been bound by then.
        Err(StartError::Table(error)) => {
            let mut faults = vec![check::of_the_table(origins, error)];
            faults.extend(listening::obstacles(config, origins, &taken));
            take_all(faults)
        }
        outcome => outcome,
    }
}

/// Whether the start will fail for a reason that is known before the table is read. Of these checks
/// only looking up an account in a directory service may take long.
fn has_obstacles(
    config: &Config,
    origins: &Origins,
    limit: usize,
    reactor: &mut Reactor,
) -> Result<bool, StartError> {
    let obstacles = if config.user.is_none() {
        check::obstacles(config, origins, limit)
    } else {
        let (config, origins) = (config.clone(), origins.clone());
        interruptible::run(reactor, move || check::obstacles(&config, &origins, limit))?
    };
    Ok(!obstacles.is_empty())
}

/// Serves in this process.
fn serve(
    given: Given<'_>,
    mut shard: Option<Shard>,
    descriptor_limit: usize,
    mut reactor: Reactor,
) -> Result<(), StartError> {
    let Given { config, origins, asked, inherited, manager, mut predecessor } = given;
    let credentials = resolve(config.user.as_ref(), &mut reactor)?;
    let is_shard = shard.is_some();
    let own_listeners = shard.as_ref().map(Shard::own_listeners);
    let number = shard.as_ref().map(Shard::number);
    let waits = shard.as_ref().is_some_and(Shard::waits);
    let source = Source::of(shard.as_mut(), predecessor.is_some(), credentials.as_ref());
    let config_file = asked.file().map(Path::to_owned);
    let measures_turns = shard.as_ref().map_or(config.has_metrics(), Shard::measures_turns);
    // Before there is a table, and while there is one thread.
    let starter = upgrading::starter(config, is_shard, credentials.as_ref(), &reactor)?;
    let certificates = match &shard {
        Some(shard) => shard.certificates(),
        None => certificates::first(config, origins, &mut reactor, predecessor.as_mut())?,
    };
    let (table, zone_rules, mut parent, scoreboard_slot) = match shard {
        Some(shard) => with_supervisor(shard, &mut reactor)?,
        None => without_parent(config, asked, manager, &mut reactor)?,
    };
    // The table may have been one of these descriptors (--table /dev/fd/63); it has been read.
    inherited_fd::close_others();
    reactor.watch_signals().map_err(|error| StartError::System("watch signals", error))?;
    let net = reactor.net().map_err(|error| StartError::System("share epoll", error))?;
    let net = net.measuring(Meter::open());
    let bound = listening::bind_all(config, origins, 1, inherited)?;
    let listeners: Vec<Bound> = bound.into_iter().flatten().collect();
    let of_this = if is_shard { Budget::of_a_shard } else { Budget::of_a_server };
    let budget = of_this(descriptor_limit, listeners.len()).with_what_is_open();
    let budget = budget.with_reserved(check::operator_places(config));
    budget.check(config.max_connections).map_err(StartError::TooFewDescriptors)?;
    if !is_shard {
        announce(config, &addresses(&listeners)?, &mut reactor, &[])?;
    }
    let (trace, capture) = recordings::open(config, number, source, &reactor)?;
    drop_privileges(config, credentials)?;
    let held = hold(config, certificates.as_ref(), &mut parent, &reactor);
    let mut statistics = scoreboard_slot.map(|slot| Box::new(slot) as Box<dyn SharedStats>);
    if let (Some(starter), Parent::None { upgrades, .. }) = (starter, &mut parent) {
        let given = upgrading::prepare(predecessor, starter, &listeners, &reactor)?;
        (*upgrades, statistics) = (Some(given.upgrades), given.statistics);
    }
    let mut limits = limits_within(config, budget);
    // Nothing before this has read a byte of a client.
    limits.landlock_abi = sandbox::enter(config, config_file.as_deref(), is_shard)?;
    limits.measures_turns = measures_turns;
    limits.tls_certificate_expires = held.as_ref().map_or(0, Held::first_expiry);

    let prepared = Prepared {
        limits,
        table,
        dates: DateCache::new(zone_rules),
        listeners,
        own_listeners,
        shard: number,
        waits,
        statistics,
        parent,
        budget,
        certificates: held,
        trace,
        capture,
    };
    prepared.run(net, reactor)
}

/// The limits of the configuration, as far as the system has room.
fn limits_within(config: &Config, budget: Budget) -> Limits {
    Limits {
        max_connections: max_connections(config.max_connections, budget),
        memory_limit: memory_limit(config.memory_limit),
        log_level: log::max_level(),
        ..config.limits.clone()
    }
}

/// The certificates to serve with. A server without a supervisor reads them again itself.
fn hold(
    config: &Config,
    certificates: Option<&Certificates>,
    parent: &mut Parent,
    reactor: &Reactor,
) -> Option<Held> {
    if let (Parent::None { certificates: reader, .. }, Some(read)) = (parent, certificates) {
        read.say_when_they_expire();
        *reader = Some(Box::new(CertificateReader::new(config, read, reactor)));
    }
    certificates.and_then(Held::of)
}

/// What a server starts with: the table, the rules of the time zone, its parent, and a shard's slot
/// on the scoreboard.
type StartState = (Table, ZoneRules, Parent, Option<ScoreboardSlot>);

/// Without a supervisor: the server reads the table and the time zone itself.
fn without_parent(
    config: &Config,
    asked: Asked,
    mut manager: ServiceManager,
    reactor: &mut Reactor,
) -> Result<StartState, StartError> {
    let (table, source) = first_table(config, Ok, &mut manager, reactor)?;
    let zone_source = zone::source(config);
    let rules = zone::first_rules(&zone_source);
    let tables = Loader::new(source, Ok, reactor);
    let zone = ZoneReader::new(zone_source, reactor);
    let configs = ConfigReader::new(asked, config, reactor).map(Box::new);
    let manager = Box::new(manager);
    Ok((
        table,
        rules,
        Parent::None { tables, zone, configs, certificates: None, manager, upgrades: None },
        None,
    ))
}

/// With a supervisor: the shard has inherited them.
fn with_supervisor(shard: Shard, reactor: &mut Reactor) -> Result<StartState, StartError> {
    let (table, rules, scoreboard_slot, control) = shard.into_parts();
    reactor
        .watch_input(&control)
        .map_err(|error| StartError::System("watch the supervisor", error))?;
    Ok((table, rules, Parent::Supervisor(control), Some(scoreboard_slot)))
}

/// Looks up the account of `--user`, if there is one, in a thread: a directory service may be slow
/// to answer.
pub(crate) fn resolve(
    user: Option<&Account>,
    reactor: &mut Reactor,
) -> Result<Option<Credentials>, StartError> {
    let Some(account) = user.cloned() else { return Ok(None) };
    interruptible::run(reactor, move || {
        account.resolve().map(Some).map_err(|error| StartError::Account(account, error))
    })?
}

/// Checks that the account of `--user` may execute the program: shards are started after the
/// privileges are dropped.
pub(crate) fn check_that_it_may_execute(
    config: &Config,
    credentials: Option<&Credentials>,
    program: &Program,
) -> Result<(), StartError> {
    let Some(credentials) = credentials else { return Ok(()) };
    let cannot = |error| StartError::System("read the program's own file", error);
    match (credentials.may_execute(program).map_err(cannot)?, &config.user) {
        (false, Some(account)) => Err(StartError::Account(
            account.clone(),
            AccountError::CannotExecute(credentials.clone()),
        )),
        _ => Ok(()),
    }
}

/// Becomes the user of `--user`, if there is one.
pub(crate) fn drop_privileges(
    config: &Config,
    credentials: Option<Credentials>,
) -> Result<(), StartError> {
    if let (Some(credentials), Some(account)) = (credentials, &config.user) {
        credentials.drop_to().map_err(|error| StartError::Account(account.clone(), error))?;
        log::info!("serving as {account} ({credentials})");
    }
    Ok(())
}

/// The addresses of listening sockets.
pub(crate) fn addresses(bound: &[Bound]) -> Result<Vec<(Listen, Address)>, StartError> {
    let cannot = |error| StartError::System("read an address", error);
    let address = |(socket, listen): &Bound| {
        socket.address().map(|address| (listen.clone(), address)).map_err(cannot)
    };
    bound.iter().map(address).collect()
}

/// Tells the addresses: in the log, and in the file or descriptor that the flags name.
///
/// `others` are the signals that are watched beside those of every server.
pub(crate) fn announce(
    config: &Config,
    addresses: &[(Listen, Address)],
    reactor: &mut Reactor,
    others: &[Signal],
) -> Result<(), StartError> {
    let mut text = String::new();
    for (listen, address) in addresses {
        let service = listen.service.name();
        let tls = if listen.tls.is_some() { " with TLS" } else { "" };
        match &listen.proxies {
            Some(proxies) => log::info!("listening {service} {address}{tls} ({proxies})"),
            None => log::info!("listening {service} {address}{tls}"),
        }
        text += &format!("{service} {address}\n");
    }
    // A script may wait for the addresses, so the server does not serve if they cannot be printed.
    if config.print_addresses { print_at_start(text, reactor, others) } else { Ok(()) }
}

/// The most connections: of the flag, or as many as the descriptor limit has room for.
fn max_connections(asked: Option<usize>, budget: Budget) -> usize {
    asked.unwrap_or_else(|| {
        let room = most_connections(budget);
        let most = counted(room, "connection");
        log::info!("at most {most} (descriptor limit {})", budget.limit());
        room
    })
}

/// As many connections as the descriptor limit has room for.
pub(crate) fn most_connections(budget: Budget) -> usize {
    budget.room().min(Limits::MAX_CONNECTIONS_BOUND)
}

/// The most bytes of buffers: of the flag, or a share of the memory.
pub(crate) fn memory_limit(asked: Option<usize>) -> usize {
    const MIB: usize = 1 << 20;
    asked.unwrap_or_else(|| {
        let limit = memory::limit_for_buffers();
        log::info!("at most {} MiB in buffers (--memory-limit)", limit / MIB);
        limit
    })
}
