//! Without the feature `ops` no configuration is read again: SIGHUP reads table and time zone.
//!
//! Invariant: [`ConfigReader`] and [`Changes`] have no values, so the compiler leaves out all that
//! would be done with one.

use readyd::config::Config;
use readyd::os::descriptors::Budget;
use readyd::os::sealed_memfd;
use readyd::reactor::Reactor;
use readyd::server::limits::Limits;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// What the feature would read again.
pub(crate) struct Asked;

impl Asked {
    pub(crate) fn new(_arguments: Vec<OsString>, _config: Config) -> Asked {
        Asked
    }

    pub(crate) fn file(&self) -> Option<&Path> {
        None
    }
}

/// There is none.
pub(crate) enum ConfigReader {}

/// There are none.
pub(crate) enum Changes {}

impl ConfigReader {
    pub(crate) fn new(_: Asked, _running: &Config, _: &Reactor) -> Option<ConfigReader> {
        None
    }

    pub(crate) fn order(&mut self) {
        match *self {}
    }

    pub(crate) fn is_reading(&self) -> bool {
        match *self {}
    }

    pub(crate) fn exit_on_idle(&self) -> Option<Duration> {
        match *self {}
    }

    pub(crate) fn take(&mut self) -> Option<Changes> {
        match *self {}
    }

    pub(crate) fn applied(&mut self, _: Changes, _running: Config) {
        match *self {}
    }

    pub(crate) fn changed(&self, _: &Changes) -> Config {
        match *self {}
    }
}

/// Never called: no supervisor sends a configuration.
pub(crate) fn live_limits(_: &Config, _: Budget) -> Result<Limits, String> {
    Err(NOT_BUILT.to_owned())
}

/// An empty memfd, which is sent to no shard.
pub(crate) fn seal(_: &Config) -> io::Result<OwnedFd> {
    sealed_memfd::seal(c"readyd configuration", &[])
}

/// Never called, likewise.
pub(crate) fn map(_memory: OwnedFd) -> io::Result<Config> {
    Err(io::Error::other(NOT_BUILT))
}

const NOT_BUILT: &str = "this readyd was built without the feature `ops`";
