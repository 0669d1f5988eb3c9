//! The client: sessions on the same engine parts, reactor and [`Net`](crate::io::net::Net) seam as
//! the server.
//!
//! - [`Script`] is what a session says and what it makes of the answers.
//! - [`Session`] is the engine: pure, fed bytes, yields bytes.
//! - [`Fleet`] drives any number of sessions; a one-line look-up is a fleet of one.

pub mod fleet;
pub mod scripts;
pub mod session;

pub use fleet::{Finished, Fleet, FleetLimits};
pub use session::{Expect, Script, Session, SessionError, Then, Voice};

#[cfg(test)]
pub(crate) mod tests;
