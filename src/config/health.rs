//! `--health ADDRESS`: where a running server is asked how it is.
//!
//! The address is written as the listener of the server has it, so that both can be copied from one
//! line. Where a server listens on all addresses, the machine's own is asked.

use super::listen::{BindTarget, ListenError, check_ops};
use crate::io::address::Address;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[cfg(all(test, feature = "ops"))]
mod tests;

/// The addresses to ask, in this order: `localhost:PORT` and `:PORT` have two.
///
/// # Errors
///
/// [`ListenError`] if the text is no address, or none that a client can connect to.
pub(super) fn addresses(text: &str) -> Result<Vec<Address>, ListenError> {
    check_ops()?;
    match text.parse()? {
        BindTarget::Unix(address) => Ok(vec![address.into()]),
        target @ (BindTarget::Address(_)
        | BindTarget::Localhost(_)
        | BindTarget::AllAddresses(_)) => {
            Ok(target.addresses().into_iter().map(|address| own(address).into()).collect())
        }
        BindTarget::NoInterface(_) | BindTarget::Inherited(_) | BindTarget::Systemd(_) => {
            Err(ListenError::NotToAsk(text.to_owned()))
        }
    }
}

/// The machine's own address instead of all addresses.
fn own(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let mut address = address;
    address.set_ip(ip);
    address
}
