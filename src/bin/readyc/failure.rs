//! What can go wrong with a command, and the exit status it means.

use readyd::client::SessionError;
use readyd::report::{MergeError, ReadError, SaveError};
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
    /// The poll loop could not be had or failed.
    Reactor(io::Error),
    /// Standard input could not be read.
    Input(io::Error),
    /// Standard output could not be written.
    Output(io::Error),
    /// A report could not be read.
    Report(PathBuf, ReadError),
    /// Something could not be stored.
    Save(SaveError),
    /// Reports do not belong together.
    Merge(MergeError),
    /// Two reports cannot be compared; the comparison has told why.
    NotComparable,
    /// Something got worse; the comparison has told what.
    Regression,
}

impl Failure {
    pub(crate) fn status(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::FellShort | Failure::Regression => 3,
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
            Failure::Reactor(error) => write!(f, "cannot wait for events: {error}"),
            Failure::Input(error) => write!(f, "cannot read standard input: {error}"),
            Failure::Output(error) => write!(f, "cannot write to standard output: {error}"),
            Failure::Report(path, error) => {
                write!(f, "cannot read the report {}: {error}", path.display())
            }
            Failure::Save(error) => write!(f, "{error}"),
            Failure::Merge(error) => write!(f, "{error}"),
            Failure::NotComparable => f.write_str("the two runs cannot be compared"),
            Failure::Regression => f.write_str("there is a regression"),
        }
    }
}
