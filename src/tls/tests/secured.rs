//! Both sides of [`Secured`] on a network in memory that chops what is sent as it likes.

mod rig;

use super::authority::{Authority, maker};
use crate::io::net::{Connect, Encrypt, Identity, SocketIo, TlsFailure, TlsHandshake};
use crate::testkit::loopback::Loopback;
use crate::testkit::prng::Prng;
use crate::tls::{ClientTls, HandshakeCounts, Identities, Secured, ServerName};
use nix::errno::Errno;
use rcgen::date_time_ymd;
use rig::{End, ROUNDS, Rig, address, is_to_be_tried_again, name, read_all};
use std::io::{self, ErrorKind};

fn some_bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// What one end has to say, and what it has heard.
struct Talk {
    says: Vec<u8>,
    said: usize,
    heard: Vec<u8>,
}

impl Talk {
    fn turn(&mut self, net: &mut Secured<Loopback>, end: &mut End, prng: &mut Prng) {
        if let Some(rest) = self.says.get(self.said..).filter(|rest| !rest.is_empty()) {
            // What is offered may grow, as a queue does, but what was offered before comes first.
            let offered = &rest[..rest.len().min(1 + prng.below(100_000))];
            match net.send(end, offered) {
                Ok(count) => {
                    assert!((1..=offered.len()).contains(&count));
                    self.said += count;
                }
                Err(error) => assert!(is_to_be_tried_again(&error), "{error}"),
            }
        } else if let Err(error) = net.send_encrypted(end) {
            assert!(is_to_be_tried_again(&error), "{error}");
        }
        let mut room = vec![0; prng.pick(&[1, 7, 100, 20_000])];
        loop {
            match net.recv(end, &mut room) {
                Ok(count) => {
                    assert!(count > 0, "no end was said");
                    self.heard.extend(&room[..count]);
                    if count < room.len() {
                        assert!(!net.has_more(end) || count > 0);
                        return;
                    }
                }
                Err(error) => return assert!(is_to_be_tried_again(&error), "{error}"),
            }
        }
    }
}

#[test]
fn all_that_is_said_is_heard_however_it_is_chopped() {
    for (seed, window) in [(1, 1000), (2, 40), (3, 3), (4, 100_000), (5, 5000), (6, 17)] {
        let mut rig = Rig::new(seed);
        rig.loopback.set_window(window);
        let mut prng = Prng::new(seed);
        let (mut client, mut server) = rig.joined();
        let count = if window < 100 { 3000 } else { 150_000 };
        let says = [some_bytes(count), some_bytes(count / 2)];
        let [mut one, mut other] = says.map(|says| Talk { says, said: 0, heard: Vec::new() });
        let mut rounds = 0;
        while one.heard.len() < other.says.len() || other.heard.len() < one.says.len() {
            if prng.one_in(10) {
                rig.loopback.interrupt(1);
            }
            one.turn(&mut rig.client, &mut client, &mut prng);
            other.turn(&mut rig.server, &mut server, &mut prng);
            rig.loopback.deliver();
            rounds += 1;
            assert!(rounds < ROUNDS, "{window}: {} {}", one.heard.len(), other.heard.len());
        }
        assert!(one.heard == other.says && other.heard == one.says, "{window}");
        for (net, end) in [(&rig.client, &client), (&rig.server, &server)] {
            let state = net.encryption(end);
            assert_eq!((state.input, state.output), (0, 0), "an idle end owns no buffer");
        }
        assert_eq!(rig.client.handshakes(), HandshakeCounts { all: 1, resumed: 0 });
    }
}

#[test]
fn bytes_are_taken_when_they_are_the_kernels() {
    let mut rig = Rig::new(1);
    let (mut client, mut server) = rig.joined();
    // Nobody reads: the peer's 1,000 bytes of room fill up.
    let bytes = some_bytes(5000);
    let mut taken = 0;
    for _ in 0..1000 {
        match rig.server.send(&mut server, &bytes[taken..]) {
            Ok(count) => taken += count,
            Err(error) => assert!(is_to_be_tried_again(&error), "{error}"),
        }
        rig.loopback.deliver();
    }
    assert!(taken <= 1000, "{taken}");
    assert!(rig.server.encryption(&server).output > 3000, "the record waits, and is counted");
    let (heard, _) = read_all(&rig.loopback, &mut rig.client, &mut client);
    assert_eq!(heard, b"", "a record that is not whole says nothing");
    while taken < bytes.len() {
        taken += rig.server.send(&mut server, &bytes[taken..]).unwrap_or_default();
        let _ = read_all(&rig.loopback, &mut rig.client, &mut client);
    }
    assert_eq!(rig.server.encryption(&server).output, 0, "all was taken, so none waits");
}

