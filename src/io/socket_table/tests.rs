//! The table keeps its promises, whatever the order of events, visits and closes.

use super::{Share, SocketTable};
use crate::io::clock::Moment;
use crate::io::endpoint::{Endpoint, Wanted};
use crate::io::readiness::Readiness;
use crate::io::token::Token;
use proptest::prelude::*;
use std::time::Duration;

/// An endpoint with work while it has bytes to read, and a deadline that its test sets.
#[derive(Debug)]
struct Reader {
    wants_read: bool,
    deadline: Moment,
}

impl Endpoint for Reader {
    type Limits = ();

    fn wanted(&self, (): &()) -> Wanted {
        Wanted { read: self.wants_read, ..Wanted::default() }
    }

    fn deadline(&self, (): &()) -> Moment {
        self.deadline
    }
}

const READABLE: Readiness = Readiness { read: true, write: false, read_until_would_block: false };
const NOTHING: Readiness = Readiness { read: false, write: false, read_until_would_block: false };

fn at(millis: u64) -> Moment {
    Moment::START + Duration::from_millis(millis)
}

fn open(table: &mut SocketTable<(), Reader>) -> Token {
    let token = table.next_token();
    let reader = Reader { wants_read: true, deadline: at(100) };
    table.insert(token, (), reader, NOTHING);
    table.reschedule(token, Share::Light, &());
    token
}

fn turn(table: &mut SocketTable<(), Reader>, is_half_spent: bool) -> Vec<Token> {
    table.begin_turn();
    std::iter::from_fn(|| table.next_ready(is_half_spent)).collect()
}

#[test]
fn an_event_for_a_closed_socket_reaches_nobody() {
    let mut table = SocketTable::new(Moment::START);
    let old = open(&mut table);
    table.remove(old);
    let new = open(&mut table);
    assert_eq!(old.index(), new.index());
    assert!(!table.on_event(old, READABLE, &()));
    assert_eq!(table.get(new).map(|socket| socket.ready), Some(NOTHING));
    assert_eq!(turn(&mut table, false), []);
    assert!(table.remove(old).is_none());
    assert_eq!(table.len(), 1);
}

#[test]
fn a_socket_that_is_closed_while_it_is_queued_is_skipped() {
    let mut table = SocketTable::new(Moment::START);
    let tokens = [open(&mut table), open(&mut table)];
    for token in tokens {
        assert!(table.on_event(token, READABLE, &()));
    }
    table.remove(tokens[0]);
    assert_eq!(turn(&mut table, false), [tokens[1]]);
}

#[test]
fn a_new_event_goes_before_work_that_is_left() {
    let mut table = SocketTable::new(Moment::START);
    let [busy, asks] = [open(&mut table), open(&mut table)];
    table.on_event(busy, READABLE, &());
    assert_eq!(turn(&mut table, false), [busy]);
    table.reschedule(busy, Share::Heavy, &());
    table.on_event(asks, READABLE, &());
    assert_eq!(turn(&mut table, false), [asks, busy]);
}

#[test]
fn work_that_is_left_keeps_half_of_a_turn() {
    let mut table = SocketTable::new(Moment::START);
    let [busy, first, second] = [open(&mut table), open(&mut table), open(&mut table)];
    table.on_event(busy, READABLE, &());
    assert_eq!(turn(&mut table, false), [busy]);
    table.reschedule(busy, Share::Light, &());
    table.on_event(first, READABLE, &());
    table.on_event(second, READABLE, &());
    table.begin_turn();
    assert_eq!(table.next_ready(false), Some(first));
    assert_eq!(table.next_ready(true), Some(busy));
    assert_eq!(table.next_ready(true), Some(second));
    assert_eq!(table.next_ready(true), None);
}

#[test]
fn the_next_event_of_a_client_that_took_much_is_like_work_that_is_left() {
    let mut table = SocketTable::new(Moment::START);
    let [takes_much, asks] = [open(&mut table), open(&mut table)];
    table.on_event(takes_much, READABLE, &());
    assert_eq!(turn(&mut table, false), [takes_much]);
    table.get_mut(takes_much).unwrap().ready = NOTHING;
    table.reschedule(takes_much, Share::Heavy, &());
    assert!(!table.is_queued(takes_much));
    table.on_event(takes_much, READABLE, &());
    table.on_event(asks, READABLE, &());
    assert_eq!(turn(&mut table, false), [asks, takes_much]);
}

