//! The recorder: what an event costs to write down, by itself and as a turn of ping-pong has them.
//!
//! The clock's readings are not in these figures: the server takes one in a visit.

mod support;

use criterion::{Throughput, criterion_group, criterion_main};
use readyd::conn::{Inbound, Outbound};
use readyd::io::clock::Moment;
use readyd::io::readiness::Readiness;
use readyd::os::trace_ring::TraceRing;
use readyd::trace::encode::Encoder;
use readyd::trace::event::{Event, Next, Queued, RecvEnd, SendEnd, VisitCause};
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;
use support::Criterion;

const RING_BYTES: u64 = 4 << 20;

/// The events of a turn that answers one request of connection `connection`.
fn ping_pong(connection: u32, number: u64) -> [Event; 8] {
    let bits = Readiness { read: true, ..Readiness::default() };
    let ready = Readiness { write: true, ..Readiness::default() };
    [
        Event::TurnBegan { events: 1, waited: 6_000 },
        Event::Ready { connection, bits, is_stale: false },
        Event::Visit { connection, cause: VisitCause::Ready },
        Event::Received { connection, asked: 64 * 1024, moved: 133, end: RecvEnd::Short },
        Event::Served { connection, count: 1, last: number, left: 0, reply: 128, cause: number },
        Event::Sent {
            connection,
            moved: 128,
            left: 0,
            end: SendEnd::All,
            request: number,
            cause: number,
        },
        Event::Settled {
            connection,
            inbound: Inbound::Open,
            outbound: Outbound::Open,
            ready,
            queued: Queued::No,
            unparsed: 0,
            unsent: 0,
            work: 40,
        },
        Event::TurnEnded { visits: 1, queued: 0, next: Next::WaitFor(59_999_000_000) },
    ]
}

fn write(c: &mut Criterion) {
    let folder = PathBuf::from("/dev/shm");
    let folder = if folder.is_dir() { folder } else { std::env::temp_dir() };
    let path = folder.join(format!("readyd-bench-trace-{}", std::process::id()));
    let (mut ring, _) = TraceRing::create(&path, RING_BYTES).expect("a ring");
    let mut encoder = Encoder::new(1, 0, 0, Moment::START);
    let (mut now, mut number) = (Moment::START, 0);
    let mut group = c.benchmark_group("write_events");
    group.throughput(Throughput::Elements(8));
    group.bench_function("ping_pong_turn", |b| {
        b.iter(|| {
            number += 1;
            for (at, event) in
                black_box(ping_pong(number as u32 % 64 + 1, number)).iter().enumerate()
            {
                if matches!(at, 0 | 5 | 7) {
                    now = now + Duration::from_nanos(2_000);
                }
                encoder.write(&mut ring, now, event);
            }
        })
    });
    group.finish();
    drop(ring);
    std::fs::remove_file(path).expect("the ring's file");
}

criterion_group! {
    name = benches;
    config = support::criterion();
    targets = write
}
criterion_main!(benches);
