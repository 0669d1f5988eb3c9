//! Another table, another time zone or other limits, while the server runs.

use super::bench::{Bench, ECHO, FRAMED, LOOKUP, frame};
use super::fake_net::ServerEnd;
use crate::server::access::ranges;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use crate::table::{ColumnOrder, Table};
use crate::zone::ZoneRules;
use std::net::IpAddr;
use std::time::Duration;

fn table(text: &str) -> Table {
    Table::parse(text.into(), ColumnOrder::KeyValue).expect("a text without fault")
}

#[test]
fn the_next_request_is_answered_from_the_new_table_and_the_old_one_is_handed_back() {
    let mut bench = Bench::new();
    let (framed, lines) = (bench.connected(FRAMED), bench.connected(LOOKUP));
    assert_eq!(bench.ask(lines, b"motd\n"), b"Not Found\n");

    let old = bench.server.replace_table(table("motd one\nkey value\nlast 3\n"));
    assert_eq!(old.get(b"165.165.80.80"), Some(&b"6A:08:AA:C2"[..]));
    assert_eq!(bench.ask(lines, b"motd\n165.165.80.80\n"), b"one\nNot Found\n");
    assert_eq!(bench.ask(framed, &frame(b"LOOKUP motd")), frame(b"one"));

    drop(bench.server.replace_table(table("motd two")));
    assert_eq!(bench.ask(framed, &frame(b"LOOKUP motd")), frame(b"two"));
    let stats = bench.server.stats();
    assert_eq!((stats.table_reloads, stats.table_failures, stats.table_keys), (2, 0, 1));
}

#[test]
fn a_table_that_could_not_be_loaded_is_counted_and_changes_nothing() {
    let mut bench = Bench::new();
    let client = bench.connected(LOOKUP);
    bench.server.keep_table();
    assert_eq!(bench.ask(client, b"165.165.80.80\n"), b"6A:08:AA:C2\n");
    let stats = bench.server.stats();
    assert_eq!((stats.table_reloads, stats.table_failures, stats.table_keys), (0, 1, 2));
}

#[test]
fn field_server_11_the_next_text_is_made_by_the_new_rules_of_the_zone() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    let rules = |rule: &[u8]| ZoneRules::from_posix(rule).expect("a rule");
    let told = |bench: &mut Bench| bench.ask(client, &frame(b"DAYTIME rfc3339"));
    assert!(told(&mut bench).ends_with(b"Z"));
    assert!(bench.server.replace_zone(rules(b"<+0545>-5:45")), "other rules");
    assert!(told(&mut bench).ends_with(b"+05:45"));
    assert!(!bench.server.replace_zone(rules(b"<+0545>-5:45")), "the same rules");
    assert!(told(&mut bench).ends_with(b"+05:45"));
}

fn change_limits(bench: &mut Bench, change: impl FnOnce(&mut Limits)) {
    let mut limits = bench.limits();
    change(&mut limits);
    bench.replace_limits(limits);
}

#[test]
fn a_shorter_timeout_holds_for_connections_that_are_open() {
    let mut bench = Bench::new();
    let client = bench.connected(ECHO);
    assert_eq!(bench.ask(client, b"x"), b"x");
    bench.advance(Duration::from_secs(20));
    change_limits(&mut bench, |limits| limits.idle_timeout = Duration::from_secs(30));
    bench.run_for(Duration::from_secs(9));
    assert_eq!(bench.closed(CloseReason::IdleTimeout), 0);
    // The FIN, and the time in which the peer's is waited for.
    bench.run_for(Duration::from_secs(4));
    assert_eq!(bench.closed(CloseReason::IdleTimeout), 1);
}

#[test]
fn a_longer_timeout_holds_for_connections_that_are_open() {
    let mut bench =
        Bench::with_limits(Limits { idle_timeout: Duration::from_secs(5), ..Limits::default() });
    let client = bench.connected(ECHO);
    change_limits(&mut bench, |limits| limits.idle_timeout = Duration::from_secs(50));
    bench.run_for(Duration::from_secs(40));
    assert_eq!(bench.ask(client, b"x"), b"x");
}

#[test]
fn more_places_are_given_to_clients_that_wait_and_fewer_take_none_away() {
    let mut bench = Bench::with_limits(Limits { max_connections: 1, ..Limits::default() });
    let first = bench.connected(ECHO);
    let second = bench.net.connect(ECHO);
    bench.net.send(second, b"y");
    bench.run();
    assert_eq!(bench.net.received(second), b"");
    change_limits(&mut bench, |limits| limits.max_connections = 2);
    bench.run();
    assert_eq!(bench.net.received(second), b"y");
    assert_eq!(bench.server.stats().max_connections, 2);
    change_limits(&mut bench, |limits| limits.max_connections = 1);
    assert_eq!(bench.ask(first, b"x"), b"x");
    assert_eq!(bench.ask(second, b"z"), b"z");
}

#[test]
fn a_limit_per_address_counts_the_connections_that_are_open() {
    let mut bench = Bench::new();
    let address: IpAddr = "203.0.113.1".parse().unwrap();
    let inside = [0; 2].map(|_| bench.net.connect_from(ECHO, address));
    bench.run();
    change_limits(&mut bench, |limits| limits.max_connections_per_address = Some(2));
    let third = bench.net.connect_from(ECHO, address);
    bench.run();
    assert_eq!(bench.net.server_end(third), ServerEnd::Aborted);
    bench.net.fin(inside[0]);
    bench.run();
    let fourth = bench.net.connect_from(ECHO, address);
    bench.run();
    assert_eq!(bench.ask(fourth, b"x"), b"x");
    change_limits(&mut bench, |limits| limits.max_connections_per_address = None);
    assert_eq!(bench.server.clients_counted(), 0);
    bench.net.fin(fourth);
    bench.run();
}

#[test]
fn a_list_holds_for_the_next_client() {
    let mut bench = Bench::new();
    let address: IpAddr = "203.0.113.1".parse().unwrap();
    let inside = bench.net.connect_from(ECHO, address);
    bench.run();
    change_limits(&mut bench, |limits| limits.access.deny = ranges("203.0.113.0/24").unwrap());
    let outside = bench.net.connect_from(ECHO, address);
    bench.run();
    assert_eq!(bench.net.server_end(outside), ServerEnd::Aborted);
    assert_eq!(bench.ask(inside, b"x"), b"x");
}

#[test]
fn a_smaller_memory_limit_sheds_at_once() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    bench.net.send(client, &frame(&vec![b'x'; 100_000])[..90_000]);
    bench.run();
    change_limits(&mut bench, |limits| limits.memory_limit = 10_000);
    bench.run();
    assert_eq!(bench.closed(CloseReason::Shed), 1);
}

#[test]
fn limits_become_text_and_the_same_limits_again() {
    let mut limits = Limits { exit_on_idle: Some(Duration::new(1, 5)), ..Limits::default() };
    limits.access.allow = ranges("203.0.113.0/24,2001:db8::/32").unwrap();
    assert_eq!(Limits::from_text(&limits.to_text()), Ok(limits));
    assert_eq!(Limits::from_text("max-frame 0"), Err("max-frame".to_owned()));
    assert_eq!(Limits::from_text("max-frame x"), Err("max-frame".to_owned()));
    assert_eq!(Limits::from_text("max-fame 1"), Err("max-fame".to_owned()));
}