#[test]
fn each_side_says_that_it_has_ended_and_the_other_may_go_on() {
    let mut rig = Rig::new(1);
    let (mut client, mut server) = rig.joined();
    assert_eq!(rig.client.send(&mut client, b"last").unwrap(), 4);
    rig.client.send_fin(&mut client).unwrap();
    let (heard, end) = rig.read_at_server(&mut server);
    assert_eq!(heard, b"last");
    end.unwrap();
    assert_eq!(rig.server.recv(&mut server, &mut [0; 10]).unwrap(), 0, "and again");
    assert_eq!(rig.server.send(&mut server, b"answer").unwrap(), 6);
    rig.server.send_close_notify(&mut server).unwrap();
    // It is said once.
    rig.server.send_close_notify(&mut server).unwrap();
    rig.server.send_fin(&mut server).unwrap();
    let (heard, end) = read_all(&rig.loopback, &mut rig.client, &mut client);
    assert_eq!(heard, b"answer");
    end.unwrap();
    let mut rest = [0; 100];
    rig.settle();
    assert_eq!(rig.loopback.recv(&mut client.socket, &mut rest).unwrap(), 0, "nothing but FIN");
}

#[test]
fn closing_says_that_it_is_the_end() {
    let mut rig = Rig::new(1);
    let (client, mut server) = rig.joined();
    rig.client.close(client);
    let (heard, end) = rig.read_at_server(&mut server);
    assert_eq!(heard, b"");
    end.unwrap();
}

#[test]
fn an_end_that_nobody_has_said_is_told_apart() {
    for says_something in [false, true] {
        let mut rig = Rig::new(1);
        let (mut client, mut server) = rig.joined();
        if says_something {
            assert_eq!(rig.client.send(&mut client, b"a").unwrap(), 1);
        }
        rig.loopback.send_fin(&mut client.socket).unwrap();
        let (heard, end) = rig.read_at_server(&mut server);
        assert_eq!(heard.len(), usize::from(says_something));
        assert_eq!(TlsFailure::of(&end.unwrap_err()), Some(TlsFailure::Truncated));
        let again = rig.server.recv(&mut server, &mut [0; 10]).unwrap_err();
        assert_eq!(TlsFailure::of(&again), Some(TlsFailure::Truncated));
        // And so for a client.
        rig.loopback.send_fin(&mut server.socket).unwrap();
        let (_, end) = read_all(&rig.loopback, &mut rig.client, &mut client);
        assert_eq!(TlsFailure::of(&end.unwrap_err()), Some(TlsFailure::Truncated));
    }
}

#[test]
fn a_record_that_is_cut_by_the_end_is_truncated() {
    let mut rig = Rig::new(1);
    let (mut client, mut server) = rig.joined();
    let layer = client.layer.as_mut().unwrap();
    let mut ciphertext = Vec::new();
    layer.session.encrypt(b"a request", &mut ciphertext);
    ciphertext.pop();
    rig.send_raw(&mut client.socket, &ciphertext);
    rig.loopback.send_fin(&mut client.socket).unwrap();
    let (heard, end) = rig.read_at_server(&mut server);
    assert_eq!(heard, b"");
    assert_eq!(TlsFailure::of(&end.unwrap_err()), Some(TlsFailure::Truncated));
}

#[test]
fn a_reset_is_a_reset_and_is_told_again() {
    let mut rig = Rig::new(1);
    let (client, mut server) = rig.joined();
    rig.client.abort(client);
    rig.settle();
    for _ in 0..3 {
        let error = rig.server.recv(&mut server, &mut [0; 10]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::ECONNRESET as i32));
    }
    assert!(rig.server.send(&mut server, b"a").is_err());
}

#[test]
fn a_probe_that_says_nothing_has_lost_nothing() {
    let mut rig = Rig::new(1);
    let (mut raw, mut server) = rig.with_raw();
    rig.loopback.send_fin(&mut raw).unwrap();
    let (_, end) = rig.read_at_server(&mut server);
    end.unwrap();
}

