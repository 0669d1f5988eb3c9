//! What wakes the loop beside sockets: signals, an exact timer, pipes from other processes.

use super::exact_timer::{BusyWaited, ExactTimer, Processor};
use super::signal_queue::SignalQueue;
use super::{INPUT, Reactor, SIGNALS, TIMER};
#[cfg(doc)]
use crate::io::event_loop::{LoopControl, Wakeup};
use crate::os::signals;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SigSet, Signal};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

impl Reactor {
    /// From now on the signals that [`signals::TABLE`] has watched reach the handler as wakeups.
    /// Call before starting threads: those inherit the blocked signals, and would else take them.
    /// Child processes inherit the mask, too: a signal sent before the child opens its own
    /// signalfd(2) stays pending.
    ///
    /// # Errors
    ///
    /// When the system refuses another descriptor.
    pub fn watch_signals(&mut self) -> io::Result<()> {
        self.watch_signals_and(&[])
    }

    /// The same, and others that [`Wakeup`] knows: SIGCHLD.
    ///
    /// # Errors
    ///
    /// When the system refuses another descriptor.
    pub fn watch_signals_and(&mut self, others: &[Signal]) -> io::Result<()> {
        let mut signals = signals::watched()?;
        others.iter().for_each(|&signal| signals.add(signal));
        self.watch(&signals, &signals)
    }

    /// From now on the signals that stop a server reach the handler as wakeups. The others that are
    /// watched, such as SIGHUP, are kept by the kernel until [`Reactor::watch_signals`] is called:
    /// only a server at work can do what they ask for.
    ///
    /// # Errors
    ///
    /// When the system refuses another descriptor.
    pub fn watch_stopping_signals(&mut self) -> io::Result<()> {
        let blocked = signals::watched()?;
        self.watch(&blocked, &signals::stopping(&blocked))
    }

    /// Replaces the signals watched so far.
    fn watch(&mut self, blocked: &SigSet, watched: &SigSet) -> io::Result<()> {
        let registry = self.poll.registry();
        self.signals = Some(SignalQueue::open(registry, SIGNALS, blocked, watched)?);
        Ok(())
    }

    /// From now on [`LoopControl::WaitUntil`] is kept to some microseconds. epoll_wait(2) counts
    /// whole milliseconds; timerfd_create(2) counts nanoseconds and, unlike the timeouts of other
    /// calls, is not put off by the thread's timer slack. It costs a system call a wait. Right
    /// before each moment the thread busy-waits on a processor like `processor`; with `None` it
    /// sleeps, and is woken late by some tens of microseconds. Returns what tells for how long it
    /// has busy-waited.
    ///
    /// # Errors
    ///
    /// When the system refuses another descriptor.
    pub fn wait_exactly(&mut self, processor: Option<Processor>) -> io::Result<BusyWaited> {
        let timer = ExactTimer::new(processor)?;
        let fd = timer.descriptor().as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), TIMER, Interest::READABLE)?;
        let waited = timer.busy_waited();
        self.exact_timer = Some(timer);
        Ok(waited)
    }

    /// From now on [`Wakeup::Message`] is delivered when there is something new to be read from
    /// `input`, a pipe, which becomes nonblocking. (A thread that waits for it would cost every
    /// system call of this one: the kernel counts references to the descriptors that threads
    /// share.)
    ///
    /// # Errors
    ///
    /// When it cannot be waited for, as a regular file.
    pub fn watch_input(&mut self, input: &impl AsFd) -> io::Result<()> {
        watch_input(self.poll.registry(), input)
    }

    /// What watches further inputs while the loop runs.
    ///
    /// # Errors
    ///
    /// When the system refuses another descriptor.
    pub fn inputs(&self) -> io::Result<Inputs> {
        self.poll.registry().try_clone().map(Inputs)
    }
}

/// Pipes and sockets that wake the loop: see [`Reactor::inputs`].
#[derive(Debug)]
pub struct Inputs(Registry);

impl Inputs {
    /// The same as [`Reactor::watch_input`]. What is closed is watched no more.
    ///
    /// # Errors
    ///
    /// When it cannot be waited for, as a regular file.
    pub fn watch(&self, input: &impl AsFd) -> io::Result<()> {
        watch_input(&self.0, input)
    }
}

fn watch_input(registry: &Registry, input: &impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(input, FcntlArg::F_GETFL)?);
    fcntl(input, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    let fd = input.as_fd().as_raw_fd();
    registry.register(&mut SourceFd(&fd), INPUT, Interest::READABLE)
}
