//! The wheel against a model that is too simple to be wrong, and the places where wheels break.

mod crowds;

use super::Timers;
use crate::io::clock::Moment;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

const MILLISECOND: u64 = 1_000_000;

fn millis(ticks: u64) -> Moment {
    Moment::from_nanos(ticks.saturating_mul(MILLISECOND))
}

fn nanos_after(moment: Moment, nanos: u64) -> Moment {
    moment + Duration::from_nanos(nanos)
}

fn nanos_before(moment: Moment, nanos: u64) -> Moment {
    Moment::from_nanos(moment.as_nanos().saturating_sub(nanos))
}

fn rounded_up(moment: Moment) -> Moment {
    millis(moment.as_nanos().div_ceil(MILLISECOND))
}

fn rounded_down(moment: Moment) -> Moment {
    if moment == Moment::NEVER { moment } else { millis(moment.as_nanos() / MILLISECOND) }
}

/// All keys that are due, in the order in which they fire.
fn drain(timers: &mut Timers, now: Moment) -> Vec<usize> {
    std::iter::from_fn(|| timers.pop_due(now)).collect()
}

/// What `Timers` promises, without a wheel: of all keys, the earliest comes first.
#[derive(Default)]
struct Model {
    armed: BTreeMap<usize, Turn>,
    armings: usize,
    now: Moment,
}

/// When a key's turn comes: compared by deadline, then by which was armed first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    deadline: Moment,
    arming: usize,
}

impl Model {
    fn arm(&mut self, key: usize, deadline: Moment) {
        let deadline = rounded_up(deadline).max(self.now);
        if self.deadline(key) != Some(deadline) {
            self.armings += 1;
            self.armed.insert(key, Turn { deadline, arming: self.armings });
        }
    }

    fn arm_no_later(&mut self, key: usize, deadline: Moment) {
        if self.deadline(key).is_none_or(|armed| armed > deadline) {
            self.arm(key, deadline);
        }
    }

    fn deadline(&self, key: usize) -> Option<Moment> {
        self.armed.get(&key).map(|turn| turn.deadline)
    }

    fn earliest(&self) -> Option<Moment> {
        self.armed.values().map(|turn| turn.deadline).min()
    }

    fn pop_due(&mut self, now: Moment) -> Option<usize> {
        let now = rounded_down(now).max(self.now);
        let first = self.armed.iter().min_by_key(|&(_, &turn)| turn);
        match first {
            Some((&key, turn)) if turn.deadline <= now => {
                self.now = turn.deadline;
                self.armed.remove(&key);
                Some(key)
            }
            _ => {
                self.now = now;
                None
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum When {
    InNanos(u64),
    NanosAgo(u64),
    Never,
}

impl When {
    fn from(self, now: Moment) -> Moment {
        match self {
            When::InNanos(nanos) => nanos_after(now, nanos),
            When::NanosAgo(nanos) => nanos_before(now, nanos),
            When::Never => Moment::NEVER,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Arm(usize, When),
    ArmNoLater(usize, When),
    Disarm(usize),
    /// Move the clock and take out at most this number of keys.
    Advance(u64, usize),
    /// As the owner's poll does: sleep until the next wake-up, then take out all that is due.
    Sleep,
    PopInThePast(u64),
    ShrinkTo(usize),
}

/// Durations that stay on one level, that straddle two, and that skip hours or centuries.
fn duration() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => 0..3 * MILLISECOND,
        8 => 0..200 * MILLISECOND,
        8 => (0u32..5, 0u64..3).prop_map(|(level, off)| (64u64.pow(level) + off - 1) * MILLISECOND),
        8 => 0..3_600_000 * MILLISECOND,
        1 => 0..u64::MAX / 8,
    ]
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![
        12 => duration().prop_map(When::InNanos),
        2 => duration().prop_map(When::NanosAgo),
        1 => Just(When::Never),
    ]
}

/// Few keys, so that they are armed again and again; some so high that the memory below them goes
/// back and is needed again.
const KEYS: [Range<usize>; 2] = [0..20, 9_998..10_002];

fn key() -> impl Strategy<Value = usize> {
    let [low, high] = KEYS;
    prop_oneof![20 => low, 4 => high]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (key(), when()).prop_map(|(key, when)| Step::Arm(key, when)),
        4 => (key(), when()).prop_map(|(key, when)| Step::ArmNoLater(key, when)),
        3 => key().prop_map(Step::Disarm),
        4 => (duration(), prop_oneof![0..4usize, Just(usize::MAX)])
            .prop_map(|(nanos, most)| Step::Advance(nanos, most)),
        4 => Just(Step::Sleep),
        1 => duration().prop_map(Step::PopInThePast),
        1 => (0..12_000usize).prop_map(Step::ShrinkTo),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 512 }))]

