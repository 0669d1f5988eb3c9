//! Binding the listeners of the configuration, and listening.
//!
//! Invariant: all listeners are tried, so that all failures are reported at once. A required
//! listener that fails ends the start, an optional one is a warning, and a server without any
//! listener does not start.

use crate::start::{StartError, take_all};
use crate::upgrade::{self, Handed, Predecessor};
use binding::{Binding, Claimed, Tried};
pub(crate) use failure::ListenFailure;
use readyd::config::activation::{Assigned, assign};
use readyd::config::listen::{BindTarget, Listen};
use readyd::config::{Config, Located, Origins};
use readyd::io::address::Address;
use readyd::os::activation::{self, PassedSocket};
use readyd::os::inherited_fd::{self, InheritError};
use readyd::os::listener::Listener;
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::os::fd::RawFd;
use std::process;

mod binding;
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
    assigned.errors.into_iter().map(|error| error.map(StartError::Assign)).collect()
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
