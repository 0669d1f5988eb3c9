//! Binding sockets, or claiming those that are open already.

use super::{Inherited, ListenFailure, take_out};
use crate::start::StartError;
use crate::upgrade::{self, Handed};
use readyd::config::address::AddressError;
use readyd::config::listen::{BindTarget, FileMode, Listen, Presence, SocketOptions};
use readyd::config::{Config, Located, Origin, Origins};
use readyd::io::address::{Address, UnixAddress};
use readyd::os::inherited_fd::InheritError;
use readyd::os::listener::unix::{FileRights, Obstacle};
use readyd::os::listener::{self, AddressPresence, Listener, Port, TcpTimeouts, in_use, unix};
use readyd::os::privileges::AccountError;
use readyd::os::privileges::owner::FileOwner;
use socket2::Socket;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// How sockets are bound.
pub(super) struct Binding {
    backlog: u32,
    timeouts: TcpTimeouts,
    copies: usize,
    port: Port,
    /// Of inherited sockets, and of those of our own that listen and share no port.
    taken: Vec<(Listen, Address)>,
    /// The addresses of the configuration with their ports.
    named: Vec<SocketAddr>,
}

/// A listener's sockets. None of them listens before all listeners have theirs.
pub(super) struct Claimed<'a> {
    pub(super) origin: Option<&'a Origin>,
    pub(super) presence: Presence,
    /// Its configuration, with the address that it got.
    pub(super) listen: Listen,
    pub(super) sockets: Sockets,
}

pub(super) enum Sockets {
    /// One for each copy, all on this address.
    Bound(SocketAddr, Vec<Socket>),
    /// One for all copies.
    Unix(UnixAddress, unix::Bound),
    /// An inherited socket, which listens already.
    Inherited(Listener),
    /// Those of an address that the old process of an upgrade has bound.
    HandedOver(Vec<Listener>, FileRights),
}

/// The result of trying all listeners.
#[derive(Default)]
pub(super) struct Tried<'a> {
    pub(super) claimed: Vec<Claimed<'a>>,
    pub(super) failures: Vec<Located<StartError>>,
    /// Handed over, and not claimed.
    pub(super) handed: Vec<Handed>,
}

impl<'a> Tried<'a> {
    pub(super) fn with(handed: &[Handed]) -> Tried<'a> {
        let handed = handed.iter().map(Handed::described).collect();
        Tried { handed, ..Tried::default() }
    }

    /// Takes what was handed over and is meant, and returns whether there was any.
    fn take_handed(&mut self, is_meant: impl Fn(&Handed) -> bool) -> Option<Vec<Handed>> {
        let is_it = |handed: &mut Handed| {
            !matches!(handed.origin, upgrade::Origin::Inherited(_)) && is_meant(handed)
        };
        let taken: Vec<Handed> = self.handed.extract_if(.., is_it).collect();
        (!taken.is_empty()).then_some(taken)
    }

    fn inherited(
        &mut self,
        origin: Option<&'a Origin>,
        listen: Listen,
        socket: Result<Listener, InheritError>,
    ) {
        let presence = listen.presence;
        match socket.map(Sockets::Inherited) {
            Ok(sockets) => self.claimed.push(Claimed { origin, presence, listen, sockets }),
            Err(error) => {
                self.missing(origin, presence, ListenFailure::Inherit { listen, error });
            }
        }
    }

    /// Notes a listener that failed: an error, or a warning if it is optional.
    pub(super) fn missing(
        &mut self,
        origin: Option<&Origin>,
        presence: Presence,
        failure: impl Into<Box<ListenFailure>>,
    ) {
        match presence {
            Presence::Optional => {
                let failure = Located::new(origin, failure.into());
                log::warn!("{failure}; starting without it, as it is optional");
            }
            Presence::Required => {
                self.failures.push(Located::new(origin, StartError::Listen(failure.into())));
            }
        }
    }
}

impl Binding {
    pub(super) fn of(config: &Config, copies: usize, taken: Vec<(Listen, Address)>) -> Binding {
        // The sockets of several shards share each address.
        let is_shared = config.reuse_port || config.shards > 1;
        let port = if is_shared { Port::Shared } else { Port::Exclusive };
        let named = config.listeners.iter().flat_map(|listen| listen.target.addresses());
        let named = named.filter(|address| address.port() != 0).collect();
        let (backlog, timeouts) = (config.backlog, config.tcp_timeouts);
        Binding { backlog, timeouts, copies, port, taken, named }
    }

    /// Notes a listener that listens now. With `Port::Shared` it is in nobody's way.
    pub(super) fn note(&mut self, listen: &Listen) {
        if let (BindTarget::Address(address), Port::Exclusive) = (&listen.target, self.port) {
            self.taken.push((listen.clone(), Address::Inet(*address)));
        }
    }

