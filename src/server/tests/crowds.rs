//! The memory of places, after a crowd has left.

use super::bench::{Bench, FRAMED, frame};
use super::fake_net::Client;
use crate::io::slots::PORTION;
use crate::server::limits::Limits;

/// Five portions of slots, so that one that is kept for the next crowd is a small part.
const CROWD: usize = 5 * PORTION;

fn bench() -> Bench {
    Bench::with_limits(Limits { max_connections: 10 * PORTION, ..Limits::default() })
}

fn come(bench: &mut Bench, count: usize) -> Vec<Client> {
    let clients = (0..count).map(|_| bench.net.connect(FRAMED)).collect();
    bench.run();
    clients
}

fn leave(bench: &mut Bench, clients: impl IntoIterator<Item = Client>) {
    clients.into_iter().for_each(|client| bench.net.fin(client));
    bench.run();
}

/// What places take, as a part of what they took with the crowd.
fn part_kept(bench: &mut Bench, with_crowd: u64) -> f64 {
    bench.run();
    bench.server.stats().places_memory as f64 / with_crowd as f64
}

fn with_crowd(bench: &mut Bench) -> (Vec<Client>, u64) {
    let crowd = come(bench, CROWD);
    (crowd, bench.server.stats().places_memory)
}

#[test]
fn places_go_back_when_all_have_left() {
    let mut bench = bench();
    let (crowd, with_crowd) = with_crowd(&mut bench);
    leave(&mut bench, crowd);
    assert!(part_kept(&mut bench, with_crowd) < 0.5);
}

#[test]
fn places_go_back_though_those_stay_who_came_before() {
    let mut bench = bench();
    let stays = come(&mut bench, 2);
    let (crowd, with_crowd) = with_crowd(&mut bench);
    leave(&mut bench, crowd);
    assert!(part_kept(&mut bench, with_crowd) < 0.5);
    for client in stays {
        assert_eq!(bench.ask(client, &frame(b"ECHO still here")), frame(b"still here"));
    }
    // And a second crowd has room, and goes as the first did.
    let (crowd, with_crowd) = self::with_crowd(&mut bench);
    assert_eq!(bench.ask(crowd[CROWD - 1], &frame(b"ECHO x")), frame(b"x"));
    leave(&mut bench, crowd.into_iter().rev());
    assert!(part_kept(&mut bench, with_crowd) < 0.5);
}

#[test]
fn one_who_stays_keeps_the_places_of_one_portion_only() {
    let mut bench = bench();
    let early = come(&mut bench, 1)[0];
    let (crowd, with_crowd) = with_crowd(&mut bench);
    let late = come(&mut bench, 1)[0];
    leave(&mut bench, crowd);
    assert!(part_kept(&mut bench, with_crowd) < 0.7);
    for _ in 0..10 {
        let passer_by = come(&mut bench, 1);
        leave(&mut bench, passer_by);
    }
    leave(&mut bench, [late]);
    assert!(part_kept(&mut bench, with_crowd) < 0.5);
    assert_eq!(bench.ask(early, &frame(b"ECHO x")), frame(b"x"));
}

#[test]
fn who_leaves_amid_the_next_crowd_is_not_waited_for_any_more() {
    let mut bench = bench();
    let (first, with_crowd) = with_crowd(&mut bench);
    let (most, late) = first.split_at(CROWD - 1);
    leave(&mut bench, most.iter().copied());
    let second = come(&mut bench, CROWD - 1);
    leave(&mut bench, late.iter().copied());
    leave(&mut bench, second);
    assert!(part_kept(&mut bench, with_crowd) < 0.5);
    let (third, _) = self::with_crowd(&mut bench);
    leave(&mut bench, third);
    assert!(part_kept(&mut bench, with_crowd) < 0.5);
}
