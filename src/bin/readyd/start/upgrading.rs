//! What a server without a supervisor needs to be upgraded, and to be the new one of an upgrade.

use super::StartError;
use crate::daemon::Upgrading;
use crate::listening::Bound;
use crate::sandbox;
use crate::shard::monotonic_nanos;
use crate::upgrade::{self, Command, Predecessor, Starter, Upgrades};
use readyd::config::Config;
use readyd::os::listener::Listener;
use readyd::os::listener::unix::SocketFile;
use readyd::os::privileges::Credentials;
use readyd::os::usage::cpu_time;
use readyd::reactor::Reactor;
use readyd::server::stats::publishing::SharedStats;
use readyd::server::stats::scoreboard::{Scoreboard, ScoreboardSlot};
use std::io;
use std::process;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// What starts the next process of a server that is no shard: the server itself, or a launcher if
/// it will be confined.
pub(super) fn starter(
    config: &Config,
    is_shard: bool,
    credentials: Option<&Credentials>,
    reactor: &Reactor,
) -> Result<Option<Starter>, StartError> {
    if is_shard || cfg!(not(feature = "ops")) {
        return Ok(None);
    }
    // Process 1 is not upgraded, and reaps nobody.
    let is_confined_later = sandbox::will_confine(config) && process::id() != upgrade::INIT;
    let starter = match is_confined_later {
        true => Starter::launcher(Command::own(), credentials),
        false => Ok(Starter::here(Command::own(), reactor)),
    };
    starter.map(Some).map_err(|error| StartError::System("fork the launcher", error))
}

/// See [`prepare`].
pub(super) struct Prepared {
    pub(super) upgrades: Box<Upgrading>,
    /// Of the new process of an upgrade: what it counts, and those before it.
    pub(super) statistics: Option<Box<dyn SharedStats>>,
}

/// With `predecessor`, the server goes on from what that has counted.
pub(super) fn prepare(
    mut predecessor: Option<Predecessor>,
    starter: Starter,
    listeners: &[Bound],
    reactor: &Reactor,
) -> Result<Prepared, StartError> {
    let cannot = |error| StartError::System("share the statistics", error);
    let (mut board, mut statistics) = (None, None);
    if let Some(predecessor) = &mut predecessor {
        let created = Scoreboard::create_after(1, &predecessor.take_ended()).map_err(cannot)?;
        let slot = slot(created.try_clone().map_err(cannot)?, predecessor).map_err(cannot)?;
        (board, statistics) = (Some(created), Some(Box::new(slot) as Box<dyn SharedStats>));
    }
    let inputs = reactor.inputs().map_err(|error| StartError::System("share epoll", error))?;
    let given = upgrade::Given { starter, inputs, board, predecessor, files: files(listeners) };
    let upgrades =
        Upgrades::new(given).map_err(|error| StartError::System("watch the old process", error))?;
    let listeners = listeners.iter().map(upgrade::passed).collect();
    Ok(Prepared { upgrades: Box::new(Upgrading { upgrades, listeners }), statistics })
}

fn slot(board: Scoreboard, predecessor: &Predecessor) -> io::Result<ScoreboardSlot> {
    let age = Duration::from_nanos(monotonic_nanos().saturating_sub(predecessor.began()));
    let slot = ScoreboardSlot::take(board, 0, age)?;
    Ok(slot.after(predecessor.boards()?).measuring(cpu_time))
}

/// The files of unix sockets, which are removed with their listeners.
pub(super) fn files(listeners: &[Bound]) -> Vec<Weak<SocketFile>> {
    let file = |(socket, _): &Bound| match socket {
        Listener::Unix { file: Some(file), .. } => Some(Arc::downgrade(file)),
        _ => None,
    };
    listeners.iter().filter_map(file).collect()
}
