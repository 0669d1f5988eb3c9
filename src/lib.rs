//! readyd: a server and a client on readiness-based, nonblocking I/O.
//!
//! Begin with [`frame`] (the wire format), then [`conn`] (the engine: a connection as a pure state
//! machine), [`net`] (the seam to the operating system), [`server`] (many connections on one loop)
//! and [`reactor`] (the loop). ARCHITECTURE.md follows one event through all of them.

// What comes from outside must not be able to end the process. Where numbers of our own index arrays of
// our own, the module or function says so.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]

pub mod access;
pub mod address;
pub mod buffer;
pub mod client;
pub mod client_log;
pub mod clock;
pub mod close;
pub mod config;
pub mod conn;
pub mod counted;
pub mod descriptors;
pub mod files;
pub mod frame;
pub mod framing;
pub mod handlers;
pub mod inherited;
pub mod limits;
pub mod listener;
#[cfg(feature = "client")]
pub mod load;
pub mod mapping;
pub mod memory;
pub mod net;
#[doc(hidden)]
pub mod planted;
#[cfg(feature = "client")]
#[cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "rows and ports of its own making")
)]
pub mod preflight;
pub mod privileges;
pub mod reactor;
pub mod reply;
#[cfg(feature = "client")]
#[cfg_attr(
    not(test),
    expect(
        clippy::indexing_slicing,
        reason = "figures of its own making, or of a report that was checked when it was read"
    )
)]
pub mod report;
#[cfg(test)]
mod scratch;
pub mod server;
pub mod signals;
pub mod sockets;
pub mod stats;
pub mod table;
pub mod timer;
pub mod token;
pub mod usage;
pub mod zone;
