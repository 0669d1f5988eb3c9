//! The disposition of each signal, signal(7), in every process of the two programs: one table.
//!
//! The default action of most signals ends the process. A signal can come from a resource limit
//! (SIGXFSZ, SIGXCPU), from a timer or a descriptor that the parent process has set up before exec
//! (SIGALRM, SIGIO), or from another process by mistake. So [`prepare`] runs first in `main`, and
//! [`Reactor::watch_signals`](crate::reactor::Reactor::watch_signals) takes the rest.
//!
//! Invariant: no signal of the table ends or stops a server, except faults of the process itself
//! (SIGSEGV and the like) and signals that are left to the terminal on purpose. docs/signals.md is
//! the table for people.

use crate::io::event_loop::Wakeup;
use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::Pid;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

#[cfg(test)]
mod tests;

/// Which kind of process this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// `readyd` as the operator starts it: a server, or a supervisor of shards.
    Server,
    /// `readyd` as its supervisor has started it.
    Shard,
    /// `readyc`.
    Client,
}

/// What a process does with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is ignored, from the first line of `main` on.
    Ignored,
    /// Its default action, even if the parent process had the signal ignored.
    Default,
    /// Its default action; it stays ignored if the parent process had it ignored, as nohup(1) and
    /// shells do.
    Inherited,
    /// It reaches the event handler of the poll loop as this wakeup, even if the parent process had
    /// it ignored.
    Watched(Wakeup),
    /// The same; but it stays ignored if the parent process had it ignored. Shells start background
    /// jobs with SIGINT and SIGQUIT ignored, because the keyboard's signals are not for them.
    WatchedUnlessIgnored(Wakeup),
    /// The kernel allows no change.
    Fixed,
}

/// A signal and its action in each program.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which one.
    pub signal: Signal,
    /// In a server, a supervisor and a shard.
    pub server: Action,
    /// In the client.
    pub client: Action,
    /// Where the signal comes from, and why it is treated like this.
    pub why: &'static str,
}

const fn row(signal: Signal, server: Action, client: Action, why: &'static str) -> Row {
    Row { signal, server, client, why }
}

const FAULT: &str = "a fault of the program itself: it ends, with a core file";
const TIMER: &str = "a timer of setitimer(2) survives exec, so a parent process can cause it";

/// Every signal that has a name, in the order of its number on most machines.
pub const TABLE: &[Row] = &[
    row(
        Signal::SIGHUP,
        Action::Watched(Wakeup::Reload),
        Action::Inherited,
        "an operator; or the terminal was closed, which must not end a server; `readyc bench` ends \
         the run early and still reports",
    ),
    row(
        Signal::SIGINT,
        Action::WatchedUnlessIgnored(Wakeup::Terminate),
        Action::Inherited,
        "the keyboard; `readyc bench` ends the run early and still reports",
    ),
    row(
        Signal::SIGQUIT,
        Action::Watched(Wakeup::StopAtOnce),
        Action::Inherited,
        "the keyboard; a supervisor, whose shards must hear it even if a shell had it ignored",
    ),
    row(Signal::SIGILL, Action::Inherited, Action::Inherited, FAULT),
    row(Signal::SIGTRAP, Action::Inherited, Action::Inherited, FAULT),
    row(Signal::SIGABRT, Action::Inherited, Action::Inherited, FAULT),
    row(Signal::SIGBUS, Action::Inherited, Action::Inherited, FAULT),
    row(Signal::SIGFPE, Action::Inherited, Action::Inherited, FAULT),
    row(Signal::SIGKILL, Action::Fixed, Action::Fixed, "ends a process at once"),
    row(
        Signal::SIGUSR1,
        Action::Watched(Wakeup::Report),
        Action::Inherited,
        "an operator asks for the statistics",
    ),
    row(Signal::SIGSEGV, Action::Inherited, Action::Inherited, FAULT),
    row(
        Signal::SIGUSR2,
        Action::Watched(Wakeup::Upgrade),
        Action::Inherited,
        "an operator has put another version in the program's place; without the feature `ops` a \
         line of the log says that it is missing",
    ),
    row(
        Signal::SIGPIPE,
        Action::Ignored,
        Action::Ignored,
        "the peer or the reader has closed; the call says EPIPE",
    ),
    row(Signal::SIGALRM, Action::Ignored, Action::Ignored, TIMER),
    row(
        Signal::SIGTERM,
        Action::Watched(Wakeup::Terminate),
        Action::Inherited,
        "a service manager; `readyc bench` ends the run early and still reports",
    ),
    row(
        Signal::SIGSTKFLT,
        Action::Ignored,
        Action::Ignored,
        "the kernel never sends it, so another process did",
    ),
    row(
        Signal::SIGCHLD,
        Action::Default,
        Action::Default,
        "does nothing by default; a supervisor watches it. If it were ignored, wait(2) would tell \
         nothing of a process that has ended",
    ),
    row(Signal::SIGCONT, Action::Inherited, Action::Inherited, "goes on after a stop"),
    row(Signal::SIGSTOP, Action::Fixed, Action::Fixed, "stops a process until SIGCONT"),
    row(
        Signal::SIGTSTP,
        Action::Inherited,
        Action::Inherited,
        "the keyboard: a user who stops a job wants it stopped",
    ),
    row(
        Signal::SIGTTIN,
        Action::Ignored,
        Action::Inherited,
        "a server reads nothing from a terminal; a client does, and stops in the background",
    ),
    row(
        Signal::SIGTTOU,
        Action::Ignored,
        Action::Inherited,
        "after `stty tostop`, a log line would stop a server in the background",
    ),
    row(Signal::SIGURG, Action::Inherited, Action::Inherited, "does nothing by default"),
    row(
        Signal::SIGXCPU,
        Action::Watched(Wakeup::CpuTimeLimit),
        Action::Default,
        "RLIMIT_CPU (`ulimit -t`); `readyc bench` ends the run early and still reports. Where both \
         limits are the same, the soft one is lowered by 1 s, since at the hard one the kernel \
         kills",
    ),
    row(
        Signal::SIGXFSZ,
        Action::Ignored,
        Action::Ignored,
        "RLIMIT_FSIZE (`ulimit -f`); the call says EFBIG: a lost log line, or a report that cannot \
         be written",
    ),
    row(Signal::SIGVTALRM, Action::Ignored, Action::Ignored, TIMER),
    row(Signal::SIGPROF, Action::Ignored, Action::Ignored, TIMER),
    row(Signal::SIGWINCH, Action::Inherited, Action::Inherited, "does nothing by default"),
    row(
        Signal::SIGIO,
        Action::Ignored,
        Action::Ignored,
        "a descriptor that a parent process has set to O_ASYNC is inherited",
    ),
    row(
        Signal::SIGPWR,
        Action::Ignored,
        Action::Ignored,
        "is meant for init(1), which then stops its services",
    ),
    row(Signal::SIGSYS, Action::Inherited, Action::Inherited, FAULT),
];

