//! Deterministic simulation: the real server and the real client on a simulated kernel, where a
//! seed decides everything that goes wrong. See README.md.

mod addresses;
mod admission_reference;
mod captured;
mod close_reason_oracle;
#[cfg(all(feature = "tls", feature = "client-library"))]
mod encrypted;
mod ending;
mod exhaustive;
mod field_incidents;
mod heap;
mod hostile_servers;
#[cfg_attr(
    not(all(feature = "tls", feature = "client-library")),
    allow(dead_code, reason = "only encrypted worlds have layers")
)]
mod layers;
mod log_tap;
mod memory_oracle;
mod model;
#[cfg(not(all(feature = "tls", feature = "client-library")))]
mod nets;
mod oracle;
mod peers;
mod scenarios;
mod sessions;
mod setup;
mod tables;
mod volume;
mod watch;
mod wire;
mod world;

#[cfg(all(feature = "tls", feature = "client-library"))]
use encrypted::nets;
