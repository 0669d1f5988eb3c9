//! SIGUSR2: another process, of the program that stands at its path now, takes the place of this
//! one, and no client notices.
//!
//! ```text
//! old                                   new
//! starts the program, with listeners,
//! scoreboards and SEED               -> reads its configuration and files, as at any start
//!                                    <- LOADING, about once a second
//!                                    <- READY: it could serve
//! tells the service manager MAINPID
//! GO                                 -> tells the service manager READY, and accepts clients
//!                                    <- SERVES
//! closes its listeners, serves its clients until they leave
//! ```
//!
//! Both speak through a pair of sockets; that one end is closed tells that its process has ended.
//!
//! Invariants: until GO the new process accepts no client and changes nothing, and if it fails or
//! is silent for too long, the old one serves on. The listeners are the same sockets in both, so no
//! client is lost with a backlog: the old process closes its descriptors, and neither holds off
//! handshakes nor removes the file of a unix socket.

mod launcher;
mod manifest;
mod past;
mod predecessor;
mod program;
mod seed;
mod starter;
mod state;

pub(crate) use manifest::{Origin, Passed, VARIABLE};
pub(crate) use predecessor::{Handed, Predecessor, UpgradeError};
pub(crate) use program::Command;
pub(crate) use seed::SealedSeed;
pub(crate) use starter::Starter;
pub(crate) use state::{Given, INIT, Step, Upgrades, passed};

/// The kinds of notes between the two processes. That execve(2) has failed is
/// [`FAILURE`](crate::child::FAILURE).
mod kind {
    /// Of the old process, before the new one is there: a descriptor with the seed of the keys of
    /// TLS tickets, whose format is the number. A program that has no use for it passes over it.
    pub(super) const SEED: u8 = b't';
    /// Of the new process: it is loading files.
    pub(super) const LOADING: u8 = b'l';
    /// Of the new process, whose pid is the number: it could serve.
    pub(super) const READY: u8 = b'r';
    /// Of the old process: serve.
    pub(super) const GO: u8 = b'g';
    /// Of the old process, which stops: end.
    pub(super) const CANCEL: u8 = b'c';
    /// Of the new process: it accepts clients.
    pub(super) const SERVES: u8 = b's';
}
