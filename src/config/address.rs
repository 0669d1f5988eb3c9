//! An address to listen on, as text.
//!
//! Invariant: a TCP client can connect to an IP address that is accepted here, if the machine has
//! it. bind(2) and listen(2) also succeed on addresses that no client can reach, such as multicast
//! ones.

use crate::io::address::{Address, UnixAddress, UnixAddressError};
use nix::net::if_::if_nametoindex;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// Why a text is not an address to listen on; the operator's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// The text has none of the forms of an address.
    Form(String),
    /// There is no network interface with the name after the `%`.
    NoInterface(String),
    /// A link-local address without an interface. Each interface has its own such network, RFC 4291
    /// 2.5.6.
    LinkLocal(SocketAddrV6),
    /// An interface with an address that is not link-local: the kernel would ignore it.
    NotLinkLocal(SocketAddrV6),
    /// An IPv4-mapped IPv6 address, RFC 4291 2.5.5.2: our IPv6 listeners have IPV6_V6ONLY.
    Mapped(SocketAddr),
    /// A multicast address: TCP has no multicast.
    Multicast(SocketAddr),
    /// A broadcast address: TCP has no broadcast.
    Broadcast(SocketAddr),
    /// It begins with `unix:`, and what follows is no address of a unix socket.
    Unix(UnixAddressError),
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Form(text) => write!(
                f,
                "{text:?} is not an address (write IP:PORT, [IPv6]:PORT, localhost:PORT, :PORT for \
                 all addresses, or unix:/PATH; other names are not looked up)"
            ),
            AddressError::NoInterface(text) => {
                let name = interface_name(text).unwrap_or_default();
                write!(f, "{text:?}: there is no network interface {name:?} (ip link lists them)")
            }
            AddressError::LinkLocal(address) => {
                let (ip, port) = (address.ip(), address.port());
                write!(
                    f,
                    "{ip} is a link-local address, which belongs to one interface (write \
                     [{ip}%INTERFACE]:{port}, such as [{ip}%eth0]:{port} or [{ip}%2]:{port})"
                )
            }
            AddressError::NotLinkLocal(address) => {
                let (ip, port) = (address.ip(), address.port());
                write!(
                    f,
                    "{ip} is not a link-local address, and only those take an interface (write \
                     [{ip}]:{port})"
                )
            }
            AddressError::Mapped(address) => write!(
                f,
                "an IPv6 listener takes no IPv4 clients, so none could reach an IPv4-mapped \
                 address (write {address})"
            ),
            AddressError::Multicast(address) => {
                write!(f, "{} is a multicast address, {}", address.ip(), unicast_only(address))
            }
            AddressError::Broadcast(address) => {
                write!(f, "{} is a broadcast address, {}", address.ip(), unicast_only(address))
            }
            AddressError::Unix(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for AddressError {}

impl From<UnixAddressError> for AddressError {
    fn from(error: UnixAddressError) -> AddressError {
        AddressError::Unix(error)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        if text.starts_with(UnixAddress::PREFIX) {
            return Ok(Address::Unix(text.parse()?));
        }
        socket_address(text).map(Address::Inet)
    }
}

fn unicast_only(address: &SocketAddr) -> String {
    format!(
        "which no TCP client can connect to (write the address of one interface, or :{} for all)",
        address.port()
    )
}

/// The loopback network's broadcast address, for which every Linux machine has a route.
const LOOPBACK_BROADCAST: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);

/// Reads `IP:PORT`, `[IPv6]:PORT` or `[IPv6%INTERFACE]:PORT`, where the interface is a name or a
/// number.
///
/// # Errors
///
/// [`AddressError`] if it is none of these, or is an address that no TCP client can connect to.
pub fn socket_address(text: &str) -> Result<SocketAddr, AddressError> {
    let address = match interface_name(text) {
        Some(name) => with_interface(text, name)?,
        None => text.parse().map_err(|_| AddressError::Form(text.to_owned()))?,
    };
    judge(address).map_or(Ok(address), Err)
}

/// What stands between `%` and `]`, unless it is a number, which the standard library understands.
fn interface_name(text: &str) -> Option<&str> {
    let (_, rest) = text.strip_prefix('[')?.split_once('%')?;
    let (name, _) = rest.rsplit_once("]:")?;
    (!name.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

fn with_interface(text: &str, name: &str) -> Result<SocketAddr, AddressError> {
    let without = text.replacen(&format!("%{name}]:"), "]:", 1);
    let Ok(SocketAddr::V6(mut address)) = without.parse() else {
        return Err(AddressError::Form(text.to_owned()));
    };
    let index = if_nametoindex(name);
    // Where there is no such interface, any number: a worse fault of the address goes first.
    address.set_scope_id(index.unwrap_or(1));
    match (index, judge(address.into())) {
        (Err(_), None) => Err(AddressError::NoInterface(text.to_owned())),
        _ => Ok(address.into()),
    }
}

/// What is wrong with an address that has the right form.
fn judge(address: SocketAddr) -> Option<AddressError> {
    let ip = address.ip();
    if ip.is_multicast() {
        return Some(AddressError::Multicast(address));
    }
    match address {
        SocketAddr::V4(v4) if v4.ip().is_broadcast() || *v4.ip() == LOOPBACK_BROADCAST => {
            Some(AddressError::Broadcast(address))
        }
        SocketAddr::V4(_) => None,
        SocketAddr::V6(v6) => match (ip.to_canonical(), v6.scope_id()) {
            (IpAddr::V4(ip), _) => Some(AddressError::Mapped((ip, v6.port()).into())),
            (_, 0) if v6.ip().is_unicast_link_local() => Some(AddressError::LinkLocal(v6)),
            (_, 1..) if !v6.ip().is_unicast_link_local() => Some(AddressError::NotLinkLocal(v6)),
            _ => None,
        },
    }
}
