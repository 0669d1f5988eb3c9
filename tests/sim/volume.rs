//! Many seeds, or one: what the command line and the environment ask for.

use crate::setup::Setup;
use crate::world::World;
use crate::{heap, log_tap, nets, wire};
use readyd::server::close::CloseReason;
use readyd::testkit::knobs::{Counts, Knob, Knobs};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Seeds in a run, unless `SIM_SEEDS` says otherwise.
const SEEDS: u64 = 2000;

/// What became of worlds.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) hash: u64,
    seeds: u64,
    operations: u64,
    replies: u64,
    closes: [u64; CloseReason::ALL.len()],
    /// Worlds that had each knob.
    knobs: Counts,
    /// How often each did something, and in how many worlds.
    faults: Counts,
    felt: Counts,
}

/// Runs the world of `seed`.
///
/// # Errors
///
/// A report: the violation, the knobs, the end of the trace, and how to see it again.
pub(crate) fn run_seed(seed: u64) -> Result<Summary, String> {
    let setup = Setup::draw(seed);
    let replay = format!("replay: SIM_SEED={seed} cargo test --test sim sim_");
    run_world(&setup).map_err(|report| format!("seed {seed}: {report}{replay}\n"))
}

/// Runs a world to its end, and beyond: nothing of it may be left on the heap.
///
/// # Errors
///
/// The violation, with step, knobs and the end of the trace.
pub(crate) fn run_world(setup: &Setup) -> Result<Summary, String> {
    // What is made once for all worlds of a thread, or of the process, is no world's.
    log_tap::forget();
    wire::chargen(0);
    nets::prepare();
    let before = heap::live();
    let summary = live_through(setup)?;
    log_tap::forget();
    match heap::live() - before {
        0 => Ok(summary),
        left => Err(format!("{left} bytes of heap are left when everything is dropped\n")),
    }
}

fn live_through(setup: &Setup) -> Result<Summary, String> {
    let knobs = setup.knobs;
    let mut world = World::new(setup.clone());
    let kernel = std::rc::Rc::clone(&world.kernel);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    let result = result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(format!("a panic: {text}"))
    });
    if let Err(violation) = result {
        // A program that panicked in the middle of a call has left the kernel as it was then.
        let trace = kernel.try_borrow().map_or(String::new(), |kernel| {
            format!("step {}\nknobs: {knobs}\n{}", kernel.trace.step, kernel.trace)
        });
        std::mem::forget(world);
        return Err(format!("{violation}\n{trace}"));
    }
    let kernel = kernel.borrow();
    let mut summary = Summary {
        hash: kernel.trace.hash,
        seeds: 1,
        operations: kernel.operations,
        replies: world.oracle.replies,
        closes: world.oracle.closes,
        faults: kernel.faults.injected,
        ..Summary::default()
    };
    for &knob in Knob::ALL {
        summary.knobs.add(knob, u64::from(knobs.has(knob)));
        summary.felt.add(knob, u64::from(summary.faults.of(knob) > 0));
    }
    Ok(summary)
}

impl Summary {
    fn add(&mut self, other: &Summary) {
        // The order in which threads finish must not matter.
        self.hash = self.hash.wrapping_add(other.hash);
        self.seeds += other.seeds;
        self.operations += other.operations;
        self.replies += other.replies;
        for (sum, count) in self.closes.iter_mut().zip(other.closes) {
            *sum += count;
        }
        for &knob in Knob::ALL {
            self.knobs.add(knob, other.knobs.of(knob));
            self.faults.add(knob, other.faults.of(knob));
            self.felt.add(knob, other.felt.of(knob));
        }
    }

