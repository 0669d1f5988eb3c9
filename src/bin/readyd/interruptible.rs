//! Work of the start that may take long, or wait for somebody: a configuration from a pipe, an
//! account from a directory service, a table of gigabytes.
//!
//! Invariant: SIGTERM and SIGINT end the start at once, whatever it does or waits for. The work is
//! done in a thread, while the loop waits for its outcome and for signals; a process that returns
//! from `main` ends its threads, also one that waits in open(2) or read(2).
//!
//! SIGHUP and SIGUSR1 are kept by the kernel until the server serves: see
//! [`Reactor::watch_stopping_signals`].

use crate::background::{Handover, in_a_thread};
use crate::start::StartError;
use readyd::io::clock::Moment;
use readyd::io::event_loop::{EventHandler, LoopControl, Wakeup};
use readyd::io::net::Token;
use readyd::io::readiness::Readiness;
use readyd::reactor::Reactor;
use std::time::Duration;

/// How long an outcome waits at most if waking the loop has failed.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What the loop waits for. Not generic, or the whole loop would be compiled for each type of
/// outcome.
enum Waiting<'a> {
    /// That this says yes: there is an outcome.
    Until(&'a mut dyn FnMut() -> bool),
    /// Nothing more: there is one.
    Done,
    /// Nothing more: the process is to stop.
    Stopped,
}

impl EventHandler for Waiting<'_> {
    /// No socket is watched.
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
    let mut outcome = None;
    wait(reactor, &mut || {
        outcome = handover.take();
        outcome.is_some()
    })?;
    // It has nothing left to do but to end, and the next steps may need a process with one thread.
    // A thread that panicked would have left no outcome.
    let _ = thread.join();
    outcome.ok_or(StartError::Stopped)
}

fn wait(reactor: &mut Reactor, is_done: &mut dyn FnMut() -> bool) -> Result<(), StartError> {
    let mut waiting = Waiting::Until(is_done);
    reactor.run(&mut waiting).map_err(|error| StartError::System("wait for events", error))?;
    if matches!(waiting, Waiting::Done) { Ok(()) } else { Err(StartError::Stopped) }
}
