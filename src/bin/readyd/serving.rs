//! A server whose start has succeeded: it is put together, and runs.
//!
//! Invariant: with `--trace` or `--capture` the loop has hooks, and without them it is compiled
//! without.

use crate::capturing::{self, Capture};
use crate::certificates::Held;
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
use readyd::io::net::{Accept, Net, Told};
use readyd::os::descriptors::Budget;
use readyd::reactor::listener::Listener as Socket;
use readyd::reactor::{MioNet, Reactor};
use readyd::server::Server;
use readyd::server::limits::Limits;
use readyd::server::proxied::Serves;
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
    /// The certificates of encrypted listeners, if there are such.
    pub(crate) certificates: Option<Held>,
    pub(crate) trace: Option<Trace>,
    pub(crate) capture: Option<Capture>,
}

impl Prepared {
    /// Serves until it stops.
    ///
    /// # Errors
    ///
    /// What the system refused.
    pub(crate) fn run(self, net: MioNet, reactor: Reactor) -> Result<(), StartError> {
        let is_observed = self.trace.is_some() || self.capture.is_some();
        let is_observed = cfg!(feature = "trace") && is_observed;
        #[cfg(feature = "tls")]
        if is_observed || self.certificates.is_some() {
            let held = self.certificates.as_ref();
            if self.capture.is_some() && held.is_some() {
                log::warn!("the capture has what TLS clients say and are told, not encrypted");
            }
            // The loop with hooks is in the program once: a plain server has it over this, too.
            let net = readyd::tls::Secured::new(net, held.map(Held::identities));
            return match is_observed {
                true => self.run_observed(net, reactor),
                false => self.run_plain(net, reactor),
            };
        }
        match is_observed && cfg!(not(feature = "tls")) {
            true => self.run_observed(net, reactor),
            false => self.run_plain(net, reactor),
        }
    }

    fn run_observed<N>(mut self, net: N, reactor: Reactor) -> Result<(), StartError>
    where
        N: Net + Accept<Listener = Socket>,
    {
        let now = reactor.now();
        let bound = std::mem::take(&mut self.listeners);
        let tape = match self.capture.take() {
            Some(capture) => {
                let start = self.beginning(&bound, now);
                capture.begin(&start)?
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
    }

    fn run_plain<N>(mut self, net: N, reactor: Reactor) -> Result<(), StartError>
    where
        N: Net + Accept<Listener = Socket>,
    {
        let now = reactor.now();
        let bound = std::mem::take(&mut self.listeners);
        let listeners = bound.into_iter().map(|(socket, listen)| (socket.into(), listen));
        let listeners = listeners.collect();
        self.run_on(net, listeners, reactor, now)
    }

    /// What a capture says of the server.
    fn beginning(&self, bound: &[Bound], now: Moment) -> Start<'_> {
        let Told::Table { text, is_value_first } = self.table.told() else {
            return Start::default();
        };
        let listeners = bound.iter().enumerate().map(|(index, (socket, listen))| Listener {
            serves: self.serves(listen),
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

    /// What a listener serves, to whom, and with which certificate.
    fn serves(&self, listen: &Listen) -> Serves {
        let tls = self.certificates.as_ref().and_then(|held| held.number(listen));
        Serves { tls, ..listen.serves() }
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
        let of =
            |(index, (_, of)): (usize, &(_, Listen))| (self.is_own(index, of), self.serves(of));
        let of_each: Vec<(bool, Serves)> = listeners.iter().enumerate().map(of).collect();
        let mut server = Server::new(net, self.limits, self.table, self.dates, now);
        for ((listener, _), (is_own, serves)) in listeners.into_iter().zip(of_each) {
            let result = if is_own {
                server.listen(listener, serves)
            } else {
                server.listen_with_others(listener, serves)
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
        let mut daemon = Daemon::new(server, self.parent, self.budget, keeper, self.certificates);
        daemon.say_that_it_serves(self.waits, reactor.now());
        reactor.run(&mut daemon).map_err(|error| StartError::System("wait for events", error))?;
        daemon.say_goodbye()
    }
}
