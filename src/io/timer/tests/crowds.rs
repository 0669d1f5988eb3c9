//! Cascades of more keys than one call moves.

use super::{millis, rounded_down};
use crate::io::clock::Moment;
use crate::io::timer::{MOVES_PER_CALL, Timers};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Ticks that a slot of level 1 and one of level 2 cover.
const LEVEL_1: u64 = 4096;
const LEVEL_2: u64 = 4096 * 4096;

/// Arms `count` keys from `first` on, due within `span` ticks from `start` on.
fn crowd(timers: &mut Timers, first: usize, count: usize, start: u64, span: u64) {
    for number in 0..count {
        timers.arm(first + number, millis(start + number as u64 * 7919 % span));
    }
}

/// Calls `pop_due` until nothing is left to do at `now`. Returns the keys, and how many calls
/// yielded none though there was work left.
fn drain(timers: &mut Timers, now: Moment) -> (Vec<usize>, usize) {
    let (mut keys, mut pauses) = (Vec::new(), 0);
    loop {
        match timers.pop_due(now) {
            Some(key) => keys.push(key),
            None if timers.next_wakeup().is_none_or(|wakeup| wakeup > now) => {
                return (keys, pauses);
            }
            None => pauses += 1,
        }
    }
}

#[test]
fn a_large_cascade_takes_several_calls_and_no_key_fires_meanwhile() {
    const CROWD: usize = 10 * MOVES_PER_CALL;
    let mut timers = Timers::default();
    crowd(&mut timers, 0, CROWD + 1, LEVEL_1, 100);
    for _ in 0..10 {
        assert_eq!(timers.pop_due(millis(LEVEL_1)), None);
        assert_eq!(timers.next_wakeup(), Some(millis(LEVEL_1)));
        assert_eq!(timers.len(), CROWD + 1);
    }
    assert_eq!(timers.pop_due(millis(LEVEL_1)), Some(0));
    let (keys, pauses) = drain(&mut timers, millis(LEVEL_1 + 100));
    assert_eq!((keys.len(), pauses), (CROWD, 0));
}

#[test]
fn keys_of_one_tick_fire_in_the_order_of_arming_after_a_large_cascade() {
    const CROWD: usize = 3 * MOVES_PER_CALL;
    let mut timers = Timers::default();
    crowd(&mut timers, 0, CROWD, LEVEL_2, 1);
    let (keys, pauses) = drain(&mut timers, millis(LEVEL_2));
    assert!(keys.into_iter().eq(0..CROWD));
    assert!(pauses > 0);
}

#[test]
fn a_cascade_ends_though_as_many_keys_are_armed_as_move() {
    const CROWD: usize = 5 * MOVES_PER_CALL;
    let mut timers = Timers::default();
    crowd(&mut timers, 0, CROWD, LEVEL_1, LEVEL_1);
    for call in 1..=4 {
        assert_eq!(timers.pop_due(millis(LEVEL_1)), None);
        crowd(&mut timers, call * CROWD, MOVES_PER_CALL, LEVEL_1, LEVEL_1);
    }
    assert!(timers.pop_due(millis(LEVEL_1)).is_some());
}

#[test]
fn all_moving_keys_may_be_disarmed() {
    const CROWD: usize = 2 * MOVES_PER_CALL;
    let mut timers = Timers::default();
    crowd(&mut timers, 0, CROWD, LEVEL_1, LEVEL_1);
    assert_eq!(timers.pop_due(millis(LEVEL_1)), None);
    (0..CROWD).for_each(|key| timers.disarm(key));
    assert_eq!((timers.len(), timers.next_wakeup()), (0, None));
    assert_eq!(timers.pop_due(millis(2 * LEVEL_1)), None);
    timers.arm(1, millis(2 * LEVEL_1));
    assert_eq!(timers.pop_due(millis(2 * LEVEL_1)), Some(1));
}

/// What the owner does between two calls.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    Wait { ticks: u64 },
    Disarm { every: usize },
    Rearm { every: usize, in_ticks: u64 },
    Newcomers { count: usize, in_ticks: u64 },
}

