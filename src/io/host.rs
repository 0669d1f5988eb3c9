//! What a program asks of its machine, other than sockets: the time, and what the process has used.
//!
//! Invariant: server, client and load generator read clocks through these traits alone, so a
//! simulator decides what time it is.

use crate::io::clock::{Moment, WallTime};
use std::time::Duration;

/// Reads the wall clock. It is for people; deadlines use [`Moment`].
pub trait WallClock {
    /// The time of day now.
    fn wall_time(&self) -> WallTime;
}

/// Reads the monotonic clock in the middle of a turn. A figure that is measured to the microsecond
/// needs it. Deadlines do not: they use the time at which the turn began, and cost no call.
pub trait MonotonicClock {
    /// The time now, on the clock of [`crate::io::event_loop::EventHandler::end_turn`].
    fn now(&self) -> Moment;

    /// Processor time that this thread has used so far; `None` if the machine is simulated. It
    /// costs a system call, unlike [`MonotonicClock::now`].
    fn cpu_time(&self) -> Option<Duration> {
        None
    }
}

/// What a process has used, for the statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Its number, to send signals to.
    pub process_id: u32,
    /// Processor time, in user and kernel mode together.
    pub cpu: Duration,
    /// Memory in use, in bytes; 0 if the system does not tell.
    pub resident_bytes: u64,
}

/// The process that a server runs in. A process that is simulated has used nothing, and keeps its
/// memory.
pub trait Host {
    /// What the process has used so far. It costs some system calls: to be called for a report, not
    /// in each turn.
    fn usage(&self) -> Usage {
        Usage::default()
    }

    /// How many bytes the places of connections take. It depends on the size of a stream: a network
    /// that stands in for another tells the number of the other.
    #[inline(always)]
    fn memory_of_places(&self, here: u64) -> u64 {
        here
    }

    /// The time now, on the clock of turns, in the middle of a turn; `None` if the network does not
    /// tell it. It is for statistics: what a server does depends on the beginning of the turn.
    fn time_in_turn(&self) -> Option<Moment> {
        None
    }

    /// Gives freed memory back to the system. It takes time: to be called after many connections
    /// have closed.
    fn give_memory_back(&self) {}
}
