//! How what several events told adds up.

use super::*;

#[test]
fn readiness_adds_up() {
    let both = Readiness { read: true, write: true, read_until_would_block: false };
    let with_fin = Readiness { read_until_would_block: true, ..both };
    let mut ready = Readiness::CONNECTED;
    assert_eq!(ready, Readiness { write: true, ..Readiness::default() });
    ready.merge(Readiness { read: true, ..Readiness::default() });
    assert_eq!(ready, both);
    ready.merge(Readiness { read_until_would_block: true, ..Readiness::default() });
    assert_eq!(ready, with_fin);
    ready.merge(Readiness::default());
    assert_eq!(ready, with_fin, "an event takes nothing back");
}
