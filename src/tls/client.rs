//! A client's side: whom it trusts, what it shows, and its handshake, which is a part of
//! connecting.

use super::certificate::{CertificateError, PemFile, certificates, private_key};
use super::client_sessions::ClientSessions;
use super::clock::EngineClock;
use super::layer::Layer;
use super::network::{Role, Secured, SecuredStream};
use super::session::{End, Session};
use crate::io::address::Address;
use crate::io::host::WallClock;
use crate::io::net::{Connect, TlsHandshake};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// How often a handshake goes on at once when signals interrupt it.
const ATTEMPTS: u32 = 16;

/// Whom a client trusts, what it shows, and which name the server must have.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    /// `None`: the address.
    name: Option<ServerName<'static>>,
    pub(super) clock: Arc<EngineClock>,
}

/// Handshakes of a client that succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandshakeCounts {
    /// All of them.
    pub all: u64,
    /// Those that resumed an earlier session.
    pub resumed: u64,
}

impl ClientTls {
    /// A client that trusts the authorities in the PEM text `ca`, and shows the certificate of
    /// `identity`, a certificate and its key, if the server asks. The server's certificate must be
    /// for `name`, or for its address.
    ///
    /// # Errors
    ///
    /// What is wrong with which text.
    pub fn new(
        ca: &[u8],
        identity: Option<(&[u8], &[u8])>,
        name: Option<ServerName<'static>>,
    ) -> Result<ClientTls, CertificateError> {
        let mut roots = RootCertStore::empty();
        let found = certificates(ca, PemFile::ServerCa)?;
        // The system's list may have some that webpki does not know.
        if roots.add_parsable_certificates(found).0 == 0 {
            let why = "no certificate in it can be an authority".to_owned();
            return Err(CertificateError::Bad(PemFile::ServerCa, why));
        }
        let clock = Arc::new(EngineClock::default());
        let bad_key = |error: rustls::Error| CertificateError::Bad(PemFile::Key, error.to_string());
        let config =
            ClientConfig::builder_with_details(Arc::new(default_provider()), clock.clone())
                .with_safe_default_protocol_versions()
                .map_err(bad_key)?
                .with_root_certificates(roots);
        let mut config = match identity {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate, PemFile::Certificate)?;
                config.with_client_auth_cert(chain, private_key(key)?).map_err(
                    |error| match error {
                        rustls::Error::InconsistentKeys(_) => CertificateError::Mismatch,
                        error => bad_key(error),
                    },
                )?
            }
        };
        config.resumption = Resumption::store(Arc::new(ClientSessions::default()));
        Ok(ClientTls { config: Arc::new(config), name, clock })
    }

    /// The client's side of a new connection.
    fn connection(&self, address: &Address) -> io::Result<UnbufferedClientConnection> {
        let name = self.name.clone().unwrap_or_else(|| match address {
            Address::Inet(address) => ServerName::IpAddress(address.ip().into()),
            Address::Unix(_) => ServerName::IpAddress(IpAddr::from([127, 0, 0, 1]).into()),
        });
        UnbufferedClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)
    }
}

impl<N: Connect + WallClock> Secured<N> {
    /// A network for clients. With `tls` all their streams are encrypted.
    pub fn for_client(network: N, tls: Option<ClientTls>) -> Secured<N> {
        Secured::with_role(network, Role::Client(tls))
    }

    /// The handshakes so far.
    pub fn handshakes(&self) -> HandshakeCounts {
        self.handshakes
    }

    fn shake_hands(&mut self, socket: &mut N::Stream, layer: &mut Layer) -> io::Result<()> {
        self.clock.set(self.network.wall_time());
        let Secured { network, input, cipher, handshakes, .. } = self;
        cipher.clear();
        if !layer.has_begun {
            layer.has_begun = true;
            layer.session.begin(cipher);
        }
        // If that fails, an alert may be there that tells why.
        let _ = layer.flush(network, socket, cipher);
        cipher.clear();
        let is_over = |layer: &Layer| layer.session.handshake() != TlsHandshake::UnderWay;
        let goes_on = |layer: &Layer| !is_over(layer) && layer.session.end().is_none();
        // What the server says behind its handshake is held until it is read.
        while goes_on(layer) && layer.read(network, socket, input, cipher, &mut [])?.is_some() {}
        let sent = layer.flush(network, socket, &[]);
        if let Some(End::Failed(error)) = layer.session.end() {
            return Err(error.clone().into());
        }
        if !is_over(layer) {
            match layer.at_end() {
                Ok(_) => return Err(closed_early()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        // A client that has nothing to ask would not send the end of its handshake later.
        sent?.all()?;
        if !is_over(layer) {
            return Err(ErrorKind::WouldBlock.into());
        }
        handshakes.all += 1;
        let is_resumed = layer.session.handshake() == TlsHandshake::Resumed;
        handshakes.resumed += u64::from(is_resumed);
        Ok(())
    }
}

fn closed_early() -> io::Error {
    io::Error::new(ErrorKind::ConnectionReset, "the server closed during the TLS handshake")
}

impl<N: Connect + WallClock> Connect for Secured<N> {
    fn connect_from(
        &mut self,
        source: Option<SocketAddr>,
        address: &Address,
    ) -> io::Result<SecuredStream<N::Stream>> {
        let socket = self.network.connect_from(source, address)?;
        let Role::Client(Some(tls)) = &self.role else { return Ok(SecuredStream::plain(socket)) };
        let session = Session::of_client(tls.connection(address)?);
        Ok(SecuredStream { socket, layer: Some(Box::new(Layer::new(session))) })
    }

    /// Connecting ends with the handshake.
    fn connected(&mut self, stream: &mut SecuredStream<N::Stream>) -> io::Result<()> {
        let SecuredStream { socket, layer } = stream;
        self.network.connected(socket)?;
        match layer {
            None => Ok(()),
            Some(layer) => {
                // No event follows when a signal has interrupted a call.
                for _ in 1..ATTEMPTS {
                    match self.shake_hands(socket, layer) {
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        result => return result,
                    }
                }
                self.shake_hands(socket, layer)
            }
        }
    }

    fn local_addr(&self, stream: &SecuredStream<N::Stream>) -> io::Result<SocketAddr> {
        self.network.local_addr(&stream.socket)
    }
}
