//! A turn of the whole server, over a network in memory.
//!
//! The claim to check: what a request costs does not depend on how many connections are open. Where
//! the same 64 of them speak, it must not depend on it at all. Where it is another 64 each time, the
//! state of a connection has left the processor's cache before its next request, and the misses are
//! in the figure: that is the price of memory, not of work.

mod support;

use criterion::{BenchmarkId, Throughput, criterion_group, criterion_main};
use readyd::clock::Moment;
use readyd::handlers::Service;
use readyd::handlers::daytime::{Calendar, Zone};
use readyd::limits::Limits;
use readyd::net::{Driver, Next, Readiness, Token};
use readyd::server::Server;
use readyd::table::Table;
use readyd::token::Generations;
use std::rc::Rc;
use std::time::Duration;
use support::memory_net::{End, Incoming, MemoryNet, Wire};
use support::{Criterion, frame, scattered};

/// Connections that speak in one turn.
const ACTIVE: usize = 64;

/// From one turn to the next.
const TURN: Duration = Duration::from_micros(10);

const READABLE: Readiness = Readiness { read: true, write: false, read_on: false };
const HUNG_UP: Readiness = Readiness { read: true, write: false, read_on: true };

/// A server and its clients.
struct World {
    server: Server<MemoryNet>,
    wire: Rc<Wire>,
    now: Moment,
}

impl World {
    /// A server of framed requests with `connections` open.
    fn with_connections(connections: usize) -> World {
        let limits = Limits {
            max_connections: connections + ACTIVE,
            // However long the bench takes, those that are silent stay.
            idle_timeout: Duration::from_secs(1_000_000),
            ..Limits::default()
        };
        let wire = Rc::new(Wire::default());
        let (net, now) = (MemoryNet(Rc::clone(&wire)), Moment::START);
        let mut server = Server::new(net, limits, Table::embedded(), Calendar::new(Zone::Utc), now);
        server.listen(End, Service::Framed).expect("a listener in memory");
        let mut world = World { server, wire, now };
        world.accept(connections);
        world
    }

    /// Lets `count` clients connect, and the server accept them all.
    fn accept(&mut self, count: usize) {
        self.wire.backlog.set(count);
        let first_listener = Token::new(0, Generations::NONE);
        self.server.ready(first_listener, READABLE);
        while self.turn() == Next::Poll {}
        assert_eq!(self.wire.backlog.get(), 0, "somebody was left waiting");
    }

    fn turn(&mut self) -> Next {
        self.now = self.now + TURN;
        self.server.end_turn(self.now)
    }

    /// One turn in which each of `active` is sent a request, and what the server sent in it.
    fn exchange(&mut self, active: &[Token]) -> usize {
        self.wire.sent.borrow_mut().clear();
        for &token in active {
            self.server.ready(token, READABLE);
        }
        self.turn();
        self.wire.sent.borrow().len()
    }

    /// `count` clients connect, and then all of them leave.
    fn come_and_go(&mut self, count: usize) {
        let open = self.wire.tokens.borrow().len();
        self.accept(count);
        let mut tokens = self.wire.tokens.borrow_mut();
        for token in tokens.drain(open..) {
            self.server.ready(token, HUNG_UP);
        }
        drop(tokens);
        self.turn();
    }
}

fn requests(c: &mut Criterion) {
    let text = [b'x'; 32];
    let request = frame(&[b"ECHO ", &text[..]].concat());
    let replies = frame(&text).repeat(ACTIVE);

    let mut group = c.benchmark_group("turn");
    group.throughput(Throughput::Elements(ACTIVE as u64));
    for connections in [64, 1_000, 100_000] {
        let mut world = World::with_connections(connections);
        world.wire.incoming.replace(Incoming::Bytes(request.clone()));
        let tokens = world.wire.tokens.borrow().clone();
        world.exchange(&tokens[..ACTIVE]);
        assert_eq!(*world.wire.sent.borrow(), replies, "wrong replies");

        group.bench_function(BenchmarkId::new("same_64_of", connections), |b| {
            b.iter(|| assert_eq!(world.exchange(&tokens[..ACTIVE]), replies.len()))
        });
        let order = shuffled(&tokens);
        let mut turns = order.chunks_exact(ACTIVE).cycle();
        group.bench_function(BenchmarkId::new("other_64_of", connections), |b| {
            b.iter(|| {
                let active = turns.next().expect("a cycle does not end");
                assert_eq!(world.exchange(active), replies.len())
            })
        });
    }
    group.finish();
}

/// The tokens in another order, each of them once, so that none is in a turn twice (Fisher-Yates).
fn shuffled(tokens: &[Token]) -> Vec<Token> {
    let mut order = tokens.to_vec();
    for (last, other) in (1..order.len()).rev().zip(scattered(1 << 32)) {
        order.swap(last, other % (last + 1));
    }
    order
}

fn connections(c: &mut Criterion) {
    let mut group = c.benchmark_group("accept_and_close");
    group.throughput(Throughput::Elements(ACTIVE as u64));
    for others in [0, 100_000] {
        let mut world = World::with_connections(others);
        world.come_and_go(ACTIVE);
        assert_eq!(world.server.stats().open(), others as u64, "not all have left");
        group.bench_function(BenchmarkId::new("64_beside", others), |b| {
            b.iter(|| {
                world.come_and_go(ACTIVE);
                assert_eq!(world.server.stats().open(), others as u64, "not all have left");
            })
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = support::criterion();
    targets = requests, connections
}
criterion_main!(benches);