    /// Never early, never late, each once and in order, whatever was done before.
    #[test]
    fn agrees_with_the_model(
        start in duration(),
        steps in proptest::collection::vec(step(), 1..if cfg!(miri) { 30 } else { 120 }),
    ) {
        let mut now = Moment::from_nanos(start);
        let mut timers = Timers::new(now);
        let mut model = Model { now: rounded_down(now), ..Model::default() };
        for step in steps {
            match step {
                Step::Arm(key, when) => {
                    timers.arm(key, when.from(now));
                    model.arm(key, when.from(now));
                }
                Step::ArmNoLater(key, when) => {
                    timers.arm_no_later(key, when.from(now));
                    model.arm_no_later(key, when.from(now));
                }
                Step::Disarm(key) => {
                    timers.disarm(key);
                    model.armed.remove(&key);
                }
                Step::Advance(nanos, most) => {
                    now = nanos_after(now, nanos);
                    for _ in 0..most {
                        let popped = timers.pop_due(now);
                        prop_assert_eq!(popped, model.pop_due(now));
                        if popped.is_none() {
                            break;
                        }
                    }
                }
                Step::Sleep => {
                    now = now.max(timers.next_wakeup().unwrap_or(now));
                    let expected: Vec<_> = std::iter::from_fn(|| model.pop_due(now)).collect();
                    prop_assert_eq!(drain(&mut timers, now), expected);
                }
                Step::PopInThePast(nanos) => {
                    let past = nanos_before(now, nanos);
                    prop_assert_eq!(timers.pop_due(past), model.pop_due(past));
                }
                Step::ShrinkTo(end) => {
                    timers.shrink_to(end);
                }
            }
            prop_assert_eq!(timers.len(), model.armed.len());
            prop_assert_eq!(timers.is_empty(), model.armed.is_empty());
            for key in KEYS.into_iter().flatten().chain([30]) {
                prop_assert_eq!(timers.deadline(key), model.deadline(key));
            }
            prop_assert_eq!(timers.next_wakeup().is_some(), model.earliest().is_some());
            prop_assert!(timers.next_wakeup() <= model.earliest());
        }
    }

    /// Who sleeps until `next_wakeup` wakes at every deadline exactly, and seldom in between.
    #[test]
    fn following_the_wakeups_meets_every_deadline(
        start in duration(),
        whens in proptest::collection::vec(when(), 1..200),
    ) {
        let start = Moment::from_nanos(start);
        let mut timers = Timers::new(start);
        let mut outstanding = BTreeMap::new();
        for (key, when) in whens.iter().enumerate() {
            timers.arm(key, when.from(start));
            outstanding.insert(key, rounded_up(when.from(start)).max(rounded_down(start)));
        }
        let mut wakeups = 0;
        while let Some(wakeup) = timers.next_wakeup() {
            wakeups += 1;
            for key in drain(&mut timers, wakeup) {
                prop_assert_eq!(outstanding.remove(&key), Some(wakeup));
            }
            prop_assert!(outstanding.values().all(|&deadline| deadline > wakeup));
        }
        prop_assert!(outstanding.is_empty());
        prop_assert!(wakeups <= 4 * whens.len(), "{wakeups} wake-ups for {} keys", whens.len());
    }
}

