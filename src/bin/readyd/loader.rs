//! The table's reload off the loop.
//!
//! Invariant: at most one thread loads a table. An order during a load is not lost: the file may have
//! changed after it was read, so it is loaded once more.

use readyd::reactor::Reactor;
use readyd::table::{LoadError, Order, Table};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
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

/// Loads tables in a thread, and makes of each what is needed of it, a `T`.
pub(crate) struct Loader<T> {
    source: TableSource,
    make: fn(Table) -> Outcome<T>,
    state: State,
    loaded: Receiver<Outcome<T>>,
    sender: Sender<Outcome<T>>,
    waker: Arc<mio::Waker>,
}

impl<T: Send + 'static> Loader<T> {
    /// A loader that wakes `reactor` when there is something to [take](Loader::take).
    pub(crate) fn new(
        source: TableSource,
        make: fn(Table) -> Outcome<T>,
        reactor: &Reactor,
    ) -> Loader<T> {
        let (sender, loaded) = mpsc::channel();
        Loader { source, make, state: State::Idle, loaded, sender, waker: reactor.waker() }
    }

    /// Begins to load the file again.
    pub(crate) fn order(&mut self) {
        if self.state != State::Idle {
            self.state = State::LoadingAndAskedAgain;
            return;
        }
        let Some(path) = &self.source.path else {
            log::warn!("nothing to reload: the table is the embedded one (see --table)");
            return;
        };
        log::info!("loading table {}", path.display());
        self.state = State::Loading;
        let (source, make) = (self.source.clone(), self.make);
        let (sender, waker) = (self.sender.clone(), Arc::clone(&self.waker));
        let thread = thread::Builder::new().name("table".to_owned()).spawn(move || {
            let loaded = source.load().map_err(|error| error.to_string());
            // Both fail only if the loop is gone, and then nobody waits for the table.
            let _ = sender.send(loaded.and_then(make));
            let _ = waker.wake();
        });
        if let Err(error) = thread {
            let _ = self.sender.send(Err(format!("cannot start a thread: {error}")));
            let _ = self.waker.wake();
        }
    }

    /// What a load has come to, if one has ended. If another was ordered meanwhile, it begins.
    pub(crate) fn take(&mut self) -> Option<Outcome<T>> {
        let outcome = self.loaded.try_recv().ok()?;
        let asked_again = self.state == State::LoadingAndAskedAgain;
        self.state = State::Idle;
        if asked_again {
            self.order();
        }
        Some(outcome)
    }
}
