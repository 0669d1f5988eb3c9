//! The search finds the limit of servers that are known, restless ones too.

use super::{CONFIRMATIONS, Ending, Next, PRECISION, Search, Tried};
use proptest::prelude::*;

/// Searches until the end; returns it and how many tries it took.
fn search(search: &mut Search, mut is_held: impl FnMut(u64) -> bool) -> (Ending, usize) {
    for tries in 0..200 {
        match search.next() {
            Next::Done(ending) => return (ending, tries),
            Next::Try(value) => {
                search.note(value, if is_held(value) { Tried::Held } else { Tried::Missed });
            }
        }
    }
    panic!("no end: {search:?}");
}

#[test]
fn a_limit_is_found_from_below_and_from_above() {
    for start in [1, 1_000, 1_000_000] {
        let mut found = Search::new(start, 1, 100_000_000);
        let (ending, tries) = search(&mut found, |rate| rate <= 37_000);
        assert_eq!(ending, Ending::Confirmed);
        let (held, missed) = (found.held().unwrap(), found.missed().unwrap());
        assert!(held <= 37_000 && 37_000 < missed, "{held} to {missed}");
        assert!((missed - held) as f64 <= held as f64 * PRECISION);
        assert_eq!(found.confirmations(), CONFIRMATIONS + 1);
        assert!(tries < 50, "{tries} tries");
    }
}

#[test]
fn a_server_without_a_limit_is_confirmed_at_the_most() {
    let mut found = Search::new(16, 1, 1000);
    assert_eq!(search(&mut found, |_| true).0, Ending::AtTheMost);
    assert_eq!((found.held(), found.missed()), (Some(1000), None));
}

#[test]
fn a_server_that_holds_nothing_ends_the_search() {
    let mut found = Search::new(16, 2, 1000);
    assert_eq!(search(&mut found, |_| false).0, Ending::NothingHeld);
    assert_eq!((found.held(), found.missed()), (None, Some(2)));
}

#[test]
fn one_hiccup_is_tried_again() {
    let mut found = Search::new(1000, 1, 1_000_000);
    let mut tries = 0;
    let (ending, _) = search(&mut found, |rate| {
        tries += 1;
        rate <= 50_000 && tries != 2
    });
    assert_eq!(ending, Ending::Confirmed);
    assert!(found.held().unwrap() > 48_000);
    assert_eq!(found.restless(), 1);
}

#[test]
fn what_is_missed_by_far_is_not_tried_again() {
    let mut found = Search::new(1000, 1, 1_000_000);
    let mut values = Vec::new();
    let ending = loop {
        match found.next() {
            Next::Done(ending) => break ending,
            Next::Try(value) => {
                values.push(value);
                let tried = if value <= 1000 { Tried::Held } else { Tried::MissedByFar };
                found.note(value, tried);
            }
        }
    };
    assert_eq!(ending, Ending::Confirmed);
    assert_eq!(values, [1000, 2000, 1414, 1189, 1090, 1044, 1000, 1000, 1000]);
}

#[test]
fn a_value_that_fails_its_confirmation_twice_is_not_the_answer() {
    let mut found = Search::new(100, 1, 100);
    let mut tries = 0;
    let (ending, _) = search(&mut found, |value| {
        tries += 1;
        value <= 60 || tries == 1
    });
    assert_eq!(ending, Ending::Confirmed);
    assert!(found.held().unwrap() <= 60);
}

#[test]
fn a_machine_that_answers_by_chance_is_called_restless() {
    let mut found = Search::new(1000, 1, u64::MAX / 4);
    let mut tries = 0_u32;
    let ending = search(&mut found, |_| {
        tries += 1;
        tries.is_multiple_of(2)
    });
    assert_eq!(ending.0, Ending::Restless);
}

proptest! {
    #[test]
    fn every_limit_is_found_within_the_precision(
        limit in 1_u64..10_000_000,
        start in 1_u64..10_000_000,
    ) {
        let mut found = Search::new(start, 1, 20_000_000);
        let (ending, tries) = search(&mut found, |value| value <= limit);
        prop_assert_eq!(ending, Ending::Confirmed);
        let (held, missed) = (found.held().unwrap(), found.missed().unwrap());
        prop_assert!(held <= limit && limit < missed);
        prop_assert!(missed - held <= 1 || (missed - held) as f64 <= held as f64 * PRECISION);
        prop_assert!(tries <= 70, "{tries} tries");
    }
}
