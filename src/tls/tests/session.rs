//! One connection without a socket: a server's [`Session`], and a client by rustls.

use super::authority::{Authority, maker};
use crate::io::net::{Identity, TlsFailure, TlsHandshake};
use crate::tls::Identities;
use crate::tls::session::{End, Session};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
};
use std::io::{Read, Write};
use std::sync::Arc;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Types of records.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// More than a session holds of what is not a whole message.
const MOST_HELD: usize = 96 * 1024;

struct Pair {
    server: Session,
    client: ClientConnection,
    /// Of the server, not yet with the client.
    out: Vec<u8>,
    /// What the client has heard.
    heard: Vec<u8>,
    /// How many bytes come at once, and the room of the reader.
    piece: usize,
    room: usize,
}

fn client_of(
    authority: &Authority,
    version: &'static SupportedProtocolVersion,
) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.certificate.as_bytes());
    roots.add(certificate.unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    client.set_buffer_limit(None);
    client
}

impl Pair {
    fn new(version: &'static SupportedProtocolVersion) -> Pair {
        let authority = Authority::new();
        let signed = authority.sign();
        let identities = Identities::of(maker());
        let identity =
            identities.maker().identity(signed.certificate.as_bytes(), signed.key.as_bytes(), None);
        identities.replace(vec![identity.unwrap()]);
        let server = Session::of_server(identities.connection(Identity(0)).unwrap());
        let client = client_of(&authority, version);
        Pair {
            server,
            client,
            out: Vec::new(),
            heard: Vec::new(),
            piece: usize::MAX,
            room: 1 << 20,
        }
    }

    /// After the handshake.
    fn joined(version: &'static SupportedProtocolVersion) -> Pair {
        let mut pair = Pair::new(version);
        assert_eq!(pair.pump(), b"");
        assert_eq!(pair.server.handshake(), TlsHandshake::Full);
        assert!(!pair.client.is_handshaking());
        pair
    }

    /// What the client sends next.
    fn ciphertext(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// The server gets these bytes. Returns what they say.
    fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut plaintext = Vec::new();
        let mut bytes = bytes.to_vec();
        for piece in bytes.chunks_mut(self.piece) {
            let mut into = vec![0; self.room];
            let used = self.server.receive(piece, &mut into, &mut self.out);
            plaintext.extend(&into[..used]);
            plaintext.extend(self.server.unread.bytes());
            self.server.unread.clear();
            assert!(self.server.held.memory() < MOST_HELD);
        }
        plaintext
    }

    /// Moves bytes both ways until none are left. Returns what the client has said.
    fn pump(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        loop {
            let bytes = self.ciphertext();
            said.extend(self.feed(&bytes));
            if bytes.is_empty() && self.out.is_empty() {
                return said;
            }
            self.deliver();
        }
    }

    fn says(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.client.writer().write_all(bytes).unwrap();
        self.pump()
    }

    /// What the server says, as the client reads it.
    fn hears(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.server.encrypt(bytes, &mut self.out);
        self.pump();
        std::mem::take(&mut self.heard)
    }

    /// The client gets what the server has sent. Returns whether that has ended with close_notify.
    fn deliver(&mut self) -> bool {
        let (out, mut is_over) = (std::mem::take(&mut self.out), false);
        let mut rest = &out[..];
        while !rest.is_empty() {
            self.client.read_tls(&mut rest).unwrap();
            let state = self.client.process_new_packets().unwrap();
            is_over |= state.peer_has_closed();
            let mut new = vec![0; state.plaintext_bytes_to_read()];
            self.client.reader().read_exact(&mut new).unwrap();
            self.heard.extend(new);
        }
        is_over
    }

    fn failure(&self) -> Option<TlsFailure> {
        match self.server.end()? {
            End::Failed(error) => Some(error.failure),
            End::CloseNotify => None,
        }
    }
}

fn some_bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 7 + at / 251) as u8).collect()
}

