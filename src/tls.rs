//! TLS, as a network around another: [`Secured`].
//!
//! It stands below the seam ([`crate::io::net`]), because randomness and certificates do: what it
//! decrypts is an input of the server, as what recv(2) brings is. So the server's engine is fed
//! plaintext and yields plaintext, limits on waiting output count plaintext, a capture holds
//! plaintext, and a replay needs no key.
//!
//! The records are made and taken apart by rustls, through its unbuffered interface: all buffers
//! are ours, and counted. `session.rs` is one connection, and knows no socket; `layer.rs` moves
//! its bytes, and `network.rs` has many of them.
//!
//! Invariants:
//!
//! - An idle connection owns no buffer beside the keys.
//! - Bytes that [`SocketIo::send`](crate::io::net::SocketIo::send) says it has taken are the
//!   kernel's when the call returns: what waits in the server is what the peer has not been sent.
//! - A handshake that fails, and a peer that is slow, are the matter of one connection.

mod certificate;
#[cfg(feature = "client-library")]
mod client;
#[cfg(feature = "client-library")]
mod client_sessions;
mod clock;
mod identity;
mod layer;
mod network;
mod passing_on;
mod session;
mod tickets;

pub use certificate::{CertificateError, PemFile};
#[cfg(feature = "client-library")]
pub use client::{ClientTls, HandshakeCounts};
pub use identity::{Identities, IdentityMaker, ServerIdentity};
pub use network::{Secured, SecuredStream};
#[cfg(feature = "client-library")]
pub use rustls::pki_types::ServerName;
pub use tickets::{TicketSeed, Tickets};

#[cfg(test)]
mod tests;
