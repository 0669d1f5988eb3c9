//! What a server shows its clients: a certificate with its key, and what it asks of them.

use super::certificate::{
    CertificateError, PemFile, Validity, certificates, private_key, validity,
};
use super::clock::EngineClock;
use super::tickets::{TicketSeed, Tickets};
use crate::io::net::Identity;
use ring::digest;
use rustls::crypto::{CryptoProvider, ring as provider};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{
    NoServerSessionStorage, ServerConfig, UnbufferedServerConnection, WebPkiClientVerifier,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, RootCertStore};
use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::Arc;

/// What is needed to make an identity, in any thread.
#[derive(Clone, Debug)]
pub struct IdentityMaker {
    clock: Arc<EngineClock>,
    tickets: Arc<Tickets>,
}

/// A certificate and its key, which fit together, and the authorities of clients.
#[derive(Clone, Debug)]
pub struct ServerIdentity {
    config: Arc<ServerConfig>,
    validity: Validity,
}

/// The identities of all listeners. Copies share them: connections that are accepted after a change
/// have the new one.
#[derive(Clone, Debug)]
pub struct Identities {
    all: Rc<RefCell<Vec<ServerIdentity>>>,
    maker: IdentityMaker,
}

impl Identities {
    /// No identities; their tickets will be sealed with keys from this seed.
    pub fn new(seed: TicketSeed) -> Identities {
        Identities::of(IdentityMaker::new(seed))
    }

    /// No identities, for those of this maker.
    pub fn of(maker: IdentityMaker) -> Identities {
        Identities { all: Rc::default(), maker }
    }

    /// What makes identities for these.
    pub fn maker(&self) -> IdentityMaker {
        self.maker.clone()
    }

    /// Uses these, for the listeners with these numbers, instead of all before.
    pub fn replace(&self, identities: Vec<ServerIdentity>) {
        *self.all.borrow_mut() = identities;
    }

    /// When the first of the certificates expires, in seconds since 1970; 0 if there is none.
    pub fn first_expiry(&self) -> u64 {
        self.all.borrow().iter().map(ServerIdentity::expires).min().unwrap_or_default()
    }

    /// When the last of the certificates begins to be valid, likewise.
    pub fn last_beginning(&self) -> u64 {
        self.all.borrow().iter().map(|it| it.validity.begins).max().unwrap_or_default()
    }

    pub(super) fn clock(&self) -> Arc<EngineClock> {
        Arc::clone(&self.maker.clock)
    }

    /// The server's side of a new connection.
    pub(super) fn connection(
        &self,
        Identity(number): Identity,
    ) -> io::Result<UnbufferedServerConnection> {
        let all = self.all.borrow();
        let identity = all.get(usize::from(number)).ok_or(ErrorKind::NotFound)?;
        UnbufferedServerConnection::new(Arc::clone(&identity.config)).map_err(io::Error::other)
    }
}

impl IdentityMaker {
    /// Makes identities whose tickets are sealed with keys from this seed.
    pub fn new(seed: TicketSeed) -> IdentityMaker {
        let clock = Arc::new(EngineClock::default());
        let tickets = Arc::new(Tickets::new(seed, Arc::clone(&clock)));
        IdentityMaker { clock, tickets }
    }

    /// An identity from the text of PEM files: the certificate and those between it and its
    /// authority, in this order; its key; and the authorities of clients, if clients must have
    /// certificates.
    ///
    /// # Errors
    ///
    /// What is wrong with which file; or that certificate and key do not fit together.
    pub fn identity(
        &self,
        certificate: &[u8],
        key: &[u8],
        client_ca: Option<&[u8]>,
    ) -> Result<ServerIdentity, CertificateError> {
        let chain = certificates(certificate, PemFile::Certificate)?;
        let first = chain.first().ok_or(CertificateError::Missing(PemFile::Certificate))?;
        let is_x509 = |der: &CertificateDer<'_>| validity(der).is_some();
        let validity = validity(first).filter(|_| chain.iter().all(is_x509)).ok_or_else(|| {
            CertificateError::Bad(PemFile::Certificate, "it is no X.509 certificate".to_owned())
        })?;
        let provider = Arc::new(provider::default_provider());
        let certified = certified(chain, private_key(key)?, &provider)?;
        let config = ServerConfig::builder_with_details(Arc::clone(&provider), self.clock.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| CertificateError::Bad(PemFile::Key, error.to_string()))?;
        let config = match client_ca {
            Some(text) => config.with_client_cert_verifier(verifier(text, provider)?),
            None => config.with_no_client_auth(),
        };
        let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        // Without a table of sessions, a server needs no memory for clients that are gone.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let asked = digest::digest(&digest::SHA256, client_ca.unwrap_or_default());
        config.ticketer = self.tickets.of_identity(asked.as_ref());
        Ok(ServerIdentity { config: Arc::new(config), validity })
    }

    /// The tickets of all identities.
    pub fn tickets(&self) -> &Tickets {
        &self.tickets
    }
}

impl ServerIdentity {
    /// When the certificate expires, in seconds since 1970.
    pub fn expires(&self) -> u64 {
        self.validity.expires
    }
}

/// The chain with its key, which belongs to the first certificate.
fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, CertificateError> {
    let bad = |file, error: &Error| CertificateError::Bad(file, error.to_string());
    let key = provider.key_provider.load_private_key(key);
    let certified = CertifiedKey::new(chain, key.map_err(|error| bad(PemFile::Key, &error))?);
    let belongs_to = |other: &CertificateDer<'static>| {
        let other = CertifiedKey::new(vec![other.clone()], Arc::clone(&certified.key));
        other.keys_match().is_ok()
    };
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(_)) if certified.cert.iter().any(belongs_to) => {
            Err(CertificateError::NotFirst)
        }
        Err(Error::InconsistentKeys(_)) => Err(CertificateError::Mismatch),
        Err(error) => Err(bad(PemFile::Certificate, &error)),
    }
}

fn verifier(
    text: &[u8],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, CertificateError> {
    let bad = |why: String| CertificateError::Bad(PemFile::ClientCa, why);
    let mut roots = RootCertStore::empty();
    for certificate in certificates(text, PemFile::ClientCa)? {
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| bad(error.to_string()))
}
