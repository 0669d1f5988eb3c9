//! Binding the listeners of the configuration, and listening.
//!
//! Invariant: all listeners are tried, so that all failures are reported at once. A required
//! listener that fails ends the start, an optional one is a warning, and a server without any
//! listener does not start.

use crate::start::{StartError, take_all};
use nix::errno::Errno;
use readyd::config::listen::{BindTarget, Listen, Presence};
use readyd::config::{Config, Located, Origin, Origins};
use readyd::io::address::{Address, UnixAddress};
use readyd::os::inherited_fd::{self, InheritError};
use readyd::os::listener::unix::Obstacle;
use readyd::os::listener::{self, Listener, Port, TcpTimeouts, in_use, unix};
use socket2::Socket;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;

/// A listening socket, and its configuration, with the address that it got.
pub(crate) type Bound = (Listener, Listen);

/// The inherited sockets by number, or why a number is none.
pub(crate) type Inherited = Vec<(u16, Result<Listener, InheritError>)>;

/// Why a listener failed.
pub(crate) enum ListenFailure {
    /// socket(2), bind(2) or listen(2) failed.
    Bind { listen: Listen, address: SocketAddr, port: Port, error: io::Error },
    /// socket(2) or bind(2) of a unix socket failed.
    BindUnix { listen: Listen, address: UnixAddress, error: io::Error },
    /// bind(2) would take the address, but no client could connect to it.
    Broadcast { listen: Listen, address: SocketAddr },
    /// The number is not an inherited listening socket.
    Inherit { listen: Listen, error: InheritError },
    /// Two listeners, one of them inherited, have one address and serve different things there.
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
            ListenFailure::BindUnix { listen, address, error } => {
                write!(f, "cannot listen on {}={address}: {error}", listen.service.name())?;
                match advice_on_unix(address, error) {
                    Some(advice) => write!(f, " ({advice})"),
                    None => Ok(()),
                }
            }
            ListenFailure::Broadcast { listen, address } => write!(
                f,
                "cannot listen on {}: it is the broadcast address of an interface, which no TCP \
                 client can connect to (write the interface's own address, or :{} for all)",
                named(listen, *address),
                address.port()
            ),
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
        BindTarget::Address(_) | BindTarget::Unix(_) | BindTarget::Inherited(_) => {
            format!("{service}={target}")
        }
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
fn advice_on_unix(address: &UnixAddress, error: &io::Error) -> Option<String> {
    Some(match Errno::from_raw(error.raw_os_error()?) {
        Errno::EADDRINUSE => Obstacle::at(address).to_string(),
        Errno::ENOENT => "its directory does not exist; create it".to_owned(),
        Errno::EACCES => {
            "this user may not create a file in that directory; choose another one, or change its \
             mode"
                .to_owned()
        }
        Errno::EMFILE => RAISE_DESCRIPTOR_LIMIT.to_owned(),
        _ => return None,
    })
}

/// Takes the inherited sockets. Call it before anything else is opened: a number that is unused now
/// could be one of our own descriptors later.
pub(crate) fn take_inherited(config: &Config) -> Inherited {
    let number = |listen: &Listen| match listen.target {
        BindTarget::Inherited(number) => Some(number),
        _ => None,
    };
    let numbers = config.listeners.iter().filter_map(number);
    numbers.map(|number| (number, inherited_fd::listener(RawFd::from(number)))).collect()
}

fn take_out(inherited: &mut Inherited, number: u16) -> Result<Listener, InheritError> {
    let found = inherited.iter().position(|(taken, _)| *taken == number);
    let not_there = || InheritError::NotOpen(RawFd::from(number));
    inherited.swap_remove(found.ok_or_else(not_there)?).1
}

/// Binds all listeners, or takes them from `inherited`, and listens. Each shard gets a copy,
/// `copies` in all: the same addresses in the same order, with sockets of its own. Inherited
/// sockets and unix sockets are in the first copy only.
///
/// No socket listens before all are bound: on a shared port, closing a socket that listened would
/// reset clients that another server could have served.
pub(crate) fn bind_all(
    config: &Config,
    origins: &Origins,
    copies: usize,
    mut inherited: Inherited,
) -> Result<Vec<Vec<Bound>>, StartError> {
    let binding = Binding::of(config, copies);
    let mut tried = binding.claim_all(config, origins, &mut inherited);
    let mut all: Vec<Vec<Bound>> = (0..copies).map(|_| Vec::new()).collect();
    if tried.failures.is_empty() {
        for Claimed { origin, presence, listen, sockets } in std::mem::take(&mut tried.claimed) {
            match binding.listen(&listen, sockets) {
                Ok(sockets) => {
                    let bound = sockets.into_iter().map(|socket| (socket, listen.clone()));
                    all.iter_mut().zip(bound).for_each(|(all, bound)| all.push(bound));
                }
                Err(failure) => tried.missing(origin, presence, failure),
            }
        }
    }
    let bound = all.first().map_or(&[] as &[Bound], Vec::as_slice);
    tried.failures.extend(same_addresses(bound)?);
    if bound.is_empty() && tried.failures.is_empty() {
        tried.failures.push(Located::new(None, StartError::Listen(ListenFailure::NoneLeft)));
    }
    take_all(tried.failures)?;
    Ok(all)
}

/// The addresses that cannot be bound. No socket listens, and inherited sockets are not touched.
pub(crate) fn obstacles(config: &Config, origins: &Origins) -> Vec<Located<StartError>> {
    let binding = Binding::of(config, 1);
    let mut tried = Tried::default();
    for (index, listen) in config.listeners.iter().enumerate() {
        binding.bind(&mut tried, origins.of_listener(index), listen);
        // One at a time, because there may be too few descriptors for all.
        tried.claimed.clear();
    }
    tried.failures
}

/// How sockets are bound.
struct Binding {
    backlog: u32,
    timeouts: TcpTimeouts,
    copies: usize,
    port: Port,
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
}

/// The result of trying all listeners.
#[derive(Default)]
struct Tried<'a> {
    claimed: Vec<Claimed<'a>>,
    failures: Vec<Located<StartError>>,
}

