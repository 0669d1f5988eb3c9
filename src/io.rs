//! What every socket has in common: the seam to the operating system, readiness, waiting bytes,
//! tokens, timers and the clock.
//!
//! Invariant: nothing in this room knows a protocol, a service or an operating system. The reactor
//! implements [`net`] with real sockets; a simulator implements it with queues.

pub mod address;
pub mod buffer;
pub mod clock;
pub mod endpoint;
pub mod event_loop;
pub mod host;
pub mod net;
pub mod readiness;
pub mod socket_table;
pub mod timer;
pub mod token;
