//! Addresses of stream sockets: TCP over IP, or a unix socket on this machine.
//!
//! Invariant: an [`Address`] is one that bind(2) and connect(2) take as it stands. A [`Peer`] is as
//! large as a `std::net::SocketAddr`, and copying it allocates nothing: each connection has one.

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// Where a server listens, or is connected to.
///
/// It is written as `IP:PORT`, `[IPv6]:PORT` or `[IPv6%INTERFACE]:PORT`, or as a [`UnixAddress`].
/// The room `config` reads it, because only the system knows the number of an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "client-library", derive(serde::Serialize, serde::Deserialize))]
pub enum Address {
    /// A TCP port of an IP address.
    Inet(SocketAddr),
    /// A unix socket.
    Unix(UnixAddress),
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Inet(address)
    }
}

impl From<UnixAddress> for Address {
    fn from(address: UnixAddress) -> Address {
        Address::Unix(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Inet(address) => write!(f, "{address}"),
            Address::Unix(address) => write!(f, "{address}"),
        }
    }
}

/// The address of a unix socket, unix(7): `unix:/PATH` for a file, or `unix:@NAME` for a name in
/// the abstract namespace, which is no file and ends with the socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "client-library", derive(serde::Serialize, serde::Deserialize))]
pub struct UnixAddress {
    /// An absolute path, or `@` and a name.
    text: String,
}

/// Why a text is not the address of a unix socket; the fault of the user who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnixAddressError {
    /// It does not begin with `unix:`.
    NoPrefix(String),
    /// There is nothing behind `unix:`, or nothing behind its `@`.
    Empty,
    /// The path does not begin with `/`.
    Relative(String),
    /// It has this many bytes, more than [`UnixAddress::MAX_LEN`].
    TooLong(usize),
    /// It has a control character: NUL ends a path, and a line end ends a line of the log.
    ControlCharacter(String),
}

impl fmt::Display for UnixAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnixAddressError::NoPrefix(text) => {
                write!(f, "{text:?} is not the address of a unix socket (write unix:/PATH)")
            }
            UnixAddressError::Empty => f.write_str(
                "\"unix:\" has no path (write unix:/PATH, such as unix:/run/readyd.sock)",
            ),
            UnixAddressError::Relative(path) => write!(
                f,
                "{path:?} is not an absolute path (write unix:/PATH, or unix:@NAME for a name in \
                 the abstract namespace)"
            ),
            UnixAddressError::TooLong(len) => write!(
                f,
                "the path of the unix socket has {len} bytes, and the kernel takes at most {} \
                 (choose a shorter one)",
                UnixAddress::MAX_LEN
            ),
            UnixAddressError::ControlCharacter(path) => {
                write!(f, "{path:?} has a control character (choose a path without)")
            }
        }
    }
}

impl std::error::Error for UnixAddressError {}

impl UnixAddress {
    /// What its text begins with.
    pub const PREFIX: &str = "unix:";

    /// The most bytes of a path, or of a name without its `@`: `sun_path` has 108, and one is the
    /// NUL behind a path, or before a name.
    pub const MAX_LEN: usize = 107;

    /// The file; none if it is a name in the abstract namespace.
    pub fn path(&self) -> Option<&Path> {
        self.text.starts_with('/').then(|| Path::new(&self.text))
    }

    /// An absolute path, or `@` and a name in the abstract namespace.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address that `text` has behind its `unix:`.
    ///
    /// # Errors
    ///
    /// What no unix socket can be bound to.
    pub fn new(text: &str) -> Result<UnixAddress, UnixAddressError> {
        let name = text.strip_prefix('@').unwrap_or(text);
        if name.is_empty() {
            return Err(UnixAddressError::Empty);
        }
        // First, so that no other error repeats a long text.
        if name.len() > UnixAddress::MAX_LEN {
            return Err(UnixAddressError::TooLong(name.len()));
        }
        if !text.starts_with(['/', '@']) {
            return Err(UnixAddressError::Relative(text.to_owned()));
        }
        if text.contains(char::is_control) {
            return Err(UnixAddressError::ControlCharacter(text.to_owned()));
        }
        Ok(UnixAddress { text: text.to_owned() })
    }
}

impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", UnixAddress::PREFIX, self.text)
    }
}

impl FromStr for UnixAddress {
    type Err = UnixAddressError;

    fn from_str(text: &str) -> Result<UnixAddress, UnixAddressError> {
        let no_prefix = || UnixAddressError::NoPrefix(text.to_owned());
        UnixAddress::new(text.strip_prefix(UnixAddress::PREFIX).ok_or_else(no_prefix)?)
    }
}

/// A local address to connect from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "client-library", derive(serde::Serialize, serde::Deserialize))]
pub struct SourceAddress {
    /// The address.
    pub ip: IpAddr,
    /// The number of the interface that a link-local address belongs to, RFC 4007; else 0.
    pub scope_id: u32,
}

impl SourceAddress {
    /// As bind(2) takes it: the kernel chooses the port.
    pub fn socket_address(self) -> SocketAddr {
        match self.ip {
            IpAddr::V4(_) => SocketAddr::new(self.ip, 0),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, 0, 0, self.scope_id).into(),
        }
    }
}

impl From<IpAddr> for SourceAddress {
    fn from(ip: IpAddr) -> SourceAddress {
        SourceAddress { ip, scope_id: 0 }
    }
}

/// `127.0.0.2`, or `fe80::1%2` with the number of the interface.
impl fmt::Display for SourceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ip)?;
        if self.scope_id != 0 { write!(f, "%{}", self.scope_id) } else { Ok(()) }
    }
}

/// The peer of a connection that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A client of TCP, by its address and port.
    Inet(SocketAddr),
    /// A process of this machine, by way of a unix socket. Its socket has no address, as a rule.
    Unix(Credentials),
    /// A client behind a proxy, which told no IP address of it.
    Proxied,
}

const _: () = assert!(size_of::<Peer>() <= 32, "the size of a peer");

/// Who connected to a unix socket, as the kernel noted at connect(2): `SO_PEERCRED`, unix(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The process; 0 if it is in a PID namespace that cannot be seen from here.
    pub pid: u32,
    /// Its effective user; 65534 if that has no number in our user namespace.
    pub uid: u32,
}

impl Credentials {
    /// What the kernel tells of a process that cannot be seen from here.
    pub const UNKNOWN: Credentials = Credentials { pid: 0, uid: 65_534 };
}

impl Peer {
    /// The IP address, which rules and limits on addresses are about. A client of a unix socket has
    /// none, and a proxy may have told none.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Peer::Inet(address) => Some(address.ip()),
            Peer::Unix(_) | Peer::Proxied => None,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        Peer::Inet(address)
    }
}

/// `IP:PORT`, `unix:pid=PID,uid=UID`, or `proxied`: one word in a line of the log.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Inet(address) => write!(f, "{address}"),
            Peer::Unix(Credentials { pid, uid }) => write!(f, "unix:pid={pid},uid={uid}"),
            Peer::Proxied => f.write_str("proxied"),
        }
    }
}
