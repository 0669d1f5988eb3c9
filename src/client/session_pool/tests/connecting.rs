//! How connections are made: to which address, for how long, how many at once.

use super::rig::{Asker, CONNECT_TIMEOUT, Rig, address, askers, frame, limits};
use crate::client::session::SessionError;
use crate::client::session_pool::PoolLimits;
use crate::client::tests::loopback::{Loopback, Way};
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::io::net::Token;
use crate::io::readiness::Readiness;
use nix::errno::Errno;
use std::time::Duration;

/// A pool of `count` sessions. Each address behaves as the way of the same index.
fn pool_with_ways(ways: &[Way], count: usize) -> Rig<Asker> {
    let net = Loopback::new(1);
    let addresses: Vec<_> = (1..).map(address).take(ways.len()).collect();
    addresses.iter().zip(ways).for_each(|(&address, &way)| net.set_way(address, way));
    Rig::on(net, &addresses, limits(), askers(count))
}

#[test]
fn a_connection_that_is_made_is_a_session() {
    let mut rig = Rig::new(limits(), askers(1));
    assert!(matches!(rig.turn(), LoopControl::WaitUntil(_)));
    assert_eq!(rig.pool.established(), 0);
    rig.settle();
    assert_eq!(rig.pool.established(), 1);
    let mut peer = rig.accept();
    assert_eq!(peer.read(), frame(b"asker 0"));
}

#[test]
fn a_refused_connection_gives_the_script_back() {
    let refused = Errno::ECONNREFUSED;
    let mut rig = pool_with_ways(&[Way::Refused(refused)], 1);
    assert_eq!(rig.settle(), LoopControl::Stop);
    assert_eq!(rig.pool.established(), 0);
    assert_eq!(rig.held(), 0);
    assert!(matches!(
        rig.failure(),
        SessionError::Connect(to, error)
            if *to == address(1).into() && error.raw_os_error() == Some(refused as i32)
    ));
    assert_eq!(rig.pool.into_finished()[0].conversation, Asker::new(0, 1));
}

#[test]
fn every_error_ends_the_attempt() {
    for errno in [Errno::EHOSTUNREACH, Errno::ETIMEDOUT, Errno::ECONNRESET, Errno::EINTR] {
        let mut rig = pool_with_ways(&[Way::Refused(errno)], 1);
        assert_eq!(rig.settle(), LoopControl::Stop, "{errno}");
        assert!(matches!(rig.failure(), SessionError::Connect(..)), "{errno}");
    }
}

#[test]
fn an_attempt_that_nobody_answers_is_given_up_in_time() {
    let mut rig = pool_with_ways(&[Way::Silent], 1);
    let deadline = rig.now + CONNECT_TIMEOUT;
    rig.wait_for(deadline);
    assert_eq!(rig.held(), 1);
    rig.now = deadline;
    assert_eq!(rig.settle(), LoopControl::Stop);
    assert_eq!(rig.held(), 0);
    assert!(matches!(
        rig.failure(),
        SessionError::ConnectTimeout(to, CONNECT_TIMEOUT) if *to == address(1).into()
    ));
}

#[test]
fn addresses_are_tried_in_order_each_for_its_full_time() {
    let refused = Way::Refused(Errno::ECONNREFUSED);
    let barred = Way::Barred(Errno::ENETUNREACH);
    let mut rig = pool_with_ways(&[refused, Way::Silent, barred, Way::Open, Way::Open], 1);
    rig.now = rig.now + Duration::from_secs(1);
    rig.turn();
    rig.now = rig.now + Duration::from_secs(1);
    let deadline = rig.now + CONNECT_TIMEOUT;
    rig.wait_for(deadline);
    assert_eq!(rig.net.attempts(), [address(1), address(2)]);
    rig.now = deadline;
    rig.settle();
    assert_eq!(rig.net.attempts(), [1, 2, 3, 4].map(address));
    assert_eq!(rig.pool.established(), 1);
    assert_eq!(rig.accept().read(), frame(b"asker 0"));
    assert_eq!(rig.held(), 1);
}

#[test]
fn if_no_address_will_do_the_last_one_is_told() {
    let barred = Way::Barred(Errno::ENETUNREACH);
    let refused = Way::Refused(Errno::ECONNREFUSED);
    for ways in [[refused, barred], [barred, refused]] {
        let mut rig = pool_with_ways(&ways, 1);
        assert_eq!(rig.settle(), LoopControl::Stop);
        assert_eq!(rig.net.attempts(), [address(1), address(2)]);
        assert!(matches!(rig.failure(), SessionError::Connect(to, _) if *to == address(2).into()));
    }
    let mut rig = pool_with_ways(&[refused, Way::Silent], 1);
    rig.settle();
    assert_eq!(rig.pass(CONNECT_TIMEOUT), LoopControl::Stop);
    assert!(
        matches!(rig.failure(), SessionError::ConnectTimeout(to, _) if *to == address(2).into())
    );
}

