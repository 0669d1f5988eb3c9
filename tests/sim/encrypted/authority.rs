//! Certificates, made once for all worlds. What depends on chance in them always has the same
//! length, so that the worlds of a seed have the same events: keys and signatures of Ed25519, and
//! given serial numbers.

use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519, SerialNumber,
    date_time_ymd,
};
use readyd::tls::{ClientTls, IdentityMaker, ServerIdentity, ServerName};
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The name in the server's certificate.
pub(super) const NAME: &str = "localhost";

/// An authority that has signed a server's certificate, and what clients make of it.
pub(super) struct Authority {
    certificate: String,
    server_certificate: String,
    server_key: String,
    /// Of peers: TLS 1.3, TLS 1.2, and of those that trust another authority.
    pub(super) new: Arc<ClientConfig>,
    pub(super) old: Arc<ClientConfig>,
    pub(super) distrustful: Arc<ClientConfig>,
}

impl Authority {
    pub(super) fn get() -> &'static Authority {
        static AUTHORITY: OnceLock<Authority> = OnceLock::new();
        AUTHORITY.get_or_init(Authority::new)
    }

    fn new() -> Authority {
        let key = || KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let (issuer_key, server_key) = (key(), key());
        let certificate = of_authority().self_signed(&issuer_key).expect("a certificate").pem();
        let other = of_authority().self_signed(&key()).expect("a certificate").pem();
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).expect("a name");
        params.serial_number = Some(SerialNumber::from(2));
        params.not_before = date_time_ymd(1970, 1, 1);
        let issuer = Issuer::new(of_authority(), issuer_key);
        Authority {
            new: config(&certificate, &version::TLS13),
            old: config(&certificate, &version::TLS12),
            distrustful: config(&other, &version::TLS13),
            certificate,
            server_certificate: params.signed_by(&server_key, &issuer).expect("signed").pem(),
            server_key: server_key.serialize_pem(),
        }
    }

    pub(super) fn identity(&self, maker: &IdentityMaker) -> ServerIdentity {
        maker
            .identity(self.server_certificate.as_bytes(), self.server_key.as_bytes(), None)
            .expect("an identity")
    }

    /// For the client under test.
    pub(super) fn client(&self) -> ClientTls {
        let name = ServerName::try_from(NAME).expect("a name");
        ClientTls::new(self.certificate.as_bytes(), None, Some(name)).expect("an authority")
    }
}

fn of_authority() -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no name");
    params.serial_number = Some(SerialNumber::from(1));
    // A world's clock may be set to any year since.
    params.not_before = date_time_ymd(1970, 1, 1);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn config(ca: &str, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(ca.as_bytes()).expect("PEM");
    roots.add(certificate).expect("an authority");
    let builder =
        ClientConfig::builder_with_details(Arc::new(default_provider()), Arc::new(Spring));
    let mut config = builder
        .with_protocol_versions(&[version])
        .expect("a version that there is")
        .with_root_certificates(roots)
        .with_no_client_auth();
    // What one world leaves must not change the next.
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// A day in spring.
#[derive(Debug)]
struct Spring;

impl TimeProvider for Spring {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(1_620_412_612)))
    }
}
