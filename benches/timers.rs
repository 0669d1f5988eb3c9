//! Deadlines, a million of them: the calls that the server makes for a request, for a connection
//! and for a deadline that passes.

mod support;

use criterion::{criterion_group, criterion_main};
use readyd::io::clock::Moment;
use readyd::io::timer::Timers;
use std::time::Duration;
use support::{Criterion, scattered};

const KEYS: usize = 1_000_000;

/// The idle timeout; the deadlines are spread evenly over it.
const PERIOD: Duration = Duration::from_secs(600);

fn moment(since_start: Duration) -> Moment {
    Moment::START + since_start
}

/// A million timers, due in an order that has nothing to do with their keys.
fn a_million() -> Timers {
    let mut timers = Timers::new(Moment::START);
    for (number, key) in scattered(KEYS).take(KEYS).enumerate() {
        timers.arm_no_later(key, moment(PERIOD * number as u32 / KEYS as u32));
    }
    for key in 0..KEYS {
        timers.arm_no_later(key, moment(PERIOD));
    }
    assert_eq!(timers.len(), KEYS);
    timers
}

fn timers(c: &mut Criterion) {
    let mut group = c.benchmark_group("timers");
    let mut timers = a_million();

    // Every request: the deadline moves on, which the wheel need not know.
    let mut keys = scattered(KEYS);
    group.bench_function("arm_no_later_nothing_to_do", |b| {
        b.iter(|| {
            let key = keys.next().unwrap_or_default();
            timers.arm_no_later(key, moment(2 * PERIOD));
        })
    });
    assert_eq!(timers.len(), KEYS);

    // Every connection that is accepted and closed.
    let mut keys = scattered(KEYS);
    group.bench_function("disarm_and_arm", |b| {
        b.iter(|| {
            let key = keys.next().unwrap_or_default();
            timers.disarm(key);
            timers.arm(key, moment(PERIOD));
        })
    });
    assert_eq!(timers.len(), KEYS);

    // Every deadline that passes while its connection has gone on meanwhile.
    let mut timers = a_million();
    let mut now = Moment::START;
    group.bench_function("pop_and_arm_again", |b| {
        b.iter(|| {
            let key = pop_next(&mut timers, &mut now);
            timers.arm(key, now + PERIOD);
        })
    });
    assert_eq!(timers.len(), KEYS);
    group.finish();
}

/// The next key that is due, moving `now` on to when it is.
fn pop_next(timers: &mut Timers, now: &mut Moment) -> usize {
    loop {
        if let Some(key) = timers.pop_due(*now) {
            return key;
        }
        *now = timers.next_wakeup().expect("a million timers are armed");
    }
}

criterion_group! {
    name = benches;
    config = support::criterion();
    targets = timers
}
criterion_main!(benches);
