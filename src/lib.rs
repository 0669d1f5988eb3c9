//! readyd: a server and a client on readiness-based, nonblocking I/O.

pub mod clock;
pub mod table;