#[test]
fn what_the_system_cannot_give_comes_back_at_once_for_every_script() {
    for errno in [Errno::EMFILE, Errno::EADDRNOTAVAIL] {
        let mut rig = pool_with_ways(&[Way::Barred(errno)], 1000);
        assert_eq!(rig.turn(), LoopControl::Stop);
        assert_eq!(rig.results().len(), 1000);
        assert!(rig.results().iter().all(|result| matches!(
            result,
            Err(SessionError::Connect(_, error)) if error.raw_os_error() == Some(errno as i32)
        )));
    }
}

#[test]
fn a_socket_that_cannot_be_registered_is_closed_and_the_next_address_tried() {
    let mut rig = pool_with_ways(&[Way::Open, Way::Open], 1);
    rig.net.fail_register(Errno::ENOSPC);
    rig.settle();
    assert_eq!(rig.net.attempts(), [address(1), address(2)]);
    assert_eq!(rig.held(), 1);
    assert_eq!(rig.pool.established(), 1);
}

#[test]
fn an_event_before_the_connection_is_made_changes_nothing() {
    let mut rig = pool_with_ways(&[Way::Silent], 1);
    let next = rig.turn();
    rig.pool.on_ready(
        Token::new(0, 1),
        Readiness { read: true, write: true, read_until_would_block: true },
    );
    assert_eq!(rig.turn(), next);
    assert_eq!(rig.results().len(), 0);
    rig.net.set_way(address(1), Way::Open);
    rig.settle();
    assert_eq!(rig.accept().read(), frame(b"asker 0"));
}

#[test]
fn no_more_connections_are_being_made_at_once_than_allowed() {
    let net = Loopback::new(1);
    net.set_way(address(1), Way::Silent);
    let limits = PoolLimits { connecting: 3, ..limits() };
    let mut rig = Rig::on(net, &[address(1)], limits, askers(10));
    rig.settle();
    for (connecting, given_up) in [(3, 3), (3, 6), (3, 9), (1, 10)] {
        assert_eq!(rig.held(), connecting);
        rig.pass(CONNECT_TIMEOUT);
        assert_eq!(rig.results().len(), given_up);
    }
    assert_eq!(rig.net.attempts().len(), 10);
}

#[test]
fn those_that_are_connected_make_room_for_more_to_be_connected() {
    let limits = PoolLimits { connecting: 3, ..limits() };
    let mut rig = Rig::new(limits, askers(10));
    rig.turn();
    assert_eq!(rig.held(), 3);
    rig.deliver();
    rig.turn();
    assert_eq!(rig.pool.established(), 3);
    assert_eq!(rig.held(), 6);
    rig.settle();
    assert_eq!(rig.pool.established(), 10);
}

#[test]
fn a_refusal_makes_room_too() {
    let net = Loopback::new(1);
    net.set_way(address(1), Way::Refused(Errno::ECONNREFUSED));
    net.set_way(address(2), Way::Barred(Errno::ENETUNREACH));
    let limits = PoolLimits { connecting: 1, open: 1, ..limits() };
    let mut rig = Rig::on(net, &[address(1), address(2)], limits, askers(10));
    assert_eq!(rig.settle(), LoopControl::Stop);
    assert_eq!(rig.results().len(), 10);
}

#[test]
fn no_more_sessions_are_open_at_once_than_allowed() {
    let limits = PoolLimits { open: 2, ..limits() };
    let mut rig = Rig::new(limits, askers(5));
    for finished in 0..5 {
        rig.settle();
        assert_eq!(rig.held(), (5 - finished).min(2));
        let mut peer = rig.accept();
        let name = peer.read();
        peer.write(&name);
        peer.fin();
        rig.settle();
        assert_eq!(rig.results().len(), finished + 1);
    }
    assert_eq!(rig.settle(), LoopControl::Stop);
    assert!(rig.results().iter().all(|result| result.is_ok()));
}

#[test]
#[should_panic(expected = "address")]
fn a_pool_needs_an_address() {
    Rig::on(Loopback::new(1), &[], limits(), askers(1));
}

#[test]
#[should_panic(expected = "limits")]
fn a_pool_that_may_not_connect_is_refused() {
    Rig::new(PoolLimits { connecting: 0, ..limits() }, askers(1));
}

#[test]
#[should_panic(expected = "limits")]
fn a_pool_that_may_not_open_a_session_is_refused() {
    Rig::new(PoolLimits { open: 0, ..limits() }, askers(1));
}

#[test]
fn a_refusal_that_came_in_time_is_told_though_its_event_comes_late() {
    let net = Loopback::new(1);
    net.set_way(address(1), Way::Refused(Errno::ECONNREFUSED));
    let mut rig = Rig::on(net, &[address(1)], limits(), askers(1));
    rig.turn();
    rig.deliver();
    rig.now = rig.now + CONNECT_TIMEOUT;
    assert_eq!(rig.pool.end_turn(rig.now), LoopControl::Stop);
    assert!(matches!(rig.failure(), SessionError::Connect(..)), "{:?}", rig.failure());
}
