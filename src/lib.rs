//! readyd: a server and a client on readiness-based, nonblocking I/O.
//!
//! Begin with [`frame`] (the wire format), then [`conn`] (the engine: a connection as a pure state
//! machine), [`net`] (the seam to the operating system), [`server`] (many connections on one loop)
//! and [`reactor`] (the loop). ARCHITECTURE.md follows one event through all of them.

pub mod buffer;
pub mod client;
pub mod client_log;
pub mod clock;
pub mod close;
pub mod config;
pub mod conn;
pub mod descriptors;
pub mod frame;
pub mod framing;
pub mod handlers;
pub mod limits;
#[cfg(feature = "client")]
pub mod load;
pub mod net;
#[doc(hidden)]
pub mod planted;
#[cfg(feature = "client")]
pub mod preflight;
pub mod reactor;
pub mod reply;
#[cfg(feature = "client")]
pub mod report;
pub mod server;
pub mod stats;
pub mod table;
pub mod timer;
pub mod token;
