//! Which clients are let in, and how much of the server one client may have.

use super::bench::{Bench, ECHO};
use super::fake_net::{Client, Fault, ServerEnd};
use crate::io::address::Credentials;
use crate::server::accept::ATTEMPTS_PER_TURN;
use crate::server::access::{AccessRules, ranges};
use crate::server::limits::Limits;
use nix::errno::Errno;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

fn comes_from(bench: &mut Bench, address: &str) -> Client {
    let client = bench.net.connect_from(ECHO, address.parse().unwrap());
    bench.run();
    client
}

fn is_turned_away(bench: &Bench, client: Client) -> bool {
    bench.net.server_end(client) == ServerEnd::Aborted
}

fn with_limits(change: impl FnOnce(&mut Limits)) -> Bench {
    let mut limits = Limits::default();
    change(&mut limits);
    Bench::with_limits(limits)
}

#[test]
fn a_denied_address_is_turned_away_and_others_are_served() {
    let access = AccessRules { deny: ranges("198.51.100.0/24").unwrap(), ..Default::default() };
    let mut bench = with_limits(|limits| limits.access = access);
    for denied in ["198.51.100.7", "::ffff:198.51.100.7"] {
        let client = comes_from(&mut bench, denied);
        assert!(is_turned_away(&bench, client), "{denied}");
    }
    let other = comes_from(&mut bench, "203.0.113.1");
    assert_eq!(bench.ask(other, b"x"), b"x");
    let stats = bench.server.stats();
    assert_eq!((stats.accepted, stats.refused_denied), (1, 2));
}

#[test]
fn a_crowd_of_denied_clients_neither_holds_up_the_others_nor_strands_them() {
    let access = AccessRules { allow: ranges("203.0.113.0/24").unwrap(), ..Default::default() };
    let mut bench = with_limits(|limits| limits.access = access);
    let inside = comes_from(&mut bench, "203.0.113.1");
    for _ in 0..3 * ATTEMPTS_PER_TURN {
        bench.net.connect_from(ECHO, Ipv4Addr::new(198, 51, 100, 7).into());
    }
    let behind = bench.net.connect_from(ECHO, Ipv4Addr::new(203, 0, 113, 2).into());
    bench.net.send(inside, b"x");
    bench.turn();
    assert_eq!(bench.net.received(inside), b"x");
    assert_eq!(bench.server.stats().refused_denied as usize, ATTEMPTS_PER_TURN);
    bench.run();
    assert_eq!(bench.ask(behind, b"y"), b"y");
}

#[test]
fn one_client_has_so_many_connections_and_the_next_only_when_one_closes() {
    let mut bench = with_limits(|limits| limits.max_connections_per_address = Some(2));
    let first = comes_from(&mut bench, "192.0.2.1");
    let second = comes_from(&mut bench, "::ffff:192.0.2.1");
    let third = comes_from(&mut bench, "192.0.2.1");
    assert!(is_turned_away(&bench, third));
    let neighbour = comes_from(&mut bench, "192.0.2.2");
    for client in [first, second, neighbour] {
        assert_eq!(bench.ask(client, b"x"), b"x");
    }
    bench.net.fin(first);
    bench.run();
    let fourth = comes_from(&mut bench, "192.0.2.1");
    assert_eq!(bench.ask(fourth, b"x"), b"x");
    let fifth = comes_from(&mut bench, "192.0.2.1");
    assert!(is_turned_away(&bench, fifth));
    assert_eq!(bench.server.stats().refused_address_limit, 2);
    for client in [second, fourth, neighbour] {
        bench.net.reset(client);
    }
    bench.run();
    bench.assert_clean();
    assert_eq!(bench.server.cx.admission.remembered(), (0, 0));
}

#[test]
fn of_ipv6_a_network_of_64_bits_is_one_client() {
    let mut bench = with_limits(|limits| limits.max_connections_per_address = Some(1));
    let first = comes_from(&mut bench, "2001:db8:0:1::1");
    let same = comes_from(&mut bench, "2001:db8:0:1:ffff::2");
    let other = comes_from(&mut bench, "2001:db8:0:2::1");
    assert!(is_turned_away(&bench, same));
    for client in [first, other] {
        assert_eq!(bench.ask(client, b"x"), b"x");
    }
}

