//! This process as the new one of an upgrade: what it takes from the old one.

use super::kind;
use super::manifest::{self, Descriptors, Manifest, Origin, Passed, VARIABLE};
use super::past::Past;
use super::seed::{self, SealedSeed};
use readyd::io::address::Address;
use readyd::os::inherited_fd::fd_passing::{self, Note};
use readyd::os::inherited_fd::{self, InheritError};
use readyd::os::listener::Listener;
use readyd::os::listener::unix::SocketFile;
use readyd::server::stats::scoreboard::Scoreboard;
use std::env;
use std::fmt;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

/// Why a process with the variable cannot be the new one of an upgrade.
#[derive(Debug)]
pub(crate) enum UpgradeError {
    /// The value of the variable is not one.
    BadValue(String),
    /// A descriptor of the variable was not inherited.
    Inherit(InheritError),
    /// The statistics of the old process cannot be read.
    Scoreboard(io::Error),
    /// The old process has ended, or stops, or does not answer.
    NotWanted(&'static str),
    /// The system refused.
    System(io::Error),
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpgradeError::BadValue(text) => write!(
                f,
                "{VARIABLE}={text:?} in the environment is not valid (unset it; SIGUSR2 starts \
                 upgrades)"
            ),
            UpgradeError::Inherit(error) => write!(f, "{VARIABLE} in the environment: {error}"),
            UpgradeError::Scoreboard(error) => {
                write!(f, "cannot use the statistics of the old process: {error}")
            }
            UpgradeError::NotWanted(why) => write!(f, "the upgrade ends: the old process {why}"),
            UpgradeError::System(error) => {
                write!(f, "cannot take the old process's place: {error}")
            }
        }
    }
}

/// A listener of the old process.
#[derive(Debug)]
pub(crate) struct Handed {
    /// Absent in a list of what is there.
    pub(crate) socket: Option<Listener>,
    pub(crate) address: Address,
    pub(crate) service: String,
    pub(crate) origin: Origin,
}

impl Handed {
    /// The socket. If the server is to remove its file, the listener has that, too.
    pub(crate) fn into_socket(self) -> Option<Listener> {
        Some(match (self.socket?, &self.address, self.origin) {
            (Listener::Unix { socket, .. }, Address::Unix(address), Origin::BoundWithFile) => {
                let file = address.path().and_then(|path| SocketFile::handed_over(path).ok());
                Listener::Unix { file: file.map(Arc::new), socket }
            }
            (socket, ..) => socket,
        })
    }

    /// The same without the socket.
    pub(crate) fn described(&self) -> Handed {
        let Handed { address, service, origin, .. } = self;
        let (address, service) = (address.clone(), service.clone());
        Handed { socket: None, address, service, origin: *origin }
    }
}

/// What an old process has handed over.
#[derive(Debug)]
pub(crate) struct Predecessor {
    pub(super) control: UnixDatagram,
    /// When the server began, in nanoseconds of CLOCK_MONOTONIC.
    pub(super) began: u64,
    pub(super) past: Past,
    /// The scoreboards of processes that have ended.
    ended: Vec<Scoreboard>,
    has_passed_sockets: bool,
    listeners: Vec<Handed>,
    seed: Option<SealedSeed>,
}

impl Predecessor {
    /// Reads the variable; `None` if this process was not started by an upgrade. Call it before the
    /// process opens descriptors of its own.
    pub(crate) fn from_environment() -> Result<Option<Predecessor>, UpgradeError> {
        let Some(text) = env::var_os(VARIABLE).filter(|_| cfg!(feature = "ops")) else {
            return Ok(None);
        };
        let text = text.to_string_lossy().into_owned();
        let Some((descriptors, manifest)) = manifest::parse(&text) else {
            return Err(UpgradeError::BadValue(text));
        };
        let Descriptors { control, listeners, board, earlier } = descriptors;
        let Manifest { began, has_passed_sockets, listeners: passed } = manifest;
        let take = |number| inherited_fd::take(number).map_err(UpgradeError::Inherit);
        let open = |number| Scoreboard::open(take(number)?).map_err(UpgradeError::Scoreboard);
        let control = UnixDatagram::from(take(control)?);
        let seed = seed::take(&control);
        // Another descriptor, open until the process has ended: that it is closed tells the old
        // process that it may look how this one has ended.
        let until_the_end = control.try_clone().map_err(UpgradeError::System)?;
        std::mem::forget(until_the_end);
        let handed = |(number, Passed { service, origin })| {
            let socket = inherited_fd::listener(number).map_err(UpgradeError::Inherit)?;
            let address = socket.address().map_err(UpgradeError::System)?;
            Ok(Handed { socket: Some(socket), address, service, origin })
        };
        let listeners = listeners.into_iter().zip(passed).map(handed);
        let listeners = listeners.collect::<Result<Vec<_>, UpgradeError>>()?;
        let newest = open(board)?;
        let both = |(board, line)| Ok((open(board)?, UnixDatagram::from(take(line)?)));
        let earlier = earlier.into_iter().map(both).collect::<Result<Vec<_>, UpgradeError>>()?;
        let (past, ended) = Past::new(newest, earlier);
        Ok(Some(Predecessor { control, began, past, ended, has_passed_sockets, listeners, seed }))
    }

    /// Whether the service manager has passed sockets to the first process, which the variables of
    /// sd_listen_fds(3) describe.
    pub(crate) fn has_passed_sockets(&self) -> bool {
        self.has_passed_sockets
    }

    /// The listeners, once.
    pub(crate) fn take_listeners(&mut self) -> Vec<Handed> {
        std::mem::take(&mut self.listeners)
    }

    /// The seed of the keys of TLS tickets, once, if the old process has handed one over.
    pub(crate) fn take_seed(&mut self) -> Option<SealedSeed> {
        self.seed.take()
    }

    /// When the server began, in nanoseconds of CLOCK_MONOTONIC.
    pub(crate) fn began(&self) -> u64 {
        self.began
    }

    /// The scoreboards of processes that have ended, once.
    pub(crate) fn take_ended(&mut self) -> Vec<Scoreboard> {
        std::mem::take(&mut self.ended)
    }

    /// Other handles on the scoreboards of the processes that have not.
    pub(crate) fn boards(&self) -> io::Result<Vec<Scoreboard>> {
        self.past.boards()
    }

    /// What tells the old process that this one is loading its files.
    pub(crate) fn sign_of_life(&self) -> io::Result<Box<dyn Fn()>> {
        let control = self.control.try_clone()?;
        Ok(Box::new(move || {
            // If it is gone, that is noticed later.
            let _ = fd_passing::send(&control, Note { kind: kind::LOADING, number: 0 }, None);
        }))
    }
}
