//! Taking connections from the backlog: all of them, not all at once, and through every failure.

use super::bench::{Bench, ECHO, FRAMED};
use super::fake_net::{Client, Fault, ServerEnd};
use crate::io::event_loop::LoopControl;
use crate::server::accept::ATTEMPTS_PER_TURN;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use nix::errno::Errno;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn connect_many(bench: &Bench, listener: usize, count: usize) -> Vec<Client> {
    (0..count).map(|_| bench.net.connect(listener)).collect()
}

fn accepts(bench: &Bench) -> usize {
    bench.net.accept_call(|call| call.made)
}

fn fail_accepts(bench: &Bench, fault: Fault) {
    bench.net.accept_call(|call| call.fault = fault);
}

fn is_in(bench: &Bench, client: Client) -> bool {
    bench.net.server_end(client) != ServerEnd::Waiting
}

#[test]
fn one_edge_brings_in_all_who_wait() {
    let mut bench = Bench::new();
    let clients = connect_many(&bench, ECHO, 10);
    bench.run();
    assert!(clients.iter().all(|&client| is_in(&bench, client)));
    assert_eq!(accepts(&bench), 11, "until WouldBlock and no further");
    assert_eq!((bench.server.stats().accepted, bench.server.stats().peak), (10, 10));
    for client in clients {
        assert_eq!(bench.ask(client, b"x"), b"x");
    }
}

#[test]
fn a_storm_is_let_in_by_portions_and_those_inside_are_served_in_between() {
    let mut bench = Bench::new();
    let inside = bench.connected(ECHO);
    let storm = connect_many(&bench, ECHO, 2 * ATTEMPTS_PER_TURN + 1);
    for turn in 1..=2 {
        bench.net.send(inside, b"x");
        assert_eq!(bench.turn(), LoopControl::Poll, "no further edge will come");
        assert_eq!(bench.server.stats().accepted as usize, 1 + turn * ATTEMPTS_PER_TURN);
        assert_eq!(bench.net.received(inside).len(), turn);
    }
    bench.run();
    assert!(storm.iter().all(|&client| is_in(&bench, client)));
}

#[test]
fn a_busy_listener_does_not_shut_out_the_others() {
    let mut bench = Bench::new();
    // The busy one comes first in the list.
    connect_many(&bench, FRAMED, 10 * ATTEMPTS_PER_TURN);
    let other = bench.net.connect(ECHO);
    bench.turn();
    assert!(is_in(&bench, other));
}

#[test]
fn want_of_descriptors_or_memory_pauses_for_a_second_without_spinning() {
    for errno in [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::ENOBUFS] {
        let mut bench = Bench::new();
        fail_accepts(&bench, Fault::for_ever(errno));
        let clients = connect_many(&bench, ECHO, 3);
        assert_eq!(bench.run(), LoopControl::WaitUntil(bench.now + SECOND), "{errno}");
        assert_eq!(accepts(&bench), 1);
        assert_eq!(bench.server.stats().accept_pauses, 1);

        // Turns for other reasons, and newcomers, do not make it try sooner.
        bench.advance(SECOND / 2);
        connect_many(&bench, ECHO, 1);
        assert_eq!(bench.run(), LoopControl::WaitUntil(bench.now + SECOND / 2));
        assert_eq!(accepts(&bench), 1);

        bench.advance(SECOND / 2);
        bench.run();
        assert_eq!(accepts(&bench), 2, "tried again, and failed again");

        fail_accepts(&bench, Fault::NONE);
        bench.advance(SECOND);
        bench.run();
        assert!(clients.iter().all(|&client| is_in(&bench, client)), "{errno}");
        assert_eq!(bench.server.stats().accepted, 4);
    }
}

#[test]
fn a_close_ends_the_pause_at_once() {
    let mut bench = Bench::new();
    let inside = bench.connected(ECHO);
    fail_accepts(&bench, Fault::once(Errno::EMFILE));
    let waiting = bench.net.connect(ECHO);
    bench.run();
    assert!(!is_in(&bench, waiting));
    bench.net.fin(inside);
    bench.run();
    assert!(is_in(&bench, waiting), "the clock has not moved");
}