fn between() -> impl Strategy<Value = Between> {
    let ticks = || prop_oneof![0..3u64, 0..2 * LEVEL_1, LEVEL_2 - 2..LEVEL_2 + 2];
    prop_oneof![
        Just(Between::Nothing),
        (1..9u64).prop_map(|ticks| Between::Wait { ticks }),
        (1..50usize).prop_map(|every| Between::Disarm { every }),
        (1..50usize, ticks()).prop_map(|(every, in_ticks)| Between::Rearm { every, in_ticks }),
        (1..3000usize, ticks())
            .prop_map(|(count, in_ticks)| Between::Newcomers { count, in_ticks }),
    ]
}

/// The wheel, and a model that has no slots.
struct Pair {
    timers: Timers,
    deadlines: BTreeMap<usize, Moment>,
    order: BTreeSet<(Moment, usize)>,
    now: Moment,
}

impl Pair {
    fn new(now: Moment) -> Pair {
        let (deadlines, order) = (BTreeMap::new(), BTreeSet::new());
        Pair { timers: Timers::new(now), deadlines, order, now }
    }

    /// The deadline is not in the past.
    fn arm(&mut self, key: usize, deadline: Moment) {
        self.forget(key);
        self.timers.arm(key, deadline);
        self.deadlines.insert(key, deadline);
        self.order.insert((deadline, key));
    }

    fn disarm(&mut self, key: usize) {
        self.timers.disarm(key);
        self.forget(key);
    }

    fn forget(&mut self, key: usize) -> Option<Moment> {
        let deadline = self.deadlines.remove(&key)?;
        self.order.remove(&(deadline, key));
        Some(deadline)
    }

    fn earliest(&self) -> Option<Moment> {
        self.order.first().map(|&(deadline, _)| deadline)
    }

    fn act(&mut self, between: Between) {
        let keys_of = |every| self.deadlines.keys().step_by(every).copied().collect::<Vec<_>>();
        let at = |ticks: u64| millis(self.now.as_nanos() / 1_000_000 + ticks);
        match between {
            Between::Nothing => {}
            Between::Wait { ticks } => self.now = at(ticks),
            Between::Disarm { every } => {
                keys_of(every).into_iter().for_each(|key| self.disarm(key));
            }
            Between::Rearm { every, in_ticks } => {
                let deadline = at(in_ticks);
                keys_of(every).into_iter().for_each(|key| self.arm(key, deadline));
            }
            Between::Newcomers { count, in_ticks } => {
                let deadline = at(in_ticks);
                let first = self.deadlines.keys().next_back().map_or(0, |key| key + 1);
                (first..first + count).for_each(|key| self.arm(key, deadline));
            }
        }
    }

    /// What always holds, whatever is under way.
    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.timers.len(), self.deadlines.len());
        prop_assert_eq!(self.timers.next_wakeup().is_some(), self.earliest().is_some());
        prop_assert!(self.timers.next_wakeup() <= self.earliest());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 32 }))]

    /// Whatever the owner does while a cascade is unfinished: never early, in the order of ticks,
    /// each once, and no key is forgotten.
    #[test]
    fn agree_with_a_model(
        start in 0..2 * LEVEL_1,
        crowds in proptest::collection::vec(
            (1..4 * MOVES_PER_CALL, 0..3u64, prop_oneof![1..10u64, LEVEL_1..2 * LEVEL_1]),
            1..4,
        ),
        steps in proptest::collection::vec(between(), 0..30),
    ) {
        let mut pair = Pair::new(millis(start));
        for (count, slot, span) in crowds {
            let first = pair.deadlines.len();
            for number in 0..count {
                let ticks = slot * LEVEL_1 + number as u64 * 7919 % span;
                pair.arm(first + number, millis(start + ticks));
            }
        }
        let mut steps = steps.into_iter();
        let mut fired_at = rounded_down(pair.now);
        while let Some(wakeup) = pair.timers.next_wakeup() {
            pair.now = pair.now.max(wakeup);
            let Some(key) = pair.timers.pop_due(pair.now) else {
                pair.check()?;
                pair.act(steps.next().unwrap_or(Between::Nothing));
                pair.check()?;
                continue;
            };
            let earliest = pair.earliest();
            let deadline = pair.forget(key);
            prop_assert_eq!(deadline, earliest, "not the first of all");
            prop_assert!(deadline.is_some_and(|at| fired_at <= at && at <= pair.now));
            fired_at = deadline.unwrap_or(fired_at);
        }
        prop_assert!(pair.deadlines.is_empty());
    }
}
