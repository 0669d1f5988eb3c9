//! Encrypted connections, with rustls on the other side.

mod client;
mod ending;
mod faults;

use super::bench::{Bench, frame};
use super::fake_net::{FakeNet, Fault, ServerEnd};
use crate::handlers::Service;
use crate::io::clock::WallTime;
use crate::io::event_loop::LoopControl;
use crate::io::net::Identity;
use crate::protocol::proxy_header::Versions;
use crate::server::access::ranges;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use crate::server::proxied::{Proxies, Serves};
use crate::testkit::prng::Prng;
use crate::tls::{Identities, Secured, TicketSeed};
use client::{Authority, TlsClient};
use nix::errno::Errno;
use rustls::ProtocolVersion;
use std::time::Duration;

type TlsBench = Bench<Secured<FakeNet>>;

/// When the network's wall clock stands still.
const NOW: WallTime = WallTime { seconds: 1_620_412_612, nanos: 0 };

/// The number of the encrypted listener.
const TLS: usize = 5;

fn seed() -> TicketSeed {
    TicketSeed::random(NOW).expect("random bytes")
}

/// A server with an encrypted listener for frames, and the authority of its certificate.
struct Rig {
    bench: TlsBench,
    authority: Authority,
    identities: Identities,
}

fn rig_with(authority: Authority, seed: TicketSeed, service: Service, limits: Limits) -> Rig {
    let identities = Identities::new(seed);
    identities.replace(vec![authority.identity(&identities)]);
    let net = FakeNet::new();
    let secured = Secured::new(net.clone(), identities.clone());
    let mut bench = Bench::over(secured, net, limits);
    let serves = Serves { tls: Some(Identity(0)), ..Serves::from(service) };
    assert_eq!(bench.listen(serves), TLS);
    Rig { bench, authority, identities }
}

fn rig() -> Rig {
    rig_with(Authority::new(), seed(), Service::FRAMED, Limits::default())
}

impl Rig {
    fn client(&mut self) -> TlsClient {
        let config = self.authority.client_config();
        self.client_with(config)
    }

    /// A client that has finished its handshake.
    fn client_with(&mut self, config: std::sync::Arc<rustls::ClientConfig>) -> TlsClient {
        let client = self.bench.net.connect(TLS);
        let mut client = TlsClient::new(client, config);
        client.pump(&mut self.bench);
        client
    }

    fn stats(&self) -> &crate::server::stats::Stats {
        self.bench.server.stats()
    }
}

#[test]
fn requests_are_answered_by_both_versions_of_tls() {
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let mut rig = rig();
        let config = rig.authority.client_config_for(version);
        let mut client = rig.client_with(config);
        assert!(!client.tls.is_handshaking());
        assert_eq!(client.tls.protocol_version(), Some(version));
        assert_eq!(client.ask(&mut rig.bench, &frame(b"ECHO one")), frame(b"one"));
        assert_eq!(client.ask(&mut rig.bench, &frame(b"ECHO two")), frame(b"two"));
        assert_eq!((rig.stats().tls_handshakes, rig.stats().tls_resumed), (1, 0));
        assert_eq!((rig.stats().frames, rig.stats().bytes_in), (2, 2 * 72));
        client.close(&mut rig.bench);
        assert!(client.has_close_notify, "the server says goodbye, too");
        assert_eq!(rig.bench.net.server_end(client.end), ServerEnd::Closed);
        assert_eq!(rig.bench.closed(CloseReason::PeerClosed), 1);
        rig.bench.assert_clean();
    }
}

#[test]
fn nothing_is_said_before_the_handshake() {
    let mut rig = rig_with(Authority::new(), seed(), Service::GREETING, Limits::default());
    let mut client = rig.client();
    assert!(client.plaintext.starts_with(b"Hello"), "{:?}", client.plaintext);
    assert!(client.has_close_notify);
    assert_eq!(rig.bench.closed(CloseReason::Served), 0, "it waits for the client's FIN");
    client.close(&mut rig.bench);
    assert_eq!(rig.bench.closed(CloseReason::Served), 1);
    rig.bench.assert_clean();
}

#[test]
fn bytes_chopped_anyhow_give_the_same_replies() {
    let requests =
        [frame(b"ECHO a"), frame(&[b"ECHO ", &[7; 3000][..]].concat()), frame(b"ECHO c")];
    let expected = [frame(b"a"), frame(&[7; 3000]), frame(b"c")].concat();
    for size in (1..40).chain([100, 500, 1000, 1400, 4000]) {
        let mut rig = rig();
        let end = rig.bench.net.connect(TLS);
        rig.bench.net.socket(end, |socket| socket.most_at_once = size);
        let mut client = TlsClient::new(end, rig.authority.client_config());
        client.piece = size;
        client.pump(&mut rig.bench);
        assert_eq!(client.ask(&mut rig.bench, &requests.concat()), expected, "pieces of {size}");
        client.close(&mut rig.bench);
        assert!(client.has_close_notify);
        rig.bench.assert_clean();
    }
}

