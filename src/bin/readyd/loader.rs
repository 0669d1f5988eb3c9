//! The table's reload off the loop.
//!
//! Invariant: at most one thread loads a table. An order during a load is not lost: the file may have
//! changed after it was read, so it is loaded once more.
//!
//! The outcome is handed over in a place for one, behind a mutex. There is never more than one, and a
//! channel of the standard library, which is made for many, would be compiled for each type of outcome.

use readyd::reactor::Reactor;
use readyd::table::{LoadError, Order, Table};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Where the lookup table comes from.
#[derive(Clone, Debug)]
pub(crate) struct TableSource {
    pub(crate) path: Option<PathBuf>,
    pub(crate) order: Order,
    pub(crate) limit: u64,
}

impl TableSource {
    /// Loads the table: the embedded one if there is no file.
    pub(crate) fn load(&self) -> Result<Table, LoadError> {
        match &self.path {
            Some(path) => Table::load(path, self.order, self.limit),
            None => Ok(Table::embedded()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Loading,
    LoadingAndAskedAgain,
}

/// What came of a load, or why nothing did.
type Outcome<T> = Result<T, String>;

/// Where a thread leaves the outcome of a load.
struct Handover<T> {
    place: Mutex<Option<Outcome<T>>>,
    waker: Arc<mio::Waker>,
}

impl<T> Handover<T> {
    fn leave(&self, outcome: Outcome<T>) {
        *self.place() = Some(outcome);
        // Fails only if the loop is gone, and then nobody waits for the table.
        let _ = self.waker.wake();
    }

    fn place(&self) -> MutexGuard<'_, Option<Outcome<T>>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Loads tables in a thread, and makes of each what is needed of it, a `T`.
pub(crate) struct Loader<T> {
    source: TableSource,
    make: fn(Table) -> Outcome<T>,
    state: State,
    handover: Arc<Handover<T>>,
}

impl<T: Send + 'static> Loader<T> {
    /// A loader that wakes `reactor` when there is something to [take](Loader::take).
    pub(crate) fn new(
        source: TableSource,
        make: fn(Table) -> Outcome<T>,
        reactor: &Reactor,
    ) -> Loader<T> {
        let handover = Handover { place: Mutex::new(None), waker: reactor.waker() };
        Loader { source, make, state: State::Idle, handover: Arc::new(handover) }
    }

    /// Begins to load the file again.
    pub(crate) fn order(&mut self) {
        if self.state != State::Idle {
            self.state = State::LoadingAndAskedAgain;
            return;
        }
        let Some(path) = &self.source.path else {
            log::warn!("no table to reload: the table is the embedded one (see --table)");
            return;
        };
        log::info!("loading table {}", path.display());
        self.state = State::Loading;
        let (source, make) = (self.source.clone(), self.make);
        let handover = Arc::clone(&self.handover);
        let thread = in_a_thread(Box::new(move || {
            let loaded = source.load().map_err(|error| error.to_string());
            handover.leave(loaded.and_then(make));
        }));
        if let Err(error) = thread {
            self.handover.leave(Err(format!("cannot start a thread: {error}")));
        }
    }

    /// What a load has come to, if one has ended. If another was ordered meanwhile, it begins.
    pub(crate) fn take(&mut self) -> Option<Outcome<T>> {
        let outcome = self.handover.place().take()?;
        let asked_again = self.state == State::LoadingAndAskedAgain;
        self.state = State::Idle;
        if asked_again {
            self.order();
        }
        Some(outcome)
    }
}

/// Runs `work` in a thread of its own, which nobody waits for. Boxed, so that the code which starts a
/// thread is in the program once.
pub(crate) fn in_a_thread(work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    thread::Builder::new().name("table".to_owned()).spawn(work).map(drop)
}
