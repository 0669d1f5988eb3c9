//! Worlds whose server is captured, and run again.

use crate::setup::Setup;
use crate::world::World;
use readyd::capture::reader::Reader;
use readyd::capture::replay::{self, CaptureEnd, MakeRecorder, ReplayError, Replayed};
use readyd::capture::start::Start;
use readyd::capture::wire::block_header;
use readyd::capture::{Sink, describe};
use std::cell::RefCell;
use std::io::{Cursor, Read};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Seeds in a run, unless `SIM_CAPTURED` says otherwise.
const SEEDS: u64 = 200;

/// A capture in memory.
#[derive(Clone, Default)]
struct InMemory(Rc<RefCell<Vec<u8>>>);

impl Sink for InMemory {
    fn turn(&mut self, records: &[u8]) -> bool {
        let bytes = &mut *self.0.borrow_mut();
        // The beginning has blocks already.
        if !bytes.is_empty() {
            bytes.extend(block_header(records));
        }
        bytes.extend(records);
        true
    }
}

/// The capture of a world.
fn capture(seed: u64) -> Result<Vec<u8>, String> {
    let memory = InMemory::default();
    let mut world = World::captured(Setup::draw(seed), Box::new(memory.clone()));
    world.run()?;
    drop(world);
    Ok(memory.0.take())
}

/// A way to run the server of a capture again.
type Level = fn(
    Reader<Box<dyn Read>>,
    &Start<'_>,
    Option<MakeRecorder<'_>>,
) -> Result<Replayed, ReplayError>;

fn run_again(capture: &[u8], level: Level) -> Result<Replayed, String> {
    let source: Box<dyn Read> = Box::new(Cursor::new(capture.to_vec()));
    let (reader, start) = Reader::open(source).map_err(|error| error.to_string())?;
    level(reader, &start, None).map_err(|error| error.to_string())
}

/// Writes a capture that differs to the file that `SIM_CAPTURE_OUT` names, and its records in
/// words.
fn keep(capture: &[u8]) {
    if let Ok(path) = std::env::var("SIM_CAPTURE_OUT") {
        std::fs::write(&path, capture).expect("a file for the capture");
        std::fs::write(path + ".txt", in_words(capture)).expect("a file for the records");
    }
}

/// The records of a capture, with their turns.
fn in_words(capture: &[u8]) -> String {
    let (mut reader, _) = Reader::open(capture).expect("a capture");
    let mut text = String::new();
    while let (turn, Some(record)) = (reader.turn(), reader.take().expect("no damage")) {
        text += &format!("turn {turn}: {}\n", describe(&record));
    }
    text
}

#[test]
fn sim_captured_worlds_run_again() {
    let number = |name, usual| {
        std::env::var(name).map_or(usual, |text| text.parse::<u64>().expect("a number"))
    };
    let (count, first) = (number("SIM_CAPTURED", SEEDS), number("SIM_FIRST", 1));
    let (next, differing) = (AtomicU64::new(first), AtomicU64::new(0));
    let work = || {
        let mut sum = Replayed::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return sum;
            }
            let bytes = capture(seed).unwrap_or_else(|report| panic!("seed {seed}: {report}"));
            let again = run_again(&bytes, replay::exactly).unwrap_or_else(|error| {
                keep(&bytes);
                panic!("seed {seed}: {error}")
            });
            assert_eq!(again.end, CaptureEnd::Stopped, "seed {seed}");
            if let Err(error) = run_again(&bytes, replay::by_outcome) {
                keep(&bytes);
                println!("seed {seed}, by outcome: {error}");
                differing.fetch_add(1, Ordering::Relaxed);
            }
            sum.turns += again.turns;
            sum.records += again.records;
            sum.connections += again.connections;
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let sums: Vec<Replayed> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("no difference")).collect()
    });
    let sum = |of: fn(&Replayed) -> u64| sums.iter().map(of).sum::<u64>();
    let (turns, records) = (sum(|sum| sum.turns), sum(|sum| sum.records));
    let connections = sum(|sum| sum.connections);
    println!("{count} worlds again: {turns} turns, {records} records, {connections} connections");
    assert!(turns > 10 * count && connections > count, "{turns} turns, {connections} connections");
    // Who is shed, and what a deadline meets, depends on the turn in which bytes are read.
    let differing = differing.into_inner();
    assert!(differing * 20 <= count, "clients get something else in {differing} worlds");
}