#[test]
fn a_connection_that_cannot_be_registered_does_not_count_against_its_client() {
    let mut bench = with_limits(|limits| limits.max_connections_per_address = Some(1));
    bench.net.register_call(|call| call.fault = Fault::once(Errno::ENOMEM));
    comes_from(&mut bench, "192.0.2.1");
    let next = comes_from(&mut bench, "192.0.2.1");
    assert_eq!(bench.ask(next, b"x"), b"x");
}

#[test]
fn one_client_comes_so_often_in_a_second_and_a_burst_of_as_many() {
    let mut bench = with_limits(|limits| limits.accept_rate_per_address = Some(4));
    let come = |bench: &mut Bench, count: usize| -> Vec<bool> {
        let clients: Vec<_> = (0..count).map(|_| comes_from(bench, "192.0.2.1")).collect();
        clients.into_iter().map(|client| !is_turned_away(bench, client)).collect()
    };
    assert_eq!(come(&mut bench, 6), [true, true, true, true, false, false]);
    let neighbour = comes_from(&mut bench, "192.0.2.2");
    assert!(!is_turned_away(&bench, neighbour));
    bench.advance(Duration::from_millis(249));
    assert_eq!(come(&mut bench, 1), [false]);
    bench.advance(Duration::from_millis(1));
    assert_eq!(come(&mut bench, 2), [true, false], "a quarter of a second is one of four");
    bench.advance(Duration::from_secs(100));
    assert_eq!(come(&mut bench, 5), [true, true, true, true, false], "no more is saved up");
    assert_eq!(bench.server.stats().refused_address_rate, 5);
}

#[test]
fn a_crowd_of_addresses_is_forgotten_while_others_come() {
    let mut bench = with_limits(|limits| limits.accept_rate_per_address = Some(4));
    let address = |number: u32| IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + number));
    for number in 0..1000 {
        bench.net.connect_from(ECHO, address(number));
    }
    bench.run();
    assert_eq!(bench.server.cx.admission.remembered(), (0, 1000));
    bench.advance(Duration::from_secs(1));
    for number in 0..1000 {
        bench.net.connect_from(ECHO, address(1000 + number));
    }
    bench.run();
    assert_eq!(bench.server.cx.admission.remembered(), (0, 1000), "of the first, nobody");
}

#[test]
fn field_server_21_rules_on_addresses_do_not_concern_clients_of_a_unix_socket() {
    let mut bench = with_limits(|limits| {
        limits.access.allow = ranges("203.0.113.1").unwrap();
        limits.access.deny = ranges("203.0.113.2").unwrap();
    });
    let clients = [7, 7, 8].map(|pid| bench.net.connect_locally(ECHO, user(pid, 1000)));
    bench.run();
    for client in clients {
        assert_eq!(bench.ask(client, b"x"), b"x");
    }
    assert_eq!(bench.server.cx.admission.remembered(), (0, 0), "nothing is kept of them");
}

fn user(pid: u32, uid: u32) -> Credentials {
    Credentials { pid, uid }
}

#[test]
fn limits_on_one_client_are_about_users_on_a_unix_socket() {
    let mut bench = with_limits(|limits| {
        limits.max_connections_per_address = Some(2);
        limits.accept_rate_per_address = Some(3);
    });
    let clients = [(7, 1000), (8, 1000), (9, 1000), (9, 0)]
        .map(|(pid, uid)| bench.net.connect_locally(ECHO, user(pid, uid)));
    bench.run();
    let is_refused = clients.map(|client| is_turned_away(&bench, client));
    assert_eq!(is_refused, [false, false, true, false], "the third of one user");
    let inside = comes_from(&mut bench, "203.0.113.1");
    assert_eq!(bench.ask(inside, b"y"), b"y");
    assert_eq!(bench.server.cx.admission.remembered(), (3, 3));
    for client in [clients[0], clients[1]] {
        bench.net.fin(client);
    }
    bench.run();
    assert_eq!(bench.server.cx.admission.remembered(), (2, 3));
    let [third, fast] = [10, 11].map(|pid| bench.net.connect_locally(ECHO, user(pid, 1000)));
    bench.run();
    assert_eq!(bench.ask(third, b"z"), b"z");
    assert!(is_turned_away(&bench, fast), "the fourth within a second");
}
