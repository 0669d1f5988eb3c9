//! Clients behind a proxy: what its header changes, and what happens without one.

use super::bench::{Bench, ECHO, frame};
use super::fake_net::{Client, Fault, ServerEnd};
use crate::handlers::Options;
use crate::handlers::Service;
use crate::handlers::daytime::Format;
use crate::io::address::Credentials;
use crate::io::event_loop::LoopControl;
use crate::io::net::Token;
use crate::protocol::proxy_header::{MAX_LEN, Versions};
use crate::server::access::{AccessRules, ranges};
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use crate::server::proxied::{Proxies, Serves};
use crate::testkit::prng::Prng;
use nix::errno::Errno;
use std::net::SocketAddr;
use std::time::Duration;

const PROXY: &str = "10.0.0.1";

/// A header of version 2 for this client.
fn v2(client: &str) -> Vec<u8> {
    let client: SocketAddr = client.parse().unwrap();
    let port = client.port().to_be_bytes();
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    match client {
        SocketAddr::V4(v4) => {
            header.extend([0x11, 0, 12]);
            header.extend([v4.ip().octets(), [192, 0, 2, 1]].concat());
        }
        SocketAddr::V6(v6) => {
            header.extend([0x21, 0, 36]);
            header.extend([v6.ip().octets(), [1; 16]].concat());
        }
    }
    header.extend([port, [0, 80]].concat());
    header
}

const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\x03abc";

fn behind_proxies(service: Service) -> Serves {
    let proxies = Proxies { versions: Versions::Any, from: ranges("10.0.0.0/8").unwrap() };
    Serves { service, proxies: Some(Box::new(proxies)), tls: None }
}

/// A bench with one listener more, and its number.
fn bench_for(service: Service, limits: Limits) -> (Bench, usize) {
    let mut bench = Bench::with_limits(limits);
    let listener = bench.listen(behind_proxies(service));
    (bench, listener)
}

fn bench() -> (Bench, usize) {
    bench_for(Service::FRAMED, Limits::default())
}

fn connected(bench: &mut Bench, listener: usize, address: &str) -> Client {
    let client = bench.net.connect_from(listener, address.parse().unwrap());
    bench.run();
    client
}

/// A connection of the proxy whose header tells of `client`; what was sent back.
fn proxied(bench: &mut Bench, listener: usize, client: &str) -> (Client, Vec<u8>) {
    let connection = connected(bench, listener, PROXY);
    let answer = bench.ask(connection, &v2(client));
    (connection, answer)
}

fn is_aborted(bench: &Bench, client: Client) -> bool {
    bench.net.server_end(client) == ServerEnd::Aborted
}