#[test]
fn fires_exactly_on_time_across_every_boundary() {
    let powers = (0..7).map(|exponent| 64u64.pow(exponent));
    let near = |center: u64| center.saturating_sub(2)..=center + 2;
    let phases: Vec<u64> = powers.clone().flat_map(near).chain([12_345_678_901]).collect();
    let distances: Vec<u64> = powers.flat_map(near).filter(|&distance| distance > 0).collect();
    for &phase in &phases {
        for &distance in &distances {
            let (start, deadline) = (millis(phase), millis(phase + distance));
            let mut timers = Timers::new(start);
            timers.arm(0, deadline);
            assert_eq!(timers.deadline(0), Some(deadline));
            assert_eq!(timers.pop_due(nanos_before(deadline, 1)), None, "{phase} + {distance}");
            assert_eq!(timers.pop_due(deadline), Some(0), "{phase} + {distance}");

            // In one leap, with a second key that must stay behind.
            timers.arm(0, nanos_after(deadline, distance * MILLISECOND));
            timers.arm(1, nanos_after(deadline, distance * MILLISECOND + 1));
            let later = millis(phase + 2 * distance);
            assert_eq!(drain(&mut timers, later), [0], "{phase} + 2 * {distance}");
            assert_eq!(drain(&mut timers, millis(phase + 2 * distance + 1)), [1]);
        }
    }
}

#[test]
fn rounds_deadlines_up_to_the_tick_and_now_down() {
    let mut timers = Timers::new(Moment::from_nanos(MILLISECOND - 1));
    timers.arm(0, Moment::from_nanos(MILLISECOND + 1));
    assert_eq!(timers.deadline(0), Some(millis(2)));
    assert_eq!(timers.pop_due(Moment::from_nanos(2 * MILLISECOND - 1)), None);
    assert_eq!(timers.pop_due(millis(2)), Some(0));
}

#[test]
fn never_is_later_than_every_other_moment() {
    let last_before = nanos_before(Moment::NEVER, MILLISECOND);
    let mut timers = Timers::default();
    timers.arm(0, Moment::NEVER);
    timers.arm(1, last_before);
    assert_eq!(timers.deadline(0), Some(Moment::NEVER));
    assert!(timers.next_wakeup() < Some(last_before));
    assert_eq!(drain(&mut timers, nanos_before(Moment::NEVER, 1)), [1]);
    assert_eq!(timers.deadline(0), Some(Moment::NEVER));
    assert_eq!(drain(&mut timers, Moment::NEVER), [0]);

    // Also once the clock stands still at its end.
    timers.arm(0, Moment::NEVER);
    assert_eq!(drain(&mut timers, Moment::NEVER), [0]);
}

#[test]
fn a_deadline_in_the_past_is_due_at_once_behind_those_that_wait() {
    let mut timers = Timers::new(millis(1000));
    timers.arm(0, millis(1000));
    timers.arm(1, millis(3));
    timers.arm(2, Moment::START);
    timers.arm(3, millis(1001));
    assert_eq!(timers.next_wakeup(), Some(millis(1000)));
    assert_eq!(drain(&mut timers, millis(1000)), [0, 1, 2]);
    assert_eq!(drain(&mut timers, millis(1001)), [3]);
}

#[test]
fn a_key_armed_for_now_while_draining_starves_nobody() {
    let now = millis(100_000);
    let mut timers = Timers::default();
    for key in 0..50 {
        timers.arm(key, millis(key as u64 * 2000));
    }
    let order: Vec<usize> = (0..100)
        .map(|_| {
            let key = timers.pop_due(now).expect("every key is armed again when it fires");
            timers.arm(key, now);
            key
        })
        .collect();
    assert!(order.iter().copied().eq((0..50).chain(0..50)), "{order:?}");
}

#[test]
fn one_tick_fires_in_the_order_of_arming_even_after_cascades() {
    let deadline = millis(64 * 64 * 3 + 7);
    let mut timers = Timers::default();
    timers.arm(5, deadline);
    timers.arm(3, deadline);
    assert_eq!(timers.pop_due(millis(64 * 64 * 3 - 1)), None);
    timers.arm(4, deadline);
    timers.arm(5, deadline); // No change: keeps its place.
    assert_eq!(timers.pop_due(millis(64 * 64 * 3 + 1)), None);
    timers.arm(1, deadline);
    assert_eq!(drain(&mut timers, deadline), [5, 3, 4, 1]);
}

