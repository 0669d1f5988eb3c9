//! Worlds in which all that the server serves is encrypted: the same worlds, with TLS around the
//! simulated network for the server and for the client under test, and rustls in each peer.
//!
//! The oracle is the same, too: it is given the plaintext that the server read and sent. So it
//! demands the replies, the close reasons, the deadlines and the memory of a plain world. What TLS
//! adds is in `ending.rs`: what one side read is what the other wrote, and each knows its end.

mod authority;
mod ending;
pub(crate) mod nets;
mod outcomes;
mod peer;
mod tap;

use crate::setup::Setup;
use crate::volume;
use std::time::Instant;

/// Seeds in a run, unless `SIM_ENCRYPTED` says otherwise.
const SEEDS: u64 = 100;

/// Runs the world of `seed`, with TLS.
fn run_seed(seed: u64) -> Result<volume::Summary, String> {
    let replay = format!("replay: SIM_SEED={seed} cargo test --features tls --test sim encrypted_");
    volume::run_world(&Setup::draw(seed).encrypted())
        .map_err(|report| format!("seed {seed}, encrypted: {report}{replay}\n"))
}

#[test]
fn encrypted_seeds_hold_what_is_promised() {
    if volume::only_seed().is_some() {
        return;
    }
    let first = volume::number_from("SIM_FIRST").unwrap_or(1);
    let count = volume::number_from("SIM_ENCRYPTED").unwrap_or(SEEDS);
    let begun = Instant::now();
    let (summary, report) = volume::run_many(first, count, run_seed);
    if let Some((_, report)) = report {
        panic!("{report}");
    }
    summary.tell(begun.elapsed());
}

/// Keys and nonces differ, but no length does: so the same calls have the same outcomes.
#[test]
fn encrypted_same_seed_same_hash() {
    let only = volume::only_seed();
    for seed in only.map_or(1..10, |seed| seed..seed + 1) {
        let hashes = [(); 2].map(|()| match run_seed(seed) {
            Ok(summary) => summary.hash,
            Err(report) => panic!("{report}"),
        });
        assert_eq!(hashes[0], hashes[1], "seed {seed} does not replay to the same trace");
    }
}