    pub(crate) fn tell(&self, elapsed: Duration) {
        let rate = self.seeds as f64 / elapsed.as_secs_f64();
        let words = Knob::ALL.iter().map(|&knob| {
            let (times, felt) = (self.faults.of(knob), self.felt.of(knob));
            let worlds = self.knobs.of(knob);
            match times {
                0 => format!("{} in {worlds} worlds", knob.name()),
                _ => format!("{} {times} times in {felt} of {worlds} worlds", knob.name()),
            }
        });
        let closes = CloseReason::ALL.iter().zip(self.closes);
        let closes: Vec<_> = closes.map(|(why, count)| format!("{} {count}", why.word())).collect();
        say(&format!(
            "sim: {} seeds, {:.1} s, {rate:.0} seeds/s, {} operations, {} replies checked, \
             hash {:016x}\nsim: knobs: {}\nsim: closes: {}\n",
            self.seeds,
            elapsed.as_secs_f64(),
            self.operations,
            self.replies,
            self.hash,
            words.collect::<Vec<_>>().join(", "),
            closes.join(", "),
        ));
    }
}

/// Writes to standard error itself: libtest would keep what the print macros write.
pub(crate) fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

pub(crate) fn number_from(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// The one seed that is to be run, if one was named.
pub(crate) fn only_seed() -> Option<u64> {
    number_from("SIM_SEED")
}

/// Runs seeds on all processors with `run_seed`, and stops at the first violation.
pub(crate) fn run_many(
    first: u64,
    count: u64,
    run_seed: fn(u64) -> Result<Summary, String>,
) -> (Summary, Option<(u64, String)>) {
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let total = Mutex::new((Summary::default(), None::<(u64, String)>));
    let begun = Instant::now();
    let work = || {
        let mut mine = Summary::default();
        while !failed.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            if number > 0 && number % 20_000 == 0 {
                let rate = number as f64 / begun.elapsed().as_secs_f64();
                say(&format!("sim: {number} of {count} seeds, {rate:.0} seeds/s\n"));
            }
            match run_seed(first + number) {
                Ok(summary) => mine.add(&summary),
                Err(report) => {
                    failed.store(true, Ordering::Relaxed);
                    let (_, lowest) = &mut *total.lock().expect("no thread panics");
                    // Every lower seed has begun: the lowest that fails is the same in each run.
                    if lowest.as_ref().is_none_or(|&(seed, _)| first + number < seed) {
                        *lowest = Some((first + number, report));
                    }
                }
            }
        }
        total.lock().expect("no thread panics").0.add(&mine);
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| _ = scope.spawn(work));
    });
    let (summary, report) = total.into_inner().expect("no thread panics");
    (summary, report)
}

#[test]
fn sim_seeds_hold_what_is_promised() {
    if only_seed().is_some() {
        return;
    }
    let first = number_from("SIM_FIRST").unwrap_or(1);
    let count = number_from("SIM_SEEDS").unwrap_or(SEEDS);
    let begun = Instant::now();
    let (summary, report) = run_many(first, count, run_seed);
    if let Some((_, report)) = report {
        panic!("{report}");
    }
    summary.tell(begun.elapsed());
}

#[test]
fn sim_same_seed_same_hash() {
    let seed = only_seed();
    let setup = Setup::draw(seed.unwrap_or(1));
    if let Some(seed) = seed {
        say(&format!("sim: seed {seed}\nsim: knobs: {}\n", setup.knobs));
    }
    let seeds = seed.map_or(1..20, |seed| seed..seed + 1);
    for number in seeds {
        let hashes = [(); 2].map(|()| match run_seed(number) {
            Ok(summary) => summary.hash,
            Err(report) => panic!("{report}"),
        });
        assert_eq!(hashes[0], hashes[1], "seed {number} does not replay to the same trace");
        if seed.is_some() {
            say(&format!("sim: trace hash {:016x}, twice\n", hashes[0]));
        }
    }
}

/// What draws knobs must come to draw them all, and in combination with few others.
#[test]
fn sim_knobs_are_all_drawn() {
    let drawn: Vec<Knobs> = (0..400).map(|seed| Setup::draw(seed).knobs).collect();
    for &knob in Knob::ALL {
        assert!(drawn.iter().any(|knobs| knobs.has(knob)), "{}", knob.name());
    }
    assert!(drawn.contains(&Knobs::default()), "a world without faults");
}
