//! `--tls` and the options that belong to it: whom the client trusts, and what it shows.

use crate::failure::Failure;
use crate::server_name::ServerName;
use readyd::reactor::MioNet;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// The network of all sessions.
#[cfg(feature = "tls")]
pub(crate) type ClientNet = readyd::tls::Secured<MioNet>;
/// The network of all sessions.
#[cfg(not(feature = "tls"))]
pub(crate) type ClientNet = MioNet;

/// The authorities that Debian and others keep.
#[cfg(feature = "tls")]
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The options of encryption.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct TlsOptions {
    /// Encrypt connections
    ///
    /// Encrypt connections with TLS. The time to connect includes the handshake
    #[arg(long, hide_short_help = true)]
    tls: bool,

    /// Authorities of the server's certificate
    ///
    /// A file in PEM with the authorities that may have signed the server's certificate [default:
    /// those of the system]
    #[arg(long, value_name = "PEM", hide_short_help = true)]
    ca: Option<PathBuf>,

    /// Certificate to show, with --tls-key
    ///
    /// A file in PEM with the certificate to show if the server asks for one; --tls-key has its key
    #[arg(long, value_name = "PEM", hide_short_help = true)]
    cert: Option<PathBuf>,

    /// Key of --cert
    ///
    /// A file in PEM with the private key of --cert
    #[arg(id = "tls-key", long = "tls-key", value_name = "PEM", hide_short_help = true)]
    key: Option<PathBuf>,

    /// Name in the server's certificate
    ///
    /// The name that the server's certificate must have [default: the host of the server]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    servername: Option<String>,
}

/// What a process needs to encrypt: the texts of files, and a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TlsTexts {
    ca: Vec<u8>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    name: Option<String>,
}

impl TlsOptions {
    /// These options, and those before the command where these are silent.
    pub(crate) fn or(self, before: &TlsOptions) -> TlsOptions {
        TlsOptions {
            tls: self.tls || before.tls,
            ca: self.ca.or_else(|| before.ca.clone()),
            cert: self.cert.or_else(|| before.cert.clone()),
            key: self.key.or_else(|| before.key.clone()),
            servername: self.servername.or_else(|| before.servername.clone()),
        }
    }

    /// The first option that was given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let TlsOptions { tls, ca, cert, key, servername } = self;
        let given = [
            ("--tls", *tls),
            ("--ca", ca.is_some()),
            ("--cert", cert.is_some()),
            ("--tls-key", key.is_some()),
            ("--servername", servername.is_some()),
        ];
        given.iter().find(|(_, is_given)| *is_given).map(|(option, _)| *option)
    }

    /// Reads the files, if connections to `server` are to be encrypted.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] for options that do not go together, or a file that cannot be read.
    pub(crate) fn read(&self, server: &ServerName) -> Result<Option<TlsTexts>, Failure> {
        let Some(option) = self.given() else { return Ok(None) };
        if cfg!(not(feature = "tls")) {
            let why = "this readyc was built without the feature `tls`";
            return Err(Failure::Usage(format!("{option}: {why}")));
        }
        if !self.tls {
            return Err(Failure::Usage(format!("{option}: is about TLS (add --tls)")));
        }
        let identity = match (&self.cert, &self.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                Some((text("--cert", certificate)?, text("--tls-key", key)?))
            }
            (Some(_), None) => return Err(Failure::Usage("--cert: needs --tls-key".to_owned())),
            (None, Some(_)) => return Err(Failure::Usage("--tls-key: needs --cert".to_owned())),
        };
        let ca = self.ca.clone().unwrap_or_else(|| system_ca().to_owned());
        let host = match server {
            ServerName::Inet { host, .. } => Some(host.clone()),
            ServerName::Unix(_) => None,
        };
        let name = self.servername.clone().or(host);
        Ok(Some(TlsTexts { ca: text("--ca", &ca)?, identity, name }))
    }
}

#[cfg(feature = "tls")]
fn system_ca() -> &'static Path {
    Path::new(SYSTEM_CA)
}

#[cfg(not(feature = "tls"))]
fn system_ca() -> &'static Path {
    Path::new("")
}

fn text(option: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::Usage(format!("{option} {}: {error}", path.display())))
}

/// Handshakes that succeeded.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Handshakes {
    /// Of the whole run.
    pub(crate) all: u64,
    /// Those that resumed an earlier session.
    pub(crate) resumed: u64,
    /// In the measured part.
    pub(crate) measured: u64,
}

impl Handshakes {
    /// Those of two workers.
    pub(crate) fn plus(self, other: Handshakes) -> Handshakes {
        Handshakes {
            all: self.all + other.all,
            resumed: self.resumed + other.resumed,
            measured: self.measured + other.measured,
        }
    }
}

/// All handshakes of a network, and those that resumed a session.
#[cfg(feature = "tls")]
pub(crate) fn handshakes(net: &ClientNet) -> (u64, u64) {
    let counts = net.handshakes();
    (counts.all, counts.resumed)
}

/// There are none.
#[cfg(not(feature = "tls"))]
pub(crate) fn handshakes(_: &ClientNet) -> (u64, u64) {
    (0, 0)
}

/// The network for sessions that are encrypted if there are `texts`.
///
/// # Errors
///
/// What is wrong with them.
#[cfg(feature = "tls")]
pub(crate) fn network(net: MioNet, texts: Option<&TlsTexts>) -> Result<ClientNet, String> {
    use readyd::tls::{ClientTls, PemFile, ServerName};
    let Some(TlsTexts { ca, identity, name }) = texts else {
        return Ok(ClientNet::for_client(net, None));
    };
    let name = match name {
        None => None,
        // An IPv6 address may have its interface behind it.
        Some(name) => {
            let name = name.split('%').next().unwrap_or_default().to_owned();
            let known = ServerName::try_from(name.clone());
            Some(known.map_err(|_| format!("--servername {name:?}: is no name of a server"))?)
        }
    };
    let identity = identity.as_ref().map(|(certificate, key)| (&certificate[..], &key[..]));
    let tls = ClientTls::new(ca, identity, name).map_err(|error| {
        let option = match error.file() {
            PemFile::Key => "tls-key",
            PemFile::Certificate => "cert",
            PemFile::ServerCa | PemFile::ClientCa => "ca",
        };
        format!("--{option}: {error}")
    })?;
    Ok(ClientNet::for_client(net, Some(tls)))
}

/// The network for sessions.
///
/// # Errors
///
/// None.
#[cfg(not(feature = "tls"))]
pub(crate) fn network(net: MioNet, _: Option<&TlsTexts>) -> Result<ClientNet, String> {
    Ok(net)
}