#[test]
fn errors_of_one_connection_do_not_keep_the_next_waiting() {
    let errors = [
        Errno::ECONNABORTED,
        Errno::EPROTO,
        Errno::ENETDOWN,
        Errno::ENETUNREACH,
        Errno::EHOSTDOWN,
        Errno::EHOSTUNREACH,
        Errno::ENONET,
        Errno::ENOPROTOOPT,
        Errno::EOPNOTSUPP,
        Errno::ETIMEDOUT,
        Errno::ECONNRESET,
        Errno::EPERM,
    ];
    for errno in errors {
        let mut bench = Bench::new();
        fail_accepts(&bench, Fault::once(errno));
        let client = bench.net.connect(ECHO);
        bench.turn();
        assert!(is_in(&bench, client), "{errno}");
        assert_eq!(bench.server.stats().accept_errors, 1);
        assert_eq!(bench.server.stats().accept_pauses, 0);
    }
}

#[test]
fn an_accept_that_fails_for_ever_neither_holds_up_the_turn_nor_spins() {
    for errno in [Errno::EINTR, Errno::ECONNABORTED, Errno::EPERM] {
        let mut bench = Bench::new();
        let inside = bench.connected(ECHO);
        fail_accepts(&bench, Fault::for_ever(errno));
        let before = accepts(&bench);
        let waiting = bench.net.connect(ECHO);
        for turn in 1..=3 {
            bench.net.send(inside, b"x");
            assert_ne!(bench.turn(), LoopControl::Poll, "{errno}");
            assert_eq!(bench.net.received(inside).len(), turn);
        }
        assert_eq!(accepts(&bench) - before, ATTEMPTS_PER_TURN, "{errno}: once a second");
        assert_eq!(bench.server.stats().accept_pauses, 1);
        fail_accepts(&bench, Fault::NONE);
        bench.run_for(SECOND);
        assert!(is_in(&bench, waiting));
    }
}

#[test]
fn at_the_limit_newcomers_wait_in_the_backlog_and_a_close_lets_one_in() {
    let mut bench = Bench::with_limits(Limits { max_connections: 2, ..Limits::default() });
    let clients = connect_many(&bench, ECHO, 5);
    assert!(matches!(bench.run(), LoopControl::WaitUntil(_)), "no spinning");
    assert_eq!(bench.server.stats().open(), 2);
    let tried = accepts(&bench);
    bench.net.send(clients[4], b"patience");
    bench.run();
    assert_eq!(accepts(&bench), tried);

    for (leaving, coming) in [(0, 2), (1, 3), (2, 4)] {
        assert!(!is_in(&bench, clients[coming]));
        bench.net.fin(clients[leaving]);
        bench.turn();
        assert!(is_in(&bench, clients[coming]), "in the same turn");
        bench.run();
        assert_eq!(bench.server.stats().open(), 2);
    }
    assert_eq!(bench.net.received(clients[4]), b"patience");
    assert_eq!(bench.server.stats().peak, 2);
}

#[test]
fn a_connection_that_cannot_be_registered_is_dropped_alone() {
    let mut bench = Bench::new();
    bench.net.register_call(|call| call.fault = Fault::once(Errno::ENOSPC));
    let clients = connect_many(&bench, ECHO, 2);
    bench.run();
    assert_eq!(bench.net.server_end(clients[0]), ServerEnd::Closed);
    assert_eq!(bench.closed(CloseReason::SystemError), 1);
    assert_eq!(bench.server.stats().open(), 1);
    assert_eq!(bench.ask(clients[1], b"x"), b"x");
}

#[test]
fn a_listener_that_cannot_be_registered_is_reported() {
    let mut bench = Bench::new();
    bench.net.register_call(|call| call.fault = Fault::once(Errno::ENOSPC));
    let listener = bench.net.listener();
    let error = bench.server.listen(listener, crate::handlers::Service::Echo).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::ENOSPC as i32));
}

#[test]
fn each_client_is_known_by_its_own_address() {
    let mut bench = Bench::new();
    let clients = connect_many(&bench, super::bench::GREETING, 2);
    bench.run();
    for client in clients {
        let peer = bench.net.address(client);
        let greeting = format!("Hello! You are connected to ('{}', {})", peer.ip(), peer.port());
        assert_eq!(bench.net.received(client), greeting.as_bytes());
    }
}
