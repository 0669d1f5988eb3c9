//! Binding the listeners of the configuration, and listening.
//!
//! Invariant: all listeners are tried, so that all failures are reported at once. A required
//! listener that fails ends the start, an optional one is a warning, and a server without any
//! listener does not start.

use crate::start::{StartError, take_all};
use crate::upgrade::{self, Handed, Predecessor};
pub(crate) use failure::ListenFailure;
use readyd::config::activation::{Assigned, assign};
use readyd::config::address::AddressError;
use readyd::config::listen::{BindTarget, FileMode, Listen, Presence, SocketOptions};
use readyd::config::{Config, Located, Origin, Origins};
use readyd::io::address::{Address, UnixAddress};
use readyd::os::activation::{self, PassedSocket};
use readyd::os::inherited_fd::{self, InheritError};
use readyd::os::listener::unix::{FileRights, Obstacle};
use readyd::os::listener::{self, AddressPresence, Listener, Port, TcpTimeouts, in_use, unix};
use readyd::os::privileges::AccountError;
use readyd::os::privileges::owner::FileOwner;
use socket2::Socket;
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::process;

mod failure;

/// A listening socket, and its configuration, with the address that it got.
pub(crate) type Bound = (Listener, Listen);

/// Sockets that are open before anything is bound.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// Those of `--listen fd:NUMBER`, or why a number is none.
    numbered: Vec<(u16, Result<Listener, InheritError>)>,
    /// Those that the old process of an upgrade has bound.
    handed: Vec<Handed>,
}

/// Addresses on which this process listens already.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// With the listeners that have them.
    listeners: Vec<(Listen, Address)>,
    /// Those that are handed over, without their sockets.
    handed: Vec<Handed>,
}

/// The environment, as it is for a process that is not the first of its server: what the service
/// manager passed to the first is passed to all.
pub(crate) fn variable(has_passed_sockets: bool) -> impl Fn(&str) -> Option<OsString> {
    move |name| match name {
        activation::PID if has_passed_sockets => Some(process::id().to_string().into()),
        name => env::var_os(name),
    }
}

/// Finds the listeners of the sockets that the service manager has passed on.
pub(crate) fn assign_passed(
    config: &mut Config,
    origins: &mut Origins,
    predecessor: Option<&Predecessor>,
) -> Assigned {
    if cfg!(not(feature = "ops")) {
        return Assigned::default();
    }
    let has_passed = predecessor.is_some_and(Predecessor::has_passed_sockets);
    let passed = activation::passed_sockets(process::id(), variable(has_passed));
    assign(config, origins, passed)
}

/// Logs what has come of [`assign_passed`], and returns the errors.
pub(crate) fn report_passed(assigned: Assigned) -> Vec<Located<StartError>> {
    for (PassedSocket { number, name }, service) in assigned.found {
        log::info!("passed socket {name:?} (descriptor {number}) is for {}", service.name());
    }
    for error in assigned.left_out {
        log::warn!("{error}; starting without it, as it is optional");
    }
    let start_error = |Located { origin, what }| Located { origin, what: StartError::Assign(what) };
    assigned.errors.into_iter().map(start_error).collect()
}

/// Takes the inherited sockets. Call it before anything else is opened: a number that is unused now
/// could be one of our own descriptors later.
pub(crate) fn take_inherited(config: &Config, mut handed: Vec<Handed>) -> Inherited {
    let number = |listen: &Listen| match listen.target {
        BindTarget::Inherited(number) => Some(number),
        _ => None,
    };
    let mut take = |number: u16| {
        let is_it = |handed: &Handed| handed.origin == upgrade::Origin::Inherited(number);
        let place = handed.iter().position(is_it);
        match place.and_then(|place| handed.swap_remove(place).socket) {
            Some(socket) => Ok(socket),
            None => inherited_fd::listener(RawFd::from(number)),
        }
    };
    let numbers = config.listeners.iter().filter_map(number);
    let numbered = numbers.map(|number| (number, take(number))).collect();
    Inherited { numbered, handed }
}

/// The addresses of the inherited sockets: none of them can be bound as well. The parent process
/// may have them open, too, so the owner that /proc names would be another program.
pub(crate) fn taken(config: &Config, inherited: &Inherited) -> Taken {
    let address = |listen: &Listen| {
        let BindTarget::Inherited(number) = listen.target else { return None };
        let (_, socket) = inherited.numbered.iter().find(|(taken, _)| *taken == number)?;
        Some((listen.clone(), socket.as_ref().ok()?.address().ok()?))
    };
    let listeners = config.listeners.iter().filter_map(address).collect();
    Taken { listeners, handed: inherited.handed.iter().map(Handed::described).collect() }
}

fn take_out(
    inherited: &mut Vec<(u16, Result<Listener, InheritError>)>,
    number: u16,
) -> Result<Listener, InheritError> {
    let found = inherited.iter().position(|(taken, _)| *taken == number);
    let not_there = || InheritError::NotOpen(RawFd::from(number));
    inherited.swap_remove(found.ok_or_else(not_there)?).1
}

