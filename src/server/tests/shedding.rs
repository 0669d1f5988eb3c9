//! The memory limit: what is over it goes, the newest first.

use super::bench::{Bench, ECHO, FRAMED};
use super::fake_net::{Client, ServerEnd};
use crate::protocol::frame::encode_header;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;

const LIMIT: usize = 64 * 1024;

fn bench() -> Bench {
    Bench::with_limits(Limits { memory_limit: LIMIT, ..Limits::default() })
}

/// A client that sends `len` bytes of a body that is longer.
fn sends_part(bench: &mut Bench, len: usize) -> Client {
    let client = bench.connected(FRAMED);
    bench.net.send(client, &encode_header(1 << 20));
    bench.net.send(client, &vec![b'x'; len]);
    bench.run();
    client
}

fn is_open(bench: &Bench, client: Client) -> bool {
    bench.net.server_end(client) == ServerEnd::Open
}

#[test]
fn the_newest_that_hold_memory_are_closed_first() {
    let mut bench = bench();
    let old = sends_part(&mut bench, 20_000);
    let middle = sends_part(&mut bench, 20_000);
    let idle = bench.connected(FRAMED);
    assert_eq!(bench.closed(CloseReason::Shed), 0);
    let new = sends_part(&mut bench, 30_000);
    assert_eq!(bench.net.server_end(new), ServerEnd::Aborted);
    assert!([old, middle, idle].iter().all(|&client| is_open(&bench, client)));
    assert_eq!(bench.closed(CloseReason::Shed), 1);
}

#[test]
fn it_is_not_the_one_who_brings_it_over_the_limit_but_the_newest() {
    let mut bench = bench();
    let old = sends_part(&mut bench, 20_000);
    let middle = sends_part(&mut bench, 20_000);
    let new = sends_part(&mut bench, 1_000);
    bench.net.send(old, &[b'x'; 30_000]);
    bench.run();
    assert!(is_open(&bench, old));
    for client in [middle, new] {
        assert_eq!(bench.net.server_end(client), ServerEnd::Aborted);
    }
}

#[test]
fn output_that_is_not_taken_counts_too() {
    let mut bench = bench();
    let old = bench.connected(ECHO);
    let reader = bench.connected(ECHO);
    let new = bench.connected(ECHO);
    for client in [reader, new] {
        bench.net.socket(client, |socket| socket.window = 0);
        bench.net.send(client, &[b'x'; 40_000]);
        bench.run();
    }
    assert_eq!(bench.net.server_end(new), ServerEnd::Aborted);
    bench.net.widen(reader, 100_000);
    bench.run();
    assert_eq!(bench.net.received(reader), [b'x'; 40_000]);
    assert_eq!(bench.ask(old, b"x"), b"x");
    assert_eq!(bench.server.stats().buffered, 0);
}

#[test]
fn a_single_one_over_the_limit_goes_and_nothing_of_it_is_left() {
    let mut bench = bench();
    let client = sends_part(&mut bench, 2 * LIMIT);
    assert_eq!(bench.net.server_end(client), ServerEnd::Aborted);
    bench.assert_clean();
}

#[test]
fn many_over_the_limit_are_bounded_and_those_who_were_first_stay() {
    let mut bench = bench();
    let first = sends_part(&mut bench, 10_000);
    for _ in 0..500 {
        sends_part(&mut bench, 10_000);
    }
    assert!(is_open(&bench, first));
    let shed = bench.closed(CloseReason::Shed);
    assert_eq!(bench.server.stats().open(), 501 - shed);
    assert!(bench.server.stats().open() > 1);
}
