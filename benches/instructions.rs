//! What is counted in instructions: the work of one operation after the other, each done many
//! times.
//!
//! Time depends on what else the machine does; the number of instructions hardly does, so that a
//! test can hold it to a limit. `scripts/instruction-counts` runs this program under callgrind and
//! does the counting. Run by itself, the program only checks that the work is done rightly.
//!
//! Invariant: the same work in the same order every time, and nothing of setting up inside
//! [`counted`].

mod support;

use readyd::handlers::Service;
use readyd::io::clock::Moment;
use readyd::io::net::Token;
use readyd::io::timer::Timers;
use readyd::loadgen::report::Histogram;
use readyd::protocol::frame;
use readyd::table::{ColumnOrder, Table};
use std::hint::black_box;
use std::time::Duration;
use support::engine::Engine;
use support::memory_net::Incoming;
use support::world::World;
use support::{address, frame, scattered};

/// How often each operation is done. The cost of work that it does only now and then is spread over
/// all of these.
const OPERATIONS: usize = 1024;

/// Frames in one read, where there are many.
const PIPELINE: usize = 32;

fn main() {
    codec();
    engine();
    turns();
    visitors();
    timers();
    table();
    histogram();
}

/// Callgrind counts while this function runs, by its name, and not otherwise. The result passes
/// through, so that the call of `work` is not made a jump, for which callgrind would miss the end.
#[inline(never)]
fn counted(work: &mut dyn FnMut() -> usize) -> usize {
    black_box(work())
}

/// Has `work` counted, and says whose count that was: the name and how many operations.
fn count(name: &str, operations: usize, mut work: impl FnMut() -> usize) -> usize {
    let outcome = counted(&mut work);
    println!("{name} {operations}");
    outcome
}

/// Counts the instructions of `work`, done `OPERATIONS` times. Its results must add up to
/// `OPERATIONS` times `each`. It is done once before, so that memory which is taken once and kept
/// is not in the count.
fn count_steady(name: &str, each: usize, mut work: impl FnMut() -> usize) {
    let mut repeated = || (0..OPERATIONS).map(|_| work()).sum();
    let _: usize = repeated();
    assert_eq!(count(name, OPERATIONS, repeated), each * OPERATIONS, "{name}: wrong results");
}

fn codec() {
    let header = frame::encode_header(37);
    count_steady("header_encoded", usize::from(b'3'), || {
        usize::from(black_box(frame::encode_header(black_box(37)))[0])
    });
    count_steady("header_decoded", 37, || {
        frame::decode_header(black_box(&header), black_box(1 << 20)).unwrap_or_default()
    });
}

/// A request to echo 32 bytes, and its reply.
fn echo() -> (Vec<u8>, Vec<u8>) {
    let text = [b'x'; 32];
    (frame(&[b"ECHO ", &text[..]].concat()), frame(&text))
}

fn engine() {
    let (mut request, reply) = echo();
    let mut engine = Engine::new(Service::FRAMED);
    assert_eq!(engine.receive(&mut request), reply, "wrong reply");
    count_steady("engine_ping_pong", reply.len(), || engine.receive(black_box(&mut request)).len());

    let mut requests = request.repeat(PIPELINE);
    let reads = OPERATIONS / PIPELINE;
    let mut read_all = || (0..reads).map(|_| engine.receive(black_box(&mut requests)).len()).sum();
    let _: usize = read_all();
    let sent = count("engine_pipelined", OPERATIONS, read_all);
    assert_eq!(sent, reply.len() * OPERATIONS, "wrong replies");
}

/// One connection speaks in each turn, another one each time as far as there are others.
fn turns() {
    let (request, reply) = echo();
    for open in [1, 1_000, 100_000] {
        let mut world = World::with_connections(open);
        world.wire.incoming.replace(Incoming::Bytes(request.clone()));
        let tokens = world.wire.tokens.borrow().clone();
        let mut speakers = scattered(open).map(|number| tokens[number]);
        let mut exchange = |token: Option<Token>| world.exchange(token.as_slice());
        let name = format!("turn_ping_pong_of_{open}");
        count_steady(&name, reply.len(), || exchange(speakers.next()));
        assert_eq!(*world.wire.sent.borrow(), reply, "wrong reply");
    }
}

fn visitors() {
    const TOGETHER: usize = 64;
    let mut world = World::with_connections(1_000);
    let mut come_and_go = || (0..OPERATIONS / TOGETHER).for_each(|_| world.come_and_go(TOGETHER));
    come_and_go();
    count("accepted_and_closed", OPERATIONS, || {
        come_and_go();
        OPERATIONS
    });
    assert_eq!(world.server.stats().closed_total(), 2 * OPERATIONS as u64, "not all have left");
}

/// Among others, spread over ten minutes, as a server would have them.
fn timers() {
    const OTHERS: usize = 100_000;
    const PERIOD: Duration = Duration::from_secs(600);
    let due = Moment::START + PERIOD / 2;
    let mut timers = Timers::new(Moment::START);
    for key in 0..OTHERS {
        timers.arm(key, due + PERIOD * key as u32 / OTHERS as u32);
    }
    let keys = OTHERS..OTHERS + OPERATIONS;
    // So that there is room for them.
    keys.clone().for_each(|key| timers.arm(key, due));
    keys.clone().for_each(|key| timers.disarm(key));

    count("timer_armed", OPERATIONS, || {
        keys.clone().map(|key| timers.arm(black_box(key), black_box(due))).count()
    });
    assert_eq!(timers.len(), OTHERS + OPERATIONS);
    count("timer_refreshed", OPERATIONS, || {
        keys.clone().map(|key| timers.arm_no_later(black_box(key), black_box(due + PERIOD))).count()
    });
    assert_eq!(timers.len(), OTHERS + OPERATIONS);
    let fired = count("timer_fired", OPERATIONS, || {
        (0..OPERATIONS).filter_map(|_| timers.pop_due(black_box(due))).count()
    });
    assert_eq!(fired, OPERATIONS, "not all have fired");
}

fn table() {
    const ENTRIES: usize = 100_000;
    const MAC: &str = "02:00:00:00:00:01";
    let text: String =
        (0..ENTRIES).map(|number| format!("{} {MAC}\n", address(10, number))).collect();
    let table =
        Table::parse(text.into_bytes(), ColumnOrder::KeyValue).expect("a table without faults");
    for (name, network, each) in [("table_hit", 10, MAC.len()), ("table_miss", 11, 0)] {
        let keys: Vec<String> =
            scattered(ENTRIES).map(|number| address(network, number)).take(OPERATIONS).collect();
        let mut asked = keys.iter().cycle();
        count_steady(name, each, || {
            let key = asked.next().map(String::as_bytes).unwrap_or_default();
            table.get(black_box(key)).map_or(0, <[u8]>::len)
        });
    }
}

fn histogram() {
    let mut histogram = Histogram::default();
    let mut times = scattered(10_000_000).map(|nanos| nanos as u64 + 1);
    count_steady("histogram_recorded", 1, || {
        times.next().map(|nanos| histogram.record_nanos(black_box(nanos))).iter().count()
    });
    assert_eq!(histogram.count(), 2 * OPERATIONS as u64);
}
