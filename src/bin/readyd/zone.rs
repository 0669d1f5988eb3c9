//! Reading the rules of the time zone: at the start, and again in a thread after SIGHUP.

use crate::background::{Ordered, Repeatable};
use crate::sandbox;
use readyd::config::Config;
use readyd::os::sealed_memfd::{self, SealedMemfd};
use readyd::reactor::Reactor;
use readyd::zone::ZoneRules;
use readyd::zone::source::{FileError, ZoneError, ZoneSource};
use std::env;
use std::io;
use std::os::fd::OwnedFd;

/// The source of the rules: TZ and TZDIR, unless the zone is UTC.
pub(crate) fn source(config: &Config) -> ZoneSource {
    ZoneSource::new(config.zone, env::var_os("TZ").as_deref(), env::var_os("TZDIR").as_deref())
}

/// The rules to start with: UTC if the zone cannot be read.
pub(crate) fn first_rules(source: &ZoneSource) -> ZoneRules {
    source.load().unwrap_or_else(|error| {
        log::warn!("{error}; the server uses UTC");
        ZoneRules::utc()
    })
}

/// Copies rules into a sealed memfd.
///
/// # Errors
///
/// When the system has no descriptor or not enough memory.
pub(crate) fn seal(rules: &ZoneRules) -> io::Result<OwnedFd> {
    sealed_memfd::seal(c"readyd time zone", &[rules.as_bytes()])
}

/// The rules in a memfd that [`seal`] made.
///
/// # Errors
///
/// When mmap(2) fails, or the bytes are no rules.
pub(crate) fn map(memory: OwnedFd) -> io::Result<ZoneRules> {
    let bytes = SealedMemfd::of_sealed(memory)?;
    ZoneRules::from_bytes(&bytes).map_err(|error| io::Error::other(error.to_string()))
}

/// Logs that there are new rules.
pub(crate) fn say_that_it_changed() {
    log::info!("time zone reloaded: its rules have changed");
}

/// Logs that the zone cannot be read.
pub(crate) fn complain(error: &ZoneError) {
    let level = match error {
        ZoneError::Unknown { .. } | ZoneError::Upward(_) => log::Level::Warn,
        ZoneError::File(..) => log::Level::Error,
    };
    let advice = match error {
        ZoneError::File(_, FileError::System(cause)) => sandbox::advice(cause),
        _ => String::new(),
    };
    log::log!(level, "keeping the old time zone: {error}{advice}");
}

type Outcome = Result<ZoneRules, ZoneError>;

/// Reads the zone in a thread.
pub(crate) struct ZoneReader(Repeatable<Outcome>);

impl ZoneReader {
    /// A reader that wakes `reactor` when there is something to [take](ZoneReader::take).
    pub(crate) fn new(source: ZoneSource, reactor: &Reactor) -> ZoneReader {
        ZoneReader(Repeatable::new(reactor, move || source.load()))
    }

    /// Orders a read of the zone.
    pub(crate) fn order(&mut self) {
        if let Ordered::NoThread(error) = self.0.order() {
            log::error!("keeping the old time zone: cannot start a thread: {error}");
        }
    }

    /// Whether a read has begun and not ended.
    pub(crate) fn is_reading(&self) -> bool {
        self.0.is_at_work()
    }

    /// The result of a read, if one has ended. If another was ordered meanwhile, it begins.
    pub(crate) fn take(&mut self) -> Option<Outcome> {
        let (outcome, ordered_again) = self.0.take()?;
        if ordered_again {
            self.order();
        }
        Some(outcome)
    }
}
