//! Listeners that take the sockets which a service manager passes on by name.
//!
//! Invariant: each passed socket has a listener, and each listener a socket. A socket that nobody
//! serves would leave its clients in the backlog for ever, and a listener without a socket would be
//! missing without a word.

use super::listen::{BindTarget, Listen, Presence, SYSTEMD};
use super::{Config, Located, Origin, Origins};
use crate::handlers::Service;
use crate::os::activation::{ActivationError, PassedSocket};
use std::fmt;

#[cfg(all(test, feature = "ops"))]
mod tests;

/// Why a passed socket and a listener do not come together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssignError {
    /// The listener asks for passed sockets, and there are none.
    NonePassed {
        /// The listener as it is written.
        listen: String,
        /// Why there are none.
        why: ActivationError,
    },
    /// No socket has the name that the listener asks for.
    NoSocket {
        /// The listener as it is written.
        listen: String,
        /// The names of the passed sockets.
        names: Vec<String>,
    },
    /// No listener asks for this socket.
    NoListener(PassedSocket),
    /// All sockets are to be served by their names, and this name is not the name of a service.
    NoService(PassedSocket),
}

impl fmt::Display for AssignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AssignError::NonePassed { listen, why } => {
                write!(f, "cannot listen on {listen}: {why}")
            }
            AssignError::NoSocket { listen, names } if names.is_empty() => {
                write!(f, "cannot listen on {listen}: no sockets were passed (LISTEN_FDS is 0)")
            }
            AssignError::NoSocket { listen, names } => {
                let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
                write!(
                    f,
                    "cannot listen on {listen}: no passed socket has this name (there are {}; \
                     FileDescriptorName= in a socket unit names its sockets)",
                    names.join(", ")
                )
            }
            AssignError::NoListener(PassedSocket { number, name }) => write!(
                f,
                "the passed socket {name:?} (descriptor {number}) has no listener (add --listen \
                 SERVICE=systemd:{name}, or remove the socket unit from Sockets= of the service)",
                name = Shown(name)
            ),
            AssignError::NoService(PassedSocket { number, name }) => write!(
                f,
                "the passed socket {name:?} (descriptor {number}) is not named like a service \
                 (write FileDescriptorName=framed or another service in its unit, or add --listen \
                 SERVICE=systemd:{name})",
                name = Shown(name)
            ),
        }
    }
}

impl std::error::Error for AssignError {}

/// A name from the environment, with control characters escaped.
struct Shown<'a>(&'a str);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_debug())
    }
}

/// What came of an assignment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assigned {
    /// The sockets that have found their listeners.
    pub found: Vec<(PassedSocket, Service)>,
    /// Optional listeners that have no socket, and are left out.
    pub left_out: Vec<Located<AssignError>>,
    /// The errors.
    pub errors: Vec<Located<AssignError>>,
}

/// Replaces each listener of a name by listeners of the descriptors with that name, and `--listen
/// systemd:` by listeners of all other passed sockets.
///
/// Without such listeners a configuration may still have `fd:NUMBER`. Then only sockets that were
/// passed and have no listener are errors.
pub fn assign(
    config: &mut Config,
    origins: &mut Origins,
    passed: Result<Vec<PassedSocket>, ActivationError>,
) -> Assigned {
    let mut assigning = Assigning::default();
    let sockets = match passed {
        Ok(sockets) => sockets,
        Err(why) => return none_passed(config, origins, &why),
    };
    assigning.take_listeners(config, origins, &sockets);
    for socket in sockets {
        if !assigning.taken.contains(&socket.number) {
            assigning.rest(config, origins, socket);
        }
    }
    let Assigning { listeners, origins: places, assigned, .. } = assigning;
    config.listeners = listeners;
    config.takes_passed_sockets = false;
    origins.listeners = places;
    assigned
}

