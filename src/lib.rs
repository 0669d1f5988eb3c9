//! readyd: a server and a client on readiness-based, nonblocking I/O.

pub mod buffer;
pub mod client_log;
pub mod clock;
pub mod close;
pub mod config;
pub mod conn;
pub mod frame;
pub mod framing;
pub mod handlers;
pub mod limits;
pub mod net;
pub mod reactor;
pub mod reply;
pub mod server;
pub mod stats;
pub mod table;
pub mod timer;
pub mod token;
