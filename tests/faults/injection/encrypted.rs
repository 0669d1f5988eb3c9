//! Faults in the calls of a server with an encrypted listener: while it starts, and while it serves
//! and its certificate is replaced. A client gets the right answer or is dropped, and finds no
//! fault with a record; the server has the old certificate or the new one.

use super::plan::{self, Row};
use super::strace::{self, Attached};
use super::work::Fate;
use super::{Outcome, SPINNING, assert_covered, work_on};
use crate::support::tools;
use crate::support::{Launch, Scratch, Server, eventually, frame};
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// How long a client waits for the rest of its answer while a fault is held.
const HELD: Duration = Duration::from_secs(1);

/// An authority, and a folder with the certificate and the key of a server.
pub(super) struct Certificates {
    pub(super) files: Scratch,
    key: KeyPair,
    config: Arc<ClientConfig>,
}

impl Certificates {
    pub(super) fn new() -> Certificates {
        let key = KeyPair::generate().expect("a key");
        let authority = params().self_signed(&key).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("an authority");
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("versions");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        // A session that is resumed has the certificate that was shown when it began.
        config.resumption = Resumption::disabled();
        let certificates = Certificates { files: Scratch::new(), key, config: Arc::new(config) };
        certificates.renew();
        certificates
    }

    /// Puts another certificate and its key in place.
    fn renew(&self) -> CertificateDer<'static> {
        let key = KeyPair::generate().expect("a key");
        let params_of_server = CertificateParams::new(vec!["localhost".to_owned()]);
        let issuer = Issuer::new(params(), &self.key);
        let certificate = params_of_server.expect("a name").signed_by(&key, &issuer);
        let certificate = certificate.expect("a certificate");
        self.files.write("server.pem", &certificate.pem());
        self.files.write("server.key", &key.serialize_pem());
        certificate.der().clone()
    }

    pub(super) fn options(&self) -> String {
        options_in(&self.files)
    }

    /// Has the server echo a text. Returns what came of it, and the server's certificate.
    pub(super) fn ask(&self, address: SocketAddr) -> (Fate, Option<CertificateDer<'static>>) {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut tls = ClientConnection::new(Arc::clone(&self.config), name).expect("a client");
        let fate = match converse(&mut tls, address) {
            Ok(()) => Fate::Served,
            Err(error) => {
                assert_not_wrong(&error);
                Fate::Dropped
            }
        };
        let shown = tls.peer_certificates().and_then(|chain| chain.first().cloned());
        (fate, shown.map(CertificateDer::into_owned))
    }
}

pub(super) fn options_in(files: &Scratch) -> String {
    let path = |name| files.path(name).display().to_string();
    format!("tls,cert={},key={}", path("server.pem"), path("server.key"))
}

fn params() -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn converse(tls: &mut ClientConnection, address: SocketAddr) -> io::Result<()> {
    let mut socket = TcpStream::connect_timeout(&address, HELD)?;
    socket.set_read_timeout(Some(HELD))?;
    let mut stream = Stream::new(tls, &mut socket);
    for text in ["a new client", "and once more"] {
        stream.write_all(&frame(format!("ECHO {text}")))?;
        let mut answer = vec![0; frame(text).len()];
        stream.read_exact(&mut answer)?;
        assert_eq!(answer, frame(text), "a wrong answer");
    }
    stream.conn.send_close_notify();
    stream.flush()
}

/// A connection may break, and the server may say that it failed; but all that it says is TLS.
fn assert_not_wrong(error: &io::Error) {
    let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    assert!(
        matches!(tls, None | Some(rustls::Error::AlertReceived(_))),
        "the client finds TLS at fault: {error}"
    );
}

struct Subject {
    server: Server,
    certificates: Certificates,
}

impl Subject {
    fn start() -> Subject {
        let certificates = Certificates::new();
        let listener = format!("framed=127.0.0.1:0,{}", certificates.options());
        let server = Launch::of(&["framed", &listener]).env("RUST_BACKTRACE", "0").start();
        Subject { server, certificates }
    }

    fn ask(&self) -> (Fate, Option<CertificateDer<'static>>) {
        self.certificates.ask(self.server.addresses_of("framed")[1])
    }

    /// New clients, and a new certificate.
    fn work(&self) -> Vec<Fate> {
        let before = self.ask().0;
        self.certificates.renew();
        self.server.signal(Signal::SIGHUP);
        vec![before, self.ask().0, self.ask().0]
    }

    /// Checks that clients are served, and that a certificate is loaded.
    fn assert_well(&self, when: &str) {
        assert_eq!(self.ask().0, Fate::Served, "a client after {when}");
        let newest = self.certificates.renew();
        self.server.signal(Signal::SIGHUP);
        eventually(&format!("the new certificate, after {when}"), || {
            (self.ask() == (Fate::Served, Some(newest.clone()))).then_some(())
        });
    }
}

#[test]
fn encrypted_every_call_while_serving() {
    if tools::find("strace").is_none() {
        return;
    }
    let subject = Subject::start();
    let Some(strace) = Attached::to(&subject.server, &[]) else { return };
    assert_eq!(subject.work(), [Fate::Served; 3]);
    subject.assert_well("no fault");
    let calls = strace::calls(strace.detach().lines());
    let rows = [plan::SERVING, plan::SERVING_ENCRYPTED].concat();
    assert_covered("while serving, encrypted", &calls, &rows);
    drop(subject);
    work_on("faults while serving, encrypted", plan::SERVING_ENCRYPTED, try_while_serving);
}

fn try_while_serving(row: &Row) -> Outcome {
    let mut outcome = Outcome::default();
    let subject = Subject::start();
    for errno in row.errnos {
        for when in plan::when(row.call, errno) {
            let fault = format!("{} {errno} {when}", row.call);
            let descriptors = subject.server.descriptors();
            let mut options = strace::injection(row.call, errno, &when).to_vec();
            if let Some(name) = row.file {
                let file = subject.certificates.files.path(name);
                options.extend(["-P".to_owned(), file.display().to_string()]);
            }
            let Some(strace) = Attached::to(&subject.server, &options) else { return outcome };
            let fates = subject.work();
            let failures = strace::injected(&strace.detach());
            outcome.runs += 1;
            outcome.hit += usize::from(failures > 0);
            outcome.failures += failures;
            outcome.count(&fates);
            assert!(failures < SPINNING, "{fault}: {failures} failures in a moment");
            subject.assert_well(&fault);
            eventually(&format!("all descriptors back after {fault}"), || {
                (subject.server.descriptors() <= descriptors).then_some(())
            });
        }
    }
    outcome
}
