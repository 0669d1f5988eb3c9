//! The signals that end a run, not the program: what was measured is still reported.
//!
//! Invariant: one thread takes them for as long as the program runs, so that none is lost between
//! two runs of a search. Those that stop or end the process it lets act at once, when it has taken
//! the view off the terminal.

use super::coordinator::CoordinatorEvent;
use crate::screen;
use nix::sys::signal::{SigSet, Signal};
use readyd::os::signals;
use std::io;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Signals that end a run.
const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGXCPU];

/// Those that end a run; and SIGCHLD, which tells that a worker was stopped or goes on.
pub(super) struct WatchedSignals {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    run: Option<Sender<CoordinatorEvent>>,
    /// The first signal that was to end something.
    interrupt: Option<Signal>,
}

impl WatchedSignals {
    /// Begins to watch. Call it before any other thread is started: threads inherit the mask, so
    /// that sigwait(3) gets the signals.
    ///
    /// If a view may cover the terminal, also SIGWINCH, SIGTSTP and SIGQUIT.
    pub(super) fn watch(covers_terminal: bool) -> io::Result<WatchedSignals> {
        let mut watched = SigSet::empty();
        watched.add(Signal::SIGCHLD);
        for signal in ENDING {
            // The kernel keeps a blocked signal pending even if a shell set it to SIG_IGN for a
            // background job, so those are left out.
            if !signals::is_ignored(signal)? {
                watched.add(signal);
            }
        }
        if covers_terminal {
            watched.add(Signal::SIGWINCH);
            for signal in [Signal::SIGTSTP, Signal::SIGQUIT] {
                if !signals::is_ignored(signal)? {
                    watched.add(signal);
                }
            }
        }
        watched.thread_block()?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let taken = Arc::clone(&shared);
        thread::spawn(move || {
            while let Ok(signal) = watched.wait() {
                if let Signal::SIGTSTP | Signal::SIGQUIT = signal {
                    screen::give_way_to(signal);
                }
                lock(&taken).take(signal);
            }
        });
        Ok(WatchedSignals { shared })
    }

    /// Has this run told of the signals from now on, and of the one that has interrupted already.
    pub(super) fn forward_to(&self, run: Sender<CoordinatorEvent>) {
        let mut shared = lock(&self.shared);
        if let Some(signal) = shared.interrupt {
            let _ = run.send(CoordinatorEvent::Interrupted(signal));
        }
        shared.run = Some(run);
    }

    /// Has the signals that end a run end the program from now on, although this thread waits in a
    /// system call.
    pub(super) fn let_go(&self) -> io::Result<()> {
        let mut ending = SigSet::empty();
        ENDING.into_iter().for_each(|signal| ending.add(signal));
        Ok(ending.thread_unblock()?)
    }

    /// The first signal that was to end a run, if one has come.
    pub(super) fn interrupt(&self) -> Option<Signal> {
        lock(&self.shared).interrupt
    }
}

impl Shared {
    fn take(&mut self, signal: Signal) {
        let event = match signal {
            Signal::SIGCHLD => CoordinatorEvent::WorkerChanged,
            // The last two have acted, and the process goes on.
            Signal::SIGWINCH | Signal::SIGTSTP | Signal::SIGQUIT => CoordinatorEvent::Redraw,
            signal => {
                self.interrupt.get_or_insert(signal);
                CoordinatorEvent::Interrupted(signal)
            }
        };
        // A run that has ended wants to know of none.
        if let Some(run) = &self.run {
            let _ = run.send(event);
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // No thread panics while it holds the lock; if one did, the state is as good as before.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