#[test]
fn a_socket_that_is_queued_again_is_not_visited_twice_in_a_turn() {
    let mut table = SocketTable::new(Moment::START);
    let token = open(&mut table);
    table.on_event(token, READABLE, &());
    table.begin_turn();
    assert_eq!(table.next_ready(false), Some(token));
    table.reschedule(token, Share::Light, &());
    assert_eq!(table.next_ready(false), None);
    assert_eq!(turn(&mut table, false), [token]);
}

#[test]
fn a_timer_whose_deadline_has_moved_is_armed_anew() {
    let mut table = SocketTable::new(Moment::START);
    let token = open(&mut table);
    table.get_mut(token).unwrap().endpoint.deadline = at(300);
    let mut looks = 10;
    assert_eq!(table.next_expired(at(200), &mut looks, &()), None);
    assert_eq!(looks, 9);
    assert!(table.is_scheduled(token, &()));
    assert_eq!(table.next_expired(at(301), &mut looks, &()), Some(token));
}

#[test]
fn no_more_timers_are_taken_than_there_are_looks() {
    let mut table = SocketTable::new(Moment::START);
    for _ in 0..3 {
        open(&mut table);
    }
    let mut looks = 2;
    assert!(table.next_expired(at(200), &mut looks, &()).is_some());
    assert!(table.next_expired(at(200), &mut looks, &()).is_some());
    assert_eq!(table.next_expired(at(200), &mut looks, &()), None);
    assert_eq!(looks, 0);
}

#[test]
fn a_walk_in_steps_comes_by_every_socket() {
    let mut table = SocketTable::new(Moment::START);
    let tokens: Vec<Token> = (0..100).map(|_| open(&mut table)).collect();
    table.remove(tokens[50]);
    let steps = (0..table.end()).step_by(7);
    let met: Vec<Token> = steps.flat_map(|from| table.walk(from, 7).collect::<Vec<_>>()).collect();
    let open: Vec<Token> = table.iter().map(|(token, _)| token).collect();
    assert_eq!(met, open);
    assert_eq!(met.len(), 99);
}

proptest! {
    /// Events, visits, closes and deadlines in any order: a socket that has work gets a visit in
    /// the next turn.
    #[test]
    fn a_socket_with_work_is_visited(
        steps in prop::collection::vec((0_u8..6, 0_usize..8), 1..200),
    ) {
        let mut table = SocketTable::new(Moment::START);
        let mut tokens: Vec<Token> = (0..4).map(|_| open(&mut table)).collect();
        for (step, which) in steps {
            let token = tokens[which % tokens.len()];
            match step {
                0 => drop(table.on_event(token, READABLE, &())),
                1 => drop(table.remove(token)),
                2 => tokens.push(open(&mut table)),
                3 => {
                    // Some read until nothing is left, some do not.
                    for token in turn(&mut table, which % 2 == 0) {
                        if which % 3 == 0 {
                            table.get_mut(token).unwrap().ready = NOTHING;
                        }
                        let share = if which % 4 == 0 { Share::Heavy } else { Share::Light };
                        table.reschedule(token, share, &());
                    }
                }
                4 => table.visit_soon(token),
                _ => {
                    if let Some(socket) = table.get_mut(token) {
                        socket.endpoint.deadline = at(50 + which as u64 * 10);
                        table.reschedule(token, Share::Light, &());
                    }
                }
            }
            for (token, _) in table.iter() {
                prop_assert!(table.is_scheduled(token, &()));
            }
        }
        let ready: Vec<Token> = table
            .iter()
            .filter(|(_, socket)| socket.ready.read)
            .map(|(token, _)| token)
            .collect();
        let visited = turn(&mut table, false);
        for token in ready {
            prop_assert!(visited.contains(&token));
        }
    }
}
