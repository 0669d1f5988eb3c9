//! The recorder: what the events of a turn of ping-pong cost to write down, for each event.
//!
//! The clock's readings are not in these figures: the server takes one in a visit.

mod support;

use criterion::{Throughput, criterion_group, criterion_main};
use readyd::conn::{Inbound, Outbound};
use readyd::io::clock::Moment;
use readyd::io::readiness::Readiness;
use readyd::io::token::Token;
use readyd::os::trace_ring::TraceRing;
use readyd::trace::encode::Encoder;
use readyd::trace::event::{Event, Next, Queued, RecvEnd, SendEnd, VisitCause};
use readyd::trace::{AddressPolicy, Recorder, Recording, Settled};
use std::cell::Cell;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use support::Criterion;

const RING_BYTES: u64 = 4 << 20;

/// The events of a turn that answers one request.
const EVENTS: u64 = 8;

/// A recorder, and what its clock shows.
fn recorder(path: &Path) -> (Recorder, Rc<Cell<Moment>>) {
    let file = TraceRing::create(path, RING_BYTES, None).expect("a file");
    let (ring, _) = TraceRing::open(&file).expect("a ring");
    let now = Rc::new(Cell::new(Moment::START));
    let clock = now.clone();
    let recording = Recording {
        ring: Box::new(ring),
        encoder: Encoder::new(1, 0, 0, Moment::START),
        clock: Box::new(move || clock.get()),
        addresses: AddressPolicy::Full,
        triggers: Vec::new(),
        teller: None,
        tap: None,
    };
    (Recorder::new(recording, Moment::START), now)
}

/// A turn that answers one request of a connection, as the server's hooks tell it.
fn turn(recorder: &mut Recorder, token: Token, clock: &Cell<Moment>) {
    let pass = |micros| clock.set(clock.get() + Duration::from_micros(micros));
    pass(6);
    let bits = Readiness { read: true, ..Readiness::default() };
    let connection = token.generation();
    recorder.before_turn(token, Event::Ready { connection, bits, is_stale: false });
    recorder.turn_began(clock.get());
    recorder.visit(token);
    recorder.visit_began(VisitCause::Ready);
    recorder.received(64 * 1024, 133, RecvEnd::Short);
    recorder.served(1, 0, 128);
    recorder.was_stalled(false);
    recorder.tick_if_worked(6);
    recorder.go_on_with(token);
    recorder.sent(128, 0, SendEnd::All);
    pass(3);
    recorder.settled(Settled {
        states: (Inbound::Open, Outbound::Open),
        ready: Readiness { write: true, ..Readiness::default() },
        queued: Queued::No,
        waiting: (0, 0),
        work: 26,
    });
    pass(1);
    recorder.turn_ended(clock.get(), 0, Next::WaitFor(59_999_000_000));
}

fn write(c: &mut Criterion) {
    let folder = PathBuf::from("/dev/shm");
    let folder = if folder.is_dir() { folder } else { std::env::temp_dir() };
    let path = folder.join(format!("readyd-bench-trace-{}", std::process::id()));
    let (mut recorder, clock) = recorder(&path);
    let mut number: u32 = 0;
    let mut group = c.benchmark_group("write_events");
    group.throughput(Throughput::Elements(EVENTS));
    group.bench_function("ping_pong_turn", |b| {
        b.iter(|| {
            number += 1;
            let slot = number % 64;
            let token = Token::new(slot as usize, slot + 1);
            turn(black_box(&mut recorder), black_box(token), &clock);
        })
    });
    group.finish();
    drop(recorder);
    std::fs::remove_file(path).expect("the ring's file");
}

criterion_group! {
    name = benches;
    config = support::criterion();
    targets = write
}
criterion_main!(benches);
