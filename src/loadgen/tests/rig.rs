//! Load on a network in memory, a clock that is set by hand, and a server.

use crate::client::tests::loopback::{Loopback, Side};
use crate::handlers::Service;
use crate::handlers::daytime::DateCache;
use crate::io::clock::Moment;
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::loadgen::{Counters, Event, LoadWorker, Plan, Worker};
use crate::server::Server;
use crate::server::limits::Limits;
use crate::table::Table;
use std::time::Duration;

/// More turns than any test needs at one moment: who takes more is spinning.
const TURNS: usize = 20_000;

/// More moments than any run has at which something happens: one that waits for a hundred timeouts
/// of 5 s, one after the other, looks every 10 ms whether it was stopped.
const MOMENTS: usize = 100_000;

/// Who answers.
pub(super) trait OtherSide {
    /// Does what can be done at `now`, and says when there is more to do.
    fn turn(&mut self, now: Moment) -> Option<Moment>;
}

/// The server as it is.
pub(super) struct RealServer {
    net: Loopback,
    pub(super) server: Server<Loopback>,
}

impl RealServer {
    pub(super) fn new(net: &Loopback, service: Service) -> RealServer {
        let dates = DateCache::utc();
        let limits = Limits::default();
        let mut server = Server::new(net.clone(), limits, Table::embedded(), dates, Moment::START);
        server.listen((), service).expect("nothing forbids it");
        RealServer { net: net.clone(), server }
    }
}

impl OtherSide for RealServer {
    fn turn(&mut self, now: Moment) -> Option<Moment> {
        for (token, readiness) in self.net.events(Side::Server) {
            self.server.on_ready(token, readiness);
        }
        match self.server.end_turn(now) {
            LoopControl::Poll => Some(now),
            LoopControl::WaitUntil(moment) => Some(moment),
            LoopControl::Wait | LoopControl::Stop => None,
        }
    }
}

pub(super) struct Rig<O> {
    pub(super) net: Loopback,
    pub(super) load: LoadWorker<Loopback>,
    pub(super) other: O,
    pub(super) now: Moment,
    pub(super) start: Moment,
    pub(super) events: Vec<Event>,
}

/// A network on which nothing waits for room.
pub(super) fn wide_net() -> Loopback {
    let net = Loopback::new(1);
    net.set_window(1 << 20);
    net
}

impl Rig<RealServer> {
    pub(super) fn with_server(plan: Plan, service: Service) -> Rig<RealServer> {
        let net = wide_net();
        let server = RealServer::new(&net, service);
        Rig::new(net, plan, server)
    }
}

impl<O: OtherSide> Rig<O> {
    pub(super) fn new(net: Loopback, plan: Plan, other: O) -> Rig<O> {
        Rig::of_worker(net, plan, Worker::ALONE, other)
    }

    pub(super) fn of_worker(net: Loopback, plan: Plan, worker: Worker, other: O) -> Rig<O> {
        let now = Moment::START + Duration::from_secs(1);
        net.set_now(now);
        let load = LoadWorker::new(net.clone(), plan, worker, now);
        Rig { net, load, other, now, start: now, events: Vec::new() }
    }

    /// Opens all connections, and begins.
    pub(super) fn started(mut self) -> Rig<O> {
        self.open();
        self.begin();
        self
    }

    /// Lets the connections be opened, however long it takes.
    pub(super) fn open(&mut self) {
        for _ in 0..MOMENTS {
            self.settle();
            if !self.load.pacer.is_connecting() {
                return assert!(self.events.iter().any(|event| matches!(event, Event::Opened)));
            }
            assert!(self.step(Moment::NEVER), "opening does not go on");
        }
        panic!("opening does not come to an end");
    }

    pub(super) fn begin(&mut self) {
        self.start = self.now;
        self.load.start_at(self.start);
        self.settle();
    }

    /// One turn of the load's loop with what has arrived.
    pub(super) fn turn(&mut self) -> LoopControl {
        for (token, readiness) in self.net.events(Side::Client) {
            self.load.on_ready(token, readiness);
        }
        let next = self.load.end_turn(self.now);
        if let LoopControl::WaitUntil(moment) = next {
            assert!(moment > self.now, "waits for what has been");
        }
        self.events.append(&mut self.load.take_events());
        next
    }

    /// Turns of both sides until neither has anything more to do at this moment. Says when the
    /// first of them has.
    pub(super) fn settle(&mut self) -> Option<Moment> {
        // When one side makes room, the other gets an event, but no bytes are on their way.
        let mut quiet_turns = 0;
        for _ in 0..TURNS {
            while self.net.deliver() {}
            let calls = self.net.calls();
            let own = self.turn();
            let has_worked = self.net.calls() != calls || own == LoopControl::Poll;
            while self.net.deliver() {}
            let other = self.other.turn(self.now);
            let is_busy =
                has_worked || self.net.deliver() || other.is_some_and(|moment| moment <= self.now);
            quiet_turns = if is_busy { 0 } else { quiet_turns + 1 };
            if quiet_turns == 2 {
                let own =
                    if let LoopControl::WaitUntil(moment) = own { Some(moment) } else { None };
                return [own, other].into_iter().flatten().min();
            }
        }
        panic!("the load spins");
    }

    /// Lets time pass to the next moment at which there is something to do, but not past `until`.
    /// Tells whether there is one.
    fn step(&mut self, until: Moment) -> bool {
        let next = self.settle().filter(|&moment| moment <= until);
        if let Some(moment) = next {
            self.now = moment;
            self.net.set_now(moment);
        }
        next.is_some()
    }

    /// Lets time pass up to `until`.
    pub(super) fn run_until(&mut self, until: Moment) {
        for _ in 0..MOMENTS {
            if !self.step(until) {
                self.now = until;
                self.net.set_now(until);
                self.settle();
                return;
            }
        }
        panic!("too much happens");
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    /// Lets time jump, without a turn of the loop on the way: the process was stopped for a while.
    pub(super) fn jump(&mut self, time: Duration) {
        self.now = self.now + time;
        self.net.set_now(self.now);
        self.settle();
    }

    /// Lets time pass until the run is over, and gives its counters.
    pub(super) fn run_to_end(mut self) -> Counters {
        for _ in 0..MOMENTS {
            self.settle();
            if self.load.is_over() {
                assert_eq!(self.load.accounts.main.in_flight(), 0);
                return self.finish();
            }
            assert!(self.step(Moment::NEVER), "the run does not come to an end");
        }
        panic!("the run does not come to an end");
    }

    /// Ends the run here. Whatever it was, each request is closed once and no socket is left.
    pub(super) fn finish(self) -> Counters {
        let Rig { net, load, now, .. } = self;
        let (counters, _) = load.finish(now);
        let requests = counters.requests;
        assert_eq!(requests.sent, requests.ended(), "{requests:?}");
        let connections = counters.connections;
        assert_eq!(connections.opened, connections.ends.closed(), "{connections:?}");
        assert_eq!(counters.latency.count(), requests.answered());
        assert_eq!(counters.service.count(), requests.answered());
        assert_eq!(counters.connections.open, 0);
        assert_eq!(net.held(Side::Client), 0);
        counters
    }

    /// The counters so far.
    pub(super) fn counters(&self) -> &Counters {
        self.load.counters()
    }

    /// How long the run has gone on.
    pub(super) fn elapsed(&self) -> Duration {
        self.now.since(self.start)
    }
}
