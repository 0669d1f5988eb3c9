//! readyd: a server and a client on readiness-based, nonblocking I/O.
//!
//! Begin with [`protocol`] (the wire format), then [`conn`] (the engine: a connection as a pure
//! state machine), [`io::net`] (the seam to the operating system), [`server`] (many connections on
//! one loop) and `reactor` (the loop). ARCHITECTURE.md follows one event through all of them.
//!
//! `reactor`, `os` and `config` need Unix. The other modules know no operating system, and build
//! for wasm32-unknown-unknown as well: a program that implements [`io::net`] there can run the same
//! server.

// What comes from outside must not be able to end the process. Where numbers of our own index
// arrays of our own, the module or function says so.
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

pub mod client;
#[cfg(unix)]
pub mod config;
pub mod conn;
pub mod counted;
#[cfg(test)]
mod documented;
pub mod handlers;
pub mod io;
#[cfg(all(unix, feature = "client"))]
pub mod loadgen;
#[cfg(unix)]
pub mod os;
pub mod protocol;
#[cfg(unix)]
pub mod reactor;
#[cfg(test)]
mod scratch;
pub mod server;
pub mod table;
#[cfg(all(unix, any(test, feature = "testkit")))]
pub mod testkit;
pub mod zone;