/// The real-time signal that switches the recording of a trace off, or on again, in a program that
/// is built with the feature `trace`.
pub const TRACE_SIGNAL: i32 = 40;

/// The action for the other real-time signals that the C library leaves to programs, in all
/// processes.
pub const REAL_TIME: Action = Action::Ignored;

impl Row {
    fn action(&self, process: Process) -> Action {
        match process {
            Process::Server | Process::Shard => self.server,
            Process::Client => self.client,
        }
    }

    /// The wakeup of a server for this signal, if any.
    fn wakeup(&self) -> Option<Wakeup> {
        match self.server {
            Action::Watched(wakeup) | Action::WatchedUnlessIgnored(wakeup) => Some(wakeup),
            Action::Ignored | Action::Default | Action::Inherited | Action::Fixed => None,
        }
    }
}

/// The signals that the poll loop of a server watches, always. The kernel queues a blocked signal
/// even if it is ignored, so signals that stay ignored are left out.
///
/// # Errors
///
/// What sigaction(2) says. No kernel is known to say anything.
pub fn watched() -> io::Result<SigSet> {
    let mut signals = SigSet::empty();
    for row in TABLE {
        let is_watched = match row.server {
            Action::Watched(_) => true,
            Action::WatchedUnlessIgnored(_) => !is_ignored(row.signal)?,
            Action::Ignored | Action::Default | Action::Inherited | Action::Fixed => false,
        };
        if is_watched {
            signals.add(row.signal);
        }
    }
    if cfg!(feature = "trace") {
        add_trace_signal(&mut signals);
    }
    Ok(signals)
}

/// nix knows no real-time signals.
#[expect(unsafe_code, reason = "sets of signals are changed through pointers")]
fn add_trace_signal(signals: &mut SigSet) {
    let mut raw = *signals.as_ref();
    // SAFETY: the pointer is to a set of this function's own, which is initialised; a number that
    // there is not is an error, which changes nothing.
    let _ = unsafe { libc::sigaddset(&mut raw, TRACE_SIGNAL) };
    // SAFETY: it is a copy of an initialised set.
    *signals = unsafe { SigSet::from_sigset_t_unchecked(raw) };
}

/// Sends a process [`TRACE_SIGNAL`]. If it has ended, this has no effect.
#[expect(unsafe_code, reason = "nix knows no real-time signals")]
pub fn send_trace_signal(pid: Pid) {
    // SAFETY: no memory is involved.
    let _ = unsafe { libc::kill(pid.as_raw(), TRACE_SIGNAL) };
}

