//! The contract between the poll loop and the program that it calls.
//!
//! ```text
//! on_ready for each event -> on_wakeup for each signal or message -> end_turn, once -> turn_ended
//! ```
//!
//! Invariant: the loop calls [`EventHandler::end_turn`] once in every turn, after all events of
//! that turn, even if there was none. So a handler may note events as they come and do all its work
//! there.

use crate::io::clock::Moment;
use crate::io::readiness::Readiness;
use crate::io::token::Token;

/// A program that a poll loop calls: the loop tells it of events, then has it work, and asks when
/// to call it next.
pub trait EventHandler {
    /// The socket that was registered under `token` became ready.
    fn on_ready(&mut self, token: Token, readiness: Readiness);

    /// A signal or a message came at `now`. A handler that expects none ignores it.
    fn on_wakeup(&mut self, _wakeup: Wakeup, _now: Moment) {}

    /// All events of this turn were told. Does the work, and says when the next turn is due.
    fn end_turn(&mut self, now: Moment) -> LoopControl;

    /// A turn began and ended at these moments, and [`EventHandler::end_turn`] returned `next`; the
    /// wait before it is not a part of it. A handler that does not measure its turns ignores this.
    fn turn_ended(&mut self, _began: Moment, _ended: Moment, _next: LoopControl) {}
}

/// A reason to call a handler, other than a socket that became ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// SIGTERM or SIGINT: stop in order; a second time: at once.
    Terminate,
    /// SIGQUIT: stop at once.
    StopAtOnce,
    /// SIGCHLD: a child process has ended, perhaps more than one.
    ChildEnded,
    /// SIGXCPU: the process has nearly used up its limit of processor time, so stop in order. The
    /// kernel sends the signal again after each further second of processor time.
    CpuTimeLimit,
    /// SIGHUP: load files again.
    Reload,
    /// SIGUSR1: log the statistics.
    Report,
    /// SIGUSR2: start the program that stands at its path now, to take the place of this process.
    Upgrade,
    /// Signal 40: switch the recording of a trace off, or on again.
    ToggleTrace,
    /// Another thread or process has a message: the waker was called, or a pipe that is watched
    /// became readable.
    Message,
}

/// What the poll loop does after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopControl {
    /// Looks for events without waiting: work is queued.
    Poll,
    /// Waits for events, until that moment at the latest.
    WaitUntil(Moment),
    /// Waits for events, however long.
    Wait,
    /// Ends.
    Stop,
}

impl LoopControl {
    /// The same, but does not wait longer than until `moment`, if there is one.
    #[must_use]
    pub fn no_later_than(self, moment: Option<Moment>) -> LoopControl {
        match (self, moment) {
            (LoopControl::Wait, Some(moment)) => LoopControl::WaitUntil(moment),
            (LoopControl::WaitUntil(when), Some(moment)) => {
                LoopControl::WaitUntil(when.min(moment))
            }
            (control, _) => control,
        }
    }
}
