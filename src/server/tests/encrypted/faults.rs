//! Encrypted connections when calls fail: what is lost is not built upon, and each
//! end is what it looks like.

use super::super::bench::frame;
use super::super::fake_net::{Fault, ServerEnd};
use super::client::TlsClient;
use super::{TLS, rig, rig_with, seed};
use crate::handlers::Service;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use nix::errno::Errno;
use std::time::Duration;

#[test]
fn a_signal_does_not_hold_up_what_is_to_be_sent() {
    let mut rig = rig();
    let end = rig.bench.net.connect(TLS);
    rig.bench.net.socket(end, |socket| socket.send_call.fault = Fault::once(Errno::EINTR));
    let mut client = TlsClient::new(end, rig.authority.client_config());
    client.pump(&mut rig.bench);
    assert!(!client.tls.is_handshaking(), "no event follows a signal");
    rig.bench.net.socket(end, |socket| socket.send_call.fault = Fault::once(Errno::EINTR));
    assert_eq!(client.ask(&mut rig.bench, &frame(b"ECHO a")), frame(b"a"));
    // The reply is sent, and then the signal comes.
    rig.bench.net.socket(end, |socket| {
        socket.send_call.fault = Fault::once_after(1, Errno::EINTR);
    });
    client.write(&frame(b"ECHO b"));
    client.close(&mut rig.bench);
    assert!(client.has_close_notify);
    rig.bench.assert_clean();
}

#[test]
fn a_handshake_that_cannot_be_sent_ends_the_connection() {
    for spared in [0, 1] {
        let mut rig = rig();
        let end = rig.bench.net.connect(TLS);
        rig.bench.net.socket(end, |socket| {
            socket.send_call.fault = Fault::once_after(spared, Errno::ENOBUFS);
        });
        let mut client = TlsClient::new(end, rig.authority.client_config());
        client.pump(&mut rig.bench);
        assert_ne!(rig.bench.net.server_end(end), ServerEnd::Open, "records are lost");
        assert_eq!(client.error, None, "nothing is sent behind them");
        assert_eq!(rig.bench.closed(CloseReason::SystemError), 1);
        rig.bench.assert_clean();
    }
}

#[test]
fn a_reply_that_fails_while_its_ciphertext_waits_does_not_look_whole() {
    let mut rig = rig();
    let mut client = rig.client();
    rig.bench.net.socket(client.end, |socket| socket.window = 40);
    client.write(&frame(b"ECHO half of a reply"));
    client.pump(&mut rig.bench);
    // Input that is read meanwhile tells the server that ciphertext waits.
    client.write(&frame(b"ECHO more")[..10]);
    client.pump(&mut rig.bench);
    rig.bench.net.socket(client.end, |socket| {
        socket.send_call.fault = Fault::once(Errno::ENOBUFS);
    });
    rig.bench.net.widen(client.end, 10);
    rig.bench.run();
    assert_eq!(rig.bench.net.server_end(client.end), ServerEnd::Aborted);
    rig.bench.assert_clean();
}

#[test]
fn an_idle_connection_has_time_to_take_close_notify() {
    let limits = Limits {
        idle_timeout: Duration::from_secs(100),
        write_timeout: Duration::from_secs(5),
        ..Limits::default()
    };
    let mut rig = rig_with(super::client::Authority::new(), seed(), Service::FRAMED, limits);
    let mut client = rig.client();
    rig.bench.net.socket(client.end, |socket| socket.window = 0);
    rig.bench.run_for(Duration::from_secs(103));
    assert_eq!(rig.bench.net.server_end(client.end), ServerEnd::Open);
    rig.bench.net.widen(client.end, 100);
    client.pump(&mut rig.bench);
    assert!(client.has_close_notify);
    client.close(&mut rig.bench);
    assert_eq!(rig.bench.closed(CloseReason::IdleTimeout), 1);
}

#[test]
fn a_damaged_record_behind_our_close_notify_is_nothing_to_us() {
    let mut rig =
        rig_with(super::client::Authority::new(), seed(), Service::GREETING, Limits::default());
    let mut client = rig.client();
    assert!(client.has_close_notify);
    client.write(b"thank you");
    let mut bytes = client.ciphertext();
    *bytes.last_mut().unwrap() ^= 1;
    rig.bench.net.send(client.end, &bytes);
    rig.bench.net.fin(client.end);
    rig.bench.run();
    assert_eq!(rig.bench.closed(CloseReason::Served), 1);
    rig.bench.assert_clean();
}

#[test]
fn what_stops_at_once_is_counted_to_the_end() {
    let mut rig = rig();
    let mut client = rig.client();
    rig.bench.net.socket(client.end, |socket| socket.window = 0);
    let now = rig.bench.now;
    rig.bench.server.drain(now);
    rig.bench.run();
    rig.bench.server.drain(now);
    rig.bench.run();
    client.pump(&mut rig.bench);
    assert_eq!(rig.bench.heap(), 0);
    assert_eq!(rig.stats().buffered, 0);
    rig.bench.assert_clean();
}

#[test]
fn close_notify_without_an_event_to_come_is_not_waited_for() {
    let mut rig = rig();
    let mut client = rig.client();
    rig.bench.net.socket(client.end, |socket| socket.window = 0);
    rig.bench.net.add_write_interest_call(|call| call.fault = Fault::once(Errno::ENOSPC));
    client.close(&mut rig.bench);
    assert_ne!(rig.bench.net.server_end(client.end), ServerEnd::Open);
    rig.bench.assert_clean();
}