impl<'a> Tried<'a> {
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
    fn missing(&mut self, origin: Option<&Origin>, presence: Presence, failure: ListenFailure) {
        match presence {
            Presence::Optional => {
                let failure = Located::new(origin, failure);
                log::warn!("{failure}; starting without it, as it is optional");
            }
            Presence::Required => {
                self.failures.push(Located::new(origin, StartError::Listen(failure)));
            }
        }
    }
}

impl Binding {
    fn of(config: &Config, copies: usize) -> Binding {
        // The sockets of several shards share each address.
        let is_shared = config.reuse_port || config.shards > 1;
        let port = if is_shared { Port::Shared } else { Port::Exclusive };
        Binding { backlog: config.backlog, timeouts: config.tcp_timeouts, copies, port }
    }

    fn claim_all<'a>(
        &self,
        config: &Config,
        origins: &'a Origins,
        inherited: &mut Inherited,
    ) -> Tried<'a> {
        let mut tried = Tried::default();
        for (index, listen) in config.listeners.iter().enumerate() {
            let origin = origins.of_listener(index);
            match listen.target {
                BindTarget::Inherited(number) => {
                    let socket = take_out(inherited, number);
                    tried.inherited(origin, listen.clone(), socket);
                }
                _ => self.bind(&mut tried, origin, listen),
            }
        }
        tried
    }

    /// Binds one listener, unless it is inherited.
    fn bind<'a>(&self, tried: &mut Tried<'a>, origin: Option<&'a Origin>, listen: &Listen) {
        let BindTarget::Unix(address) = &listen.target else {
            return self.bind_addresses(tried, origin, listen);
        };
        let (presence, listen) = (listen.presence, listen.clone());
        match unix::bind(address) {
            Ok(socket) => {
                let sockets = Sockets::Unix(address.clone(), socket);
                tried.claimed.push(Claimed { origin, presence, listen, sockets });
            }
            Err(error) => {
                let address = address.clone();
                tried.missing(origin, presence, ListenFailure::BindUnix { listen, address, error });
            }
        }
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

    /// Binds a socket for each copy, all on the address that the first one got, and returns both.
    fn bind_copies(
        &self,
        listen: &Listen,
        mut address: SocketAddr,
    ) -> Result<(SocketAddr, Vec<Socket>), ListenFailure> {
        if listener::is_broadcast(address.ip()) {
            return Err(ListenFailure::Broadcast { listen: listen.clone(), address });
        }
        let mut sockets = Vec::new();
        for _ in 0..self.copies {
            let socket = listener::bind(address, self.port)
                .and_then(|socket| Ok((socket.local_addr()?.as_socket(), socket)));
            let (local, socket) = socket.map_err(|error| self.refused(listen, address, error))?;
            address = local.unwrap_or(address);
            sockets.push(socket);
        }
        Ok((address, sockets))
    }

    fn listen(&self, listen: &Listen, sockets: Sockets) -> Result<Vec<Listener>, ListenFailure> {
        let with_timeouts =
            |listener: Listener| listener.set_timeouts(self.timeouts).map(|()| listener);
        match sockets {
            Sockets::Inherited(listener) => {
                with_timeouts(listener).map(|listener| vec![listener]).map_err(|error| {
                    let error = InheritError::System(error);
                    ListenFailure::Inherit { listen: listen.clone(), error }
                })
            }
            Sockets::Unix(address, socket) => {
                let listening = socket.listen(self.backlog).map(|listener| vec![listener]);
                listening.map_err(|error| {
                    let listen = listen.clone();
                    ListenFailure::BindUnix { listen, address, error }
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

    fn refused(&self, listen: &Listen, address: SocketAddr, error: io::Error) -> ListenFailure {
        ListenFailure::Bind { listen: listen.clone(), address, port: self.port, error }
    }
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
        if earlier.service != listen.service {
            let (listen, earlier) = (listen.clone(), earlier.clone());
            let failure = ListenFailure::SameAddress { listen, earlier, address };
            failures.push(Located::new(None, StartError::Listen(failure)));
        }
    }
    Ok(failures)
}
