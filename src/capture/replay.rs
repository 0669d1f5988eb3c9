//! The same server, run over a capture.
//!
//! [`exactly`] compares every call that the server makes with the one that was captured; it is for
//! the build that wrote the capture. [`by_outcome`] feeds the server what clients had sent, when it
//! asks for it, and compares what they get: it survives changes that clients do not notice.
//!
//! Invariants: a server that is run again reaches nothing but the capture. At the first difference
//! it stops, after the call of the server that is under way: until then its calls would block.

mod exact;
mod net;
mod outcome;
mod script;

use super::reader::ReadError;
use super::record::EndCause;
use crate::io::clock::Moment;
use crate::trace::Recorder;
use std::fmt;

pub use exact::exactly;
pub use outcome::by_outcome;

/// What makes a recorder with this clock, for a trace of the server that is run again.
pub type MakeRecorder<'a> = &'a mut dyn FnMut(Box<dyn Fn() -> Moment>) -> Recorder;

/// What was run again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Turns of the loop.
    pub turns: u64,
    /// Calls, and what the server was told.
    pub records: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// Bytes that clients had sent.
    pub received: u64,
    /// Bytes that were sent to clients.
    pub sent: u64,
    /// Connections whose bytes were not compared, because they asked for statistics: these tell how
    /// often the loop turned, which only an exact replay repeats.
    pub not_compared: u64,
    /// Where the capture ends.
    pub end: CaptureEnd,
}

/// Where a capture ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaptureEnd {
    /// With its server.
    Stopped,
    /// Before its server, for this cause.
    Ended(EndCause),
    /// It is cut off: the server or the disk failed, or the server still runs.
    #[default]
    CutOff,
}

/// Where a server does something else than the one that was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The turn, counted from 1.
    pub turn: u64,
    /// Calls and other records of the turn that were the same.
    pub call: u64,
    /// What was captured.
    pub captured: String,
    /// What the server does.
    pub now: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { turn, call, captured, now } = self;
        let call = call + 1;
        write!(f, "turn {turn}, record {call}: captured is {captured}; now it is {now}")
    }
}

/// Why a capture was not run to its end.
#[derive(Debug)]
pub enum ReplayError {
    /// It cannot be read.
    Read(ReadError),
    /// What it says of its server is not valid.
    Server(String),
    /// The server does something else.
    Differs(Difference),
    /// A client gets something else.
    ClientDiffers(outcome::Difference),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Read(error) => write!(f, "{error}"),
            ReplayError::Server(what) => write!(f, "the capture is damaged: {what}"),
            ReplayError::Differs(difference) => write!(f, "{difference}"),
            ReplayError::ClientDiffers(difference) => write!(f, "{difference}"),
        }
    }
}

impl std::error::Error for ReplayError {}

impl From<ReadError> for ReplayError {
    fn from(error: ReadError) -> ReplayError {
        ReplayError::Read(error)
    }
}
