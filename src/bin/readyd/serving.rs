//! A server whose start has succeeded: it is put together, and runs.
//!
//! Invariant: with `--trace` the loop has hooks, and without it the loop is compiled without.

use crate::daemon::{Daemon, Parent};
use crate::listening::Bound;
use crate::start::StartError;
use crate::tracing::Trace;
use nix::unistd::getppid;
use readyd::config::listen::BindTarget;
use readyd::handlers::daytime::DateCache;
use readyd::reactor::{MioNet, Reactor};
use readyd::server::Server;
use readyd::server::limits::Limits;
use readyd::server::stats::scoreboard::ScoreboardSlot;
use readyd::table::Table;

/// All that a server is made of, but its network.
pub(crate) struct Prepared {
    pub(crate) limits: Limits,
    pub(crate) table: Table,
    pub(crate) dates: DateCache,
    pub(crate) listeners: Vec<Bound>,
    /// Of a shard: how many of its listeners, from the first, no program but the supervisor has.
    pub(crate) own_listeners: Option<usize>,
    pub(crate) scoreboard_slot: Option<ScoreboardSlot>,
    pub(crate) parent: Parent,
    pub(crate) trace: Option<Trace>,
}

impl Prepared {
    /// Serves until it stops.
    ///
    /// # Errors
    ///
    /// What the system refused.
    pub(crate) fn run(self, net: MioNet, reactor: Reactor) -> Result<(), StartError> {
        if cfg!(feature = "trace") && self.trace.is_some() {
            self.run_on(net.observed(), reactor)
        } else {
            self.run_on(net, reactor)
        }
    }

    fn run_on<const OBSERVED: bool>(
        self,
        net: MioNet<OBSERVED>,
        mut reactor: Reactor,
    ) -> Result<(), StartError> {
        let sockets = self.listeners.into_iter();
        let listeners: Vec<_> =
            sockets.map(|(socket, listen)| (net.listener(socket), listen)).collect();
        let mut server = Server::new(net, self.limits, self.table, self.dates, reactor.now());
        for (index, (listener, listen)) in listeners.into_iter().enumerate() {
            // A supervisor accepts no clients from the sockets that it has bound for its shards.
            // Another program may accept from a socket that it has passed on.
            let is_own = match self.own_listeners {
                Some(count) => index < count,
                None => !matches!(listen.target, BindTarget::Inherited(_)),
            };
            let result = if is_own {
                server.listen(listener, listen.service)
            } else {
                server.listen_with_others(listener, listen.service)
            };
            result.map_err(|error| StartError::System("watch a listener", error))?;
        }
        if let Some(scoreboard_slot) = self.scoreboard_slot {
            server.share_statistics(Box::new(scoreboard_slot), getppid().as_raw().cast_unsigned());
        }
        let keeper = self.trace.and_then(|trace| trace.begin(&mut server));
        let mut daemon = Daemon::new(server, self.parent, keeper);
        daemon.say_that_it_serves(reactor.now());
        reactor.run(&mut daemon).map_err(|error| StartError::System("wait for events", error))?;
        daemon.say_goodbye();
        Ok(())
    }
}
