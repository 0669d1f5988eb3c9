//! Work in a thread of its own, and its outcome, which wakes the loop.
//!
//! Invariant: a thread touches nothing of the loop's. It is given what it needs, and leaves one
//! outcome in a place for one, behind a mutex. A channel of the standard library, which is made for
//! many, would be compiled for each type of outcome.

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

/// Runs `work` in a thread of its own. Boxed, so that the code which starts a thread is in the
/// program once.
pub(crate) fn in_a_thread(work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("background".to_owned()).spawn(work)
}

/// Work that is ordered again and again, such as reading a file that changes.
///
/// Invariant: at most one thread does it. An order while it is being done is not lost: the file may
/// have changed after it was read, so it is done once more.
pub(crate) struct Repeatable<T> {
    work: Arc<dyn Fn() -> T + Send + Sync>,
    state: State,
    handover: Handover<T>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    AtWork,
    AtWorkAndOrderedAgain,
}

/// What an order has come to.
pub(crate) enum Ordered {
    /// The work has begun.
    Begun,
    /// It is still being done, and is done once more after that.
    OnceMore,
    /// There is no thread for it.
    NoThread(io::Error),
}

impl<T: Send + 'static> Repeatable<T> {
    /// Work whose outcome wakes `reactor`: then there is something to [take](Repeatable::take).
    pub(crate) fn new(
        reactor: &Reactor,
        work: impl Fn() -> T + Send + Sync + 'static,
    ) -> Repeatable<T> {
        Repeatable { work: Arc::new(work), state: State::Idle, handover: Handover::new(reactor) }
    }

    /// Has the work done.
    pub(crate) fn order(&mut self) -> Ordered {
        if self.state != State::Idle {
            self.state = State::AtWorkAndOrderedAgain;
            return Ordered::OnceMore;
        }
        let (work, handover) = (Arc::clone(&self.work), self.handover.clone());
        match in_a_thread(Box::new(move || handover.leave(work()))) {
            Ok(_) => {
                self.state = State::AtWork;
                Ordered::Begun
            }
            Err(error) => Ordered::NoThread(error),
        }
    }

    /// Leaves an outcome of work that could not be done.
    pub(crate) fn leave(&self, outcome: T) {
        self.handover.leave(outcome);
    }

    /// What the work has come to, if it was done; and whether it was ordered again meanwhile.
    pub(crate) fn take(&mut self) -> Option<(T, bool)> {
        let outcome = self.handover.take()?;
        let ordered_again = self.state == State::AtWorkAndOrderedAgain;
        self.state = State::Idle;
        Some((outcome, ordered_again))
    }
}
