//! What is wrong with a configuration beyond its flags: files, accounts, limits of the system.
//!
//! It binds no socket and takes no inherited descriptor. A table may take long to read, and an
//! account to be looked up: see [`crate::interruptible`].

use crate::certificates;
use crate::loader::TableSource;
use crate::sandbox;
use crate::start::StartError;
use readyd::config::excess::{SystemLimits, excesses};
use readyd::config::listen::{BindTarget, Listen};
use readyd::config::{Config, Located, Origins};
use readyd::os::descriptors::{self, Budget};
use readyd::server::OPERATOR_PLACES;
use readyd::table::LoadError;

/// All reasons why a server would not start, or would get less than the configuration asks for,
/// except its addresses. `limit` is the descriptor limit.
pub(crate) fn faults(config: &Config, origins: &Origins, limit: usize) -> Vec<Located<StartError>> {
    let mut faults = obstacles(config, origins, limit);
    if let Err(error) = TableSource::of(config).load() {
        faults.push(of_the_table(origins, error));
    }
    faults.extend(certificates::faults(config, origins));
    let system = SystemLimits::read(budget(config, limit));
    let excesses = excesses(config, origins, &system).into_iter();
    faults.extend(
        excesses.map(|Located { origin, what }| Located { origin, what: StartError::Excess(what) }),
    );
    faults
}

/// The error of loading the table, with the place of its flag.
pub(crate) fn of_the_table(origins: &Origins, error: LoadError) -> Located<StartError> {
    Located::new(origins.of("table"), StartError::Table(error))
}

/// The reasons why a server would not start that can be found without delay.
pub(crate) fn obstacles(
    config: &Config,
    origins: &Origins,
    limit: usize,
) -> Vec<Located<StartError>> {
    let mut faults = Vec::new();
    if let Some(account) = &config.user
        && let Err(error) = account.resolve()
    {
        let error = StartError::Account(account.clone(), error);
        faults.push(Located::new(origins.of("user"), error));
    }
    if let Err(error) = sandbox::check_required(config) {
        faults.push(Located::new(origins.of("sandbox"), StartError::Sandbox(error)));
    }
    let asked = config.max_connections.map(|total| total.div_ceil(config.shards));
    let of_a_process =
        budget(config, limit).check(asked).map_err(|error| ("max-connections", error));
    let of_the_supervisor = match config.shards {
        1 => Ok(()),
        shards => descriptors::check_supervisor(limit, shards, sockets(config)),
    };
    let of_the_supervisor = of_the_supervisor.map_err(|error| ("shards", error));
    // The one that needs more descriptors: a limit that is enough for it is enough for both.
    let too_few = [of_a_process, of_the_supervisor].into_iter().filter_map(Result::err);
    if let Some((flag, error)) = too_few.max_by_key(|(_, error)| error.needed()) {
        faults.push(Located::new(origins.of(flag), StartError::TooFewDescriptors(error)));
    }
    faults
}

/// Logs the limits that exceed those of the system.
pub(crate) fn warn_of_excesses(config: &Config, origins: &Origins, limit: usize) {
    let system = SystemLimits::read(budget(config, limit));
    for excess in excesses(config, origins, &system) {
        log::warn!("{excess}");
    }
}

/// The descriptor budget of each process that serves.
fn budget(config: &Config, limit: usize) -> Budget {
    match config.shards {
        1 => Budget::of_a_server(limit, sockets(config)),
        _ => Budget::of_a_shard(limit, sockets(config)),
    }
    .with_reserved(operator_places(config))
}

/// The descriptors of operators' connections, which have places beside those of clients.
pub(crate) fn operator_places(config: &Config) -> usize {
    if config.has_metrics() { OPERATOR_PLACES } else { 0 }
}

/// The number of sockets that each of them listens on.
fn sockets(config: &Config) -> usize {
    let sockets_of = |listen: &Listen| match listen.target {
        BindTarget::Unix(_) | BindTarget::Inherited(_) | BindTarget::Systemd(_) => 1,
        _ => listen.target.addresses().len(),
    };
    config.listeners.iter().map(sockets_of).sum()
}
