//! What stands for [`certificates`](crate::certificates) in a program without TLS: there are none.

use crate::start::StartError;
use crate::upgrade::{Predecessor, SealedSeed};
use readyd::config::listen::Listen;
use readyd::config::{Config, Located, Origins};
use readyd::io::net::Identity;
use readyd::reactor::Reactor;
use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;

/// There is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificates(Infallible);

/// There is none.
#[derive(Clone)]
pub(crate) struct Held(Infallible);

/// There is none.
pub(crate) struct CertificateReader(Infallible);

/// Nothing is wrong with no files.
pub(crate) fn faults(_: &Config, _: &Origins) -> Vec<Located<StartError>> {
    Vec::new()
}

/// There are none.
///
/// # Errors
///
/// None.
pub(crate) fn first(
    _: &Config,
    _: &Origins,
    _: &mut Reactor,
    predecessor: Option<&mut Predecessor>,
) -> Result<Option<Certificates>, StartError> {
    // A seed is of no use here, and a secret: its memory is given back now.
    drop(predecessor.and_then(Predecessor::take_seed));
    Ok(None)
}

impl Certificates {
    /// Never called: there are none.
    ///
    /// # Errors
    ///
    /// None.
    pub(crate) fn seal(&self) -> io::Result<OwnedFd> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    ///
    /// None.
    pub(crate) fn seal_seed(&self) -> io::Result<SealedSeed> {
        match self.0 {}
    }

    /// # Errors
    ///
    /// Always: there are none.
    pub(crate) fn map(_: OwnedFd) -> io::Result<Certificates> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Never called.
    pub(crate) fn say_when_they_expire(&self) {
        match self.0 {}
    }
}

impl Held {
    /// Never called.
    pub(crate) fn of(certificates: &Certificates) -> Option<Held> {
        match certificates.0 {}
    }

    /// Never called.
    pub(crate) fn replace(&self, _: &Certificates) -> bool {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    ///
    /// None.
    pub(crate) fn seal_seed(&self) -> io::Result<SealedSeed> {
        match self.0 {}
    }

    /// Never called.
    pub(crate) fn first_expiry(&self) -> u64 {
        match self.0 {}
    }

    /// Never called.
    pub(crate) fn number(&self, _: &Listen) -> Option<Identity> {
        match self.0 {}
    }
}

impl CertificateReader {
    /// Never called.
    pub(crate) fn new(_: &Config, certificates: &Certificates, _: &Reactor) -> CertificateReader {
        match certificates.0 {}
    }

    /// Never called.
    pub(crate) fn order(&mut self) {
        match self.0 {}
    }

    /// Never called.
    pub(crate) fn is_reading(&self) -> bool {
        match self.0 {}
    }

    /// Never called.
    pub(crate) fn take(&mut self) -> Option<Certificates> {
        match self.0 {}
    }
}
