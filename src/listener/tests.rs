//! Real sockets on the loopback interface.

use super::*;
use nix::errno::Errno;
use socket2::SockRef;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr};

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const BACKLOG: u32 = 16;

/// A listener, or what either call says.
fn had(address: SocketAddr, port: Port) -> io::Result<TcpListener> {
    listen(bind(address, port)?, BACKLOG)
}

fn bound(address: impl Into<SocketAddr>, port: Port) -> (TcpListener, SocketAddr) {
    let listener = had(address.into(), port).expect("a port that can be had");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

fn refusal(address: impl Into<SocketAddr>, port: Port) -> ErrorKind {
    had(address.into(), port).expect_err("it cannot be had").kind()
}

#[test]
fn port_0_is_a_free_port_and_a_taken_one_is_refused() {
    for port in [Port::Exclusive, Port::Shared] {
        let (_first, address) = bound(LOOPBACK, port);
        assert_ne!(address.port(), 0);
        let (_second, other) = bound(LOOPBACK, port);
        assert_ne!(other, address);
    }
    let (_first, address) = bound(LOOPBACK, Port::Exclusive);
    assert_eq!(refusal(address, Port::Exclusive), ErrorKind::AddrInUse);
}

#[test]
fn nobody_can_connect_before_it_listens() {
    let socket = bind(LOOPBACK.into(), Port::Exclusive).expect("a free port");
    let address = socket.local_addr().expect("it is bound").as_socket().expect("IPv4");
    let refused = std::net::TcpStream::connect(address).expect_err("it does not listen");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let _listener = listen(socket, BACKLOG).expect("nobody else has it");
    std::net::TcpStream::connect(address).expect("it listens");
    let again = bind(address, Port::Exclusive).map(|_| ());
    assert_eq!(again.expect_err("it is taken").kind(), ErrorKind::AddrInUse);
}

#[test]
fn loopback_addresses_and_all_addresses_are_nobodys_broadcast_address() {
    for ip in ["127.0.0.1", "127.1.2.3", "0.0.0.0", "::", "::1", "198.51.100.255"] {
        assert!(!is_broadcast(ip.parse().expect("an address")), "{ip}");
    }
}

#[test]
fn a_port_is_shared_if_all_agree() {
    let (_first, address) = bound(LOOPBACK, Port::Shared);
    assert_eq!(bound(address, Port::Shared).1, address);
    assert_eq!(refusal(address, Port::Exclusive), ErrorKind::AddrInUse);
    let (_alone, address) = bound(LOOPBACK, Port::Exclusive);
    assert_eq!(refusal(address, Port::Shared), ErrorKind::AddrInUse);
}

#[test]
fn the_largest_backlog_is_as_good_as_any() {
    let socket = bind(LOOPBACK.into(), Port::Exclusive).expect("a free port");
    listen(socket, u32::MAX).expect("the kernel cuts it");
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let for_documentation_only = (Ipv4Addr::new(192, 0, 2, 1), 0);
    assert_eq!(refusal(for_documentation_only, Port::Exclusive), ErrorKind::AddrNotAvailable);
}

#[test]
fn an_ipv6_listener_takes_ipv6_only() {
    match had((Ipv6Addr::LOCALHOST, 0).into(), Port::Exclusive) {
        Ok(listener) => {
            assert!(listener.local_addr().expect("it is bound").is_ipv6());
            assert!(SockRef::from(&listener).only_v6().expect("an IPv6 socket"));
        }
        // This machine has no IPv6; then there is nothing to find out.
        Err(error) => {
            let errno = error.raw_os_error().map(Errno::from_raw);
            assert!(matches!(errno, Some(Errno::EADDRNOTAVAIL | Errno::EAFNOSUPPORT)), "{error}");
        }
    }
}
