//! The wire format: where one request ends and the next begins, and how a reply is written.
//!
//! Invariant: pure functions of bytes. Nothing in this room reads a clock or a socket.

pub mod frame;
pub mod framing;
#[cfg(feature = "ops")]
pub mod http;
pub mod proxy_header;
pub mod reply;
