//! Work in a thread of its own. Its outcome wakes the loop.
//!
//! Invariant: the thread shares nothing with the loop but a mutex with room for one outcome. (A
//! channel of the standard library would be compiled once for each type of outcome.)

use readyd::reactor::Reactor;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// The room for one outcome: the thread leaves it there, and the loop takes it.
pub(crate) struct Handover<T> {
    place: Arc<Mutex<Option<T>>>,
    waker: Arc<mio::Waker>,
}

impl<T> Clone for Handover<T> {
    /// Another handle to the same room.
    fn clone(&self) -> Handover<T> {
        Handover { place: Arc::clone(&self.place), waker: Arc::clone(&self.waker) }
    }
}

impl<T> Handover<T> {
    /// An empty room. [`Handover::leave`] wakes `reactor`.
    pub(crate) fn new(reactor: &Reactor) -> Handover<T> {
        Handover { place: Arc::default(), waker: reactor.waker() }
    }

    /// Leaves an outcome, and wakes the loop.
    pub(crate) fn leave(&self, outcome: T) {
        *self.place() = Some(outcome);
        // If this fails, the loop finds the outcome when it looks the next time.
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

/// Runs `work` in a thread of its own. Boxed, so that the code that starts a thread is in the
/// binary once.
pub(crate) fn in_a_thread(work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("background".to_owned()).spawn(work)
}

/// Work that can be ordered repeatedly, such as reading a file that changes.
///
/// Invariant: at most one thread does the work. An order while it is running is not lost: the file
/// may have changed after it was read, so the work is done once more.
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

/// What happened to an order.
pub(crate) enum Ordered {
    /// The work has begun.
    Begun,
    /// The work is running, and will be done once more after that.
    OnceMore,
    /// No thread could be started.
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

    /// Orders the work.
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

    /// Whether the work is running.
    pub(crate) fn is_at_work(&self) -> bool {
        self.state != State::Idle
    }

    /// Leaves an outcome of work that could not be done.
    pub(crate) fn leave(&self, outcome: T) {
        self.handover.leave(outcome);
    }

    /// The outcome, if the work is done; and whether it was ordered again meanwhile.
    pub(crate) fn take(&mut self) -> Option<(T, bool)> {
        let outcome = self.handover.take()?;
        let ordered_again = self.state == State::AtWorkAndOrderedAgain;
        self.state = State::Idle;
        Some((outcome, ordered_again))
    }
}
