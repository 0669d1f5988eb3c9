//! The tables of a server by themselves: what the longest single step takes.

use crate::Turns;
use crate::support::shuffled;
use readyd::io::clock::Moment;
use readyd::io::slots::{PORTION, Slots};
use readyd::io::timer::Timers;
use slab::Slab;
use std::time::Duration;

/// As large as a connection's entry, and with a niche as it has.
struct Place {
    is_open: bool,
    rest: [u64; 10],
}

const _: () = assert!(size_of::<Place>() == 88);

impl Place {
    const OPEN: Place = Place { is_open: true, rest: [1; 10] };
}

/// All connections have the same deadline, in a slot of level 1 of the wheel.
const DEADLINE: Duration = Duration::from_secs(600);

/// Measures the tables with `places` places taken.
pub(super) fn measure(places: usize) {
    println!("| {places} places | steps | longest step | all steps | a place |");
    println!("|---|---|---|---|---|");
    let lowest_first: Vec<usize> = (0..places).collect();
    let highest_first: Vec<usize> = (0..places).rev().collect();
    let random = shuffled(&lowest_first);
    for (how, order) in
        [("lowest first", lowest_first), ("highest first", highest_first), ("at random", random)]
    {
        one_slab(&order, how);
        portions(&order, how);
    }
    walk(places);
    timers(places);
    println!();
}

/// For comparison: without portions.
fn one_slab(order: &[usize], how: &str) {
    let mut slab = Slab::new();
    let mut turns = Turns::default();
    for _ in order {
        turns.time(|| slab.insert(Place::OPEN));
    }
    turns.print("one slab: inserted", order.len());
    let mut turns = Turns::default();
    order.iter().for_each(|&key| assert!(turns.time(|| slab.remove(key)).is_open));
    turns.time(|| slab = Slab::new());
    turns.print(&format!("one slab: removed {how}, memory given back"), order.len());
}

fn portions(order: &[usize], how: &str) {
    let mut slots = Slots::new();
    let mut turns = Turns::default();
    for _ in order {
        turns.time(|| slots.insert(Place::OPEN));
    }
    turns.print("portions: inserted", order.len());
    let mut turns = Turns::default();
    order.iter().for_each(|&key| assert!(turns.time(|| slots.remove(key)).is_open));
    turns.print(&format!("portions: removed {how}, memory given back"), order.len());
    assert!(slots.capacity() <= PORTION, "memory for {} places is kept", slots.capacity());
}

/// As the order to stop visits all connections: a portion's length a step.
fn walk(places: usize) {
    let mut slots = Slots::new();
    for _ in 0..places {
        slots.insert(Place::OPEN);
    }
    let mut turns = Turns::default();
    let (mut next, mut visited) = (slots.next_occupied(0), 0);
    while let Some(start) = next {
        turns.time(|| {
            while let Some(key) = next.filter(|&key| key < start + PORTION) {
                visited += slots.get_mut(key).map_or(0, |place| place.rest[0]);
                next = slots.next_occupied(key + 1);
            }
        });
    }
    assert_eq!(visited, places as u64, "not all were visited once");
    turns.print("portions: all visited", places);
}

fn timers(places: usize) {
    let deadline = Moment::START + DEADLINE;
    let mut timers = Timers::new(Moment::START);
    let mut turns = Turns::default();
    (0..places).for_each(|key| turns.time(|| timers.arm(key, deadline)));
    turns.print("timers: armed", places);

    let mut turns = Turns::default();
    let slot = timers.next_wakeup().expect("timers are armed");
    while timers.next_wakeup().is_some_and(|wakeup| wakeup <= slot) {
        assert_eq!(turns.time(|| timers.pop_due(slot)), None, "before its time");
    }
    turns.print("timers: all move to the finest level", places);

    let mut turns = Turns::default();
    while turns.time(|| timers.pop_due(deadline)).is_some() {}
    turns.print("timers: fired", places);
    assert!(timers.is_empty());

    let mut turns = Turns::default();
    while turns.time(|| timers.shrink_to(0)) {}
    turns.print("timers: memory given back", places);
}
