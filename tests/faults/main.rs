//! Faults of the system, the network and the peers, injected into the real `readyd` program.
//!
//! Each module is a place at which things fail. Tests whose name begins with `fault_` and a number
//! show one fault of the catalogue in `docs/reliability.md`; the others of it are in `tests/e2e/`,
//! under the same kind of name: `cargo test fault_` runs them all.
//!
//! As there, every server that was started has its descriptors back in the end, and a test that
//! lacks a tool or a right says `SKIPPED`, or fails if `READYD_REQUIRE_TOOLS=1` is in the
//! environment.

mod catalogue;
mod clocks;
mod descriptors;
mod idle;
mod injection;
mod logs;
mod memory;
mod network;
mod short_io;
mod slow;
#[allow(dead_code, unused_imports, reason = "the end-to-end tests use what these do not")]
#[path = "../e2e/support/mod.rs"]
mod support;
mod tables;
mod third_party;
mod zones;
