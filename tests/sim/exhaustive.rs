//! Every call of every scenario fails once in every way there is, and once for as long as the
//! scenario lasts; each time the oracle must find nothing.

use crate::scenarios;
use crate::setup::Setup;
use crate::volume;
use crate::world::World;
use readyd::testkit::faults::Injection;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All worlds in which one call of `scenario` fails.
pub(crate) fn worlds(scenario: fn() -> Setup) -> Vec<Setup> {
    let mut world = World::new(scenario());
    if let Err(what) = world.run() {
        panic!("without faults all should go well: {what}");
    }
    let calls = world.kernel.borrow().faults.calls.clone();
    let mut worlds = Vec::new();
    for (at, call) in calls.into_iter().enumerate() {
        for errno in call.errnos() {
            for sticky in [false, true] {
                let injection = Some(Injection { at, errno, sticky });
                worlds.push(Setup { injection, ..scenario() });
            }
        }
    }
    worlds
}

/// Runs all of them on all processors. The first report, if there is one.
pub(crate) fn run_all(name: &str, worlds: &[Setup]) -> Option<String> {
    let (next, report) = (AtomicUsize::new(0), Mutex::new(None));
    let work = || {
        while let Some(setup) = worlds.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(what) = volume::run_world(setup) {
                let what = format!("scenario \"{name}\", {:?}: {what}", setup.injection);
                report.lock().expect("no thread panics").get_or_insert(what);
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| _ = scope.spawn(work));
    });
    report.into_inner().expect("no thread panics")
}

#[test]
fn sim_every_call_fails_in_every_way() {
    if volume::only_seed().is_some() {
        return;
    }
    let mut total = 0;
    for (name, scenario) in scenarios::ALL {
        let worlds = worlds(scenario);
        total += worlds.len();
        if let Some(report) = run_all(name, &worlds) {
            panic!("{report}");
        }
    }
    volume::say(&format!("sim: {total} worlds with one call that fails, once or for ever\n"));
    assert!(total > 1000, "the scenarios make calls");
}
