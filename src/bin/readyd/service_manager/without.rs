//! Without the feature `ops` no service manager is told anything.

use readyd::config::{Config, Located, Origins};
use readyd::io::clock::Moment;
use readyd::os::inherited_fd::InheritError;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::time::Duration;

/// What of the server a manager would show.
#[expect(dead_code, reason = "nobody is told")]
pub(crate) struct Counts {
    pub(crate) open: u64,
    pub(crate) requests: u64,
}

/// There is none, and all that is told is told to nobody.
pub(crate) struct ServiceManager;

impl ServiceManager {
    pub(crate) fn from_environment() -> ServiceManager {
        ServiceManager
    }

    pub(crate) fn take_ready_fd(_: &Config) -> Result<Option<Infallible>, InheritError> {
        Ok(None)
    }

    pub(crate) fn with_ready_fd(self, _: Option<Infallible>) -> ServiceManager {
        self
    }

    pub(crate) fn with_sign_of_life(self, _: Option<Box<dyn Fn()>>) -> ServiceManager {
        self
    }

    pub(crate) fn introduce(&mut self, _pid: u64) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn take_back(&mut self, _: Moment) {}

    pub(crate) fn on_loading(&mut self) {}

    pub(crate) fn on_serving(&mut self, _: Moment) {}

    pub(crate) fn on_reload(&mut self, _: Moment) {}

    pub(crate) fn is_reloading(&self) -> bool {
        false
    }

    pub(crate) fn on_reloaded(&mut self, _: Moment) {}

    pub(crate) fn is_stopping(&self) -> bool {
        false
    }

    pub(crate) fn on_stopping(&mut self, _open: u64, _limit: Duration, _: Moment) {}

    pub(crate) fn turn(
        &mut self,
        _: Moment,
        _is_well: bool,
        _: impl FnOnce() -> Counts,
    ) -> Option<Moment> {
        None
    }
}

/// There is none: there is no watchdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WatchdogError {}

impl fmt::Display for WatchdogError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

pub(crate) fn fit_shard_timeout(_: &mut Config, _: &Origins) -> Option<Located<WatchdogError>> {
    None
}
