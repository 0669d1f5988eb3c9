//! Which turns are told, and that none is told in part.

use super::Teller;
use crate::io::clock::Moment;
use crate::trace::decode::Entry;
use crate::trace::event::{Event, Next};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// A teller of `rate` lines a second, and what it has told.
fn teller(rate: u32) -> (Teller, Rc<RefCell<Vec<String>>>) {
    let told = Rc::new(RefCell::new(Vec::new()));
    let lines = told.clone();
    (Teller::new(rate, Box::new(move |line| lines.borrow_mut().push(line.to_string()))), told)
}

/// A turn with this number of lines, at a moment in milliseconds.
fn turn(teller: &mut Teller, lines: u32, at: u64, of_clients: u32) {
    let time = Moment::START + Duration::from_millis(at);
    let mut hear = |event| teller.hear(&Entry { time, cause: 0, event });
    hear(Event::TurnBegan { events: lines - 2, waited: 0 });
    (2..lines).for_each(|_| hear(Event::ZoneReplaced));
    hear(Event::TurnEnded { visits: 0, queued: 0, next: Next::Wait });
    teller.end_turn(time, of_clients);
}

fn take(told: &RefCell<Vec<String>>) -> Vec<String> {
    told.borrow_mut().split_off(0)
}

#[test]
fn a_turn_is_told_in_words() {
    let (mut teller, told) = teller(100);
    turn(&mut teller, 3, 1_500, 0);
    let words = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        take(&told).iter().map(words).collect::<Vec<_>>(),
        [
            "1.500000000 turn: 1 event after 0 ns",
            "1.500000000 the time zone was read again",
            "1.500000000 turn ends: 0 visits, 0 queued; next: waits",
        ]
    );
}

#[test]
fn turns_without_room_are_left_out_whole_and_counted() {
    let (mut teller, told) = teller(10);
    turn(&mut teller, 6, 1_000, 0);
    turn(&mut teller, 6, 1_100, 0);
    // The line that tells of the turn before needs its place, too.
    turn(&mut teller, 4, 1_200, 0);
    assert_eq!(take(&told).len(), 6);
    turn(&mut teller, 4, 2_000, 5);
    let lines = take(&told);
    assert_eq!(lines.first().map(String::as_str), Some("2 turns left out (--log-rate 10)"));
    assert_eq!(lines.len(), 5);
    // Clients have had half of the room.
    turn(&mut teller, 4, 3_000, 7);
    assert_eq!(take(&told), [""; 0]);
}

#[test]
fn a_turn_of_more_lines_than_a_second_has_room_for_is_left_out() {
    let (mut teller, told) = teller(5);
    turn(&mut teller, 1_000, 0, 0);
    assert_eq!(take(&told), [""; 0]);
    turn(&mut teller, 3, 0, 0);
    let lines = take(&told);
    assert_eq!(lines.first().map(String::as_str), Some("1 turn left out (--log-rate 5)"));
    assert_eq!(lines.len(), 4);
}
