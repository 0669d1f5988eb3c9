//! Two parsers of PROXY headers, given the same headers, which are made by chance.

use readyd_fuzz::proxy::generator::Generator;
use std::{env, thread};

/// Headers that are compared, unless the environment asks for another number.
const HEADERS: u64 = 1_000_000;

/// Headers of one seed.
const OF_A_SEED: u64 = 100_000;

#[test]
fn two_parsers_agree_but_for_the_known_differences() {
    let asked = env::var("READYD_PROXY_HEADERS").ok();
    let headers = asked.map_or(HEADERS, |count| count.parse().expect("a number"));
    let seeds = headers.div_ceil(OF_A_SEED);
    let threads = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                for seed in (first..seeds).step_by(threads as usize) {
                    let mut generator = Generator::new(seed);
                    (0..OF_A_SEED).for_each(|_| generator.check_next());
                }
            });
        }
    });
    println!("{} headers, {seeds} seeds", seeds * OF_A_SEED);
}
