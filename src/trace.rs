//! What the loop did, and why: a trace of typed events, cheap enough for a server at work.
//!
//! ```text
//! server --hooks--> Observer --events--> Encoder --bytes--> Ring (a file)    --> decode, text
//! ```
//!
//! [`Observer`] has one hook for each kind of thing that happens. [`encode`] makes bytes of events,
//! in blocks of 4 KiB that can each be decoded alone; [`decode`] is the way back.
//! docs/trace-format.md describes the bytes, precisely enough to write another reader.
//!
//! Invariants:
//!
//! - A trace of a server at work has no byte that a client sent, and none that it was sent: sizes,
//!   times, reasons. Only a replay can add some, see [`payload`].
//! - Each send names the last request that it answers, and the event that caused the visit.
//! - An event tells a state, not a change: it can be understood without the events before it.
//! - No input to a reader makes it panic.

pub mod block;
mod codes;
pub mod decode;
#[cfg(feature = "client-library")]
pub mod diff;
pub mod encode;
pub mod event;
pub mod imported;
pub mod memory_ring;
mod observer;
#[cfg(feature = "client-library")]
pub mod page;
pub mod payload;
#[cfg(feature = "client-library")]
pub mod perfetto;
#[cfg(unix)]
pub mod reader;
#[cfg(unix)]
pub mod ring_file;
#[cfg(feature = "client-library")]
pub mod strace;
pub mod summary;
mod teller;
pub mod text;
mod trigger;
pub mod wire;

pub use observer::{AddressPolicy, Observer, Recorder, Recording, Settled, count_32};
pub use teller::Teller;
pub use trigger::Trigger;

#[cfg(test)]
mod tests;
