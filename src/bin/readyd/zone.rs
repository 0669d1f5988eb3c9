//! The rules of the time zone: read at the start, and again off the loop after SIGHUP.
//!
//! Invariant: at most one thread reads the zone. An order while one reads is not lost: the file may have
//! changed after it was read, so it is read once more.

use crate::loader;
use readyd::config::Config;
use readyd::reactor::Reactor;
use readyd::zone::ZoneRules;
use readyd::zone::source::{ZoneError, ZoneSource};
use std::env;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where the rules come from: the environment, unless it is to be UTC.
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

/// Says that there are no new rules.
pub(crate) fn complain(error: &ZoneError) {
    let level = match error {
        ZoneError::Unknown { .. } | ZoneError::Upward(_) => log::Level::Warn,
        ZoneError::File(..) => log::Level::Error,
    };
    log::log!(level, "the time zone stays as it was: {error}");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Reading,
    ReadingAndAskedAgain,
}

type Outcome = Result<ZoneRules, ZoneError>;

/// Reads the zone in a thread.
pub(crate) struct ZoneReader {
    source: ZoneSource,
    state: State,
    place: Arc<Mutex<Option<Outcome>>>,
    waker: Arc<mio::Waker>,
}

impl ZoneReader {
    /// A reader that wakes `reactor` when there is something to [take](ZoneReader::take).
    pub(crate) fn new(source: ZoneSource, reactor: &Reactor) -> ZoneReader {
        ZoneReader { source, state: State::Idle, place: Arc::default(), waker: reactor.waker() }
    }

    /// Begins to read the zone again.
    pub(crate) fn order(&mut self) {
        if self.state != State::Idle {
            self.state = State::ReadingAndAskedAgain;
            return;
        }
        match self.start_thread() {
            Ok(()) => self.state = State::Reading,
            Err(error) => {
                log::error!("the time zone stays as it was: cannot start a thread: {error}");
            }
        }
    }

    fn start_thread(&self) -> io::Result<()> {
        let (source, place) = (self.source.clone(), Arc::clone(&self.place));
        let waker = Arc::clone(&self.waker);
        loader::in_a_thread(Box::new(move || {
            let outcome = source.load();
            *lock(&place) = Some(outcome);
            // Fails only if the loop is gone: then the rules are not needed.
            let _ = waker.wake();
        }))
    }

    /// What reading has come to, if it has ended. If it was ordered again meanwhile, it begins.
    pub(crate) fn take(&mut self) -> Option<Outcome> {
        let outcome = lock(&self.place).take()?;
        let asked_again = self.state == State::ReadingAndAskedAgain;
        self.state = State::Idle;
        if asked_again {
            self.order();
        }
        Some(outcome)
    }
}

fn lock(place: &Mutex<Option<Outcome>>) -> MutexGuard<'_, Option<Outcome>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}
