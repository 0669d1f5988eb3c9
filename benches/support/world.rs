//! A whole server and its clients, in memory.

use super::memory_net::{End, Incoming, MemoryNet, Wire};
use readyd::handlers::Service;
use readyd::handlers::daytime::DateCache;
use readyd::io::clock::Moment;
use readyd::io::event_loop::{EventHandler, LoopControl};
use readyd::io::net::Token;
use readyd::io::readiness::Readiness;
use readyd::io::token::Generations;
use readyd::server::Server;
use readyd::server::limits::Limits;
use readyd::table::Table;
use std::rc::Rc;
use std::time::Duration;

/// From one turn to the next.
const TURN: Duration = Duration::from_micros(10);

/// How many more than are open may come.
const ROOM: usize = 64;

const READABLE: Readiness = Readiness { read: true, write: false, read_until_would_block: false };
const HUNG_UP: Readiness = Readiness { read: true, write: false, read_until_would_block: true };

/// A server of framed requests, what connects its clients to it, and its time.
pub(crate) struct World {
    pub(crate) server: Server<MemoryNet>,
    pub(crate) wire: Rc<Wire>,
    pub(crate) now: Moment,
}

impl World {
    /// A server without any connection.
    pub(crate) fn new(limits: Limits) -> World {
        // As at a server that logs nothing, whose lines cost a comparison each.
        let limits = Limits { log_level: log::LevelFilter::Off, ..limits };
        let wire = Rc::new(Wire::default());
        let (net, now) = (MemoryNet(Rc::clone(&wire)), Moment::START);
        let mut server = Server::new(net, limits, Table::embedded(), DateCache::utc(), now);
        server.listen(End::default(), Service::FRAMED).expect("a listener in memory");
        World { server, wire, now }
    }

    /// A server with `connections` open, and room for more. However long a bench takes, those that
    /// are silent stay.
    pub(crate) fn with_connections(connections: usize) -> World {
        let mut world = World::new(Limits {
            max_connections: connections + ROOM,
            idle_timeout: Duration::from_secs(1_000_000),
            ..Limits::default()
        });
        // The server reads once when it accepts, and they are silent.
        world.wire.incoming.replace(Incoming::Nothing);
        world.accept(connections);
        world.wire.incoming.take();
        world
    }

    /// Lets `count` clients connect, and the server accept them all, at one moment.
    pub(crate) fn accept(&mut self, count: usize) {
        self.wire.backlog.set(count);
        self.expect_clients();
        while self.server.end_turn(self.now) == LoopControl::Poll {}
        assert_eq!(self.wire.backlog.get(), 0, "somebody was left waiting");
    }

    /// Tells the server that clients wait in the backlog.
    pub(crate) fn expect_clients(&mut self) {
        let first_listener = Token::new(0, Generations::NONE);
        self.server.on_ready(first_listener, READABLE);
    }

    /// A turn of the loop, a little later than the last.
    pub(crate) fn turn(&mut self) -> LoopControl {
        self.now = self.now + TURN;
        self.server.end_turn(self.now)
    }

    /// One turn in which each of `active` is sent a request, and how much the server sent in it.
    pub(crate) fn exchange(&mut self, active: &[Token]) -> usize {
        self.wire.sent.borrow_mut().clear();
        for &token in active {
            self.server.on_ready(token, READABLE);
        }
        self.turn();
        self.wire.sent.borrow().len()
    }

    /// `count` clients connect, and then all of them leave.
    pub(crate) fn come_and_go(&mut self, count: usize) {
        let open = self.wire.tokens.borrow().len();
        self.accept(count);
        let mut tokens = self.wire.tokens.borrow_mut();
        for token in tokens.drain(open..) {
            self.server.on_ready(token, HUNG_UP);
        }
        drop(tokens);
        self.turn();
    }
}
