//! What can go wrong with a command, and the exit status it means.

use readyd::client::SessionError;
use readyd::loadgen::report::{MergeError, ReadError, SaveError};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line asks for something that makes no sense.
    Usage(String),
    /// The server's name could not be turned into an address.
    Resolve(String, io::Error),
    /// A session failed.
    Session(SessionError),
    /// The server said what it has against a message, and closed.
    Refused,
    /// Of many sessions, some fell short; the summary has told.
    FellShort,
    /// Of many sessions, not one was connected; the summary has told.
    NothingEstablished,
    /// The limits of the system are too low; the examination has told.
    DoesNotFit,
    /// The limits of the system are too low for a run; the examination has told.
    NoRoom,
    /// Of a run, not one connection was established, for these reasons; the report has told.
    NothingConnected(String),
    /// A worker process could not be started, or could not work.
    Worker(io::Error),
    /// The run was interrupted again and again.
    Interrupted,
    /// A file could not be written.
    Save(SaveError),
    /// There are no limits to be read in this directory.
    Limits(PathBuf, io::Error),
    /// What signals do could not be set.
    Signals(io::Error),
    /// The poll loop could not be had or failed.
    Reactor(io::Error),
    /// Standard input could not be read.
    Input(io::Error),
    /// Standard output could not be written.
    Output(io::Error),
    /// A report could not be read.
    Report(PathBuf, ReadError),
    /// Reports do not belong together.
    Merge(MergeError),
    /// Two reports cannot be compared; the comparison has told why.
    NotComparable,
    /// Something got worse; the comparison has told what.
    Regression,
}

impl Failure {
    /// Whether it is no more than that nobody reads our standard output any more.
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
            Failure::FellShort | Failure::DoesNotFit | Failure::Regression => 3,
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
            Failure::FellShort => f.write_str("fell short of what was asked"),
            Failure::NothingEstablished => f.write_str("not one session could be established"),
            Failure::DoesNotFit => f.write_str("so many connections do not fit"),
            Failure::NoRoom => f.write_str(
                "so many connections do not fit; the table tells what would help (or try as many \
                 as there is room for, with --force)",
            ),
            Failure::NothingConnected(reasons) => {
                write!(f, "not one connection was established")?;
                if !reasons.is_empty() {
                    write!(f, ": {reasons}")?;
                }
                // Of our own making, the hint to look at the server would mislead.
                if reasons.contains("EADDRNOTAVAIL") {
                    f.write_str(" (are the --source addresses this machine's, and ports left?)")
                } else {
                    f.write_str(" (is the server running, and the address right?)")
                }
            }
            Failure::Worker(error) => write!(f, "a worker process cannot work: {error}"),
            Failure::Interrupted => f.write_str("interrupted; the result is lost"),
            Failure::Save(error) => write!(f, "{error}"),
            Failure::Limits(folder, error) => {
                write!(f, "cannot read limits in {}: {error}", folder.display())
            }
            Failure::Signals(error) => write!(f, "cannot set what signals do: {error}"),
            Failure::Reactor(error) => write!(f, "cannot wait for events: {error}"),
            Failure::Input(error) => write!(f, "cannot read standard input: {error}"),
            Failure::Output(error) => write!(f, "cannot write to standard output: {error}"),
            Failure::Report(path, error) => {
                write!(f, "cannot read the report {}: {error}", path.display())
            }
            Failure::Merge(error) => write!(f, "{error}"),
            Failure::NotComparable => f.write_str("the two runs cannot be compared"),
            Failure::Regression => f.write_str("there is a regression"),
        }
    }
}