#[test]
fn plain_text_ends_its_own_connection_alone() {
    let mut rig = rig();
    let mut client = rig.client();
    for text in [&b"GET / HTTP/1.1\r\n\r\n"[..], &frame(b"ECHO a"), b"\0\0\0\0\0\0\0\0"] {
        let plain = rig.bench.connected(TLS);
        rig.bench.net.send(plain, text);
        rig.bench.run();
        assert_ne!(rig.bench.net.server_end(plain), ServerEnd::Open);
        // An alert, in a record of its own.
        assert_eq!(rig.bench.net.received(plain).first(), Some(&21));
    }
    assert_eq!(rig.bench.closed(CloseReason::TlsNotTls), 3);
    assert_eq!(client.ask(&mut rig.bench, &frame(b"ECHO on")), frame(b"on"));
}

#[test]
fn a_client_that_stalls_in_its_handshake_is_closed_in_time() {
    let mut rig = rig();
    let silent = rig.bench.connected(TLS);
    let stalled = rig.bench.connected(TLS);
    let mut hello = TlsClient::new(stalled, rig.authority.client_config()).ciphertext();
    hello.truncate(hello.len() - 1);
    rig.bench.net.send(stalled, &hello);
    rig.bench.run_for(Duration::from_secs(29));
    assert_eq!(rig.bench.closed(CloseReason::TlsHandshakeTimeout), 0);
    assert!(rig.bench.heap() > hello.len(), "what is held is counted");
    rig.bench.run_for(Duration::from_secs(2));
    assert_eq!(rig.bench.closed(CloseReason::TlsHandshakeTimeout), 2);
    for end in [silent, stalled] {
        assert_eq!(rig.bench.net.server_end(end), ServerEnd::Closed);
    }
    rig.bench.assert_clean();
}

#[test]
fn a_handshake_that_is_over_has_no_deadline() {
    let mut rig = rig();
    let mut client = rig.client();
    rig.bench.run_for(Duration::from_secs(60));
    assert_eq!(client.ask(&mut rig.bench, &frame(b"ECHO a")), frame(b"a"));
}

#[test]
fn a_damaged_record_ends_the_connection() {
    let mut rig = rig();
    let mut client = rig.client();
    client.write(&frame(b"ECHO a"));
    let mut bytes = client.ciphertext();
    *bytes.last_mut().unwrap() ^= 1;
    rig.bench.net.send(client.end, &bytes);
    rig.bench.run();
    assert_eq!(rig.bench.closed(CloseReason::TlsBadRecord), 1);
    assert_eq!(rig.stats().frames, 0);
    rig.bench.assert_clean();
}

#[test]
fn a_client_that_does_not_trust_the_certificate_says_so() {
    let mut rig = rig();
    let end = rig.bench.net.connect(TLS);
    let mut stranger = TlsClient::new(end, Authority::new().client_config());
    stranger.pump(&mut rig.bench);
    assert!(stranger.error.is_some());
    assert_eq!(rig.bench.closed(CloseReason::TlsAlert), 1);
    assert_eq!(rig.stats().tls_handshakes, 0);
    rig.bench.assert_clean();
}

#[test]
fn a_client_without_an_accepted_certificate_is_refused() {
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let mut rig = rig_with(
            Authority::new().signing_clients(),
            seed(),
            Service::FRAMED,
            Limits::default(),
        );
        let without = rig.authority.client_config_for(version);
        let mut client = rig.client_with(without);
        assert_eq!(client.ask(&mut rig.bench, &frame(b"ECHO a")), b"");
        assert_eq!(rig.bench.closed(CloseReason::TlsClientCertificate), 1);
        let others = rig.authority.client_config_with(&Authority::new(), version);
        let mut client = rig.client_with(others);
        assert_eq!(client.ask(&mut rig.bench, &frame(b"ECHO a")), b"");
        assert_eq!(rig.bench.closed(CloseReason::TlsClientCertificate), 2);
        let own = rig.authority.client_config_with(&rig.authority, version);
        let mut client = rig.client_with(own);
        assert_eq!(client.ask(&mut rig.bench, &frame(b"ECHO a")), frame(b"a"));
        assert_eq!(rig.stats().tls_handshakes, 1);
    }
}

