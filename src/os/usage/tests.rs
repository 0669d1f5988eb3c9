use super::*;
use std::hint::black_box;

#[test]
fn a_process_knows_itself() {
    let usage = Meter::open().usage();
    assert_eq!(usage.process_id, process::id());
    // The test program alone is larger than a megabyte, and no machine has a petabyte.
    assert!((1 << 20..1 << 50).contains(&usage.resident_bytes), "{usage:?}");
    assert_eq!(Meter::default().usage().resident_bytes, 0);
}

#[test]
fn what_is_used_is_measured_anew_each_time() {
    const SIZE: usize = 256 << 20;
    let meter = Meter::open();
    let before = meter.usage();
    let memory = black_box(vec![1_u8; SIZE]);
    while meter.usage().cpu == before.cpu {
        black_box(memory.iter().map(|&byte| u64::from(byte)).sum::<u64>());
    }
    let after = meter.usage();
    assert!(after.cpu > before.cpu, "{after:?}, {before:?}");
    // Other tests give memory back meanwhile, but not so much.
    assert!(after.resident_bytes > before.resident_bytes + SIZE as u64 / 2, "{after:?}");
    drop(memory);
}
