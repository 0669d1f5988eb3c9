//! The listeners of each shard.
//!
//! If the supervisor binds them, each shard has its own sockets on the same ports (`SO_REUSEPORT`),
//! and so its own backlog. Inherited sockets are dealt out to the shards. If there are fewer
//! sockets than shards, the supervisor binds more, provided that the inherited ones have
//! `SO_REUSEPORT`. Otherwise several shards share a socket: the kernel wakes all of them for a
//! client, and one accepts it. Unix sockets are shared in this way, because a path has one socket.

use crate::listening::{self, Bound, Inherited};
use crate::start::{self, StartError};
use nix::sys::socket::{getsockopt, sockopt};
use readyd::config::listen::{BindTarget, Listen};
use readyd::config::{Config, Origins};
use readyd::io::address::Address;
use readyd::os::listener::{self, AddressPresence, Listener, Port};
use std::io;
use std::net::SocketAddr;

/// The sockets that the shards listen on.
pub(super) struct Sockets {
    /// The configuration of each listener, and its address.
    pub(super) addresses: Vec<(Listen, Address)>,
    /// The listeners of each shard, by its number.
    pub(super) of_shards: Vec<OfAShard>,
}

/// The listeners of one shard.
pub(super) struct OfAShard {
    pub(super) listeners: Vec<Bound>,
    /// The number of them, from the first, that were bound for this shard only.
    pub(super) own: usize,
}

/// Binds the sockets, and deals out both these and the inherited ones.
pub(super) fn for_each_shard(
    config: &Config,
    origins: &Origins,
    inherited: Inherited,
) -> Result<Sockets, StartError> {
    let mut of_shards = listening::bind_all(config, origins, config.shards, inherited)?;
    let Some(first) = of_shards.first_mut() else {
        return Ok(Sockets { addresses: Vec::new(), of_shards: Vec::new() });
    };
    let addresses = start::addresses(first)?;
    // Inherited sockets and unix sockets come once, with the sockets of the first shard; likewise
    // those of an old process that has another number of shards.
    let of_the_first = std::mem::take(first);
    let is_for_all = |(_, listen): &Bound| {
        let has_it = |shard: &Vec<Bound>| shard.iter().any(|(_, it)| it.target == listen.target);
        matches!(listen.target, BindTarget::Inherited(_) | BindTarget::Unix(_))
            || !of_shards.iter().skip(1).all(has_it)
    };
    let (sockets, own) = of_the_first.into_iter().partition(is_for_all);
    if let Some(first) = of_shards.first_mut() {
        *first = own;
    }
    let own: Vec<usize> = of_shards.iter().map(Vec::len).collect();
    for (address, sockets) in by_address(sockets)? {
        let sockets = match address {
            Address::Inet(address) => multiplied(sockets, address, config),
            Address::Unix(_) => sockets,
        };
        deal(&sockets, &mut of_shards)?;
    }
    let of_shards = of_shards.into_iter().zip(own);
    let of_shards = of_shards.map(|(listeners, own)| OfAShard { listeners, own }).collect();
    Ok(Sockets { addresses, of_shards })
}

fn address_of(socket: &Listener) -> Result<Address, StartError> {
    socket.address().map_err(|error| StartError::System("read an address", error))
}

/// Groups the sockets by address; those of one address must have one service.
fn by_address(sockets: Vec<Bound>) -> Result<Vec<(Address, Vec<Bound>)>, StartError> {
    let mut groups: Vec<(Address, Vec<Bound>)> = Vec::new();
    for (socket, listen) in sockets {
        let address = address_of(&socket)?;
        let is_same = |(other, bound): &&mut (Address, Vec<Bound>)| {
            *other == address && bound.iter().all(|(_, other)| other.serves_like(&listen))
        };
        match groups.iter_mut().find(is_same) {
            Some((_, bound)) => bound.push((socket, listen)),
            None => groups.push((address, vec![(socket, listen)])),
        }
    }
    Ok(groups)
}

/// Binds more sockets on the address until there are as many as shards, if that is possible.
fn multiplied(mut sockets: Vec<Bound>, address: SocketAddr, config: &Config) -> Vec<Bound> {
    let may_be_shared =
        |(socket, _): &Bound| getsockopt(socket, sockopt::ReusePort).unwrap_or(false);
    while sockets.len() < config.shards {
        let Some((socket, listen)) = sockets.first().filter(|bound| may_be_shared(bound)) else {
            break;
        };
        let (listen, presence) = (listen.clone(), AddressPresence::asked_of(socket));
        let bound = listener::bind(address, Port::Shared, presence)
            .and_then(|socket| listener::listen(socket, config.backlog))
            .and_then(|socket| config.tcp_timeouts.set(&socket).map(|()| socket));
        match bound {
            Ok(socket) => sockets.push((Listener::Tcp(socket), listen)),
            Err(error) => {
                log::warn!("cannot bind another socket on {address}, so shards share one: {error}");
                break;
            }
        }
    }
    sockets
}

/// Gives each shard its share of `sockets`, and each socket to at least one shard.
fn deal(sockets: &[Bound], all: &mut [Vec<Bound>]) -> Result<(), StartError> {
    let least = sockets.len().min(all.len());
    let cannot = |error: io::Error| StartError::System("duplicate a socket", error);
    for (number, listeners) in all.iter_mut().enumerate() {
        for (index, (socket, listen)) in sockets.iter().enumerate() {
            if index % least == number % least {
                listeners.push((socket.try_clone().map_err(cannot)?, listen.clone()));
            }
        }
    }
    Ok(())
}