#[test]
fn the_client_is_who_the_header_tells() {
    let (mut bench, listener) = bench();
    for (header, whoami) in [
        (v2("203.0.113.7:50000"), "('203.0.113.7', 50000)"),
        (v2("[2001:db8::7]:1"), "('2001:db8::7', 1)"),
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 1 2\r\n".to_vec(), "('203.0.113.7', 1)"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "('proxy', 0)"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0".to_vec(), "('proxy', 0)"),
        ([b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8", &[b'/'; 216][..]].concat(), "('proxy', 0)"),
    ] {
        let expected = frame(format!("Hello! You are connected to {whoami}").as_bytes());
        let together = connected(&mut bench, listener, PROXY);
        let request = [&header[..], &frame(b"WHOAMI")].concat();
        assert_eq!(bench.ask(together, &request), expected, "{whoami}");
        let apart = connected(&mut bench, listener, PROXY);
        assert_eq!(bench.ask(apart, &header), b"");
        assert_eq!(bench.ask(apart, &frame(b"WHOAMI")), expected, "{whoami}");
    }
    assert_eq!(bench.server.stats().proxy_headers, 12);
    // On the same address, as the proxy itself.
    let check = connected(&mut bench, listener, PROXY);
    let answer = bench.ask(check, &[LOCAL, &frame(b"WHOAMI")].concat());
    let address = bench.net.address(check);
    let expected = format!("Hello! You are connected to ('{PROXY}', {})", address.port());
    assert_eq!(answer, frame(expected.as_bytes()));
    assert_eq!(bench.server.stats().proxy_local, 1);
}

/// <https://github.com/MariaDB/server/pull/4999>, <https://github.com/rmqtt/rmqtt/pull/248>: a
/// header that did not come with one read was taken for none.
#[test]
fn a_header_may_come_in_any_pieces() {
    for header in [v2("203.0.113.7:7"), b"PROXY TCP4 203.0.113.7 192.0.2.1 7 2\r\n".to_vec()] {
        let (mut bench, listener) = bench();
        let bytes = [&header[..], &frame(b"ECHO hello")].concat();
        for cut in 1..bytes.len() {
            let client = connected(&mut bench, listener, PROXY);
            assert_eq!(bench.ask(client, &bytes[..cut]), b"", "of {cut} bytes");
            assert_eq!(bench.ask(client, &bytes[cut..]), frame(b"hello"), "of {cut} bytes");
        }
        let client = connected(&mut bench, listener, PROXY);
        for byte in &bytes[..bytes.len() - 1] {
            assert_eq!(bench.ask(client, &[*byte]), b"");
        }
        assert_eq!(bench.ask(client, &bytes[bytes.len() - 1..]), frame(b"hello"));
        assert_eq!(bench.heap(), 0);
    }
}

#[test]
fn any_sequence_of_pieces_gives_the_replies_of_the_whole() {
    let (mut bench, listener) = bench();
    let mut prng = Prng::new(7);
    let large = [b"ECHO ", &[b'x'; 5000][..]].concat();
    for _ in 0..200 {
        let tlvs = prng.below(MAX_LEN - 28 + 1);
        let mut header = v2("203.0.113.7:7");
        header[14..16].copy_from_slice(&(12 + tlvs as u16).to_be_bytes());
        header.resize(28 + tlvs, 4);
        let bytes = [&header[..], &frame(b"ECHO a"), &frame(&large), &frame(b"WHOAMI")].concat();
        let client = connected(&mut bench, listener, PROXY);
        let mut left = &bytes[..];
        while !left.is_empty() {
            let most = [3, 50, 5000][prng.below(3)];
            let (piece, rest) = left.split_at((1 + prng.below(most)).min(left.len()));
            bench.ask(client, piece);
            left = rest;
        }
        let whoami = frame(b"Hello! You are connected to ('203.0.113.7', 7)");
        let expected = [frame(b"a"), frame(&large[5..]), whoami].concat();
        assert!(bench.net.received(client) == expected);
        bench.net.fin(client);
        bench.run();
    }
    bench.assert_clean();
}

/// <https://github.com/mastercactapus/caddy-proxyprotocol/issues/8>: anybody could say who he was.
#[test]
fn who_is_not_a_proxy_of_the_listener_is_refused() {
    let (mut bench, listener) = bench();
    let stranger = connected(&mut bench, listener, "192.0.2.66");
    assert!(is_aborted(&bench, stranger));
    let stats = bench.server.stats();
    assert_eq!((stats.accepted, stats.refused_not_proxy), (0, 1));
    // On a listener without proxies, a header is what it would be from anybody.
    let direct = connected(&mut bench, ECHO, PROXY);
    let header = v2("203.0.113.7:7");
    assert_eq!(bench.ask(direct, &header), header);
}

#[test]
fn a_unix_socket_needs_no_addresses() {
    let mut bench = Bench::new();
    let proxies = Proxies { versions: Versions::V2, from: Vec::new() };
    let service = Service::FRAMED;
    let listener = bench.listen(Serves { service, proxies: Some(Box::new(proxies)), tls: None });
    let client = bench.net.connect_locally(listener, Credentials { pid: 7, uid: 8 });
    bench.run();
    let answer = bench.ask(client, &[v2("203.0.113.7:7"), frame(b"WHOAMI")].concat());
    assert_eq!(answer, frame(b"Hello! You are connected to ('203.0.113.7', 7)"));
    let check = bench.net.connect_locally(listener, Credentials { pid: 7, uid: 8 });
    bench.run();
    let answer = bench.ask(check, &[LOCAL, &frame(b"WHOAMI")].concat());
    assert_eq!(answer, frame(b"Hello! You are connected to ('unix', 8)"));
    let line = bench.net.connect_locally(listener, Credentials { pid: 7, uid: 8 });
    bench.run();
    bench.ask(line, b"PROXY UNKNOWN\r\n");
    assert!(is_aborted(&bench, line), "it takes version 2 only");
}

#[test]
fn rules_and_limits_on_addresses_are_about_the_client() {
    let (mut bench, listener) = bench_for(
        Service::FRAMED,
        Limits {
            access: AccessRules {
                deny: ranges("198.51.100.0/24,10.0.0.0/8").unwrap(),
                ..AccessRules::default()
            },
            max_connections_per_address: Some(2),
            ..Limits::default()
        },
    );
    let (denied, answer) = proxied(&mut bench, listener, "198.51.100.7:1");
    assert_eq!(answer, b"");
    assert!(is_aborted(&bench, denied));
    let mut clients = Vec::new();
    for client in ["203.0.113.1:1", "203.0.113.1:2", "203.0.113.2:3", "203.0.113.2:4"] {
        let (client, _) = proxied(&mut bench, listener, client);
        assert_eq!(bench.ask(client, &frame(b"ECHO x")), frame(b"x"), "the proxy is denied only");
        clients.push(client);
    }
    let (third, _) = proxied(&mut bench, listener, "203.0.113.1:5");
    assert!(is_aborted(&bench, third));
    // Who tells no address has no limit, and neither has the proxy for itself.
    for header in [&b"PROXY UNKNOWN\r\n"[..], LOCAL] {
        for _ in 0..5 {
            let client = connected(&mut bench, listener, PROXY);
            let answer = bench.ask(client, &[header, &frame(b"ECHO y")].concat());
            assert_eq!(answer, frame(b"y"));
            clients.push(client);
        }
    }
    let stats = bench.server.stats();
    assert_eq!((stats.refused_denied, stats.refused_address_limit), (1, 1));
    assert_eq!(bench.closed(CloseReason::ProxyRefused), 2);
    assert_eq!(bench.server.cx.admission.remembered(), (2, 0));
    clients.into_iter().for_each(|client| bench.net.fin(client));
    bench.run();
    bench.assert_clean();
    assert_eq!(bench.server.cx.admission.remembered(), (0, 0));
}

#[test]
fn a_connection_without_its_header_counts_for_nobody() {
    let limits = Limits { max_connections_per_address: Some(1), ..Limits::default() };
    let (mut bench, listener) = bench_for(Service::FRAMED, limits);
    let direct = connected(&mut bench, ECHO, PROXY);
    for bytes in [&b""[..], b"PROXY", b"GET / HTTP/1.1\r\n\r\n"] {
        let client = connected(&mut bench, listener, PROXY);
        bench.ask(client, bytes);
        bench.net.fin(client);
        bench.run();
    }
    let check = connected(&mut bench, listener, PROXY);
    bench.ask(check, LOCAL);
    bench.net.fin(check);
    bench.run();
    assert_eq!(bench.server.cx.admission.remembered(), (1, 0), "the one that is open still");
    assert_eq!(bench.ask(direct, b"x"), b"x");
    let second = connected(&mut bench, ECHO, PROXY);
    assert!(is_aborted(&bench, second));
}

#[test]
fn all_connections_together_are_limited_before_the_header() {
    let (mut bench, listener) =
        bench_for(Service::FRAMED, Limits { max_connections: 2, ..Limits::default() });
    let [first, second] = [(); 2].map(|()| connected(&mut bench, listener, PROXY));
    let third = bench.net.connect_from(listener, PROXY.parse().unwrap());
    bench.run();
    assert_eq!(bench.net.server_end(third), ServerEnd::Waiting);
    bench.net.fin(first);
    bench.run();
    for client in [second, third] {
        let request = [v2("203.0.113.7:7"), frame(b"ECHO x")].concat();
        assert_eq!(bench.ask(client, &request), frame(b"x"));
    }
}

#[test]
fn a_service_that_speaks_first_waits_for_the_header() {
    let (mut bench, listener) = bench_for(Service::GREETING, Limits::default());
    let client = connected(&mut bench, listener, PROXY);
    assert_eq!(bench.net.received(client), b"");
    let answer = bench.ask(client, &v2("203.0.113.7:7"));
    assert_eq!(answer, b"Hello! You are connected to ('203.0.113.7', 7)");
    assert_eq!(bench.net.server_end(client), ServerEnd::HalfClosed);
    bench.net.fin(client);
    bench.run();
    assert_eq!(bench.closed(CloseReason::Served), 1);
    let acknowledged = Options { format: Format::Unix, ack: true };
    let listener = bench.listen(behind_proxies(Service::DAYTIME.with(acknowledged)));
    let client = connected(&mut bench, listener, PROXY);
    let answer = bench.ask(client, &[&v2("203.0.113.7:7")[..], b"thanks"].concat());
    assert_eq!(answer, b"1620412612");
    assert_eq!(bench.net.server_end(client), ServerEnd::HalfClosed);
    let listener = bench.listen(behind_proxies(Service::CHARGEN));
    let endless = connected(&mut bench, listener, PROXY);
    assert_eq!(bench.net.received(endless), b"");
    assert!(!bench.ask(endless, &v2("203.0.113.7:7")).is_empty());
}

#[test]
fn what_is_no_header_ends_the_connection_with_a_reset() {
    let (mut bench, listener) = bench();
    let bad = [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\0",
        b"PROXY TCP4 1.2.3.4\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0b",
        b"\r\n\r\n\0\r\nQUIT\n\x21\0\xff\xff",
        &[b'P'; 65_536],
    ];
    for (bytes, closed) in bad.into_iter().zip(1..) {
        let client = connected(&mut bench, listener, PROXY);
        assert_eq!(bench.ask(client, bytes), b"");
        assert!(is_aborted(&bench, client));
        assert_eq!(bench.closed(CloseReason::BadProxyHeader), closed);
    }
    bench.assert_clean();
    assert_eq!(bench.server.stats().refusals, 0, "nothing is answered");
}

/// CVE-2021-23409, CVE-2021-23351: a client that sent no header, or never its end, was waited for
/// for ever, and its bytes were kept.
#[test]
fn a_header_has_its_time_and_its_room() {
    let (mut bench, listener) = bench();
    let frame_timeout = Limits::default().frame_timeout;
    let silent = connected(&mut bench, listener, PROXY);
    let slow = connected(&mut bench, listener, PROXY);
    let line = [b"PROXY UNKNOWN ", &[b'a'; 90][..]].concat();
    let started = bench.now;
    for byte in &line {
        bench.ask(slow, &[*byte]);
        bench.run_for(frame_timeout / 200);
    }
    assert!(bench.heap() > 0 && bench.heap() < 1000);
    let left = frame_timeout - bench.now.since(started);
    bench.run_for(left - Duration::from_millis(1));
    for client in [silent, slow] {
        assert_eq!(bench.net.server_end(client), ServerEnd::Open);
    }
    bench.run_for(Duration::from_millis(1));
    assert_eq!(bench.net.server_end(silent), ServerEnd::Closed, "counted from the accept");
    assert_eq!(bench.closed(CloseReason::ProxyHeaderTimeout), 2);
    assert_eq!(bench.net.received(slow), b"");
    bench.assert_clean();
    let greedy = connected(&mut bench, listener, PROXY);
    let header = [b"\r\n\r\n\0\r\nQUIT\n\x21\0\x0f\xf0", &[0; MAX_LEN - 17][..]].concat();
    bench.ask(greedy, &header);
    assert!(bench.heap() < 2 * MAX_LEN);
    assert_eq!(bench.ask(greedy, &[&[0], &frame(b"ECHO x")[..]].concat()), frame(b"x"));
    assert_eq!(bench.heap(), 0);
}

#[test]
fn a_header_that_came_in_time_is_not_late_though_its_event_is() {
    let (mut bench, listener) = bench();
    let client = connected(&mut bench, listener, PROXY);
    bench.advance(Limits::default().frame_timeout * 2);
    bench.net.send(client, &[v2("203.0.113.7:7"), frame(b"ECHO x")].concat());
    crate::io::event_loop::EventHandler::end_turn(&mut bench.server, bench.now);
    assert_eq!(bench.net.received(client), frame(b"x"));
    // From now on it has the times of any client.
    bench.run_for(Limits::default().frame_timeout * 2);
    assert_eq!(bench.ask(client, &frame(b"ECHO y")), frame(b"y"));
    bench.run_for(Limits::default().idle_timeout + Limits::default().linger_timeout);
    assert_eq!(bench.closed(CloseReason::IdleTimeout), 1);
}

#[test]
fn a_proxy_that_goes_away_without_a_header_leaves_nothing() {
    for service in [Service::FRAMED, Service::LOOKUP, Service::GREETING, Service::CHARGEN] {
        let (mut bench, listener) = bench_for(service, Limits::default());
        for (bytes, reason) in [
            (&b""[..], CloseReason::PeerClosed),
            (b"PROXY UNKNOWN", CloseReason::PeerClosedMidFrame),
        ] {
            let client = connected(&mut bench, listener, PROXY);
            bench.net.send(client, bytes);
            bench.net.fin(client);
            bench.run();
            assert_eq!(bench.net.received(client), b"", "not even a line without its end");
            assert_eq!(bench.closed(reason), 1);
        }
        let client = connected(&mut bench, listener, PROXY);
        bench.net.reset(client);
        bench.run();
        let failing = connected(&mut bench, listener, PROXY);
        bench.net.socket(failing, |socket| socket.recv_call.fault = Fault::once(Errno::ENOMEM));
        bench.ask(failing, b"PROXY");
        assert_eq!(bench.closed(CloseReason::Reset), 1);
        assert_eq!(bench.closed(CloseReason::SystemError), 1);
        bench.assert_clean();
    }
}

#[test]
fn draining_serves_a_header_that_has_come_and_closes_who_has_sent_none() {
    for service in [Service::FRAMED, Service::LOOKUP] {
        let (mut bench, listener) = bench_for(service, Limits::default());
        let silent = connected(&mut bench, listener, PROXY);
        let typing = connected(&mut bench, listener, PROXY);
        bench.ask(typing, b"PROXY UNKNOWN");
        let asking = connected(&mut bench, listener, PROXY);
        let waiting = bench.net.connect_from(listener, PROXY.parse().unwrap());
        let request = match service {
            Service::FRAMED => frame(b"ECHO x"),
            _ => b"165.165.80.80\r\n".to_vec(),
        };
        for client in [asking, waiting] {
            bench.net.send(client, &[v2("203.0.113.7:7"), request.clone()].concat());
        }
        bench.server.drain(bench.now);
        bench.run();
        for client in [asking, waiting] {
            assert!(!bench.net.received(client).is_empty());
            bench.net.fin(client);
        }
        assert_eq!(bench.run(), LoopControl::Stop);
        for client in [silent, typing] {
            assert_eq!(bench.net.received(client), b"");
            assert_eq!(bench.net.server_end(client), ServerEnd::Closed);
        }
        assert_eq!(bench.closed(CloseReason::Drained), 4);
        bench.assert_clean();
    }
}

#[test]
fn headers_are_shed_when_memory_is_short() {
    let limits = Limits { memory_limit: 1500, ..Limits::default() };
    let (mut bench, listener) = bench_for(Service::FRAMED, limits);
    let bytes = [b"\r\n\r\n\0\r\nQUIT\n\x21\0\x0f\xf0", &[0; 700][..]].concat();
    for _ in 0..4 {
        let client = connected(&mut bench, listener, PROXY);
        bench.ask(client, &bytes);
    }
    assert!(bench.closed(CloseReason::Shed) > 0);
}

#[test]
fn an_event_for_a_connection_that_was_refused_is_stale() {
    let limits = Limits {
        access: AccessRules { deny: ranges("203.0.113.7").unwrap(), ..AccessRules::default() },
        ..Limits::default()
    };
    let (mut bench, listener) = bench_for(Service::FRAMED, limits);
    let client = connected(&mut bench, listener, PROXY);
    let token: Token = bench.net.token(client);
    bench.ask(client, &v2("203.0.113.7:7"));
    let readiness = crate::io::readiness::Readiness { read: true, ..Default::default() };
    crate::io::event_loop::EventHandler::on_ready(&mut bench.server, token, readiness);
    bench.run();
    assert_eq!(bench.server.stats().stale_events, 1);
    bench.assert_clean();
}