#[test]
fn bytes_come_in_pieces_of_every_size_and_go_into_rooms_of_every_size() {
    for version in VERSIONS {
        for (piece, room) in [(1, 0), (1, 1), (2, 100), (7, 3), (100, 1), (usize::MAX, 10)] {
            let mut pair = Pair::new(version);
            (pair.piece, pair.room) = (piece, room);
            let bytes = some_bytes(3000);
            assert_eq!(pair.says(&bytes), bytes, "{piece} {room}");
            assert_eq!(pair.says(b"more"), b"more");
            assert_eq!(pair.server.end(), None);
            assert_eq!(pair.server.held.memory() + pair.server.unread.memory(), 0);
        }
    }
}

#[test]
fn replies_of_every_size_are_read_by_the_client() {
    for version in VERSIONS {
        let mut pair = Pair::joined(version);
        for size in [0, 1, 100, 16_383, 16_384, 16_385, 40_000, 300_000] {
            let bytes = some_bytes(size);
            assert_eq!(pair.hears(&bytes), bytes, "{size}");
        }
    }
}

#[test]
fn what_is_said_before_close_notify_counts() {
    for version in VERSIONS {
        let mut pair = Pair::joined(version);
        pair.client.writer().write_all(b"last").unwrap();
        pair.client.send_close_notify();
        let bytes = pair.ciphertext();
        assert_eq!(pair.feed(&bytes), b"last");
        assert_eq!(pair.server.end(), Some(&End::CloseNotify));
        assert_eq!(pair.server.held.memory(), 0);
    }
}

#[test]
fn a_server_may_say_more_after_the_client_has_said_goodbye() {
    let mut pair = Pair::joined(&TLS13);
    pair.client.send_close_notify();
    pair.pump();
    assert_eq!(pair.hears(b"and this"), b"and this");
    pair.server.close_notify(&mut pair.out);
    assert!(pair.deliver());
}

#[test]
fn nothing_is_encrypted_before_the_handshake_is_over() {
    let mut pair = Pair::new(&TLS13);
    let hello = pair.ciphertext();
    pair.feed(&hello[..hello.len() - 1]);
    assert_eq!(pair.out, b"");
    assert_eq!(pair.server.handshake(), TlsHandshake::UnderWay);
    // A client that stalls is no failure: its deadline is another's matter.
    assert_eq!(pair.server.end(), None);
    assert!(pair.server.held.memory() >= hello.len() - 1);
    pair.feed(&hello[hello.len() - 1..]);
    assert!(pair.out.len() > 500, "the rest is taken up: {}", pair.out.len());
    for part in [0, 20] {
        let mut pair = Pair::new(&TLS13);
        let hello = pair.ciphertext();
        pair.feed(&hello[..part]);
        pair.server.close_notify(&mut pair.out);
        assert_eq!(pair.out, b"");
    }
}

#[test]
fn other_protocols_are_no_tls() {
    let no_tls: [&[u8]; 8] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"EHLO example.org\r\n",
        b"5                                                               ECHO a",
        // A hello of SSL 2.
        &[0x80, 0x2E, 0x01, 0x03, 0x01, 0x00, 0x15, 0x00, 0x00, 0x00, 0x10],
        &[0; 16],
        &[0xFF; 16],
        // Application data, longer than a record may be.
        &[APPLICATION_DATA, 3, 3, 0xFF, 0xFF],
    ];
    for text in no_tls {
        for piece in [usize::MAX, 1] {
            let mut pair = Pair::new(&TLS13);
            for piece in text.chunks(piece.min(text.len())) {
                assert_eq!(pair.feed(piece), b"");
                if pair.server.end().is_some() {
                    break;
                }
            }
            assert_eq!(pair.failure(), Some(TlsFailure::NotTls), "{text:?}");
            assert_eq!(pair.out.first(), Some(&ALERT), "the peer is told");
            assert_eq!(pair.server.held.memory(), 0);
            let said = pair.out.len();
            pair.server.encrypt(b"x", &mut pair.out);
            pair.server.close_notify(&mut pair.out);
            assert_eq!(pair.out.len(), said);
        }
    }
}

