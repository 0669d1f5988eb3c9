//! What a recording of another program tells, and a trace of readyd does not.
//!
//! Invariant: these events are never written to a ring, so they have no number in the format.

use super::event::{Number, TracedPeer};

/// Something that was seen from outside, in the system calls of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// connect(2) was called, and succeeded or went on in the background.
    Connecting {
        /// The connection's number.
        connection: Number,
        /// Where it leads to.
        peer: TracedPeer,
    },
    /// A connection that this loop did not open: it was open before the recording began, or comes
    /// from another thread or process.
    Found {
        /// Its number.
        connection: Number,
        /// Who is at its other end.
        peer: TracedPeer,
    },
    /// The descriptor of a connection that was opened or found.
    Descriptor {
        /// Whose.
        connection: Number,
        /// The number that the program knows it by.
        descriptor: u32,
    },
    /// A call was made on a connection that had no event in this turn.
    Unasked {
        /// Which.
        connection: Number,
    },
    /// strace(1) cut the list of events short.
    ListCut {
        /// Events that are not told.
        missing: u32,
    },
    /// Events for descriptors that are not known: they were registered before the recording began.
    Unknown {
        /// How many.
        count: u32,
    },
}

impl Imported {
    /// The connection that it is about, if it is about one.
    pub fn connection(&self) -> Option<Number> {
        match *self {
            Imported::Connecting { connection, .. }
            | Imported::Found { connection, .. }
            | Imported::Descriptor { connection, .. }
            | Imported::Unasked { connection } => Some(connection),
            Imported::ListCut { .. } | Imported::Unknown { .. } => None,
        }
    }
}
