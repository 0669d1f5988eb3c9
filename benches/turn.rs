//! A turn of the whole server, over a network in memory.
//!
//! The claim to check: what a request costs does not depend on how many connections are open. Where
//! the same of them speak, it must not depend on it at all. Where it is others each time, the state
//! of a connection has left the processor's cache before its next request, and the misses are in
//! the figure: that is the price of memory, not of work.
//!
//! With one request in a turn, the whole cost of the turn is in the figure; with 64, a part of it.

mod support;

use criterion::{BenchmarkId, Throughput, criterion_group, criterion_main};
use support::memory_net::Incoming;
use support::world::World;
use support::{Criterion, frame, shuffled};

/// Connections that are open.
const OPEN: [usize; 4] = [1, 1_000, 100_000, 1_000_000];

/// Connections that speak in one turn, if at least as many are open.
const ACTIVE: [usize; 2] = [1, 64];

/// Clients that come and go together.
const VISITORS: usize = 64;

fn requests(c: &mut Criterion) {
    let text = [b'x'; 32];
    let request = frame(&[b"ECHO ", &text[..]].concat());
    let reply = frame(&text);

    let mut group = c.benchmark_group("turn");
    for open in OPEN {
        let mut world = World::with_connections(open);
        world.wire.incoming.replace(Incoming::Bytes(request.clone()));
        let tokens = world.wire.tokens.borrow().clone();
        let order = shuffled(&tokens);
        for active in ACTIVE.into_iter().filter(|&active| active <= open) {
            let replies = reply.repeat(active);
            world.exchange(&tokens[..active]);
            assert_eq!(*world.wire.sent.borrow(), replies, "wrong replies");

            group.throughput(Throughput::Elements(active as u64));
            group.bench_function(BenchmarkId::new(format!("same_{active}_of"), open), |b| {
                b.iter(|| assert_eq!(world.exchange(&tokens[..active]), replies.len()))
            });
            if active == open {
                continue;
            }
            let mut turns = order.chunks_exact(active).cycle();
            group.bench_function(BenchmarkId::new(format!("other_{active}_of"), open), |b| {
                b.iter(|| {
                    let active = turns.next().expect("a cycle does not end");
                    assert_eq!(world.exchange(active), replies.len())
                })
            });
        }
    }
    group.finish();
}

fn connections(c: &mut Criterion) {
    let mut group = c.benchmark_group("accept_and_close");
    group.throughput(Throughput::Elements(VISITORS as u64));
    for others in [0, 100_000] {
        let mut world = World::with_connections(others);
        world.come_and_go(VISITORS);
        assert_eq!(world.server.stats().open(), others as u64, "not all have left");
        group.bench_function(BenchmarkId::new("64_beside", others), |b| {
            b.iter(|| {
                world.come_and_go(VISITORS);
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
