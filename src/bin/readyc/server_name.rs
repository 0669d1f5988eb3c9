//! A server as named on the command line: HOST:PORT or a unix socket.

use crate::failure::Failure;
use readyd::io::address::{Address, UnixAddress, UnixAddressError};
use std::fmt;
use std::net::{Ipv6Addr, ToSocketAddrs};
use std::num::NonZeroU16;
use std::str::FromStr;

/// The port that readyd listens on by default.
const DEFAULT_PORT: u16 = 9999;

/// A server as named on the command line.
#[derive(Clone, Debug)]
pub(crate) enum ServerName {
    Inet { host: String, port: u16 },
    Unix(UnixAddress),
}

impl FromStr for ServerName {
    type Err = String;

    fn from_str(text: &str) -> Result<ServerName, String> {
        if text.starts_with(UnixAddress::PREFIX) {
            return text
                .parse()
                .map(ServerName::Unix)
                .map_err(|error: UnixAddressError| error.to_string());
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return Err(is_a_url(scheme, rest));
        }
        let not_a_server = || "not a server (give HOST:PORT, such as 127.0.0.1:9999)".to_owned();
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(not_a_server)?)),
            // Without brackets, all colons of an IPv6 address are its own.
            None if is_ipv6(text) => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() {
            return Err(not_a_server());
        }
        let port = match port {
            Some(port) => port
                .parse::<NonZeroU16>()
                .map_err(|_| format!("{port:?} is not a port (1 to 65535)"))?
                .get(),
            None => DEFAULT_PORT,
        };
        Ok(ServerName::Inet { host: host.to_owned(), port })
    }
}

/// Whether it is an IPv6 address, with its interface behind a `%` if it is link-local.
fn is_ipv6(text: &str) -> bool {
    text.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// What to write instead of a URL.
fn is_a_url(scheme: &str, rest: &str) -> String {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let server = authority.rsplit('@').next().unwrap_or_default();
    let port = match scheme {
        "https" => 443,
        "redis" => 6379,
        "memcached" => 11_211,
        _ => 80,
    };
    let has_port = server.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let server = match (server, has_port) {
        ("", _) => "HOST:PORT".to_owned(),
        (server, true) => server.to_owned(),
        (server, false) => format!("{server}:{port}"),
    };
    format!("give HOST:PORT, not a URL: {server} (for HTTP, see --send of readyc bench)")
}

impl fmt::Display for ServerName {
    /// As it can be given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerName::Inet { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            ServerName::Inet { host, port } => write!(f, "{host}:{port}"),
            ServerName::Unix(address) => write!(f, "{address}"),
        }
    }
}

impl ServerName {
    /// Resolves the name to its addresses, at least one.
    pub(crate) fn resolve(&self) -> Result<Vec<Address>, Failure> {
        let (host, port) = match self {
            ServerName::Inet { host, port } => (host, *port),
            ServerName::Unix(address) => return Ok(vec![address.clone().into()]),
        };
        let failed = |error| Failure::Resolve(host.clone(), error);
        let addresses: Vec<Address> =
            (host.as_str(), port).to_socket_addrs().map_err(failed)?.map(Address::Inet).collect();
        if addresses.is_empty() {
            return Err(failed(std::io::ErrorKind::NotFound.into()));
        }
        Ok(addresses)
    }
}
