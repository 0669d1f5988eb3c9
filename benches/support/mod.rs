//! What several benches need.
//!
//! Invariant: nothing in here depends on the time, the machine or a random source, so that two runs
//! do the same work.

#![allow(dead_code, reason = "every bench is a program of its own and uses a part of this")]

pub(crate) mod cpu_time;
pub(crate) mod engine;
pub(crate) mod memory_net;
pub(crate) mod world;

use cpu_time::CpuTime;
use readyd::io::clock::WallTime;
use readyd::io::host::{Host, WallClock};
use readyd::protocol::frame;
use std::time::Duration;

/// Criterion, counting CPU time.
pub(crate) type Criterion = criterion::Criterion<CpuTime>;

/// Criterion with times that let the whole suite run in about two minutes.
pub(crate) fn criterion() -> Criterion {
    criterion::Criterion::default()
        .with_measurement(CpuTime)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args()
}

/// A wall clock that stands still. A reading costs nothing, so the clock's own cost is not
/// measured.
#[derive(Debug)]
pub(crate) struct FixedClock;

impl FixedClock {
    /// The moment as the daytime service writes it, in UTC.
    pub(crate) const CTIME: &'static str = "Fri May  7 20:36:52 2021";

    const WALL_TIME: WallTime = WallTime { seconds: 1_620_419_812, nanos: 0 };
}

impl Host for FixedClock {}

impl WallClock for FixedClock {
    fn wall_time(&self) -> WallTime {
        Self::WALL_TIME
    }
}

/// A frame around `body`.
pub(crate) fn frame(body: &[u8]) -> Vec<u8> {
    [&frame::encode_header(body.len()), body].concat()
}

/// The address that has `number` in `network`, written as people write it.
pub(crate) fn address(network: u8, number: usize) -> String {
    let [_, a, b, c] = (number as u32).to_be_bytes();
    format!("{network}.{a}.{b}.{c}")
}

/// The numbers below `count` in an order that looks random, so that neither caches nor the
/// processor's predictors can guess the next.
///
/// # Panics
///
/// If `count` is 0 or above 2^32.
pub(crate) fn scattered(count: usize) -> impl Iterator<Item = usize> {
    assert!((1..=1 << 32).contains(&count), "cannot scatter {count} numbers");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        // xorshift64 (Marsaglia 2003), scaled to the range by its upper half.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (((state >> 32) * count as u64) >> 32) as usize
    })
}

/// `things` in another order, each of them once (Fisher-Yates).
pub(crate) fn shuffled<T: Copy>(things: &[T]) -> Vec<T> {
    let mut order = things.to_vec();
    for (last, other) in (1..order.len()).rev().zip(scattered(1 << 32)) {
        order.swap(last, other % (last + 1));
    }
    order
}
