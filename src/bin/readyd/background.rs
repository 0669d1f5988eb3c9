//! Work in a thread of its own, and its outcome, which wakes the loop.
//!
//! Invariant: a thread touches nothing of the loop's. It is given what it needs, and leaves one outcome
//! in a place for one, behind a mutex. A channel of the standard library, which is made for many, would
//! be compiled for each type of outcome.

use readyd::reactor::Reactor;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Where a thread leaves its outcome, and the loop takes it.
pub(crate) struct Handover<T> {
    place: Arc<Mutex<Option<T>>>,
    waker: Arc<mio::Waker>,
}

impl<T> Clone for Handover<T> {
    /// The same place, for the other side.
    fn clone(&self) -> Handover<T> {
        Handover { place: Arc::clone(&self.place), waker: Arc::clone(&self.waker) }
    }
}

impl<T> Handover<T> {
    /// An empty place. When something is left there, `reactor` is woken.
    pub(crate) fn new(reactor: &Reactor) -> Handover<T> {
        Handover { place: Arc::default(), waker: reactor.waker() }
    }

    /// Leaves an outcome.
    pub(crate) fn leave(&self, outcome: T) {
        *self.place() = Some(outcome);
        // If it fails, the loop finds the outcome when it looks the next time.
        let _ = self.waker.wake();
    }

    /// The outcome, if there is one.
    pub(crate) fn take(&self) -> Option<T> {
        self.place().take()
    }

    fn place(&self) -> MutexGuard<'_, Option<T>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work` in a thread of its own. Boxed, so that the code which starts a thread is in the program
/// once.
pub(crate) fn in_a_thread(work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("background".to_owned()).spawn(work)
}
