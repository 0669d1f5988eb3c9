//! Why a session failed, by whose fault it is.

use crate::counted::counted;
use crate::io::address::Address;
use crate::io::net::ConnectedToItself;
use crate::protocol::frame::FrameError;
use std::fmt;
use std::io;
use std::time::Duration;

/// The process has no descriptor left, errno(3): the number is the same on every Unix.
const EMFILE: i32 = 24;

/// Why a session failed.
#[derive(Debug)]
pub enum SessionError {
    /// No connection could be made: no socket listens there, or the way is barred.
    Connect(Address, io::Error),
    /// No answer came to the attempt to connect.
    ConnectTimeout(Address, Duration),
    /// The server closed before it had answered.
    ClosedEarly {
        /// Bytes of the unfinished answer.
        received: usize,
    },
    /// The server did not answer in time.
    AnswerTimeout(Duration),
    /// What the server sent is not a frame.
    BadAnswer(FrameError),
    /// The server sent, or announced, more than is accepted.
    OverLimit {
        /// The most that is accepted, in bytes.
        limit: usize,
    },
    /// The answer is whole and wrong.
    WrongAnswer(String),
    /// The connection broke.
    Broken(io::Error),
    /// The user has ended it.
    Interrupted,
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionError::Connect(address, error) => {
                write!(f, "cannot connect to {address}: ")?;
                match error.kind() {
                    _ if ConnectedToItself::is(error) => {
                        write!(f, "{error} (is readyd running?)")
                    }
                    io::ErrorKind::NotFound => {
                        f.write_str("there is no such socket (is readyd running?)")
                    }
                    io::ErrorKind::WouldBlock => f.write_str(
                        "its backlog is full, and the server accepts no connection (does it hang?)",
                    ),
                    io::ErrorKind::ConnectionRefused => {
                        f.write_str("connection refused (is readyd running?)")
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        f.write_str("no local port is free (widen net.ipv4.ip_local_port_range)")
                    }
                    _ if error.raw_os_error() == Some(EMFILE) => {
                        f.write_str("too many open files (raise the limit with ulimit -n)")
                    }
                    _ => write!(f, "{error}"),
                }
            }
            SessionError::ConnectTimeout(address, limit) => write!(
                f,
                "cannot connect to {address}: no answer within {limit:?} (is the address right, \
                 or a firewall in the way?)"
            ),
            SessionError::ClosedEarly { received: 0 } => {
                f.write_str("the server closed the connection before it answered")
            }
            SessionError::ClosedEarly { received } => {
                let received = counted(*received, "byte");
                write!(f, "the server closed the connection {received} into its answer")
            }
            SessionError::AnswerTimeout(limit) => {
                write!(f, "the server did not answer within {limit:?}")
            }
            SessionError::BadAnswer(error) => write!(
                f,
                "the answer is not a padded frame: {error} (does that server speak frames? see \
                 --plain)"
            ),
            SessionError::OverLimit { limit } => {
                write!(f, "the answer is longer than the {limit} bytes that are accepted")
            }
            SessionError::WrongAnswer(what) => f.write_str(what),
            SessionError::Interrupted => f.write_str("interrupted before it was done"),
            SessionError::Broken(error) => write!(f, "the connection broke: {error}"),
        }
    }
}

impl std::error::Error for SessionError {}

impl From<FrameError> for SessionError {
    fn from(error: FrameError) -> SessionError {
        match error {
            FrameError::BadByte { .. } | FrameError::NotHttp { .. } => {
                SessionError::BadAnswer(error)
            }
            FrameError::OverLimit { limit, .. }
            | FrameError::LineOverLimit { limit }
            | FrameError::HeadOverLimit { limit } => SessionError::OverLimit { limit },
        }
    }
}
