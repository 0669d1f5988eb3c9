//! When memory goes back, by the virtual clock.

use super::TrimSchedule;
use crate::io::clock::Moment;
use std::time::Duration;

const MIB: usize = 1 << 20;

/// Use in each millisecond. Returns the milliseconds at which memory was given back.
fn trims(use_in: impl Fn(u64) -> usize, milliseconds: u64) -> Vec<u64> {
    let mut schedule = TrimSchedule::default();
    let at = |millisecond| Moment::START + Duration::from_millis(millisecond);
    (0..milliseconds).filter(|&now| schedule.should_trim(use_in(now), at(now))).collect()
}

#[test]
fn memory_goes_back_once_within_a_second_after_a_crowd_has_left() {
    let trims = trims(|now| if now < 1234 { 100 * MIB } else { 0 }, 60_000);
    assert!(matches!(trims[..], [once] if (1234..2234).contains(&once)), "{trims:?}");
}

#[test]
fn what_comes_and_goes_at_a_high_rate_is_kept() {
    let trims = trims(|now| if now % 100 < 10 { 100 * MIB } else { 0 }, 60_000);
    assert!(trims.is_empty(), "{trims:?}");
}

#[test]
fn little_memory_is_kept() {
    let trims = trims(|now| if now < 100 { 3 * MIB } else { 0 }, 60_000);
    assert!(trims.is_empty(), "{trims:?}");
}

#[test]
fn memory_goes_back_step_by_step_while_use_falls() {
    let trims = trims(|now| 100 * MIB - 10 * MIB * (now as usize / 6_000).min(10), 70_000);
    assert_eq!(trims.len(), 10, "{trims:?}");
}

#[test]
fn an_idle_server_wakes_up_until_the_memory_is_back_and_no_longer() {
    let mut schedule = TrimSchedule::default();
    assert_eq!(schedule.next_look(), None);
    assert!(!schedule.should_trim(50 * MIB, Moment::START));
    let mut looks = 0;
    while let Some(due) = schedule.next_look() {
        assert!(!schedule.should_trim(0, due) || looks > 0);
        looks += 1;
        assert!(looks < 5, "it never rests");
    }
    assert_eq!(looks, 2);
}
