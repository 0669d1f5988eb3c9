//! Deterministic simulation: the real server and the real client on a simulated kernel, where a seed
//! decides everything that goes wrong. See README.md.

mod backlog;
mod calls;
mod dice;
mod doorman;
mod ending;
mod events;
mod exhaustive;
mod facts;
mod faults;
mod field;
mod heap;
mod homes;
mod judge;
mod kernel;
mod knobs;
mod ledger;
mod log_tap;
mod model;
mod net;
mod oracle;
mod peers;
mod pipe;
mod rogues;
mod room;
mod scenarios;
mod sessions;
mod setup;
mod sockets;
mod tables;
mod trace;
mod volume;
mod watch;
mod wire;
mod world;
