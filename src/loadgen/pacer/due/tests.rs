//! Beside a model that keeps a queue for each turn.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::VecDeque;

#[derive(Clone, Debug)]
enum Event {
    Due(u64),
    Take(usize),
    GiveUp(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0u64..12).prop_map(Event::Due),
        6 => (0usize..7).prop_map(Event::Take),
        1 => (0usize..7).prop_map(Event::GiveUp),
    ]
}

proptest! {
    #[test]
    fn each_request_waits_for_its_turn_until_it_is_taken(
        turns in 0usize..6,
        events in vec(event(), 0..200),
    ) {
        let slots: Vec<usize> = (0..turns).map(|turn| 100 + turn).collect();
        let mut due = DueRequests::new(&slots);
        let mut queues = vec![VecDeque::new(); turns];
        let mut open = vec![true; turns];
        for event in events {
            match event {
                Event::Due(more) => {
                    let first = due.count();
                    for number in first..first + more {
                        if let Some(turn) = (number as usize).checked_rem(turns)
                            && open[turn]
                        {
                            queues[turn].push_back(number);
                        }
                    }
                    let waited: Vec<bool> = (0..turns).map(|turn| due.has(turn)).collect();
                    due.advance(first + more);
                    let mut named: Vec<usize> =
                        std::iter::from_fn(|| due.next_slot()).map(|slot| slot - 100).collect();
                    named.sort_unstable();
                    let new = |&turn: &usize| !waited[turn] && !queues[turn].is_empty();
                    prop_assert_eq!(named, (0..turns).filter(new).collect::<Vec<_>>());
                }
                Event::Take(turn) => {
                    let expected = queues.get_mut(turn).and_then(VecDeque::pop_front);
                    prop_assert_eq!(due.take(turn), expected);
                }
                Event::GiveUp(turn) => {
                    due.give_up(turn);
                    if let Some(queue) = queues.get_mut(turn) {
                        queue.clear();
                        open[turn] = false;
                    }
                }
            }
            let waiting: usize = queues.iter().map(VecDeque::len).sum();
            prop_assert_eq!(due.waiting(), waiting as u64);
            for (turn, queue) in queues.iter().enumerate() {
                prop_assert_eq!(due.has(turn), !queue.is_empty());
            }
            prop_assert_eq!(due.are_all_given_up(), turns > 0 && !open.contains(&true));
        }
    }
}

#[test]
fn field_load_06_a_backlog_of_any_size_is_found_at_once() {
    let slots: Vec<usize> = (0..64).collect();
    let mut due = DueRequests::new(&slots);
    due.advance(u64::MAX / 2);
    assert_eq!(due.waiting(), u64::MAX / 2);
    assert_eq!(std::iter::from_fn(|| due.next_slot()).count(), 64);
    assert_eq!((due.take(5), due.take(5), due.take(63)), (Some(5), Some(69), Some(63)));
    due.give_up(5);
    assert!(!due.has(5) && due.has(6));
}
