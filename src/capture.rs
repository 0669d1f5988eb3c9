//! What came in through the seam, written down, so that the same server can be run over it again.
//!
//! ```text
//! Server<Captured<N>> --calls--> N            its outcomes --> Tape --turns--> a Sink (a file)
//! Server<replay::...> --calls--> the capture: its outcomes again
//! ```
//!
//! [`Captured`] is a network around another. It passes each call on, and writes the outcome to a
//! [`Tape`]; so does it with what the server is told ([`Told`](crate::io::net::Told)). Together
//! they decide everything that the server does. [`replay`] runs a server over a capture.
//! docs/capture-format.md describes the bytes.
//!
//! Invariants:
//!
//! - A capture holds whole turns. It ends between two of them, whatever ends it.
//! - Writing never waits: what cannot be written ends the capture, not the server.
//! - No input to a reader makes it panic, or allocate more than the input has.

mod network;
pub mod reader;
pub mod record;
pub mod replay;
pub mod start;
mod statistics;
mod tape;
pub mod wire;
mod words;

pub use network::{Captured, CapturedListener, CapturedStream};
pub use statistics::CapturedStatistics;
pub use tape::{Sink, Tape, end_of};
pub use words::describe;