#[test]
fn a_session_is_resumed_by_another_shard() {
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let (authority, seed) = (Authority::new(), seed());
        let config = authority.client_config_for(version);
        for shard in 0..4 {
            let (authority, seed) = (authority.clone(), seed.clone());
            let mut rig = rig_with(authority, seed, Service::FRAMED, Limits::default());
            let mut client = rig.client_with(config.clone());
            assert_eq!(client.ask(&mut rig.bench, &frame(b"ECHO a")), frame(b"a"));
            assert_eq!(rig.stats().tls_resumed, u64::from(shard > 0), "{version:?} {shard}");
        }
    }
}

#[test]
fn a_ticket_does_not_stand_in_for_a_certificate() {
    let (authority, seed) = (Authority::new(), seed());
    let config = authority.client_config();
    let mut open = rig_with(authority.clone(), seed.clone(), Service::FRAMED, Limits::default());
    let mut client = open.client_with(config.clone());
    assert_eq!(client.ask(&mut open.bench, &frame(b"ECHO a")), frame(b"a"));
    let closed = authority.signing_clients();
    let mut closed = rig_with(closed, seed, Service::FRAMED, Limits::default());
    let mut client = closed.client_with(config);
    assert_eq!(client.ask(&mut closed.bench, &frame(b"ECHO a")), b"");
    assert_eq!(closed.bench.closed(CloseReason::TlsClientCertificate), 1);
}

#[test]
fn a_slow_reader_gets_everything_and_its_ciphertext_is_counted() {
    let mut rig = rig();
    let end = rig.bench.net.connect(TLS);
    let mut client = TlsClient::new(end, rig.authority.client_config());
    client.pump(&mut rig.bench);
    let body: Vec<u8> = (0..300_000u32).map(|at| at as u8).collect();
    rig.bench.net.socket(end, |socket| socket.window = 1000);
    client.write(&frame(&[b"ECHO ", &body[..]].concat()));
    client.pump(&mut rig.bench);
    assert!(client.plaintext.is_empty(), "less than a record has come");
    assert!(rig.bench.heap() > 300_000 - 20_000);
    let mut random = Prng::new(7);
    while client.plaintext.len() < body.len() + 64 {
        rig.bench.net.widen(end, 1 + random.below(5000));
        rig.bench.advance(Duration::from_secs(20));
        client.pump(&mut rig.bench);
    }
    assert_eq!(client.plaintext, frame(&body));
    assert_eq!(rig.bench.heap(), 0, "an idle connection owns no buffer");
    assert_eq!(rig.stats().bytes_out, body.len() as u64 + 64);
}

#[test]
fn a_reader_that_takes_nothing_is_reset() {
    let mut rig = rig();
    let mut client = rig.client();
    rig.bench.net.socket(client.end, |socket| socket.window = 0);
    client.write(&frame(b"ECHO a"));
    client.pump(&mut rig.bench);
    rig.bench.run_for(Duration::from_secs(31));
    assert_eq!(rig.bench.closed(CloseReason::WriteTimeout), 1);
    assert_eq!(rig.bench.net.server_end(client.end), ServerEnd::Aborted);
    rig.bench.assert_clean();
}

#[test]
fn a_handshake_waits_for_room_and_is_then_finished() {
    let mut rig = rig();
    let end = rig.bench.net.connect(TLS);
    rig.bench.net.socket(end, |socket| socket.window = 0);
    let mut client = TlsClient::new(end, rig.authority.client_config());
    client.pump(&mut rig.bench);
    assert!(client.tls.is_handshaking());
    for _ in 0..100 {
        rig.bench.net.widen(end, 50);
        client.pump(&mut rig.bench);
    }
    assert_eq!(client.ask(&mut rig.bench, &frame(b"ECHO a")), frame(b"a"));
    assert_eq!(rig.bench.heap(), 0);
}

#[test]
fn large_requests_and_many_small_ones_come_whole() {
    let mut rig = rig();
    let mut client = rig.client();
    rig.bench.net.widen(client.end, 10 << 20);
    let body = vec![5; 900_000];
    let reply = client.ask(&mut rig.bench, &frame(&[b"ECHO ", &body[..]].concat()));
    assert_eq!(reply, frame(&body));
    let many = frame(b"ECHO x").repeat(5000);
    let replies = client.ask(&mut rig.bench, &many);
    assert!(replies == frame(b"x").repeat(5000), "{} bytes", replies.len());
    // Large enough to be answered where it lies.
    let text = vec![b't'; 40_000];
    let reply = client.ask(&mut rig.bench, &frame(&[b"ECHO ", &text[..]].concat()));
    assert_eq!(reply, frame(&text));
}

#[test]
fn fresh_keys_in_the_middle_change_nothing() {
    let mut rig = rig();
    let mut client = rig.client();
    for _ in 0..3 {
        client.tls.refresh_traffic_keys().unwrap();
        assert_eq!(client.ask(&mut rig.bench, &frame(b"ECHO a")), frame(b"a"));
    }
}

