//! The options `proxy` and `from`: which proxies may connect to a listener.

use super::{BindTarget, ListenError};
use crate::protocol::proxy_header::Versions;
use crate::server::access::Cidr;
use crate::server::proxied::Proxies;

/// What was given so far.
#[derive(Default)]
pub(super) struct ProxyOptions {
    versions: Option<Versions>,
    from: Vec<Cidr>,
}

impl ProxyOptions {
    /// Takes the value of `proxy`.
    pub(super) fn set_versions(&mut self, name: &str) -> Result<(), ListenError> {
        let versions = Versions::from_name(name);
        self.versions =
            Some(versions.ok_or_else(|| ListenError::UnknownVersions(name.to_owned()))?);
        Ok(())
    }

    /// Takes a value of `from`.
    pub(super) fn add_range(&mut self, range: &str) -> Result<(), ListenError> {
        self.from.push(range.parse().map_err(ListenError::BadRange)?);
        Ok(())
    }

    /// The proxies of a listener on `target`. A socket that is passed on may be a unix socket,
    /// which needs no ranges.
    pub(super) fn finish(self, target: &BindTarget) -> Result<Option<Box<Proxies>>, ListenError> {
        let ProxyOptions { versions, from } = self;
        let needs_ranges = match target {
            BindTarget::Address(_)
            | BindTarget::Localhost(_)
            | BindTarget::AllAddresses(_)
            | BindTarget::NoInterface(_) => true,
            BindTarget::Unix(_) | BindTarget::Inherited(_) | BindTarget::Systemd(_) => false,
        };
        match versions {
            None if from.is_empty() => Ok(None),
            None => Err(ListenError::FromWithoutProxy),
            Some(_) if from.is_empty() && needs_ranges => Err(ListenError::ProxyWithoutFrom),
            Some(versions) => Ok(Some(Box::new(Proxies { versions, from }))),
        }
    }
}
