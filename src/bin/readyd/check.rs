//! What is wrong with a configuration besides its flags: files, accounts, limits of the system.
//!
//! Nothing is bound, nothing is taken, no signal is blocked: SIGTERM ends a check at once, however long
//! a table takes to read.

use crate::start::{self, StartError};
use readyd::config::excess::{SystemLimits, excesses};
use readyd::config::listen::{Listen, Place};
use readyd::config::{Config, Located, Origins};
use readyd::descriptors::{self, Allowance, Budget};
use readyd::table::LoadError;

/// All that would keep a server from starting or give it less than was asked for, but for its addresses.
pub(crate) fn faults(
    config: &Config,
    origins: &Origins,
    descriptors: Allowance,
) -> Vec<Located<StartError>> {
    let mut faults = obstacles(config, origins, descriptors);
    if let Err(error) = start::table_source(config).load() {
        faults.push(of_the_table(origins, error));
    }
    let system = SystemLimits::read(budget(config, descriptors));
    let excesses = excesses(config, origins, &system).into_iter();
    faults.extend(
        excesses.map(|Located { origin, what }| Located { origin, what: StartError::Excess(what) }),
    );
    faults
}

pub(crate) fn of_the_table(origins: &Origins, error: LoadError) -> Located<StartError> {
    Located::new(origins.of("table"), StartError::Table(error))
}

/// What would keep a server from starting and can be told in no time.
pub(crate) fn obstacles(
    config: &Config,
    origins: &Origins,
    descriptors: Allowance,
) -> Vec<Located<StartError>> {
    let mut faults = Vec::new();
    if let Err(error) = start::look_up(config.user.as_ref()) {
        faults.push(Located::new(origins.of("user"), error));
    }
    let asked = config.max_connections.map(|total| total.div_ceil(config.shards));
    let too_few =
        |flag, error| Located::new(origins.of(flag), StartError::TooFewDescriptors(error));
    if let Err(error) = budget(config, descriptors).check(asked) {
        faults.push(too_few("max-connections", error));
    } else if config.shards > 1
        && let Err(error) =
            descriptors::check_supervisor(descriptors, config.shards, sockets(config))
    {
        faults.push(too_few("shards", error));
    }
    faults
}

/// Logs which limits are more than the system gives.
pub(crate) fn warn_of_excesses(config: &Config, origins: &Origins, descriptors: Allowance) {
    let system = SystemLimits::read(budget(config, descriptors));
    for excess in excesses(config, origins, &system) {
        log::warn!("{excess}");
    }
}

/// The descriptors of each process that serves.
fn budget(config: &Config, descriptors: Allowance) -> Budget {
    match config.shards {
        1 => Budget::of_a_server(descriptors, sockets(config)),
        _ => Budget::of_a_shard(descriptors, sockets(config)),
    }
}

/// How many sockets each of them listens on.
fn sockets(config: &Config) -> usize {
    let sockets_of = |listen: &Listen| match listen.place {
        Place::Inherited(_) => 1,
        _ => listen.place.addresses().len(),
    };
    config.listeners.iter().map(sockets_of).sum()
}