#[test]
fn handshakes_over_the_rate_are_rejected() {
    let limits = Limits { tls_handshake_rate: Some(2), ..Limits::default() };
    let mut rig = rig_with(Authority::new(), seed(), Service::FRAMED, limits);
    let ends: Vec<_> = (0..4).map(|_| rig.bench.connected(TLS)).collect();
    let rejected = |end: &&_| rig.bench.net.server_end(**end) == ServerEnd::Aborted;
    assert_eq!(ends.iter().filter(rejected).count(), 2);
    assert_eq!(rig.stats().refused_tls_rate, 2);
    rig.bench.advance(Duration::from_secs(1));
    let mut client = rig.client();
    assert_eq!(client.ask(&mut rig.bench, &frame(b"ECHO a")), frame(b"a"));
}

#[test]
fn another_certificate_is_for_those_who_come_later() {
    let mut rig = rig();
    let mut before = rig.client();
    let other = Authority::new();
    rig.identities.replace(vec![other.identity(&rig.identities)]);
    assert_eq!(before.ask(&mut rig.bench, &frame(b"ECHO a")), frame(b"a"));
    let mut after = rig.client_with(other.client_config());
    assert_eq!(after.ask(&mut rig.bench, &frame(b"ECHO b")), frame(b"b"));
    let late = rig.client();
    assert!(late.error.is_some(), "the old authority did not sign the new certificate");
}

#[test]
fn a_drain_answers_what_has_come_and_says_goodbye() {
    let mut rig = rig();
    let mut client = rig.client();
    let half = rig.bench.connected(TLS);
    client.write(&frame(b"ECHO a"));
    let bytes = client.ciphertext();
    rig.bench.net.send(client.end, &bytes);
    rig.bench.server.drain(rig.bench.now);
    rig.bench.run();
    client.pump(&mut rig.bench);
    assert_eq!(client.plaintext, frame(b"a"));
    assert!(client.has_close_notify);
    assert_eq!(rig.bench.net.server_end(half), ServerEnd::Closed);
    client.close(&mut rig.bench);
    assert_eq!(rig.bench.run_for(Duration::from_secs(3)), LoopControl::Stop);
    assert_eq!(rig.bench.closed(CloseReason::Drained), 2);
    rig.bench.assert_clean();
}

#[test]
fn what_could_not_be_sent_to_one_is_not_sent_to_another() {
    let mut rig = rig();
    let broken = rig.client();
    rig.bench.net.socket(broken.end, |socket| {
        socket.send_call.fault = Fault::for_ever(Errno::EPIPE);
    });
    rig.bench.net.fin(broken.end);
    rig.bench.run();
    assert_eq!(rig.bench.closed(CloseReason::TlsTruncated), 1);
    let mut client = rig.client();
    assert_eq!(client.error, None);
    assert_eq!(client.ask(&mut rig.bench, &frame(b"ECHO a")), frame(b"a"));
}

#[test]
fn tls_begins_behind_the_header_of_a_proxy() {
    let mut rig = rig();
    let proxies = Proxies { versions: Versions::Any, from: ranges("192.0.2.0/24").unwrap() };
    let proxies = Some(Box::new(proxies));
    let serves = Serves { proxies, tls: Some(Identity(0)), ..Serves::from(Service::FRAMED) };
    let listener = rig.bench.listen(serves);
    let header = b"PROXY TCP4 203.0.113.7 192.0.2.9 50000 443\r\n";
    // The header alone, cut in two, and together with the first bytes of the handshake.
    for cut in [0, 5, header.len()] {
        let end = rig.bench.connected(listener);
        let mut client = TlsClient::new(end, rig.authority.client_config());
        let hello = client.ciphertext();
        rig.bench.net.send(end, &header[..cut]);
        rig.bench.run();
        rig.bench.net.send(end, &[&header[cut..], &hello[..]].concat());
        client.pump(&mut rig.bench);
        let whoami = client.ask(&mut rig.bench, &frame(b"WHOAMI"));
        assert!(String::from_utf8_lossy(&whoami).contains("203.0.113.7"), "{whoami:?}");
        client.close(&mut rig.bench);
    }
    assert_eq!(rig.stats().tls_handshakes, 3);
    rig.bench.assert_clean();
}

#[test]
fn plain_listeners_of_the_same_server_are_as_they_were() {
    let mut rig = rig();
    let plain = rig.bench.connected(0);
    assert_eq!(rig.bench.ask(plain, &frame(b"ECHO a")), frame(b"a"));
    assert_eq!(rig.stats().tls_handshakes, 0);
}
