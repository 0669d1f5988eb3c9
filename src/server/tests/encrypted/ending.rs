//! How encrypted connections end: close_notify both ways, and an end without it.

use super::super::bench::frame;
use super::super::fake_net::ServerEnd;
use super::client::TlsClient;
use super::{TLS, rig};
use crate::server::close::CloseReason;
use std::time::Duration;

#[test]
fn an_end_without_close_notify_is_told_apart() {
    let mut rig = rig();
    let mut client = rig.client();
    assert_eq!(client.ask(&mut rig.bench, &frame(b"ECHO a")), frame(b"a"));
    rig.bench.net.fin(client.end);
    rig.bench.run();
    assert_eq!(rig.bench.closed(CloseReason::TlsTruncated), 1);
    // A probe that connects and goes has lost nothing.
    let probe = rig.bench.connected(TLS);
    rig.bench.net.fin(probe);
    rig.bench.run();
    assert_eq!(rig.bench.closed(CloseReason::PeerClosed), 1);
    // One that goes in the middle of its handshake has.
    let half = rig.bench.connected(TLS);
    let hello = TlsClient::new(half, rig.authority.client_config()).ciphertext();
    rig.bench.net.send(half, &hello[..20]);
    rig.bench.net.fin(half);
    rig.bench.run();
    assert_eq!(rig.bench.closed(CloseReason::TlsTruncated), 2);
    rig.bench.assert_clean();
}

#[test]
fn requests_before_close_notify_are_answered_though_they_come_together() {
    let mut rig = rig();
    let mut client = rig.client();
    client.write(&frame(b"ECHO last"));
    client.tls.send_close_notify();
    // No FIN: nothing but close_notify tells that this is the end.
    client.pump(&mut rig.bench);
    assert_eq!(client.plaintext, frame(b"last"));
    assert!(client.has_close_notify);
    assert_eq!(rig.bench.closed(CloseReason::PeerClosed), 1);
    rig.bench.assert_clean();
}

#[test]
fn close_notify_waits_for_room() {
    let mut rig = rig();
    let mut client = rig.client();
    let reply = frame(b"a").len() + 22;
    rig.bench.net.socket(client.end, |socket| socket.window = reply + 3);
    client.write(&frame(b"ECHO a"));
    client.tls.send_close_notify();
    client.pump(&mut rig.bench);
    assert_eq!(client.plaintext, frame(b"a"));
    assert!(!client.has_close_notify);
    assert_eq!(rig.stats().open(), 1, "it is not closed before the peer can know that it is whole");
    rig.bench.net.widen(client.end, 100);
    client.pump(&mut rig.bench);
    assert!(client.has_close_notify);
    assert_eq!(rig.bench.net.server_end(client.end), ServerEnd::Closed);
    rig.bench.assert_clean();
}

#[test]
fn close_notify_does_not_wait_for_ever() {
    let mut rig = rig();
    let mut client = rig.client();
    rig.bench.net.socket(client.end, |socket| socket.window = 0);
    client.tls.send_close_notify();
    client.pump(&mut rig.bench);
    rig.bench.run_for(Duration::from_secs(29));
    assert_eq!(rig.stats().open(), 1);
    rig.bench.run_for(Duration::from_secs(2));
    assert_eq!(rig.bench.closed(CloseReason::WriteTimeout), 1);
    rig.bench.assert_clean();
}
