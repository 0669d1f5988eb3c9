//! Processes that this one starts, posix_spawn(3), and how they end.
//!
//! Invariant: the number of a [`Child`] is nobody else's until [`Child::take_ending`] has told its end:
//! until then the kernel keeps what is left of the process, and its number with it.
//!
//! `std::process` could do the same, and much else: pipes, threads, environments as maps, starting by
//! fork(2). All of that would be in the program.

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::env;
use std::ffi::{CString, OsString};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;

#[cfg(test)]
mod tests;

/// Has the kernel keep what is left of a child until its end is asked for. Whoever started us may have had
/// SIGCHLD ignored, which exec passes on: then a child would be gone without a word, wait(2). To be called
/// before any is started.
///
/// # Errors
///
/// None that sigaction(2) tells of.
#[expect(unsafe_code, reason = "what a signal calls is code that runs in between any other")]
pub(super) fn keep_endings() -> io::Result<()> {
    // SAFETY: the default calls nothing, and for SIGCHLD it does nothing.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }.map(drop).map_err(io::Error::from)
}

/// What to start, and with what. Its standard input and output are /dev/null.
pub(super) struct Start<'a> {
    /// The file.
    pub(super) program: &'a str,
    /// What it is called, and its flags.
    pub(super) arguments: Vec<OsString>,
    /// A variable that it has besides those of this process, and its value.
    pub(super) variable: (&'a str, String),
    /// Its standard error, if that is another than ours.
    pub(super) stderr: Option<BorrowedFd<'a>>,
}

impl Start<'_> {
    /// Starts it. The signals that are blocked here are blocked there, too.
    ///
    /// # Errors
    ///
    /// What the system says of starting a process, or of the file.
    pub(super) fn start(self) -> io::Result<Child> {
        let environment = self.environment()?;
        let arguments: Vec<CString> =
            self.arguments.into_iter().map(c_string).collect::<io::Result<_>>()?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let mut descriptors = PosixSpawnFileActions::init()?;
        descriptors.add_dup2(null.as_raw_fd(), 0)?;
        descriptors.add_dup2(null.as_raw_fd(), 1)?;
        if let Some(stderr) = self.stderr {
            descriptors.add_dup2(stderr.as_raw_fd(), 2)?;
        }
        // Rust's start-up has programs ignore SIGPIPE, and what is ignored is inherited.
        let mut attributes = PosixSpawnAttr::init()?;
        attributes.set_sigdefault(&SigSet::from(Signal::SIGPIPE))?;
        attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
        posix_spawn(self.program, &descriptors, &attributes, &arguments, &environment)
            .map(Child)
            .map_err(io::Error::from)
    }

    /// The environment of this process, with the variable.
    fn environment(&self) -> io::Result<Vec<CString>> {
        let (name, value) = &self.variable;
        let mut environment = vec![c_string(format!("{name}={value}").into())?];
        for (mut inherited, value) in env::vars_os() {
            if inherited != *name {
                inherited.push("=");
                inherited.push(value);
                environment.push(c_string(inherited)?);
            }
        }
        Ok(environment)
    }
}

fn c_string(text: OsString) -> io::Result<CString> {
    CString::new(text.into_vec()).map_err(io::Error::from)
}

/// A process that was started here, and whose end was not told yet.
pub(super) struct Child(Pid);

impl Child {
    /// How it has ended, if it has. To be asked until it tells.
    pub(super) fn take_ending(&self) -> Option<Ending> {
        match waitpid(self.0, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, status)) => Some(Ending::Status(status)),
            Ok(WaitStatus::Signaled(_, signal, dumped)) => Some(Ending::Signal { signal, dumped }),
            // The flag is right, so this means a signal that nix has no name for: a real-time one.
            Err(Errno::EINVAL) => Some(Ending::RealTimeSignal),
            Err(Errno::ECHILD) => Some(Ending::Unknown),
            Ok(_) | Err(_) => None,
        }
    }

    /// Sends it a signal. If it has ended, so be it.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill(self.0, signal);
    }
}

/// How a process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself, with this exit status.
    Status(i32),
    /// By a signal.
    Signal {
        /// Which.
        signal: Signal,
        /// Whether its memory was written to a file, core(5).
        dumped: bool,
    },
    /// By one of those signals that have numbers only.
    RealTimeSignal,
    /// Nobody can tell: it is gone.
    Unknown,
}

impl Ending {
    /// Whether all went well.
    pub(crate) fn is_success(self) -> bool {
        self == Ending::Status(0)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Status(status) => write!(f, "exit status: {status}"),
            Ending::Signal { signal, dumped } => {
                let dump = if *dumped { " (core dumped)" } else { "" };
                write!(f, "signal: {} ({}){dump}", *signal as i32, signal.as_str())
            }
            Ending::RealTimeSignal => f.write_str("signal: a real-time one"),
            Ending::Unknown => f.write_str("nobody knows how"),
        }
    }
}
