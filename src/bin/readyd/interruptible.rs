//! Work of the start that may take long, or wait for somebody: a configuration from a pipe, an account
//! from a directory service, a table of gigabytes.
//!
//! Invariant: SIGTERM and SIGINT end the start at once, whatever it does or waits for. The work is done
//! in a thread, while the loop waits for its outcome and for signals; a process that returns from `main`
//! ends its threads, also one that waits in open(2) or read(2).
//!
//! SIGHUP and SIGUSR1 are kept by the kernel until the server serves: see
//! [`Reactor::watch_stopping_signals`].

use crate::background::{Handover, in_a_thread};
use crate::start::StartError;
use readyd::clock::Moment;
use readyd::net::{Driver, Next, Notice, Readiness, Token};
use readyd::reactor::Reactor;
use std::time::Duration;

/// How long an outcome waits at most if waking the loop has failed.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What the loop waits for.
enum Waiting<T> {
    /// The outcome of the work.
    For(Handover<T>),
    /// Nothing more: this is the outcome.
    Done(T),
    /// Nothing more: the process is to stop.
    Stopped,
}

impl<T> Driver for Waiting<T> {
    /// No socket is watched.
    fn ready(&mut self, _token: Token, _readiness: Readiness) {}

    fn notice(&mut self, notice: Notice, _now: Moment) {
        if matches!(notice, Notice::Terminate | Notice::StopAtOnce | Notice::CpuTimeLimit) {
            *self = Waiting::Stopped;
        }
    }

    fn end_turn(&mut self, now: Moment) -> Next {
        let Waiting::For(handover) = self else { return Next::Stop };
        match handover.take() {
            Some(outcome) => {
                *self = Waiting::Done(outcome);
                Next::Stop
            }
            None => Next::WaitUntil(now + LOOK_AGAIN_AFTER),
        }
    }
}

/// Does `work` in a thread, which has ended when this returns the outcome.
///
/// # Errors
///
/// [`StartError::Stopped`] if a signal came first; the thread may then still be at work.
/// [`StartError::System`] if there is no thread to be had, or epoll fails.
pub(crate) fn run<T: Send + 'static>(
    reactor: &mut Reactor,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StartError> {
    let handover = Handover::new(reactor);
    let other_side = handover.clone();
    let thread = in_a_thread(Box::new(move || other_side.leave(work())))
        .map_err(|error| StartError::System("start a thread", error))?;
    let mut waiting = Waiting::For(handover);
    reactor.run(&mut waiting).map_err(|error| StartError::System("wait for events", error))?;
    let Waiting::Done(outcome) = waiting else { return Err(StartError::Stopped) };
    // It has nothing left to do but to end, and what comes next may need a process with one thread. A
    // thread that panicked would have left no outcome.
    let _ = thread.join();
    Ok(outcome)
}
