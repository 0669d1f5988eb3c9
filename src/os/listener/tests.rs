//! Real sockets on the loopback interface.

use super::*;
use nix::errno::Errno;
use nix::sys::socket::getsockopt;
use socket2::SockRef;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const BACKLOG: u32 = 16;

/// A listener, or what either call says.
fn had(address: SocketAddr, port: Port) -> io::Result<TcpListener> {
    listen(bind(address, port, AddressPresence::Now)?, BACKLOG)
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
    let socket = bind(LOOPBACK.into(), Port::Exclusive, AddressPresence::Now).expect("a free port");
    let address = socket.local_addr().expect("it is bound").as_socket().expect("IPv4");
    let refused = std::net::TcpStream::connect(address).expect_err("it does not listen");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let _listener = listen(socket, BACKLOG).expect("nobody else has it");
    std::net::TcpStream::connect(address).expect("it listens");
    let again = bind(address, Port::Exclusive, AddressPresence::Now).map(|_| ());
    assert_eq!(again.expect_err("it is taken").kind(), ErrorKind::AddrInUse);
}

#[test]
fn loopback_addresses_and_all_addresses_are_nobodys_broadcast_address() {
    for ip in ["127.0.0.1", "127.1.2.3", "0.0.0.0", "::", "::1", "198.51.100.255"] {
        assert!(!is_broadcast(ip.parse().expect("an address")), "{ip}");
    }
}

#[test]
fn field_server_13_the_last_address_of_a_subnet_is_its_broadcast_address() {
    for (mask, expected) in [
        ("255.255.255.0", Some("10.9.9.255")),
        ("255.0.0.0", Some("10.255.255.255")),
        ("255.255.255.252", Some("10.9.9.3")),
        ("255.255.255.254", None),
        ("255.255.255.255", None),
    ] {
        let ip = |text: &str| text.parse().expect("an address");
        assert_eq!(broadcast_of(ip("10.9.9.1"), ip(mask)), expected.map(ip), "{mask}");
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
    let socket = bind(LOOPBACK.into(), Port::Exclusive, AddressPresence::Now).expect("a free port");
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

/// What the kernel has set for a socket: whether it keeps alive, after which silence, how often it
/// asks and each how long, in seconds; and the user timeout in milliseconds.
fn timeouts_of(socket: &impl AsFd) -> (bool, [u32; 3], u32) {
    (
        getsockopt(socket, sockopt::KeepAlive).expect("a socket"),
        [
            getsockopt(socket, sockopt::TcpKeepIdle).expect("a TCP socket"),
            getsockopt(socket, sockopt::TcpKeepCount).expect("a TCP socket"),
            getsockopt(socket, sockopt::TcpKeepInterval).expect("a TCP socket"),
        ],
        getsockopt(socket, sockopt::TcpUserTimeout).expect("a TCP socket"),
    )
}

fn accepted_with(timeouts: TcpTimeouts) -> (bool, [u32; 3], u32) {
    let (listener, address) = bound(LOOPBACK, Port::Exclusive);
    timeouts.set(&listener).expect("values that the kernel takes");
    let _client = TcpStream::connect(address).expect("it listens");
    // The listener is nonblocking, and the handshake of the loopback interface is over by now.
    let (accepted, _) = listener.accept().expect("a client");
    timeouts_of(&accepted)
}

#[test]
fn field_server_20_accepted_sockets_inherit_the_timeouts_of_tcp() {
    let (_, system_wide, _) = accepted_with(TcpTimeouts::default());
    assert_eq!(accepted_with(TcpTimeouts::default()), (false, system_wide, 0));
    let timeouts = TcpTimeouts {
        keepalive: Some(Duration::from_millis(60_500)),
        user_timeout: Some(Duration::from_micros(1_500)),
    };
    assert_eq!(accepted_with(timeouts), (true, [61, 3, 21], 2));
    let longest = TcpTimeouts {
        keepalive: Some(TcpTimeouts::LONGEST_KEEPALIVE),
        user_timeout: Some(TcpTimeouts::LONGEST_USER_TIMEOUT),
    };
    assert_eq!(accepted_with(longest), (true, [32_767, 3, 10_923], i32::MAX as u32));
    let shortest = TcpTimeouts {
        keepalive: Some(Duration::from_secs(1)),
        user_timeout: Some(Duration::from_millis(1)),
    };
    assert_eq!(accepted_with(shortest), (true, [1, 3, 1], 1));
}

#[test]
fn an_address_that_no_interface_has_yet_can_be_bound_if_asked() {
    // Addresses for documentation, RFC 5737 and RFC 3849.
    for address in ["198.51.100.7:0", "[2001:db8::7]:0"] {
        let address = address.parse().expect("an address");
        let now = bind(address, Port::Exclusive, AddressPresence::Now).map(|_| ());
        if now.as_ref().is_err_and(|error| error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32))
        {
            eprintln!("SKIPPED for {address}: no IPv6");
            continue;
        }
        assert_eq!(now.expect_err("no interface has it").kind(), ErrorKind::AddrNotAvailable);
        let socket = bind(address, Port::Exclusive, AddressPresence::Later).expect("it is bound");
        assert_eq!(AddressPresence::asked_of(&socket), AddressPresence::Later);
        listen(socket, BACKLOG).expect("it listens");
    }
}
