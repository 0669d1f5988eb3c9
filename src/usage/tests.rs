use super::*;
use std::hint::black_box;

#[test]
fn a_process_knows_itself() {
    let usage = of_this_process();
    assert_eq!(usage.process_id, process::id());
    // The test program alone is larger than a megabyte, and no machine has a petabyte.
    assert!((1 << 20..1 << 50).contains(&usage.resident_bytes), "{usage:?}");
}

#[test]
fn work_takes_processor_time() {
    let before = of_this_process().cpu;
    while of_this_process().cpu == before {
        black_box((0..100_000).map(black_box).sum::<u64>());
    }
    assert!(of_this_process().cpu > before);
}