#[test]
fn arm_no_later_only_brings_a_deadline_forward() {
    let mut timers = Timers::default();
    timers.arm_no_later(9, millis(500));
    assert_eq!(timers.deadline(9), Some(millis(500)));
    timers.arm_no_later(9, millis(501));
    assert_eq!(timers.deadline(9), Some(millis(500)));
    timers.arm_no_later(9, millis(499));
    assert_eq!(timers.deadline(9), Some(millis(499)));
    assert_eq!(drain(&mut timers, millis(1000)), [9]);
    timers.arm_no_later(9, millis(2000));
    assert_eq!(timers.deadline(9), Some(millis(2000)));
}

#[test]
fn a_clock_that_goes_backwards_is_harmless() {
    let mut timers = Timers::new(millis(1000));
    timers.arm(0, millis(1500));
    assert_eq!(timers.pop_due(millis(1400)), None);
    assert_eq!(timers.pop_due(millis(10)), None);
    timers.arm(1, millis(1450));
    assert_eq!(timers.pop_due(millis(1449)), None);
    assert_eq!(drain(&mut timers, millis(1500)), [1, 0]);
}

#[test]
fn disarming_what_is_not_armed_does_nothing() {
    let mut timers = Timers::default();
    let empty = timers.memory();
    timers.disarm(1_000_000);
    assert_eq!(timers.memory(), empty);
    timers.arm(3, millis(5));
    timers.disarm(2);
    timers.disarm(3);
    timers.disarm(3);
    assert_eq!(timers.len(), 0);
    assert_eq!(timers.next_wakeup(), None);
    assert_eq!(timers.pop_due(millis(5)), None);
}

#[test]
fn shrink_gives_back_the_memory_of_keys_that_are_not_below_the_bound() {
    let mut timers = Timers::default();
    let empty = timers.memory();
    for key in 0..10_000 {
        timers.arm(key, millis(key as u64));
    }
    let full = timers.memory();
    assert!(full - empty >= 16 * 10_000);
    (100..10_000).for_each(|key| timers.disarm(key));
    assert_eq!(timers.memory(), full);
    assert!(!timers.shrink_to(100));
    assert!(timers.memory() - empty < (full - empty) / 10);

    timers.arm(20_000, millis(1));
    assert!(
        drain(&mut timers, millis(10_000)).into_iter().eq([0, 1, 20_000].into_iter().chain(2..100))
    );
    assert!(!timers.shrink_to(0));
    assert_eq!(timers.memory(), empty);
}

#[test]
fn shrink_gives_back_a_mebibyte_a_call_and_nothing_if_there_is_little() {
    const KEYS: usize = 200_000;
    const LITTLE: usize = 4_000;
    const MEBIBYTE: usize = 1 << 20;
    let mut timers = Timers::default();
    let empty = timers.memory();
    (0..KEYS).for_each(|key| timers.arm(key, millis(1)));
    (1..KEYS).for_each(|key| timers.disarm(key));
    let full = timers.memory();
    assert!(!timers.shrink_to(KEYS - LITTLE));
    assert_eq!(timers.memory(), full);

    assert!(timers.shrink_to(0));
    // The array had room for more than these keys.
    assert_eq!(timers.memory(), empty + 16 * KEYS - MEBIBYTE);
    assert!(timers.shrink_to(0));
    assert_eq!(timers.memory(), empty + 16 * KEYS - 2 * MEBIBYTE);
    while timers.shrink_to(0) {}
    assert!(timers.memory() < empty + 16 * LITTLE, "{} bytes", timers.memory());
    assert_eq!(drain(&mut timers, millis(1)), [0]);
}

#[test]
fn shrink_keeps_a_key_that_is_armed_above_the_bound() {
    let mut timers = Timers::default();
    (0..10_000).for_each(|key| timers.arm(key, millis(1)));
    (0..10_000).filter(|&key| key != 7_000).for_each(|key| timers.disarm(key));
    assert!(!timers.shrink_to(10), "it cannot go on before that key is disarmed");
    assert_eq!(timers.memory(), Timers::default().memory() + 16 * 7_001);
    assert_eq!(drain(&mut timers, millis(1)), [7_000]);
}

#[test]
fn memory_is_the_wheel_and_sixteen_bytes_for_each_key_there_is_room_for() {
    let mut timers = Timers::default();
    let wheel = timers.memory();
    assert_eq!(wheel, 64 * 1024);
    timers.arm(999, millis(1));
    assert!((16 * 1000..=16 * 2048).contains(&(timers.memory() - wheel)), "{}", timers.memory());
}
