//! Which mistake is on. `scripts/with-mistakes` puts this file into its copy of the tree, as
//! `src/mistakes.rs`; it is no part of readyd.
//!
//! Invariant: at most one mistake is on at a time, so that what goes wrong has one cause.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of no mistake.
const NONE: u64 = 0;

static ON: AtomicU64 = AtomicU64::new(NONE);

/// Whether the mistake of this name is on: the name of its file in `mistakes/`, without `.patch`.
macro_rules! mistake {
    ($name:literal) => {
        $crate::mistakes::is_on(const { $crate::mistakes::number_of($name) })
    };
}

/// The names of all mistakes, in the order of `mistakes/series`.
pub fn names() -> impl Iterator<Item = &'static str> {
    include_str!("../mistakes/series").lines().filter_map(|line| line.strip_suffix(".patch"))
}

/// Switches this mistake on and any other off; with `None`, all are off.
pub fn switch_on(name: Option<&str>) {
    ON.store(name.map_or(NONE, number_of), Ordering::SeqCst);
}

/// Whether the mistake of this number is on.
pub fn is_on(number: u64) -> bool {
    ON.load(Ordering::Relaxed) == number
}

/// The number of a name, by FNV-1a. The compiler computes it: `mistake!` is asked in every turn.
pub const fn number_of(name: &str) -> u64 {
    let (bytes, mut number, mut at) = (name.as_bytes(), 0xcbf2_9ce4_8422_2325, 0);
    while at < bytes.len() {
        number = (number ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    number
}
