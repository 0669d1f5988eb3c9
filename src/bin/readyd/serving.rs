//! A server whose start has succeeded: it is put together, and runs.
//!
//! Invariant: with `--trace` or `--capture` the loop has hooks, and without them it is compiled
//! without.

use crate::capturing::{self, Capture};
use crate::daemon::{Daemon, Parent};
use crate::listening::Bound;
use crate::start::StartError;
use crate::tracing::Trace;
use nix::unistd::getppid;
use readyd::capture::Captured;
use readyd::capture::start::{Listener, OfShard, Start};
use readyd::config::listen::{BindTarget, Listen};
use readyd::handlers::daytime::DateCache;
use readyd::io::clock::Moment;
use readyd::io::net::{Net, Told};
use readyd::os::descriptors::Budget;
use readyd::reactor::{MioNet, Reactor};
use readyd::server::Server;
use readyd::server::limits::Limits;
use readyd::server::stats::publishing::SharedStats;
use readyd::table::Table;
use std::process;

/// All that a server is made of, but its network.
pub(crate) struct Prepared {
    pub(crate) limits: Limits,
    pub(crate) table: Table,
    pub(crate) dates: DateCache,
    pub(crate) listeners: Vec<Bound>,
    /// Of a shard: how many of its listeners, from the first, no program but the supervisor has.
    pub(crate) own_listeners: Option<usize>,
    /// Of a shard: its number, from 0.
    pub(crate) shard: Option<usize>,
    /// Of a shard: whether it waits for an order before it serves.
    pub(crate) waits: bool,
    /// The statistics that it shares with other processes.
    pub(crate) statistics: Option<Box<dyn SharedStats>>,
    pub(crate) parent: Parent,
    /// How many descriptors there are for connections.
    pub(crate) budget: Budget,
    pub(crate) trace: Option<Trace>,
    pub(crate) capture: Option<Capture>,
}

impl Prepared {
    /// Serves until it stops.
    ///
    /// # Errors
    ///
    /// What the system refused.
    pub(crate) fn run(mut self, net: MioNet, reactor: Reactor) -> Result<(), StartError> {
        let now = reactor.now();
        let bound = std::mem::take(&mut self.listeners);
        if cfg!(feature = "trace") && (self.trace.is_some() || self.capture.is_some()) {
            let tape = match self.capture.take() {
                Some(capture) => {
                    let start = self.beginning(&bound, now);
                    Some(capture.begin(&start).map_err(StartError::Capture)?)
                }
                None => None,
            };
            if let (Some(tape), Some(shared)) = (&tape, self.statistics.take()) {
                self.statistics = Some(capturing::statistics(shared, tape));
            }
            let net = Captured::new(net, tape);
            let listen = |(socket, listen): Bound| (net.listener(socket.into()), listen);
            let listeners = bound.into_iter().map(listen).collect();
            self.run_on(net, listeners, reactor, now)
        } else {
            let listeners = bound.into_iter().map(|(socket, listen)| (socket.into(), listen));
            let listeners = listeners.collect();
            self.run_on(net, listeners, reactor, now)
        }
    }

    /// What a capture says of the server.
    fn beginning(&self, bound: &[Bound], now: Moment) -> Start<'_> {
        let Told::Table { text, is_value_first } = self.table.told() else {
            return Start::default();
        };
        let listeners = bound.iter().enumerate().map(|(index, (socket, listen))| Listener {
            serves: listen.serves(),
            is_own: self.is_own(index, listen),
            address: socket.address().map(|address| address.to_string()).unwrap_or_default(),
        });
        Start {
            pid: process::id(),
            shard: self.statistics.as_ref().map(|shared| OfShard {
                number: self.shard.map_or(0, |number| number as u32 + 1),
                supervisor: self.shard.map_or(0, |_| getppid().as_raw().cast_unsigned()),
                age: shared.age_at_start(),
            }),
            now,
            limits: self.limits.clone(),
            table: text.into(),
            is_value_first,
            zone: self.dates.rules().as_bytes().into(),
            listeners: listeners.collect(),
            ..Start::default()
        }
    }

    /// Whether no program but the supervisor has a listener. A supervisor accepts no clients from
    /// the sockets that it has bound for its shards. Another program may accept from a socket that
    /// it has passed on.
    fn is_own(&self, index: usize, listen: &Listen) -> bool {
        match self.own_listeners {
            Some(count) => index < count,
            None => !matches!(listen.target, BindTarget::Inherited(_)),
        }
    }

    fn run_on<N: Net>(
        self,
        net: N,
        listeners: Vec<(N::Listener, Listen)>,
        mut reactor: Reactor,
        now: Moment,
    ) -> Result<(), StartError> {
        let own: Vec<bool> =
            listeners.iter().enumerate().map(|(index, (_, of))| self.is_own(index, of)).collect();
        let mut server = Server::new(net, self.limits, self.table, self.dates, now);
        for ((listener, listen), is_own) in listeners.into_iter().zip(own) {
            let result = if is_own {
                server.listen(listener, listen.serves())
            } else {
                server.listen_with_others(listener, listen.serves())
            };
            result.map_err(|error| StartError::System("watch a listener", error))?;
        }
        match (self.statistics, self.shard) {
            (Some(statistics), Some(_)) => {
                server.share_statistics(statistics, getppid().as_raw().cast_unsigned());
            }
            (Some(statistics), None) => server.continue_statistics(statistics),
            (None, _) => {}
        }
        let keeper = self.trace.and_then(|trace| trace.begin(&mut server));
        let mut daemon = Daemon::new(server, self.parent, self.budget, keeper);
        daemon.say_that_it_serves(self.waits, reactor.now());
        reactor.run(&mut daemon).map_err(|error| StartError::System("wait for events", error))?;
        daemon.say_goodbye()
    }
}
