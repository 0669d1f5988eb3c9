//! Why a listener failed, and what to do.

use nix::errno::Errno;
use readyd::config::address::AddressError;
use readyd::config::listen::{BindTarget, Listen};
use readyd::io::address::{Address, UnixAddress};
use readyd::os::inherited_fd::InheritError;
use readyd::os::listener::unix::Obstacle;
use readyd::os::listener::{Port, in_use};
use readyd::os::privileges::AccountError;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why a listener failed.
pub(crate) enum ListenFailure {
    /// socket(2), bind(2) or listen(2) failed.
    Bind { listen: Listen, address: SocketAddr, port: Port, error: io::Error },
    /// socket(2), bind(2) or listen(2) of a unix socket failed; because of the obstacle, if there
    /// is one.
    BindUnix { listen: Listen, address: UnixAddress, error: io::Error, obstacle: Option<Obstacle> },
    /// The owner of the file of a unix socket cannot be found.
    Owner { listen: Listen, error: AccountError },
    /// No client could connect to the address, though bind(2) would take it; or its network
    /// interface is not there.
    Address { listen: Listen, error: AddressError },
    /// The number is not an inherited listening socket.
    Inherit { listen: Listen, error: InheritError },
    /// Another listener of this process has the address: an inherited one, one whose port the
    /// kernel chose, or one whose path is written in another way.
    SameAddress { listen: Listen, earlier: Listen, address: Address },
    /// All listeners were optional, and all failed.
    NoneLeft,
}

impl fmt::Display for ListenFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenFailure::Bind { listen, address, port, error } => {
                write!(f, "cannot listen on {}: {error}", named(listen, *address))?;
                match advice(*address, *port, error) {
                    Some(advice) => write!(f, " ({advice})"),
                    None => Ok(()),
                }
            }
            ListenFailure::BindUnix { listen, address, error, obstacle } => {
                write!(f, "cannot listen on {}={address}: {error}", listen.service.name())?;
                match advice_on_unix(*obstacle, error) {
                    Some(advice) => write!(f, " ({advice})"),
                    None => Ok(()),
                }
            }
            ListenFailure::Owner { listen, error } => {
                write!(f, "cannot listen on {listen}: owner: {error}")
            }
            ListenFailure::Address { listen, error } => {
                write!(f, "cannot listen on {}={}: {error}", listen.service.name(), listen.target)
            }
            ListenFailure::Inherit { listen, error } => {
                write!(f, "cannot listen on {}={}: {error}", listen.service.name(), listen.target)
            }
            ListenFailure::SameAddress { listen, earlier, address } => write!(
                f,
                "cannot listen on {listen}: {earlier} has its address, {address}, already (leave \
                 one of them out, or bind one to another address)"
            ),
            ListenFailure::NoneLeft => f.write_str(
                "there is nothing to listen on: all listeners are optional, and none is available",
            ),
        }
    }
}

/// The text of the listener; with the address, if it has several.
fn named(listen: &Listen, address: SocketAddr) -> String {
    let (service, target) = (listen.service.name(), &listen.target);
    match target {
        BindTarget::Localhost(_) | BindTarget::AllAddresses(_) => {
            format!("{service}={target} ({address})")
        }
        BindTarget::Address(_)
        | BindTarget::NoInterface(_)
        | BindTarget::Unix(_)
        | BindTarget::Inherited(_)
        | BindTarget::Systemd(_) => format!("{service}={target}"),
    }
}

const RAISE_DESCRIPTOR_LIMIT: &str = "raise the descriptor limit with ulimit -n or LimitNOFILE=";

/// The remedy for an error of bind(2), if one is known.
fn advice(address: SocketAddr, port: Port, error: &io::Error) -> Option<String> {
    let scope = match address {
        SocketAddr::V6(address) => address.scope_id(),
        SocketAddr::V4(_) => 0,
    };
    Some(match Errno::from_raw(error.raw_os_error()?) {
        Errno::EADDRINUSE => in_use::holder(address).advice(port),
        Errno::EADDRNOTAVAIL => {
            "no interface of this machine has this address, or it is not ready \
                                 yet; ip addr lists those there are"
                .to_owned()
        }
        Errno::EACCES => {
            "ports below net.ipv4.ip_unprivileged_port_start, which is 1024 unless it was changed, \
             need root or CAP_NET_BIND_SERVICE; choose another"
                .to_owned()
        }
        Errno::ENODEV | Errno::EINVAL if scope != 0 => {
            format!("there is no network interface with the number {scope}; ip link lists them")
        }
        Errno::EAFNOSUPPORT if address.is_ipv6() => "this system has no IPv6".to_owned(),
        Errno::EMFILE => RAISE_DESCRIPTOR_LIMIT.to_owned(),
        _ => return None,
    })
}

/// The remedy for a unix socket.
fn advice_on_unix(obstacle: Option<Obstacle>, error: &io::Error) -> Option<String> {
    Some(match Errno::from_raw(error.raw_os_error()?) {
        Errno::EADDRINUSE => obstacle?.to_string(),
        Errno::ENOENT => "its directory does not exist; create it".to_owned(),
        Errno::EACCES => {
            "this user may not create a file in that directory; choose another one, or change its \
             mode"
                .to_owned()
        }
        Errno::EPERM => {
            "only root may give the file to another user, or to a group that it is not in; \
             leave owner out, or start as root"
                .to_owned()
        }
        Errno::EMFILE => RAISE_DESCRIPTOR_LIMIT.to_owned(),
        _ => return None,
    })
}
