//! Deterministic simulation: the real server and the real client on a simulated kernel, where a
//! seed decides everything that goes wrong. See README.md.

mod doorman;
mod ending;
mod exhaustive;
mod field;
mod heap;
mod homes;
mod judge;
mod ledger;
mod log_tap;
mod model;
mod oracle;
mod peers;
mod rogues;
mod scenarios;
mod sessions;
mod setup;
mod tables;
mod volume;
mod watch;
mod wire;
mod world;
