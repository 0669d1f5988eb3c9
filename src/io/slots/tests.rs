//! The slots against a map, and the edges of portions.

use super::{PORTION, Slots};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Insert(usize),
    /// Ask for the place of the next value, and leave it free.
    Ask,
    /// Remove values: how many, and in which order.
    Remove(usize, Order),
}

#[derive(Clone, Copy, Debug)]
enum Order {
    LowestFirst,
    HighestFirst,
    /// Keys at this distance from each other.
    Scattered(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let count = || prop_oneof![2 => 0..4usize, 1 => 0..3 * PORTION];
    let order = prop_oneof![
        Just(Order::LowestFirst),
        Just(Order::HighestFirst),
        (1..2 * PORTION).prop_map(Order::Scattered),
    ];
    prop_oneof![
        4 => count().prop_map(Step::Insert),
        1 => Just(Step::Ask),
        3 => (count(), order).prop_map(|(count, order)| Step::Remove(count, order)),
    ]
}

/// Which key of the model is removed next.
fn choose(model: &BTreeMap<usize, usize>, order: Order, number: usize) -> Option<usize> {
    match order {
        Order::LowestFirst => model.keys().next().copied(),
        Order::HighestFirst => model.keys().next_back().copied(),
        Order::Scattered(distance) => {
            let end = model.keys().next_back()? + 1;
            model.range(number * distance % end..).next().map(|(&key, _)| key)
        }
    }
}

/// Places that an array needs if at most one of its portions is empty.
fn portions_with_values(model: &BTreeMap<usize, usize>) -> usize {
    let portions = model.keys().map(|key| key / PORTION);
    portions.collect::<std::collections::BTreeSet<_>>().len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 64 }))]

    #[test]
    fn agrees_with_a_map(steps in proptest::collection::vec(step(), 1..20)) {
        let mut slots = Slots::new();
        let mut model = BTreeMap::new();
        let mut inserted = 0;
        for step in steps {
            match step {
                Step::Insert(count) => for _ in 0..count {
                    let portion = (0..).find(|&portion| {
                        let keys = portion * PORTION..(portion + 1) * PORTION;
                        slots.next_occupied(keys.start).is_none()
                            || keys.clone().any(|key| !slots.contains(key))
                    });
                    let key = slots.insert(inserted);
                    prop_assert_eq!(Some(key / PORTION), portion, "not the lowest with room");
                    prop_assert_eq!(model.insert(key, inserted), None);
                    inserted += 1;
                    if count > 4 {
                        // The search above is slow.
                        for _ in 1..count {
                            model.insert(slots.insert(inserted), inserted);
                            inserted += 1;
                        }
                        break;
                    }
                },
                Step::Ask => {
                    let key = slots.vacant_entry().key();
                    prop_assert!(!slots.contains(key));
                    prop_assert_eq!(slots.vacant_entry().key(), key);
                }
                Step::Remove(count, order) => for number in 0..count {
                    let Some(key) = choose(&model, order, number) else { break };
                    prop_assert_eq!(Some(slots.remove(key)), model.remove(&key));
                },
            }
            prop_assert_eq!(slots.len(), model.len());
            prop_assert_eq!(slots.is_empty(), model.is_empty());
            let expected = || model.iter().map(|(&key, value)| (key, value));
            prop_assert!(slots.iter().eq(expected()));
            prop_assert!(slots.iter().rev().eq(expected().rev()));
            let highest = model.keys().next_back();
            prop_assert_eq!(slots.end(), highest.map_or(0, |key| (key / PORTION + 1) * PORTION));
            let most = (portions_with_values(&model) + 1) * PORTION;
            prop_assert!((slots.len()..=most).contains(&slots.capacity()));
            prop_assert!(slots.memory() >= slots.capacity() * size_of::<usize>());
        }
        let mut walked = Vec::new();
        let mut from = 0;
        while let Some(key) = slots.next_occupied(from) {
            walked.push(key);
            from = key + 1;
        }
        prop_assert!(walked.iter().eq(model.keys()));
        for (_, value) in slots.iter_mut() {
            *value += 1;
        }
        prop_assert!(model.iter().all(|(&key, value)| slots.get(key) == Some(&(value + 1))));
    }
}