    /// The listener of this process that has the address `wanted`, which is in use.
    fn holder(&self, wanted: &Address) -> Option<&(Listen, Address)> {
        let conflicts = |(_, taken): &&(Listen, Address)| match (wanted, taken) {
            (Address::Inet(wanted), Address::Inet(taken)) => in_use::overlap(*wanted, *taken),
            (Address::Unix(wanted), Address::Unix(taken)) => unix::is_same(wanted, taken),
            _ => false,
        };
        self.taken.iter().find(conflicts)
    }

    pub(super) fn claim_all<'a>(
        &self,
        config: &Config,
        origins: &'a Origins,
        inherited: &mut Inherited,
    ) -> Tried<'a> {
        let handed = std::mem::take(&mut inherited.handed);
        let mut tried = Tried { handed, ..Tried::default() };
        for (index, listen) in config.listeners.iter().enumerate() {
            let origin = origins.of_listener(index);
            match listen.target {
                BindTarget::Inherited(number) => {
                    let socket = take_out(&mut inherited.numbered, number);
                    tried.inherited(origin, listen.clone(), socket);
                }
                _ => self.bind(&mut tried, origin, listen),
            }
        }
        tried
    }

    /// Binds one listener, unless it is inherited.
    pub(super) fn bind<'a>(
        &self,
        tried: &mut Tried<'a>,
        origin: Option<&'a Origin>,
        listen: &Listen,
    ) {
        match &listen.target {
            BindTarget::Unix(address) => self.bind_unix(tried, origin, listen, address),
            BindTarget::NoInterface(address) => {
                let error = AddressError::NoInterface(address.clone());
                let failure = ListenFailure::Address { listen: listen.clone(), error };
                tried.missing(origin, listen.presence, failure);
            }
            _ => self.bind_addresses(tried, origin, listen),
        }
    }

    fn bind_unix<'a>(
        &self,
        tried: &mut Tried<'a>,
        origin: Option<&'a Origin>,
        listen: &Listen,
        address: &UnixAddress,
    ) {
        let (presence, listen) = (listen.presence, listen.clone());
        let rights = match file_rights(&listen.socket) {
            Ok(rights) => rights,
            Err(error) => {
                let failure = ListenFailure::Owner { listen, error };
                return tried.missing(origin, presence, failure);
            }
        };
        let is_it = |handed: &Handed| handed.address == Address::Unix(address.clone());
        if let Some(handed) = tried.take_handed(is_it) {
            let sockets = handed.into_iter().filter_map(Handed::into_socket).collect();
            let sockets = Sockets::HandedOver(sockets, rights);
            return tried.claimed.push(Claimed { origin, presence, listen, sockets });
        }
        let error = match unix::bind(address, rights) {
            Ok(socket) => {
                let sockets = Sockets::Unix(address.clone(), socket);
                return tried.claimed.push(Claimed { origin, presence, listen, sockets });
            }
            Err(error) => error,
        };
        let is_in_use = error.kind() == ErrorKind::AddrInUse;
        let own = tried.claimed.iter().find_map(|claimed| match &claimed.sockets {
            Sockets::Unix(own, _) if unix::is_same(own, address) => {
                Some((claimed.listen.clone(), Address::Unix(own.clone())))
            }
            _ => None,
        });
        let own = own.or_else(|| self.holder(&Address::Unix(address.clone())).cloned());
        let failure = match own.filter(|_| is_in_use) {
            Some((earlier, address)) => ListenFailure::SameAddress { listen, earlier, address },
            None => {
                let address = address.clone();
                // Now: the file may be gone when the error is shown.
                let obstacle = is_in_use.then(|| Obstacle::at(&address));
                ListenFailure::BindUnix { listen, address, error, obstacle }
            }
        };
        tried.missing(origin, presence, failure);
    }

    /// Binds the IP addresses of one listener: one, or one for each version of IP.
    fn bind_addresses<'a>(
        &self,
        tried: &mut Tried<'a>,
        origin: Option<&'a Origin>,
        listen: &Listen,
    ) {
        // The port of the first address, which the second has to get, too.
        let mut chosen = None;
        for (index, mut address) in listen.target.addresses().into_iter().enumerate() {
            address.set_port(chosen.unwrap_or(address.port()));
            let presence = if index == 0 { listen.presence } else { Presence::Optional };
            if let Some((local, sockets)) = self.handed_over(tried, listen, address) {
                chosen = Some(local.port());
                let listen = Listen { target: BindTarget::Address(local), ..listen.clone() };
                let sockets = Sockets::HandedOver(sockets, FileRights::default());
                tried.claimed.push(Claimed { origin, presence, listen, sockets });
                continue;
            }
            match self.bind_copies(listen, address) {
                Ok((local, sockets)) => {
                    chosen = Some(local.port());
                    let listen = Listen { target: BindTarget::Address(local), ..listen.clone() };
                    let sockets = Sockets::Bound(local, sockets);
                    tried.claimed.push(Claimed { origin, presence, listen, sockets });
                }
                Err(failure) => {
                    tried.missing(origin, presence, failure);
                    // If the first is missing, the second is of no use.
                    if presence == Presence::Required {
                        return;
                    }
                }
            }
        }
    }

    /// What the old process of an upgrade has bound to the address. For port 0 that is what it has
    /// for this service on any port that the configuration does not name.
    fn handed_over(
        &self,
        tried: &mut Tried<'_>,
        listen: &Listen,
        address: SocketAddr,
    ) -> Option<(SocketAddr, Vec<Listener>)> {
        let local = match address.port() {
            0 => tried.handed.iter().find_map(|handed| match handed.address {
                Address::Inet(local)
                    if local.ip() == address.ip()
                        && handed.service == listen.service.name()
                        && !self.named.contains(&local) =>
                {
                    Some(local)
                }
                _ => None,
            })?,
            _ => address,
        };
        let handed = tried.take_handed(|handed| handed.address == Address::Inet(local))?;
        Some((local, handed.into_iter().filter_map(Handed::into_socket).collect()))
    }

    /// Binds a socket for each copy, all on the address that the first one got, and returns both.
    fn bind_copies(
        &self,
        listen: &Listen,
        mut address: SocketAddr,
    ) -> Result<(SocketAddr, Vec<Socket>), Box<ListenFailure>> {
        if listener::is_broadcast(address.ip()) {
            let error = AddressError::Broadcast(address);
            return Err(Box::new(ListenFailure::Address { listen: listen.clone(), error }));
        }
        let presence = match listen.socket.is_freebind {
            true => AddressPresence::Later,
            false => AddressPresence::Now,
        };
        let mut sockets = Vec::new();
        for _ in 0..self.copies {
            let socket = listener::bind(address, self.port, presence)
                .and_then(|socket| Ok((socket.local_addr()?.as_socket(), socket)));
            let (local, socket) = socket.map_err(|error| self.refused(listen, address, error))?;
            address = local.unwrap_or(address);
            sockets.push(socket);
        }
        Ok((address, sockets))
    }

    pub(super) fn listen(
        &self,
        listen: &Listen,
        sockets: Sockets,
    ) -> Result<Vec<Listener>, Box<ListenFailure>> {
        let with_timeouts =
            |listener: Listener| listener.set_timeouts(self.timeouts).map(|()| listener);
        match sockets {
            Sockets::Inherited(listener) => {
                with_timeouts(listener).map(|listener| vec![listener]).map_err(|error| {
                    let error = InheritError::System(error);
                    Box::new(ListenFailure::Inherit { listen: listen.clone(), error })
                })
            }
            Sockets::HandedOver(sockets, rights) => {
                let again = |socket: Listener| {
                    socket.take_over(self.backlog, self.timeouts, rights).map(|()| socket)
                };
                let sockets: io::Result<_> = sockets.into_iter().map(again).collect();
                sockets.map_err(|error| {
                    let error = InheritError::System(error);
                    Box::new(ListenFailure::Inherit { listen: listen.clone(), error })
                })
            }
            Sockets::Unix(address, socket) => {
                let listening = socket.listen(self.backlog).map(|listener| vec![listener]);
                listening.map_err(|error| {
                    let listen = listen.clone();
                    Box::new(ListenFailure::BindUnix { listen, address, error, obstacle: None })
                })
            }
            Sockets::Bound(address, sockets) => {
                let listening = sockets.into_iter().map(|socket| {
                    let listener = listener::listen(socket, self.backlog)?;
                    with_timeouts(Listener::Tcp(listener))
                });
                let listening: io::Result<_> = listening.collect();
                listening.map_err(|error| self.refused(listen, address, error))
            }
        }
    }

    fn refused(
        &self,
        listen: &Listen,
        address: SocketAddr,
        error: io::Error,
    ) -> Box<ListenFailure> {
        let listen = listen.clone();
        let in_use = (error.kind() == ErrorKind::AddrInUse).then_some(Address::Inet(address));
        Box::new(match in_use.and_then(|address| self.holder(&address)).cloned() {
            Some((earlier, address)) => ListenFailure::SameAddress { listen, earlier, address },
            None => ListenFailure::Bind { listen, address, port: self.port, error },
        })
    }
}

fn file_rights(options: &SocketOptions) -> Result<FileRights, AccountError> {
    Ok(FileRights {
        mode: options.mode.map(FileMode::bits),
        owner: options.owner.as_ref().map(FileOwner::resolve).transpose()?,
    })
}
