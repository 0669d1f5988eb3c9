//! Worlds whose server is captured, and run again.

use crate::setup::Setup;
use crate::world::World;
use readyd::capture::reader::Reader;
use readyd::capture::replay::{self, CaptureEnd, Replayed};
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

/// Runs the server of a capture again, at both levels.
fn run_again(capture: &[u8]) -> Result<Replayed, String> {
    let open = || {
        let source: Box<dyn Read> = Box::new(Cursor::new(capture.to_vec()));
        Reader::open(source).map_err(|error| error.to_string())
    };
    let (reader, start) = open()?;
    let replayed = replay::exactly(reader, &start, None).map_err(|error| error.to_string())?;
    let (reader, start) = open()?;
    replay::by_outcome(reader, &start, None).map_err(|error| format!("by outcome: {error}"))?;
    Ok(replayed)
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
    let count = std::env::var("SIM_CAPTURED").map_or(SEEDS, |text| text.parse().expect("a count"));
    let first = std::env::var("SIM_FIRST").map_or(1, |text| text.parse().expect("a seed"));
    let next = AtomicU64::new(first);
    let work = || {
        let mut sum = Replayed::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return sum;
            }
            let bytes = capture(seed).unwrap_or_else(|report| panic!("seed {seed}: {report}"));
            let again = run_again(&bytes).unwrap_or_else(|error| {
                if let Ok(path) = std::env::var("SIM_CAPTURE_OUT") {
                    let text = in_words(&bytes);
                    std::fs::write(&path, &bytes).expect("a file for the capture");
                    std::fs::write(path + ".txt", text).expect("a file for the records");
                }
                panic!("seed {seed}: {error}")
            });
            assert_eq!(again.end, CaptureEnd::Stopped, "seed {seed}");
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
}
