//! Listeners whose addresses conflict.
//!
//! Two listeners of one address, unix path or descriptor: with SO_REUSEPORT, which `--shards` and
//! `--reuse-port` set, the kernel gives each client to one of them at random; without it, bind(2)
//! says EADDRINUSE. No operator wants either. One address and all addresses of the same port: with
//! SO_REUSEPORT the kernel always prefers the listener with the more specific address, which may be
//! wanted; without it, bind(2) says EADDRINUSE.
//!
//! Invariant: n listeners take O(n log n) steps, because a file may have many.

use super::Config;
use super::error::{ConfigError, ConfigErrors, Located, Origins};
use super::listen::BindTarget;
use crate::io::address::UnixAddress;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What two listeners cannot share.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Address(SocketAddr),
    /// Device and inode of the folder, and the name in it: one file has one, however its path is
    /// written, with `..`, a symbolic link or a bind mount. bind(2) follows no link at the end.
    File(u64, u64, OsString),
    /// Where there is no such folder. Two paths are the same if they differ in `//` and `/./`
    /// only.
    Path(PathBuf),
    Name(UnixAddress),
    Descriptor(u16),
    SocketName(String),
}

fn file(path: &Path) -> Option<Claim> {
    let folder = fs::metadata(path.parent()?).ok()?;
    Some(Claim::File(folder.dev(), folder.ino(), path.file_name()?.to_owned()))
}

fn claims(target: &BindTarget) -> Vec<Claim> {
    match target {
        BindTarget::Inherited(number) => vec![Claim::Descriptor(*number)],
        BindTarget::Systemd(name) => vec![Claim::SocketName(name.clone())],
        BindTarget::Unix(address) => vec![match address.path() {
            Some(path) => file(path).unwrap_or_else(|| Claim::Path(path.to_owned())),
            None => Claim::Name(address.clone()),
        }],
        // Port 0 is a different port each time.
        bound => {
            let addresses = bound.addresses().into_iter();
            addresses.filter(|address| address.port() != 0).map(Claim::Address).collect()
        }
    }
}

/// All addresses of the same version of IP, and the same port.
fn wildcard(address: SocketAddr) -> SocketAddr {
    let ip = match address {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    (ip, address.port()).into()
}

/// Adds an error for each listener that conflicts with an earlier one.
pub(super) fn find(config: &Config, origins: &Origins, errors: &mut ConfigErrors) {
    let shares_ports = config.reuse_port || config.shards > 1;
    let mut taken: BTreeMap<Claim, usize> = BTreeMap::new();
    // Of each wildcard address, the first listener of one of the addresses that it stands for.
    let mut specific: BTreeMap<SocketAddr, usize> = BTreeMap::new();
    for (index, listen) in config.listeners.iter().enumerate() {
        let text = |index: usize| config.listeners.get(index).map(ToString::to_string);
        let earlier = |index: usize| {
            let text = text(index).unwrap_or_default();
            Box::new(Located::new(origins.of_listener(index), text))
        };
        let claims = claims(&listen.target);
        let same = claims.iter().find_map(|claim| taken.get(claim));
        let overlapping = claims.iter().find_map(|claim| match claim {
            Claim::Address(address) if address.ip().is_unspecified() => specific.get(address),
            Claim::Address(address) => taken.get(&Claim::Address(wildcard(*address))),
            Claim::File(..)
            | Claim::Path(_)
            | Claim::Name(_)
            | Claim::Descriptor(_)
            | Claim::SocketName(_) => None,
        });
        let error = match (same, overlapping) {
            (Some(&other), _) => Some(ConfigError::SameAddress {
                listen: listen.to_string(),
                earlier: earlier(other),
            }),
            (None, Some(&other)) if !shares_ports => Some(ConfigError::OverlappingAddress {
                listen: listen.to_string(),
                earlier: earlier(other),
            }),
            _ => None,
        };
        if let Some(error) = error {
            errors.push(origins.of_listener(index), error);
        }
        for claim in claims {
            if let Claim::Address(address) = claim
                && !address.ip().is_unspecified()
            {
                specific.entry(wildcard(address)).or_insert(index);
            }
            taken.entry(claim).or_insert(index);
        }
    }
}