fn filled(count: usize) -> Slots<u64> {
    let mut slots = Slots::new();
    for number in 0..count {
        assert_eq!(slots.insert(number as u64), number, "keys are dense");
    }
    slots
}

#[test]
fn a_value_knows_its_key_before_it_is_put_in() {
    let mut slots = filled(2 * PORTION);
    for key in [PORTION + 7, 2, PORTION + 9] {
        slots.remove(key);
    }
    for expected in [2, PORTION + 9, PORTION + 7, 2 * PORTION] {
        let entry = slots.vacant_entry();
        let key = entry.key();
        assert_eq!(*entry.insert(key as u64), key as u64);
        assert_eq!(key, expected);
        assert_eq!(slots.get_mut(key), Some(&mut (key as u64)));
    }
}

#[test]
fn a_few_values_take_little_memory_and_none_take_none() {
    let slots = Slots::<[u64; 11]>::new();
    assert_eq!(slots.memory(), 0);
    let mut slots = Slots::new();
    for _ in 0..10 {
        slots.insert([0_u64; 11]);
    }
    assert!(slots.memory() < 4096, "{} bytes", slots.memory());
}

#[test]
fn a_crowd_that_leaves_gives_its_memory_back_in_any_order() {
    const CROWD: usize = 10 * PORTION;
    let lowest_first = (0..CROWD).collect();
    let highest_first = (0..CROWD).rev().collect();
    let scattered = (0..CROWD).map(|number| number * 10_007 % CROWD).collect();
    let orders: [Vec<usize>; 3] = [lowest_first, highest_first, scattered];
    for order in orders {
        let mut slots = filled(CROWD);
        assert_eq!(slots.capacity(), CROWD);
        for key in order {
            assert_eq!(slots.remove(key), key as u64);
        }
        assert_eq!(slots.capacity(), PORTION, "the portion that was emptied last is kept");
        assert_eq!(slots.end(), 0);
    }
}

#[test]
fn values_that_stay_keep_only_their_own_portions() {
    let mut slots = filled(10 * PORTION);
    let stays = [5, 9 * PORTION];
    for key in (0..10 * PORTION).filter(|key| !stays.contains(key)) {
        slots.remove(key);
    }
    assert_eq!(slots.capacity(), 3 * PORTION);
    assert_eq!(slots.next_occupied(6), Some(9 * PORTION));
    slots.remove(9 * PORTION);
    assert_eq!(slots.capacity(), 2 * PORTION);
    assert_eq!(slots.end(), PORTION);
    assert_eq!(slots.next_occupied(6), None);
}

#[test]
fn coming_and_going_at_the_edge_of_a_portion_keeps_its_memory() {
    let mut slots = filled(2 * PORTION);
    let key = slots.insert(0);
    let memory = slots.memory();
    for _ in 0..10 {
        assert_eq!(slots.remove(key), 0);
        assert_eq!(slots.memory(), memory);
        assert_eq!(slots.insert(0), key);
        assert_eq!(slots.memory(), memory);
    }
}

#[test]
fn keys_that_were_never_given_out_are_free() {
    let mut slots = filled(3);
    for key in [3, PORTION, usize::MAX] {
        assert_eq!(slots.get(key), None);
        assert_eq!(slots.get_mut(key), None);
        assert!(!slots.contains(key));
        assert_eq!(slots.next_occupied(key), None);
    }
}

#[test]
#[should_panic = "invalid key"]
fn to_remove_twice_is_a_bug() {
    let mut slots = filled(3);
    slots.remove(1);
    slots.remove(1);
}
