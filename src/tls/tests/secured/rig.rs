//! A server and a client, each on its own [`Secured`], on a network in memory.

use super::super::authority::{Authority, maker};
use crate::io::address::Address;
use crate::io::net::{Accept, AcceptOutcome, Connect, Encrypt, Identity, SocketIo, TlsHandshake};
use crate::testkit::loopback::{Loopback, Stream};
use crate::tls::{CertificateError, ClientTls, Identities, Secured, SecuredStream, ServerName};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};

/// More rounds than anything here takes.
pub(super) const ROUNDS: usize = 200_000;

pub(super) fn address() -> Address {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 9999)).into()
}

pub(super) type End = SecuredStream<Stream>;

/// A server and a client, each on its own [`Secured`] over one network.
pub(super) struct Rig {
    pub(super) loopback: Loopback,
    pub(super) authority: Authority,
    pub(super) server: Secured<Loopback>,
    pub(super) client: Secured<Loopback>,
}

impl Rig {
    pub(super) fn new(seed: u64) -> Rig {
        Rig::with(seed, |authority| ClientTls::new(authority.certificate.as_bytes(), None, name()))
    }

    pub(super) fn with(
        seed: u64,
        trust: impl FnOnce(&Authority) -> Result<ClientTls, CertificateError>,
    ) -> Rig {
        let (loopback, authority) = (Loopback::new(seed), Authority::new());
        let identities = Identities::of(maker());
        let signed = authority.sign();
        let (certificate, key) = (signed.certificate.as_bytes(), signed.key.as_bytes());
        let identity = identities.maker().identity(certificate, key, None).unwrap();
        identities.replace(vec![identity]);
        let server = Secured::new(loopback.clone(), identities);
        let tls = trust(&authority).unwrap();
        let client = Secured::for_client(loopback.clone(), Some(tls));
        Rig { loopback, authority, server, client }
    }

    /// What the server has accepted, not encrypted yet.
    pub(super) fn accepted(&mut self) -> End {
        for _ in 0..ROUNDS {
            self.loopback.deliver();
            if let AcceptOutcome::Connection(stream, _) = self.server.accept(&()) {
                return stream;
            }
        }
        panic!("nobody came");
    }

    /// An end of the client's, in its handshake, and the server's.
    pub(super) fn connecting(&mut self) -> (End, End) {
        let client = self.client.connect(&address()).unwrap();
        let mut server = self.accepted();
        self.server.encrypt(&mut server, Identity(0), &[]).unwrap();
        (client, server)
    }

    /// Both, until the handshake is over or has failed: at the client, and at the server.
    pub(super) fn shaken(&mut self) -> (End, End, io::Result<()>, io::Result<()>) {
        let (mut client, mut server) = self.connecting();
        for _ in 0..ROUNDS {
            self.loopback.deliver();
            let outcome = self.client.connected(&mut client);
            let read = self.server.recv(&mut server, &mut [0; 10]);
            let _ = self.server.send_encrypted(&mut server);
            match outcome {
                Err(error) if is_to_be_tried_again(&error) => {}
                outcome => {
                    let read = match read {
                        Err(error) if !is_to_be_tried_again(&error) => Err(error),
                        _ => self.after_handshake(&mut client, &mut server),
                    };
                    return (client, server, outcome, read);
                }
            }
        }
        panic!("the handshake does not end");
    }

    /// Moves what is left of a handshake. Returns what the server reads then: nothing, or why it
    /// has failed.
    fn after_handshake(&mut self, client: &mut End, server: &mut End) -> io::Result<()> {
        for _ in 0..ROUNDS {
            let has_sent = self.client.send_encrypted(client).is_ok();
            let is_quiet = !self.loopback.deliver() && has_sent;
            match self.server.recv(server, &mut [0; 10]) {
                Err(error) if is_to_be_tried_again(&error) && !is_quiet => {}
                Err(error) if is_to_be_tried_again(&error) => return Ok(()),
                outcome => return outcome.map(drop),
            }
        }
        panic!("the handshake does not end");
    }

    /// Both, when all that belongs to the handshake has come: tickets stand behind it.
    pub(super) fn joined(&mut self) -> (End, End) {
        let (mut client, mut server, outcome, _) = self.shaken();
        outcome.unwrap();
        assert_eq!(self.server.encryption(&server).handshake, TlsHandshake::Full);
        loop {
            let has_sent = self.server.send_encrypted(&mut server).is_ok();
            let is_quiet = !self.loopback.deliver() && has_sent;
            let nothing = self.client.recv(&mut client, &mut [0; 10]).unwrap_err();
            assert!(is_to_be_tried_again(&nothing), "{nothing}");
            if is_quiet {
                return (client, server);
            }
        }
    }

    /// A client that speaks no TLS, or breaks off, and the server's end.
    pub(super) fn with_raw(&mut self) -> (Stream, End) {
        let raw = self.loopback.connect(&address()).unwrap();
        let mut server = self.accepted();
        self.server.encrypt(&mut server, Identity(0), &[]).unwrap();
        (raw, server)
    }

    pub(super) fn settle(&self) {
        while self.loopback.deliver() {}
    }

    pub(super) fn send_raw(&mut self, raw: &mut Stream, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let count = self.loopback.send(raw, bytes).unwrap_or_default();
            bytes = &bytes[count..];
            self.loopback.deliver();
        }
    }

    /// Reads at the server until nothing more is there, or the end: all bytes, and how it ended.
    pub(super) fn read_at_server(&mut self, server: &mut End) -> (Vec<u8>, Result<(), io::Error>) {
        read_all(&self.loopback, &mut self.server, server)
    }
}

pub(super) fn name() -> Option<ServerName<'static>> {
    Some(ServerName::try_from("localhost").unwrap())
}

pub(super) fn is_to_be_tried_again(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

pub(super) fn read_all(
    loopback: &Loopback,
    net: &mut Secured<Loopback>,
    end: &mut End,
) -> (Vec<u8>, Result<(), io::Error>) {
    let (mut all, mut into) = (Vec::new(), [0; 777]);
    for _ in 0..ROUNDS {
        let is_quiet = !loopback.deliver();
        match net.recv(end, &mut into) {
            Ok(0) => return (all, Ok(())),
            Ok(count) => all.extend(&into[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && !is_quiet => {}
            Err(error) => return (all, Err(error)),
        }
    }
    panic!("it does not end");
}