#[test]
fn plain_text_is_answered_with_an_alert_and_ends() {
    let mut rig = Rig::new(1);
    let (mut raw, mut server) = rig.with_raw();
    rig.send_raw(&mut raw, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (_, end) = rig.read_at_server(&mut server);
    assert_eq!(TlsFailure::of(&end.unwrap_err()), Some(TlsFailure::NotTls));
    assert_eq!(rig.server.send(&mut server, b"a").unwrap_err().kind(), ErrorKind::WouldBlock);
    rig.server.send_close_notify(&mut server).unwrap();
    rig.server.send_fin(&mut server).unwrap();
    rig.settle();
    let mut told = [0; 100];
    let count = rig.loopback.recv(&mut raw, &mut told).unwrap();
    assert_eq!((count, told[0]), (7, 21), "one alert, and nothing else: {told:?}");
}

/// The first bytes of a handshake.
fn hello(rig: &mut Rig) -> Vec<u8> {
    let (mut client, mut server) = {
        let client = rig.client.connect(&address()).unwrap();
        (client, rig.accepted())
    };
    let mut hello = Vec::new();
    for _ in 0..1000 {
        let _ = rig.client.connected(&mut client);
        rig.loopback.deliver();
        let mut room = [0; 1000];
        if let Ok(count) = rig.server.recv(&mut server, &mut room) {
            hello.extend(&room[..count]);
        }
    }
    hello
}

#[test]
fn a_client_that_stalls_waits_and_what_is_held_is_counted() {
    let mut rig = Rig::new(1);
    let hello = hello(&mut rig);
    let (mut raw, mut server) = rig.with_raw();
    for byte in &hello[..hello.len() - 1] {
        rig.send_raw(&mut raw, &[*byte]);
        rig.settle();
        let error = rig.server.recv(&mut server, &mut [0; 10]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(!rig.server.has_more(&server));
    }
    let state = rig.server.encryption(&server);
    assert_eq!(state.handshake, TlsHandshake::UnderWay);
    assert!(state.input >= hello.len() - 1);
    assert_eq!(rig.server.send(&mut server, b"a").unwrap_err().kind(), ErrorKind::WouldBlock);
    rig.server.send_close_notify(&mut server).unwrap();
    rig.server.abort(server);
    rig.settle();
    assert!(rig.loopback.recv(&mut raw, &mut [0; 10]).is_err(), "not a byte was sent");
}

#[test]
fn a_handshake_that_begins_behind_bytes_that_were_read_goes_on() {
    let mut rig = Rig::new(1);
    let mut client = rig.client.connect(&address()).unwrap();
    let mut server = rig.accepted();
    let mut read = Vec::new();
    while read.len() < 20 {
        let _ = rig.client.connected(&mut client);
        rig.loopback.deliver();
        let mut room = [0; 20];
        let room = &mut room[..20 - read.len()];
        if let Ok(count) = rig.server.recv(&mut server, room) {
            read.extend(&room[..count]);
        }
    }
    rig.server.encrypt(&mut server, Identity(0), &read).unwrap();
    for _ in 0..1000 {
        rig.loopback.deliver();
        let _ = rig.server.recv(&mut server, &mut [0; 10]);
        let _ = rig.server.send_encrypted(&mut server);
        if rig.client.connected(&mut client).is_ok() {
            return;
        }
    }
    panic!("the handshake does not end");
}

#[test]
fn a_server_that_goes_in_the_handshake_has_reset_it() {
    let mut rig = Rig::new(1);
    let (mut client, mut server) = rig.connecting();
    let _ = rig.client.connected(&mut client);
    rig.server.send_fin(&mut server).unwrap();
    for _ in 0..1000 {
        rig.loopback.deliver();
        match rig.client.connected(&mut client) {
            Err(error) if is_to_be_tried_again(&error) => {}
            outcome => {
                let error = outcome.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                return assert!(error.to_string().contains("during the TLS handshake"));
            }
        }
    }
    panic!("the handshake does not end");
}

#[test]
fn a_server_that_cannot_be_trusted_is_not() {
    let other = Authority::new();
    let of_other = |_: &Authority| ClientTls::new(other.certificate.as_bytes(), None, name());
    let by_address = |own: &Authority| ClientTls::new(own.certificate.as_bytes(), None, None);
    let another_name = |own: &Authority| {
        let name = ServerName::try_from("example.org").unwrap();
        ClientTls::new(own.certificate.as_bytes(), None, Some(name))
    };
    let rigs = [Rig::with(1, of_other), Rig::with(1, by_address), Rig::with(1, another_name)];
    for mut rig in rigs {
        let (_client, _server, outcome, read) = rig.shaken();
        assert_eq!(TlsFailure::of(&outcome.unwrap_err()), Some(TlsFailure::Certificate));
        assert_eq!(TlsFailure::of(&read.unwrap_err()), Some(TlsFailure::Alert));
        assert_eq!(rig.client.handshakes(), HandshakeCounts::default());
    }
}

/// The clock is the network's, which shows 1970.
#[test]
fn a_certificate_counts_from_its_first_day_to_its_last() {
    for (from, to, is_good) in [(1970, 1971, true), (1971, 1972, false), (1960, 1969, false)] {
        let mut rig = Rig::new(1);
        let signed = rig.authority.sign_with(&rcgen::PKCS_ED25519, |params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        });
        let identities = Identities::of(maker());
        let (certificate, key) = (signed.certificate.as_bytes(), signed.key.as_bytes());
        identities.replace(vec![identities.maker().identity(certificate, key, None).unwrap()]);
        rig.server = Secured::new(rig.loopback.clone(), identities);
        let (_client, _server, outcome, _) = rig.shaken();
        let failure = outcome.err().and_then(|error| TlsFailure::of(&error));
        assert_eq!(failure.is_none(), is_good, "{from}: {failure:?}");
    }
}

#[test]
fn a_client_that_comes_again_resumes() {
    let mut rig = Rig::new(1);
    let _first = rig.joined();
    let (_client, server, outcome, _) = rig.shaken();
    outcome.unwrap();
    assert_eq!(rig.server.encryption(&server).handshake, TlsHandshake::Resumed);
    assert_eq!(rig.client.handshakes(), HandshakeCounts { all: 2, resumed: 1 });
}

#[test]
fn streams_that_are_not_encrypted_pass_through() {
    let mut rig = Rig::new(1);
    let mut raw = rig.loopback.connect(&address()).unwrap();
    let mut server = rig.accepted();
    assert_eq!(rig.server.encryption(&server).output, 0);
    rig.send_raw(&mut raw, b"plain");
    let (heard, _) = rig.read_at_server(&mut server);
    assert_eq!(heard, b"plain");
    while rig.server.send(&mut server, b"text").unwrap_or_default() == 0 {}
    rig.server.send_encrypted(&mut server).unwrap();
    rig.server.send_close_notify(&mut server).unwrap();
    rig.server.send_fin(&mut server).unwrap();
    rig.settle();
    let mut told = [0; 100];
    let count = rig.loopback.recv(&mut raw, &mut told).unwrap();
    assert_eq!(&b"text"[..count], &told[..count]);
}

#[test]
fn what_has_no_identity_cannot_be_encrypted() {
    let mut rig = Rig::new(1);
    let _raw = rig.loopback.connect(&address()).unwrap();
    let mut server = rig.accepted();
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(rig.server.encrypt(&mut server, Identity(7), &[])), ErrorKind::NotFound);
    rig.server = Secured::new(rig.loopback.clone(), None);
    assert_eq!(kind(rig.server.encrypt(&mut server, Identity(0), &[])), ErrorKind::Unsupported);
}

/// Nothing will tell that the socket has room, because it had room all the time.
#[test]
fn a_send_that_a_signal_interrupts_is_not_told_to_wait_for_room() {
    for times in 1..4 {
        let mut rig = Rig::new(1);
        rig.loopback.set_window(1 << 20);
        let (mut client, mut server) = rig.joined();
        rig.loopback.interrupt(times);
        let count = loop {
            match rig.server.send(&mut server, b"a reply") {
                Ok(count) => break count,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
            }
        };
        assert_eq!(count, 7);
        rig.loopback.interrupt(times);
        while let Err(error) = rig.server.send_close_notify(&mut server) {
            assert_eq!(error.kind(), ErrorKind::Interrupted);
        }
        rig.loopback.interrupt(0);
        let (heard, end) = read_all(&rig.loopback, &mut rig.client, &mut client);
        assert_eq!(heard, b"a reply");
        end.unwrap();
    }
}
