//! The options `tls`, `cert`, `key` and `client-ca`: how a listener is encrypted.

use super::{ListenError, check_tls};
use std::fmt;
use std::path::{Path, PathBuf};

/// The files of an encrypted listener, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities of clients, if clients must have certificates.
    pub client_ca: Option<PathBuf>,
}

impl TlsFiles {
    /// All of them.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let TlsFiles { certificate, key, client_ca } = self;
        [Some(certificate), Some(key), client_ca.as_ref()]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
    }
}

/// `tls,cert=FILE,key=FILE,client-ca=FILE`, as an operator writes it.
impl fmt::Display for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tls,cert={},key={}", self.certificate.display(), self.key.display())?;
        match &self.client_ca {
            Some(path) => write!(f, ",client-ca={}", path.display()),
            None => Ok(()),
        }
    }
}

/// What was given so far.
#[derive(Default)]
pub(super) struct TlsOptions {
    is_asked_for: bool,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
}

impl TlsOptions {
    /// Takes one of the options.
    pub(super) fn set(&mut self, key: &'static str, value: &str) -> Result<(), ListenError> {
        check_tls()?;
        let file = match key {
            "cert" => &mut self.certificate,
            "key" => &mut self.key,
            "client-ca" => &mut self.client_ca,
            _ => {
                self.is_asked_for = true;
                return Ok(());
            }
        };
        if value.is_empty() {
            return Err(ListenError::MissingValue(key, "FILE"));
        }
        *file = Some(value.into());
        Ok(())
    }

    /// The files, if the listener is encrypted.
    pub(super) fn finish(self) -> Result<Option<Box<TlsFiles>>, ListenError> {
        let TlsOptions { is_asked_for, certificate, key, client_ca } = self;
        if !is_asked_for {
            let given = [("cert", certificate), ("key", key), ("client-ca", client_ca)];
            let stray = given.into_iter().find_map(|(key, file)| file.map(|_| key));
            return stray.map_or(Ok(None), |key| Err(ListenError::WithoutTls(key)));
        }
        let certificate = certificate.ok_or(ListenError::TlsWithout("cert"))?;
        let key = key.ok_or(ListenError::TlsWithout("key"))?;
        Ok(Some(Box::new(TlsFiles { certificate, key, client_ca })))
    }
}
