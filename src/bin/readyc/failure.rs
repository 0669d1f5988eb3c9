//! How a command can fail, and the exit status of each failure.

use readyd::capture::replay::ReplayError;
use readyd::client::SessionError;
use readyd::loadgen::report::{MergeError, ReadError, SaveError};
use readyd::trace::reader::ReadError as TraceError;
use readyd::trace::strace::ImportError;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// The server's name could not be turned into an address.
    Resolve(String, io::Error),
    /// A session failed.
    Session(SessionError),
    /// The server rejected a message and closed.
    Refused,
    /// Some of many sessions failed; the summary shows them.
    FellShort,
    /// A run fell short; the last line of its report, which was printed, says in what.
    VerdictShown,
    /// A run whose report was not printed did not achieve this.
    ShortOf(String),
    /// None of many sessions was connected; the summary shows why.
    NothingEstablished,
    /// The limits of the system are too low; the preflight report shows them.
    DoesNotFit,
    /// The limits of the system are too low for a run; the preflight report shows them.
    NoRoom,
    /// A run established no connection, for these reasons; the report shows them, too.
    NothingConnected(String),
    /// A worker process could not be started, or failed.
    Worker(io::Error),
    /// The server sends bytes before any request, which was not declared.
    SpeaksFirst(String),
    /// There is no process with the number that was given for the server's.
    NoProcess(u32),
    /// No worker of a run reported results, for this reason.
    NoFigures(String),
    /// A file could not be written.
    Save(SaveError),
    /// The limits in this directory cannot be read.
    Limits(PathBuf, io::Error),
    /// The dispositions of signals could not be set.
    Signals(io::Error),
    /// The poll loop could not be created, or failed.
    Reactor(io::Error),
    /// Standard input could not be read.
    Input(io::Error),
    /// Standard output could not be written.
    Output(io::Error),
    /// A report could not be read.
    Report(PathBuf, ReadError),
    /// Reports cannot be merged.
    Merge(MergeError),
    /// A trace could not be read.
    Trace(PathBuf, TraceError),
    /// A capture could not be run again, or the server does something else now.
    Replay(PathBuf, ReplayError),
    /// A capture was written by another build.
    OtherBuild(PathBuf, String),
    /// A recording of strace(1) could not be read.
    Import(PathBuf, ImportError),
    /// Two traces are not the same; the report shows where.
    Diverged,
    /// A figure got worse; the comparison shows which.
    Regression,
}

impl Failure {
    /// Whether this is EPIPE of standard output: its reader has closed it.
    pub(crate) fn is_closed_output(&self) -> bool {
        match self {
            Failure::Output(error) => error.kind() == io::ErrorKind::BrokenPipe,
            Failure::Save(failure) => failure.is_closed_output(),
            _ => false,
        }
    }

    /// The exit status of the process.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::FellShort
            | Failure::VerdictShown
            | Failure::ShortOf(_)
            | Failure::DoesNotFit
            | Failure::Diverged
            | Failure::Regression => 3,
            _ => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(what) => f.write_str(what),
            Failure::Resolve(name, error) => write!(
                f,
                "cannot find the address of {name}: {error} (check the name, or give an IP address)"
            ),
            Failure::Session(error) => write!(f, "{error}"),
            Failure::Refused => f.write_str("the server refused the message and closed"),
            Failure::FellShort | Failure::VerdictShown => {
                f.write_str("did not achieve what was asked for")
            }
            Failure::ShortOf(what) => write!(f, "did not achieve what was asked for: {what}"),
            Failure::NothingEstablished => f.write_str("no session could be established"),
            Failure::DoesNotFit => f.write_str("this machine cannot open that many connections"),
            Failure::NoRoom => f.write_str(
                "this machine cannot open that many connections; the table shows what would help \
                 (or run with as many as fit, with --force)",
            ),
            Failure::NothingConnected(reasons) => {
                write!(f, "no connection was established")?;
                if !reasons.is_empty() {
                    write!(f, ": {reasons}")?;
                }
                // The cause is on our side: the hint to look at the server would mislead.
                if reasons.contains("EADDRNOTAVAIL") {
                    f.write_str(" (are the --source addresses this machine's, and ports left?)")
                } else {
                    f.write_str(" (is the server running, and the address right?)")
                }
            }
            Failure::Worker(error) => write!(f, "a worker process failed: {error}"),
            Failure::SpeaksFirst(what) => f.write_str(what),
            Failure::NoProcess(pid) => write!(
                f,
                "--server-pid: there is no process {pid} on this machine (ps -e lists them)"
            ),
            Failure::NoFigures(why) => write!(f, "no worker reported results: {why}"),
            Failure::Save(error) => write!(f, "{error}"),
            Failure::Limits(folder, error) => {
                write!(f, "cannot read limits in {}: {error}", folder.display())
            }
            Failure::Signals(error) => write!(f, "cannot set signal dispositions: {error}"),
            Failure::Reactor(error) => write!(f, "cannot wait for events: {error}"),
            Failure::Input(error) => write!(f, "cannot read standard input: {error}"),
            Failure::Output(error) => write!(f, "cannot write to standard output: {error}"),
            Failure::Report(path, error) => {
                write!(f, "cannot read the report {}: {error}", path.display())
            }
            Failure::Merge(error) => write!(f, "{error}"),
            Failure::Replay(path, error) => write!(f, "{}: {error}", path.display()),
            Failure::OtherBuild(path, of) => write!(
                f,
                "{}: captured by another build of readyd ({of}), so its calls may differ (use \
                 --level outcome to compare what clients got, or --level exact to see the first \
                 call that differs)",
                path.display()
            ),
            Failure::Trace(path, error) => {
                write!(f, "cannot read the trace {}: {error}", path.display())
            }
            Failure::Import(path, error) => {
                write!(f, "cannot read the recording {}: {error}", path.display())
            }
            Failure::Diverged => f.write_str("the traces are not the same"),
            Failure::Regression => f.write_str("there is a regression"),
        }
    }
}
