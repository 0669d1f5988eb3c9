//! Work at the start that may take long or block: a configuration from a pipe, an account from a
//! directory service, a table of gigabytes.
//!
//! Invariant: SIGTERM and SIGINT end the start at once. A thread does the work, while the loop
//! waits for its outcome and for signals. Returning from `main` ends all threads, even one that
//! blocks in open(2) or read(2).
//!
//! SIGHUP and SIGUSR1 stay pending in the kernel until the server serves: see
//! [`Reactor::watch_stopping_signals`].

use crate::background::{Handover, in_a_thread};
use crate::start::StartError;
use readyd::io::clock::Moment;
use readyd::io::event_loop::{EventHandler, LoopControl, Wakeup};
use readyd::io::net::Token;
use readyd::io::readiness::Readiness;
use readyd::reactor::Reactor;
use std::time::Duration;

/// How long an outcome waits at most if waking the loop fails.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What the loop waits for. Not generic: the whole loop would be compiled once for each type of
/// outcome.
enum Waiting<'a> {
    /// Until this returns true: there is an outcome.
    Until(&'a mut dyn FnMut() -> bool),
    /// Nothing any more: there is an outcome.
    Done,
    /// Nothing any more: the process is to stop.
    Stopped,
}

impl EventHandler for Waiting<'_> {
    /// Never called: no socket is registered.
    fn on_ready(&mut self, _token: Token, _readiness: Readiness) {}

    fn on_wakeup(&mut self, wakeup: Wakeup, _now: Moment) {
        if matches!(wakeup, Wakeup::Terminate | Wakeup::StopAtOnce | Wakeup::CpuTimeLimit) {
            *self = Waiting::Stopped;
        }
    }

    fn end_turn(&mut self, now: Moment) -> LoopControl {
        let Waiting::Until(is_done) = self else { return LoopControl::Stop };
        if !is_done() {
            return LoopControl::WaitUntil(now + LOOK_AGAIN_AFTER);
        }
        *self = Waiting::Done;
        LoopControl::Stop
    }
}

/// Does `work` in a thread, and returns its outcome when the thread has ended.
///
/// # Errors
///
/// [`StartError::Stopped`] if a signal came first; the thread may then still be running.
/// [`StartError::System`] if no thread can be started, or epoll_wait(2) fails.
pub(crate) fn run<T: Send + 'static>(
    reactor: &mut Reactor,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StartError> {
    run_and_tell(reactor, work, &mut || {})
}

/// As [`run`]; also calls `tell` at the start and about once a second.
pub(crate) fn run_and_tell<T: Send + 'static>(
    reactor: &mut Reactor,
    work: impl FnOnce() -> T + Send + 'static,
    tell: &mut dyn FnMut(),
) -> Result<T, StartError> {
    tell();
    let handover = Handover::new(reactor);
    let other_side = handover.clone();
    let thread = in_a_thread(Box::new(move || other_side.leave(work())))
        .map_err(|error| StartError::System("start a thread", error))?;
    let mut outcome = None;
    wait(reactor, &mut || {
        outcome = handover.take();
        if outcome.is_none() {
            tell();
        }
        outcome.is_some()
    })?;
    // The thread has only to exit, and the next steps may need a process with one thread. It has
    // not panicked: then there would be no outcome.
    let _ = thread.join();
    outcome.ok_or(StartError::Stopped)
}

fn wait(reactor: &mut Reactor, is_done: &mut dyn FnMut() -> bool) -> Result<(), StartError> {
    let mut waiting = Waiting::Until(is_done);
    reactor.run(&mut waiting).map_err(|error| StartError::System("wait for events", error))?;
    if matches!(waiting, Waiting::Done) { Ok(()) } else { Err(StartError::Stopped) }
}
