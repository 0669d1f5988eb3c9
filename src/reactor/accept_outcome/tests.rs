//! Each errno that accept(2) lists, and what a server is told of it.

use super::*;
use std::net::{Ipv4Addr, SocketAddr};

fn outcome(errno: Errno) -> AcceptOutcome<()> {
    AcceptOutcome::from(Err(io::Error::from(errno)))
}

#[test]
fn a_connection_comes_with_its_peer() {
    let peer = Peer::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 7)));
    let AcceptOutcome::Connection(stream, who) = AcceptOutcome::from(Ok(("a stream", peer))) else {
        panic!("a connection is not taken for a failure");
    };
    assert_eq!((stream, who), ("a stream", peer));
}

#[test]
fn an_empty_backlog_and_an_interruption_are_no_failures() {
    assert!(matches!(outcome(Errno::EAGAIN), AcceptOutcome::NoneWaiting));
    assert!(matches!(outcome(Errno::EINTR), AcceptOutcome::Interrupted));
}

#[test]
fn errors_of_the_new_socket_concern_that_connection_alone() {
    let errors = [
        Errno::ECONNABORTED,
        Errno::ECONNRESET,
        Errno::EPROTO,
        Errno::ENETDOWN,
        Errno::ENETUNREACH,
        Errno::EHOSTDOWN,
        Errno::EHOSTUNREACH,
        Errno::ENONET,
        Errno::ENOPROTOOPT,
        Errno::EOPNOTSUPP,
        Errno::ETIMEDOUT,
        Errno::EPERM,
    ];
    for errno in errors {
        assert!(matches!(outcome(errno), AcceptOutcome::Lost), "{errno}");
    }
}

#[test]
fn everything_else_is_a_failure_of_the_system() {
    let errors = [
        Errno::EMFILE,
        Errno::ENFILE,
        Errno::ENOBUFS,
        Errno::ENOMEM,
        Errno::EBADF,
        Errno::EINVAL,
        Errno::ENOTSOCK,
        Errno::EACCES,
    ];
    for errno in errors {
        let AcceptOutcome::Failed(error) = outcome(errno) else { panic!("{errno}") };
        assert_eq!(error.raw_os_error(), Some(errno as i32), "the message names it");
    }
}
