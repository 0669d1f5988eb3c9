//! A connection of the server, as the table of sockets knows it.

use crate::conn::Connection;
use crate::handlers::Service;
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::endpoint::{Endpoint, Wanted};
use crate::io::readiness::Readiness;
#[cfg(target_pointer_width = "64")]
use crate::io::socket_table::Socket;
use crate::server::limits::Limits;

/// A connection: its state, the client, and the service.
#[derive(Debug)]
pub(super) struct ServerConnection {
    pub(super) conn: Connection,
    pub(super) peer: Peer,
    pub(super) service: Service,
}

// A stream is a descriptor. A million idle connections take this a million times.
#[cfg(target_pointer_width = "64")]
const _: () =
    assert!(size_of::<Socket<i32, ServerConnection>>() == 88, "the size of a connection's slot");

impl ServerConnection {
    pub(super) fn new(peer: Peer, service: Service, now: Moment) -> ServerConnection {
        ServerConnection { conn: Connection::new(now), peer, service }
    }

    /// What the socket is ready for when it has just been accepted.
    ///
    /// recv(2) of a unix socket stops short at what came with a descriptor (SCM_RIGHTS, unix(7))
    /// though more has come behind it, and no further edge tells.
    pub(super) fn readiness(&self) -> Readiness {
        Readiness {
            read_until_would_block: matches!(self.peer, Peer::Unix(_)),
            ..Readiness::CONNECTED
        }
    }
}

impl Endpoint for ServerConnection {
    type Limits = Limits;

    #[inline]
    fn wanted(&self, limits: &Limits) -> Wanted {
        Wanted {
            read: self.conn.wants_read(),
            write: self.conn.has_unsent() || self.conn.wants_to_produce(),
            resume: self.conn.can_resume(limits),
        }
    }

    #[inline]
    fn deadline(&self, limits: &Limits) -> Moment {
        self.conn.deadline(self.service.framing(limits), limits)
    }
}
