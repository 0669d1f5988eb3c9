//! The client: sessions on the same engine parts, reactor and [`Net`](crate::io::net::Net) seam as
//! the server.
//!
//! - [`Conversation`] is what one session sends, and what it does with each answer.
//! - [`Session`] is the engine: pure, fed bytes, yields bytes.
//! - [`SessionPool`] drives any number of sessions; a one-line look-up is a pool of one.

pub mod conversations;
pub mod session;
pub mod session_pool;

pub use session::{Conversation, Expect, NextAction, Session, SessionError, Writer};
pub use session_pool::{Finished, PoolLimits, SessionPool};

#[cfg(test)]
pub(crate) mod tests;
