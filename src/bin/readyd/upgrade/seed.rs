//! The seed of the keys of TLS tickets, on its way from an old process to the new one, so that
//! clients resume their sessions there.
//!
//! Invariant: it is a secret. It is in memory that both processes share, whose descriptor goes
//! through their socket; so it stands in no environment, no argument, no file and no log, and a
//! program in between, such as the launcher, does not have it.

use super::kind;
use readyd::os::inherited_fd::fd_passing::{self, Note};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

/// A seed in a sealed memfd.
#[derive(Debug)]
pub(crate) struct SealedSeed {
    /// The number of what the bytes mean.
    pub(crate) format: u64,
    pub(crate) memory: OwnedFd,
}

/// Leaves the seed in the socket, for the new process. Without it that one serves, too.
pub(super) fn leave(seed: io::Result<SealedSeed>, control: &UnixDatagram) {
    let send = |SealedSeed { format, memory }: SealedSeed| {
        let note = Note { kind: kind::SEED, number: format };
        fd_passing::send(control, note, Some(memory.as_fd()))
    };
    if let Err(error) = seed.and_then(send) {
        log::warn!("clients will begin new TLS sessions: cannot hand over their keys: {error}");
    }
}

/// Takes the seed, which was there before the program was started.
///
/// No other note is lost: until the new process is ready, the old one says at most that it stops,
/// and then it ends.
pub(super) fn take(control: &UnixDatagram) -> Option<SealedSeed> {
    match fd_passing::receive(control).ok()?? {
        (Note { kind: kind::SEED, number: format }, Some(memory)) => {
            Some(SealedSeed { format, memory })
        }
        _ => None,
    }
}
