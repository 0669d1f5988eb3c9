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

pub(crate) use exec::FAILURE;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use readyd::os::{activation, inherited_fd, notify};
use std::env;
use std::ffi::{CString, OsString};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
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

    fn at(path: &std::ffi::CStr) -> io::Result<Program> {
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

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotStarted { call, error } = self;
        write!(f, "{call}: {error}")
    }
}

/// A process to start. Its standard input and output are /dev/null.
pub(super) struct Start<'a> {
    pub(super) program: &'a Program,
    /// Its arguments; the first is its name.
    pub(super) arguments: Vec<OsString>,
    /// An environment variable that it gets in addition to those of this process, and its value.
    pub(super) variable: (&'a str, String),
    /// Its standard error; `None` for ours.
    pub(super) stderr: Option<BorrowedFd<'a>>,
    /// Descriptors that it inherits under the same numbers. All others are closed at execveat(2).
    pub(super) without_cloexec: Vec<BorrowedFd<'a>>,
    /// One of these: the child writes [`FAILURE`] to it if execveat(2) fails.
    pub(super) failure: BorrowedFd<'a>,
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
            program: self.program.as_fd(),
            arguments: &arguments,
            environment: &environment,
            input_and_output: null.as_fd(),
            error: self.stderr,
            without_cloexec: &self.without_cloexec,
            failure: self.failure,
        };
        exec::fork_and_exec(&request).map(Child)
    }

    /// The environment of this process, with the variable, and without the variables of the service
    /// manager: these speak to this process only.
    fn environment(&self) -> io::Result<Vec<CString>> {
        let (name, value) = &self.variable;
        let mut environment = vec![c_string(format!("{name}={value}").into())?];
        for (mut inherited, value) in env::vars_os() {
            let mut of_the_manager = activation::VARIABLES.iter().chain(&notify::VARIABLES);
            let is_for_this_process = of_the_manager.any(|it| inherited == *it);
            if inherited != *name && !is_for_this_process {
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

impl Ending {
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
