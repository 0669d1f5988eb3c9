//! A server on a test bench: events are delivered, the clock is set, and after every turn the
//! server's invariants are checked.

use super::fake_net::{Client, FakeListener, FakeNet};
use crate::handlers::Service;
use crate::handlers::daytime::DateCache;
use crate::io::clock::Moment;
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::io::net::{Accept, Net};
use crate::protocol::frame::encode_header;
use crate::server::Server;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use crate::server::proxied::Serves;
use crate::server::stats::standing::{Standing, Standings};
use crate::table::Table;
use std::time::Duration;

/// The numbers of the listeners, in the order of [`SERVICES`].
pub(super) const FRAMED: usize = 0;
pub(super) const ECHO: usize = 1;
pub(super) const LOOKUP: usize = 2;
pub(super) const CHARGEN: usize = 3;
pub(super) const GREETING: usize = 4;

const SERVICES: [Service; 5] =
    [Service::FRAMED, Service::ECHO, Service::LOOKUP, Service::CHARGEN, Service::GREETING];

/// More turns than any test needs: a server that still wants more is spinning.
const MANY_TURNS: usize = 10_000;

/// `body` as a frame.
pub(super) fn frame(body: &[u8]) -> Vec<u8> {
    [&encode_header(body.len()), body].concat()
}

pub(super) struct Bench<N: Net = FakeNet> {
    pub(super) server: Server<N>,
    pub(super) net: FakeNet,
    pub(super) now: Moment,
    /// As many connections as were ever allowed.
    most_connections: usize,
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench::with_limits(Limits::default())
    }

    pub(super) fn with_limits(limits: Limits) -> Bench {
        let net = FakeNet::new();
        Bench::over(net.clone(), net, limits)
    }
}

impl<N: Net + Accept<Listener = FakeListener>> Bench<N> {
    /// A server on `over`, a network around `net`.
    pub(super) fn over(over: N, net: FakeNet, limits: Limits) -> Bench<N> {
        // The server wakes up to tell of suppressed log lines; so that all tests see the same
        // wake-ups, whichever run beside them, all set the same level.
        log::set_max_level(log::LevelFilter::Info);
        limits.validate().expect("limits that can be kept");
        let now = Moment::START + Duration::from_secs(1000);
        let dates = DateCache::utc();
        let most_connections = limits.max_connections;
        let mut server = Server::new(over, limits, Table::embedded(), dates, now);
        for service in SERVICES {
            server.listen(net.listener(), service).expect("nothing fails");
        }
        Bench { server, net, now, most_connections }
    }

    pub(super) fn limits(&self) -> Limits {
        self.server.cx.limits.clone()
    }

    /// Has other limits from now on. What is open by the old ones stays open.
    pub(super) fn replace_limits(&mut self, limits: Limits) {
        self.most_connections = self.most_connections.max(limits.max_connections);
        self.server.replace_limits(limits);
    }

    /// Adds a listener, and returns its number.
    pub(super) fn listen(&mut self, serves: Serves) -> usize {
        let number = self.server.acceptor.len();
        self.server.listen(self.net.listener(), serves).expect("nothing fails");
        number
    }

    /// One turn of the loop.
    pub(super) fn turn(&mut self) -> LoopControl {
        for (token, readiness) in self.net.poll() {
            self.server.on_ready(token, readiness);
        }
        let next = self.server.end_turn(self.now);
        self.check(next);
        next
    }

    /// Turns the loop until it would wait for events or for time, or stop.
    pub(super) fn run(&mut self) -> LoopControl {
        for _ in 0..MANY_TURNS {
            let next = self.turn();
            if next == LoopControl::Stop || (next != LoopControl::Poll && !self.net.has_events()) {
                return next;
            }
        }
        panic!("the server spins");
    }

    pub(super) fn advance(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// Turns the loop, on and on through the waits, until `duration` has passed.
    pub(super) fn run_for(&mut self, duration: Duration) -> LoopControl {
        let end = self.now + duration;
        for _ in 0..MANY_TURNS {
            match self.run() {
                LoopControl::WaitUntil(moment) if moment <= end => {
                    assert!(moment > self.now, "woken for nothing");
                    self.now = moment;
                }
                LoopControl::Stop => return LoopControl::Stop,
                _ => {
                    self.now = end;
                    return self.run();
                }
            }
        }
        panic!("the server spins");
    }

    /// A client that is accepted at once.
    pub(super) fn connected(&mut self, listener: usize) -> Client {
        let client = self.net.connect(listener);
        self.run();
        client
    }

    /// Sends `bytes` and returns all that came back until nothing more happens.
    pub(super) fn ask(&mut self, client: Client, bytes: &[u8]) -> Vec<u8> {
        self.net.send(client, bytes);
        let before = self.net.received(client).len();
        self.run();
        self.net.received(client).split_off(before)
    }

    pub(super) fn closed(&self, reason: CloseReason) -> u64 {
        self.server.stats().closed[reason as usize]
    }

    /// Heap bytes that connections hold.
    pub(super) fn heap(&self) -> usize {
        self.server.inspect().map(|open| open.input_heap + open.output_heap).sum()
    }

    /// That nothing is left of any connection.
    pub(super) fn assert_clean(&self) {
        assert_eq!(self.server.stats().open(), 0);
        assert!(self.server.sockets.is_empty());
        assert_eq!(self.server.sockets.armed_timers(), 0);
        assert_eq!(self.net.open_streams(), 0);
    }

    /// How the connections stand, by a walk over all.
    fn standings(&self) -> Standings {
        let mut walked = Standings::default();
        for (_, socket) in self.server.sockets.iter() {
            walked.change(Standing::default(), socket.endpoint.conn.standing());
        }
        walked
    }

    fn check(&self, next: LoopControl) {
        let Server { sockets, cx, operators, .. } = &self.server;
        assert_eq!(cx.stats.open(), sockets.len() as u64);
        assert_eq!(self.net.open_streams(), sockets.len());
        assert!(sockets.len() - operators.open() <= self.most_connections);
        assert_eq!(operators.open() as u64, cx.stats.metrics_open());
        assert_eq!(cx.stats.buffered, self.heap() as u64);
        assert!(self.heap() <= cx.limits.memory_limit);
        assert_eq!(cx.stats.standings, self.standings());
        for (token, socket) in sockets.iter() {
            assert!(
                sockets.is_scheduled(token, &cx.limits),
                "{token:?} would hang: {:?}",
                socket.endpoint
            );
        }
        if sockets.iter().any(|(token, _)| sockets.is_queued(token)) {
            assert_eq!(next, LoopControl::Poll);
        }
    }
}
