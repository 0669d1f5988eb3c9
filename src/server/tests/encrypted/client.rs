//! A client that speaks TLS by rustls, and an authority that signs certificates.

use super::super::bench::Bench;
use super::super::fake_net::{Client, FakeNet};
use crate::tls::{Identities, Secured, ServerIdentity};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, Error, ProtocolVersion, RootCertStore};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

/// An authority with the certificate of a server, `localhost`, that it has signed.
#[derive(Clone)]
pub(in super::super) struct Authority {
    certificate: String,
    issuer_key: String,
    server_certificate: String,
    server_key: String,
    signs_clients: bool,
}

impl Authority {
    pub(in super::super) fn new() -> Authority {
        let issuer_key = KeyPair::generate().unwrap();
        let certificate = of_authority().self_signed(&issuer_key).unwrap().pem();
        let mut authority = Authority {
            certificate,
            issuer_key: issuer_key.serialize_pem(),
            server_certificate: String::new(),
            server_key: String::new(),
            signs_clients: false,
        };
        (authority.server_certificate, authority.server_key) = authority.sign("localhost");
        authority
    }

    /// Its servers want certificates of clients, which it has signed as well.
    pub(in super::super) fn signing_clients(self) -> Authority {
        Authority { signs_clients: true, ..self }
    }

    fn sign(&self, name: &str) -> (String, String) {
        let issuer_key = KeyPair::from_pem(&self.issuer_key).unwrap();
        let issuer = Issuer::new(of_authority(), issuer_key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    }

    pub(in super::super) fn identity(&self, identities: &Identities) -> ServerIdentity {
        let client_ca = self.signs_clients.then_some(self.certificate.as_bytes());
        identities
            .maker()
            .identity(self.server_certificate.as_bytes(), self.server_key.as_bytes(), client_ca)
            .unwrap()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()).unwrap();
        roots
    }

    pub(in super::super) fn client_config(&self) -> Arc<ClientConfig> {
        self.client_config_for(ProtocolVersion::TLSv1_3)
    }

    pub(in super::super) fn client_config_for(
        &self,
        version: ProtocolVersion,
    ) -> Arc<ClientConfig> {
        Arc::new(builder(version).with_root_certificates(self.roots()).with_no_client_auth())
    }

    /// The same, with a certificate that `signer` has signed.
    pub(in super::super) fn client_config_with(
        &self,
        signer: &Authority,
        version: ProtocolVersion,
    ) -> Arc<ClientConfig> {
        let (certificate, key) = signer.sign("client");
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = builder(version).with_root_certificates(self.roots());
        Arc::new(config.with_client_auth_cert(chain, key).unwrap())
    }
}

fn of_authority() -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn builder(version: ProtocolVersion) -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    let versions = match version {
        ProtocolVersion::TLSv1_2 => &rustls::version::TLS12,
        _ => &rustls::version::TLS13,
    };
    ClientConfig::builder_with_details(Arc::new(default_provider()), Arc::new(Clock))
        .with_protocol_versions(&[versions])
        .unwrap()
}

/// The wall clock of the network.
#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(super::NOW.seconds)))
    }
}

/// One client, and what it has got.
pub(in super::super) struct TlsClient {
    pub(in super::super) tls: ClientConnection,
    pub(in super::super) end: Client,
    pub(in super::super) plaintext: Vec<u8>,
    pub(in super::super) has_close_notify: bool,
    pub(in super::super) error: Option<Error>,
    /// How many bytes it sends at once.
    pub(in super::super) piece: usize,
    seen: usize,
}

impl TlsClient {
    pub(in super::super) fn new(end: Client, config: Arc<ClientConfig>) -> TlsClient {
        let name = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(config, name).unwrap();
        TlsClient {
            tls,
            end,
            plaintext: Vec::new(),
            has_close_notify: false,
            error: None,
            piece: usize::MAX,
            seen: 0,
        }
    }

    pub(in super::super) fn write(&mut self, bytes: &[u8]) {
        self.tls.set_buffer_limit(None);
        // A client that has failed sends nothing.
        let _ = self.tls.writer().write_all(bytes);
    }

    /// The ciphertext that it sends next.
    pub(in super::super) fn ciphertext(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.error.is_none() {
            if self.tls.read_tls(&mut bytes).unwrap() == 0 {
                return;
            }
            match self.tls.process_new_packets() {
                Ok(state) => {
                    let mut new = vec![0; state.plaintext_bytes_to_read()];
                    self.tls.reader().read_exact(&mut new).unwrap();
                    self.plaintext.extend(new);
                    self.has_close_notify |= state.peer_has_closed();
                }
                Err(error) => self.error = Some(error),
            }
        }
    }

    /// Moves bytes both ways until none are left.
    pub(in super::super) fn pump(&mut self, bench: &mut Bench<Secured<FakeNet>>) {
        loop {
            let bytes = self.ciphertext();
            for piece in bytes.chunks(self.piece.min(bytes.len().max(1))) {
                bench.net.send(self.end, piece);
                bench.run();
            }
            bench.run();
            let received = bench.net.received(self.end);
            let new = received[self.seen..].to_vec();
            self.seen = received.len();
            if new.is_empty() && bytes.is_empty() {
                return;
            }
            self.take(&new);
        }
    }

    /// Sends a request, and returns the reply.
    pub(in super::super) fn ask(
        &mut self,
        bench: &mut Bench<Secured<FakeNet>>,
        request: &[u8],
    ) -> Vec<u8> {
        self.write(request);
        self.pump(bench);
        std::mem::take(&mut self.plaintext)
    }

    /// Ends in order: close_notify, then FIN.
    pub(in super::super) fn close(&mut self, bench: &mut Bench<Secured<FakeNet>>) {
        self.tls.send_close_notify();
        self.pump(bench);
        bench.net.fin(self.end);
        self.pump(bench);
    }
}