/// Binds all listeners, or takes them from `inherited`, and listens. Each shard gets a copy,
/// `copies` in all: the same addresses in the same order, with sockets of its own. Inherited
/// sockets and unix sockets are in the first copy only, and so are those that were handed over if
/// there are more or fewer of an address than copies.
///
/// No socket listens before all are bound: on a shared port, closing a socket that listened would
/// reset clients that another server could have served.
pub(crate) fn bind_all(
    config: &Config,
    origins: &Origins,
    copies: usize,
    mut inherited: Inherited,
) -> Result<Vec<Vec<Bound>>, StartError> {
    let mut binding = Binding::of(config, copies, taken(config, &inherited).listeners);
    let mut tried = binding.claim_all(config, origins, &mut inherited);
    let handed = std::mem::take(&mut tried.handed);
    let mut all: Vec<Vec<Bound>> = (0..copies).map(|_| Vec::new()).collect();
    if tried.failures.is_empty() {
        for Claimed { origin, presence, listen, sockets } in std::mem::take(&mut tried.claimed) {
            match binding.listen(&listen, sockets) {
                Ok(sockets) => {
                    binding.note(&listen);
                    let bound = sockets.into_iter().map(|socket| (socket, listen.clone()));
                    match (bound.len() == copies, all.first_mut()) {
                        (false, Some(first)) => first.extend(bound),
                        _ => all.iter_mut().zip(bound).for_each(|(all, bound)| all.push(bound)),
                    }
                }
                Err(failure) => tried.missing(origin, presence, failure),
            }
        }
    }
    let bound = all.first().map_or(&[] as &[Bound], Vec::as_slice);
    tried.failures.extend(same_addresses(bound)?);
    if bound.is_empty() && tried.failures.is_empty() {
        tried.failures.push(Located::new(None, StartError::Listen(ListenFailure::NoneLeft.into())));
    }
    take_all(tried.failures)?;
    for Handed { address, service, .. } in handed {
        log::info!("not listening on {service} {address} any more");
    }
    Ok(all)
}

/// The addresses that cannot be bound, some of them because inherited sockets have `taken` them. No
/// socket listens.
pub(crate) fn obstacles(
    config: &Config,
    origins: &Origins,
    taken: &Taken,
) -> Vec<Located<StartError>> {
    let mut tried = Tried::with(&taken.handed);
    let binding = Binding::of(config, 1, taken.listeners.clone());
    for (index, listen) in config.listeners.iter().enumerate() {
        binding.bind(&mut tried, origins.of_listener(index), listen);
        // One at a time, because there may be too few descriptors for all.
        tried.claimed.clear();
    }
    // A descriptor limit that is too low is an obstacle of its own, with the limit that is needed.
    tried.failures.retain(|failure| !failure.what.is_of_the_descriptor_limit());
    tried.failures
}

/// How sockets are bound.
struct Binding {
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
struct Claimed<'a> {
    origin: Option<&'a Origin>,
    presence: Presence,
    /// Its configuration, with the address that it got.
    listen: Listen,
    sockets: Sockets,
}

enum Sockets {
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
struct Tried<'a> {
    claimed: Vec<Claimed<'a>>,
    failures: Vec<Located<StartError>>,
    /// Handed over, and not claimed.
    handed: Vec<Handed>,
}

impl<'a> Tried<'a> {
    fn with(handed: &[Handed]) -> Tried<'a> {
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
    fn missing(
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
    fn of(config: &Config, copies: usize, taken: Vec<(Listen, Address)>) -> Binding {
        // The sockets of several shards share each address.
        let is_shared = config.reuse_port || config.shards > 1;
        let port = if is_shared { Port::Shared } else { Port::Exclusive };
        let named = config.listeners.iter().flat_map(|listen| listen.target.addresses());
        let named = named.filter(|address| address.port() != 0).collect();
        let (backlog, timeouts) = (config.backlog, config.tcp_timeouts);
        Binding { backlog, timeouts, copies, port, taken, named }
    }

    /// Notes a listener that listens now. With `Port::Shared` it is in nobody's way.
    fn note(&mut self, listen: &Listen) {
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

    fn claim_all<'a>(
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
    fn bind<'a>(&self, tried: &mut Tried<'a>, origin: Option<&'a Origin>, listen: &Listen) {
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

    fn listen(
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

/// The listeners that have the address of an earlier one, and another service. The configuration
/// cannot contain such a pair unless one is inherited: its address is known only now.
fn same_addresses(bound: &[Bound]) -> Result<Vec<Located<StartError>>, StartError> {
    let mut taken: BTreeMap<Address, &Listen> = BTreeMap::new();
    let mut failures = Vec::new();
    for (socket, listen) in bound {
        let address =
            socket.address().map_err(|error| StartError::System("read an address", error))?;
        let earlier = *taken.entry(address.clone()).or_insert(listen);
        if !earlier.serves_like(listen) {
            let (listen, earlier) = (listen.clone(), earlier.clone());
            let failure = ListenFailure::SameAddress { listen, earlier, address };
            failures.push(Located::new(None, StartError::Listen(failure.into())));
        }
    }
    Ok(failures)
}