/// The subset of `signals` that stops a server, by a drain or at once.
pub fn stopping(signals: &SigSet) -> SigSet {
    let stops = |signal: &Signal| {
        matches!(
            wakeup(*signal),
            Some(Wakeup::Terminate | Wakeup::StopAtOnce | Wakeup::CpuTimeLimit)
        )
    };
    signals.iter().filter(stops).collect()
}

/// The wakeup that the watched signal of this number becomes.
pub fn wakeup_of_number(number: i32) -> Option<Wakeup> {
    match number {
        TRACE_SIGNAL => Some(Wakeup::ToggleTrace),
        number => Signal::try_from(number).ok().and_then(wakeup),
    }
}

/// The wakeup that a watched signal becomes.
pub fn wakeup(signal: Signal) -> Option<Wakeup> {
    match signal {
        // Only the supervisor watches this one.
        Signal::SIGCHLD => Some(Wakeup::ChildEnded),
        _ => TABLE.iter().find(|row| row.signal == signal)?.wakeup(),
    }
}

/// Gives each signal its [`Action`], except watched ones, which the reactor takes; clears the
/// inherited signal mask; and lowers the soft RLIMIT_CPU so that SIGXCPU comes before SIGKILL. Call
/// it first in `main`, while there is one thread.
///
/// # Errors
///
/// What sigaction(2) or sigprocmask(2) say. No kernel is known to say anything.
pub fn prepare(process: Process) -> io::Result<()> {
    for row in TABLE {
        match row.action(process) {
            Action::Ignored => set(row.signal as i32, Disposition::Ignored)?,
            Action::Default => set(row.signal as i32, Disposition::Default)?,
            // systemd looks for a handler (SigCgt of proc_pid_status(5)) before it sends the signal
            // that means a reload. Blocked for the signalfd, this one never runs.
            Action::Watched(Wakeup::Reload) => set(row.signal as i32, Disposition::Handled)?,
            Action::Inherited
            | Action::Watched(_)
            | Action::WatchedUnlessIgnored(_)
            | Action::Fixed => {}
        }
    }
    for number in libc::SIGRTMIN()..=libc::SIGRTMAX() {
        set(number, Disposition::Ignored)?;
    }
    let mut blocked = SigSet::empty();
    if process == Process::Shard {
        // The supervisor has blocked these on purpose: a signal that it sends before they are
        // watched stays pending.
        blocked = SigSet::thread_get_mask()?;
        let lifted = Signal::iterator().filter(|&signal| wakeup(signal).is_none());
        lifted.for_each(|signal| blocked.remove(signal));
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&blocked), None)?;
    be_warned_of_the_cpu_time_limit();
    Ok(())
}

/// Seconds of CPU time between SIGXCPU and the kernel's SIGKILL.
const CPU_SECONDS_TO_STOP: u64 = 1;

/// At the hard RLIMIT_CPU the kernel sends SIGKILL, and at the soft one SIGXCPU. `ulimit -t` sets
/// both to the same value; then this lowers the soft one.
fn be_warned_of_the_cpu_time_limit() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_CPU) else { return };
    let warning = hard.saturating_sub(CPU_SECONDS_TO_STOP);
    if hard != libc::RLIM_INFINITY && soft > warning && warning > 0 {
        // If this fails, the process is killed without warning, as before.
        let _ = setrlimit(Resource::RLIMIT_CPU, warning, hard);
    }
}

/// What the kernel does with a signal.
#[derive(Clone, Copy, Debug)]
enum Disposition {
    Default,
    Ignored,
    /// It calls a handler that does nothing.
    Handled,
}

extern "C" fn do_nothing(_signal: libc::c_int) {}

/// Sets it by number, because real-time signals have no names.
#[expect(unsafe_code, reason = "a handler is code that runs in between any other")]
fn set(signal: i32, disposition: Disposition) -> io::Result<()> {
    let disposition = match disposition {
        Disposition::Default => libc::SIG_DFL,
        Disposition::Ignored => libc::SIG_IGN,
        Disposition::Handled => do_nothing as *const () as libc::sighandler_t,
    };
    // SAFETY: the handler has the signature of one and does nothing; the other values are none.
    match unsafe { libc::signal(signal, disposition) } {
        libc::SIG_ERR => Err(Errno::last().into()),
        _ => Ok(()),
    }
}

/// Whether a signal is ignored in this process now.
///
/// # Errors
///
/// What sigaction(2) says. No kernel is known to say anything.
#[expect(unsafe_code, reason = "nix tells what a signal does only to a caller that changes it")]
pub fn is_ignored(signal: Signal) -> io::Result<bool> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null pointer asks for no change, and the other is to memory of the size of the
    // struct.
    Errno::result(unsafe { libc::sigaction(signal as i32, ptr::null(), action.as_mut_ptr()) })?;
    // SAFETY: the call has succeeded, so it has written the whole struct.
    Ok(unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN)
}