/// A record of this type with these bytes, not encrypted.
fn record(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

#[test]
fn a_record_or_a_message_without_end_is_refused_before_it_is_held() {
    let too_long = [APPLICATION_DATA, 3, 3, 0xFF, 0xFF];
    for version in VERSIONS {
        let mut pair = Pair::joined(version);
        pair.feed(&too_long);
        assert_eq!(pair.failure(), Some(TlsFailure::Record));
    }
    // A hello that says that it has 16 MB.
    let mut pair = Pair::new(&TLS13);
    pair.feed(&record(HANDSHAKE, &[1, 0xFF, 0xFF, 0xFF]));
    for _ in 0..20 {
        if pair.failure().is_none() {
            pair.feed(&record(HANDSHAKE, &[0; 16_384]));
        }
    }
    assert!(pair.failure().is_some());
    // Each message may be short, and come in pieces of one byte.
    let mut pair = Pair::new(&TLS13);
    for _ in 0..100_000 {
        pair.feed(&record(HANDSHAKE, &[1]));
        if pair.failure().is_some() {
            return;
        }
    }
    panic!("a hello without end is held");
}

#[test]
fn a_second_hello_in_the_middle_ends_the_connection() {
    for version in VERSIONS {
        let mut pair = Pair::joined(version);
        let hello = Pair::new(version).ciphertext();
        pair.feed(&hello);
        assert_eq!(pair.failure(), Some(TlsFailure::Record));
        // Nor does one that is encrypted begin a handshake: `R` of `openssl s_client`, in
        // `e2e: what_is_no_tls_or_stalls_or_breaks_off_ends_alone`.
    }
}

#[test]
fn a_record_that_was_changed_in_any_byte_ends_the_connection() {
    for version in VERSIONS {
        let mut pair = Pair::joined(version);
        pair.client.writer().write_all(b"a request").unwrap();
        let length = pair.ciphertext().len();
        // The length would have the session wait for more.
        for place in (0..length).filter(|place| ![3, 4].contains(place)) {
            let mut pair = Pair::joined(version);
            pair.client.writer().write_all(b"a request").unwrap();
            let mut bytes = pair.ciphertext();
            bytes[place] ^= 1;
            let said = pair.feed(&bytes);
            // Type and version of a record mean nothing since 1.3, and are not looked at.
            if version.version == ProtocolVersion::TLSv1_2 || place > 2 {
                assert_eq!(
                    (said, pair.failure()),
                    (Vec::new(), Some(TlsFailure::Record)),
                    "{place}"
                );
            }
        }
    }
}

#[test]
fn records_that_are_repeated_or_left_out_end_the_connection() {
    for version in VERSIONS {
        let mut pair = Pair::joined(version);
        pair.client.writer().write_all(b"once").unwrap();
        let once = pair.ciphertext();
        assert_eq!(pair.feed(&once), b"once");
        assert_eq!(pair.feed(&once), b"");
        assert_eq!(pair.failure(), Some(TlsFailure::Record));
        let mut pair = Pair::joined(version);
        pair.client.writer().write_all(b"lost").unwrap();
        pair.ciphertext();
        pair.client.writer().write_all(b"next").unwrap();
        let next = pair.ciphertext();
        assert_eq!(pair.feed(&next), b"");
        assert_eq!(pair.failure(), Some(TlsFailure::Record));
    }
}

#[test]
fn new_keys_between_requests_are_taken_and_a_flood_of_them_is_not() {
    let mut pair = Pair::joined(&TLS13);
    for _ in 0..200 {
        pair.client.refresh_traffic_keys().unwrap();
        assert_eq!(pair.says(b"a"), b"a");
        assert_eq!(pair.hears(b"b"), b"b");
    }
    for _ in 0..1000 {
        pair.client.refresh_traffic_keys().unwrap();
        let bytes = pair.ciphertext();
        pair.feed(&bytes);
        if pair.failure().is_some() {
            break;
        }
    }
    assert_eq!(pair.failure(), Some(TlsFailure::Record));
    assert!(pair.out.len() < 10_000, "{}", pair.out.len());
}
