//! What accept(2) answered, sorted by what a server has to do next.

use crate::io::address::Peer;
use crate::io::net::AcceptOutcome;
use nix::errno::Errno;
use std::io::{self, ErrorKind};

#[cfg(test)]
mod tests;

impl<S> From<io::Result<(S, Peer)>> for AcceptOutcome<S> {
    /// The only place that looks at the errno of an accept(2).
    fn from(answer: io::Result<(S, Peer)>) -> AcceptOutcome<S> {
        match answer {
            Ok((stream, peer)) => AcceptOutcome::Connection(stream, peer),
            Err(error) if error.kind() == ErrorKind::WouldBlock => AcceptOutcome::NoneWaiting,
            Err(error) if error.kind() == ErrorKind::Interrupted => AcceptOutcome::Interrupted,
            Err(error) if is_of_that_connection(&error) => AcceptOutcome::Lost,
            Err(error) => AcceptOutcome::Failed(error),
        }
    }
}

/// Whether the error concerns one connection, which was lost before it was accepted. Linux passes
/// network errors of the new socket through accept(2), and accept(2) says to treat them like
/// EAGAIN.
fn is_of_that_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(
            Errno::ECONNABORTED
                | Errno::ECONNRESET
                | Errno::EPROTO
                | Errno::ENETDOWN
                | Errno::ENETUNREACH
                | Errno::EHOSTDOWN
                | Errno::EHOSTUNREACH
                | Errno::ENONET
                | Errno::ENOPROTOOPT
                | Errno::EOPNOTSUPP
                | Errno::ETIMEDOUT
                | Errno::EPERM
        )
    )
}
