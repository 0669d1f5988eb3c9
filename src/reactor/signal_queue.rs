//! Signals as something to read: signalfd(2).
//!
//! Invariant: no signal handler runs. A signal that is watched is blocked, so the kernel keeps it
//! until the loop reads it from the descriptor.

use crate::io::event_loop::Wakeup;
use crate::os::signals;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use std::os::fd::AsRawFd;

/// The signals that are watched, as the kernel has queued them.
#[derive(Debug)]
pub(super) struct SignalQueue(SignalFd);

impl SignalQueue {
    /// Blocks the signals `blocked`, and has `registry` tell under `token` when one of `watched`
    /// comes.
    ///
    /// A blocked signal is kept even if it is ignored, sigaction(2), and even by process 1 of a
    /// container, where the default of a signal is to do nothing.
    pub(super) fn open(
        registry: &Registry,
        token: Token,
        blocked: &SigSet,
        watched: &SigSet,
    ) -> io::Result<SignalQueue> {
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(blocked), None)?;
        let fd = SignalFd::with_flags(watched, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        registry.register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE)?;
        Ok(SignalQueue(fd))
    }

    /// Takes the next signal that waits. An interrupted read is tried again: no further edge would
    /// tell of the signals that it left.
    pub(super) fn next(&self) -> Option<Wakeup> {
        loop {
            match self.0.read_signal() {
                Ok(Some(info)) => {
                    let number = info.ssi_signo.cast_signed();
                    if let Some(wakeup) = signals::wakeup_of_number(number) {
                        return Some(wakeup);
                    }
                }
                Err(Errno::EINTR) => {}
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

/// Lets the signals that stop a server end this process again. For a process that is about to end,
/// and writes something before: a full pipe or a stopped terminal could hold up that write for
/// ever.
///
/// # Errors
///
/// None that sigprocmask(2) tells of.
pub fn unblock_stopping_signals() -> io::Result<()> {
    let stopping = signals::stopping(&SigSet::all());
    sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&stopping), None).map_err(io::Error::from)
}
