//! Child processes that run this program, and how they end.
//!
//! The program's file is opened once, at the start, and later processes are started from that
//! descriptor (execveat(2)). So they run the same version even if the file was replaced or deleted
//! meanwhile, and /proc is not needed.
//!
//! Invariant: the pid of a [`Child`] belongs to no other process until [`Child::take_ending`] has
//! reaped it: until then the kernel keeps the zombie and its pid. That needs the default action of
//! SIGCHLD, which this process sets at its start: see `readyd::os::signals`.

mod exec;

pub(crate) use exec::{FAILURE, own_path};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use readyd::os::inherited_fd;
use std::env;
use std::ffi::{CStr, CString, OsString};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;

#[cfg(test)]
mod tests;

/// A program's file, kept open.
#[derive(Debug)]
pub(crate) struct Program(OwnedFd);

impl Program {
    /// Opens the program that this process runs. Call it at the start: without /proc it is opened
    /// by its path, which may lead to another file later.
    ///
    /// # Errors
    ///
    /// What open(2) says.
    pub(super) fn own() -> io::Result<Program> {
        Program::at(c"/proc/self/exe").or_else(|_| Program::at(exec::own_path()))
    }

    fn at(path: &CStr) -> io::Result<Program> {
        // O_PATH: a program that may be executed need not be readable.
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        open(path, flags, Mode::empty()).map(Program).map_err(io::Error::from)
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What a process executes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Executable<'a> {
    /// This file, whatever its path leads to by now.
    File(&'a Program),
    /// What this path leads to now.
    Path(&'a CStr),
}

/// Why a process could not be started: the system call that failed, and its error.
#[derive(Debug)]
pub(crate) struct NotStarted {
    call: &'static str,
    error: io::Error,
}

impl NotStarted {
    fn at(call: &'static str) -> impl Fn(io::Error) -> NotStarted {
        move |error| NotStarted { call, error }
    }
}

impl NotStarted {
    /// The errno; 0 if there is none.
    pub(crate) fn errno(&self) -> u64 {
        self.error.raw_os_error().map_or(0, |errno| u64::from(errno.unsigned_abs()))
    }
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotStarted { call, error } = self;
        write!(f, "{call}: {error}")
    }
}

/// A process to start. Its standard input and output are /dev/null.
pub(super) struct Start<'a> {
    pub(super) program: Executable<'a>,
    /// Its arguments; the first is its name.
    pub(super) arguments: Vec<OsString>,
    /// An environment variable that it gets in addition to those of this process, and its value.
    pub(super) variable: (&'a str, String),
    /// The variables of this process that are not for it.
    pub(super) withheld: Vec<&'a str>,
    /// Its standard error; `None` for ours.
    pub(super) stderr: Option<BorrowedFd<'a>>,
    /// Descriptors that it inherits under the same numbers. All others are closed at execve(2).
    pub(super) without_cloexec: Vec<RawFd>,
    /// One of these: the child writes [`FAILURE`] to it if execve(2) fails.
    pub(super) failure: RawFd,
}

impl Start<'_> {
    /// Starts it. It inherits the signal mask.
    ///
    /// # Errors
    ///
    /// The call that failed in this process.
    pub(super) fn start(self) -> Result<Child, NotStarted> {
        let strings = NotStarted::at("its arguments");
        let environment = self.environment().map_err(&strings)?;
        let arguments: Vec<CString> = self
            .arguments
            .into_iter()
            .map(c_string)
            .collect::<io::Result<_>>()
            .map_err(&strings)?;
        let null =
            inherited_fd::null().map_err(NotStarted::at("open of /dev/null, and memfd_create"))?;
        let request = exec::ExecRequest {
            program: self.program,
            arguments: &arguments,
            environment: &environment,
            input_and_output: null.as_fd(),
            error: self.stderr,
            without_cloexec: &self.without_cloexec,
            failure: self.failure,
        };
        exec::fork_and_exec(&request).map(Child)
    }

    /// The environment of this process, with the variable, and without those that are withheld.
    fn environment(&self) -> io::Result<Vec<CString>> {
        let (name, value) = &self.variable;
        let mut environment = vec![c_string(format!("{name}={value}").into())?];
        for (mut inherited, value) in env::vars_os() {
            let is_withheld = self.withheld.iter().any(|it| inherited == **it);
            if inherited != *name && !is_withheld {
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

/// A child process that has not been reaped yet.
#[derive(Debug)]
pub(super) struct Child(Pid);

impl Child {
    /// The process of that pid, which this one has forked and not reaped.
    pub(super) fn of(pid: Pid) -> Child {
        Child(pid)
    }

    /// Its pid.
    pub(super) fn pid(&self) -> Pid {
        self.0
    }

    /// Reaps it, waitpid(2), if it has ended. Must not be called again after it has returned an
    /// ending.
    pub(super) fn take_ending(&self) -> Option<Ending> {
        match waitpid(self.0, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, status)) => Some(Ending::Status(status)),
            Ok(WaitStatus::Signaled(_, signal, dumped)) => Some(Ending::Signal { signal, dumped }),
            // The flag is valid, so EINVAL means that nix has no name for the signal: a real-time
            // one.
            Err(Errno::EINVAL) => Some(Ending::RealTimeSignal),
            Err(Errno::ECHILD) => Some(Ending::Unknown),
            Ok(_) | Err(_) => None,
        }
    }

    /// Kills it if it has not ended, and waits for its end.
    pub(super) fn end(&self) -> Ending {
        self.signal(Signal::SIGKILL);
        loop {
            match waitpid(self.0, None) {
                Ok(WaitStatus::Exited(_, status)) => return Ending::Status(status),
                Ok(WaitStatus::Signaled(_, signal, dumped)) => {
                    return Ending::Signal { signal, dumped };
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EINVAL) => return Ending::RealTimeSignal,
                Err(_) => return Ending::Unknown,
            }
        }
    }

    /// Sends it a signal. If it has ended, this has no effect.
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
    /// By a real-time signal, which has no name.
    RealTimeSignal,
    /// Unknown, because waitpid(2) failed.
    Unknown,
}

/// Numbers beyond those of exit statuses: of signals from here on.
const SIGNALS: u64 = 1 << 8;

/// A signal with a core dump, likewise.
const DUMPED: u64 = 1 << 16;

const REAL_TIME: u64 = 1 << 32;

impl Ending {
    /// As a number, for a message to another process.
    pub(crate) fn to_number(self) -> u64 {
        match self {
            Ending::Status(status) => u64::from(status.cast_unsigned() & 0xFF),
            Ending::Signal { signal, dumped } => {
                let number = u64::from((signal as i32).unsigned_abs());
                SIGNALS + number + if dumped { DUMPED } else { 0 }
            }
            Ending::RealTimeSignal => REAL_TIME,
            Ending::Unknown => u64::MAX,
        }
    }

    /// Undoes [`Ending::to_number`].
    pub(crate) fn from_number(number: u64) -> Ending {
        let signal = |number| Signal::try_from(i32::try_from(number).unwrap_or(0));
        match number {
            0..SIGNALS => Ending::Status(number as i32),
            REAL_TIME => Ending::RealTimeSignal,
            _ => match signal((number & (DUMPED - 1)).saturating_sub(SIGNALS)) {
                Ok(signal) => Ending::Signal { signal, dumped: number >= DUMPED },
                Err(_) => Ending::Unknown,
            },
        }
    }

    /// Whether the exit status is 0.
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
            Ending::Unknown => f.write_str("unknown"),
        }
    }
}