/// Every listener that asks for a passed socket is missing.
fn none_passed(config: &mut Config, origins: &mut Origins, why: &ActivationError) -> Assigned {
    let mut assigning = Assigning::default();
    if config.takes_passed_sockets {
        let listen = SYSTEMD.to_owned();
        let error = AssignError::NonePassed { listen, why: why.clone() };
        assigning.assigned.errors.push(Located::new(origins.of("listen"), error));
    }
    for (index, listen) in std::mem::take(&mut config.listeners).into_iter().enumerate() {
        let origin = origins.of_listener(index);
        if matches!(listen.target, BindTarget::Systemd(_)) {
            let text = listen.to_string();
            let error = AssignError::NonePassed { listen: text, why: why.clone() };
            assigning.missing(origin, listen.presence, error);
        } else {
            assigning.keep(origin, listen);
        }
    }
    let Assigning { listeners, origins: places, assigned, .. } = assigning;
    config.listeners = listeners;
    origins.listeners = places;
    assigned
}

#[derive(Default)]
struct Assigning {
    listeners: Vec<Listen>,
    origins: Vec<Origin>,
    /// The numbers of the descriptors that have a listener.
    taken: Vec<u16>,
    assigned: Assigned,
}

impl Assigning {
    fn keep(&mut self, origin: Option<&Origin>, listen: Listen) {
        self.listeners.push(listen);
        self.origins.push(origin.cloned().unwrap_or(Origin::CommandLine));
    }

    fn found(&mut self, origin: Option<&Origin>, listen: Listen, socket: PassedSocket) {
        self.taken.push(socket.number);
        self.keep(origin, Listen { target: BindTarget::Inherited(socket.number), ..listen });
        self.assigned.found.push((socket, listen.service));
    }

    fn missing(&mut self, origin: Option<&Origin>, presence: Presence, error: AssignError) {
        let error = Located::new(origin, error);
        match presence {
            Presence::Optional => self.assigned.left_out.push(error),
            Presence::Required => self.assigned.errors.push(error),
        }
    }

    fn take_listeners(&mut self, config: &Config, origins: &Origins, sockets: &[PassedSocket]) {
        let number = |listen: &Listen| match listen.target {
            BindTarget::Inherited(number) => Some(number),
            _ => None,
        };
        self.taken.extend(config.listeners.iter().filter_map(number));
        for (index, listen) in config.listeners.iter().enumerate() {
            let origin = origins.of_listener(index);
            let BindTarget::Systemd(wanted) = &listen.target else {
                self.keep(origin, listen.clone());
                continue;
            };
            let free = sockets.iter().filter(|socket| socket.name == *wanted);
            let free: Vec<_> =
                free.filter(|socket| !self.taken.contains(&socket.number)).cloned().collect();
            if free.is_empty() {
                let names = sockets.iter().map(|socket| socket.name.clone()).collect();
                let error = AssignError::NoSocket { listen: listen.to_string(), names };
                self.missing(origin, listen.presence, error);
            }
            for socket in free {
                self.found(origin, listen.clone(), socket);
            }
        }
        if config.takes_passed_sockets && sockets.is_empty() {
            let error = AssignError::NoSocket { listen: SYSTEMD.to_owned(), names: Vec::new() };
            self.missing(origins.of("listen"), Presence::Required, error);
        }
    }

    /// A socket that no listener names.
    fn rest(&mut self, config: &Config, origins: &Origins, socket: PassedSocket) {
        let origin = origins.of("listen");
        let service = Service::from_name(&socket.name).filter(|_| config.takes_passed_sockets);
        let error = match service {
            Some(service) => {
                let target = BindTarget::Inherited(socket.number);
                let listen = Listen::new(service, target);
                return self.found(origin, listen, socket);
            }
            None if config.takes_passed_sockets => AssignError::NoService(socket),
            None => AssignError::NoListener(socket),
        };
        self.assigned.errors.push(Located::new(origin, error));
    }
}
