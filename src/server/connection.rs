//! A connection of the server, as the table of sockets knows it.

use super::encrypted::Layer;
use crate::conn::{Connection, Deadline};
use crate::handlers::Service;
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::endpoint::{Endpoint, Wanted};
use crate::io::readiness::Readiness;
#[cfg(target_pointer_width = "64")]
use crate::io::socket_table::Socket;
use crate::protocol::proxy_header::Versions;
use crate::server::limits::Limits;

/// A connection: its state, the client, and the service.
#[derive(Debug)]
pub(super) struct ServerConnection {
    pub(super) conn: Connection,
    pub(super) peer: Peer,
    pub(super) standing: PeerStanding,
    pub(super) layer: Layer,
    pub(super) service: Service,
}

/// What a connection's peer is to the limits for each address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerStanding {
    /// A client. It may be counted.
    Admitted,
    /// A proxy, whose header is yet to tell of the client. It is not counted.
    AwaitsHeader(Versions),
    /// A proxy that connected for itself, or a client that was refused. It is not counted.
    Exempt,
}

// A stream is a descriptor. A million idle connections take this a million times.
#[cfg(target_pointer_width = "64")]
const _: () =
    assert!(size_of::<Socket<i32, ServerConnection>>() == 88, "the size of a connection's slot");

impl ServerConnection {
    pub(super) fn new(
        peer: Peer,
        standing: PeerStanding,
        layer: Layer,
        service: Service,
        now: Moment,
    ) -> ServerConnection {
        ServerConnection { conn: Connection::new(now), peer, standing, layer, service }
    }

    /// Whether it is a proxy's, and the header is not complete: nothing is served before.
    #[inline]
    pub(super) fn awaits_header(&self) -> bool {
        cfg!(feature = "ops") && matches!(self.standing, PeerStanding::AwaitsHeader(_))
    }

    /// When the deadline that counts passes, and which it is.
    #[inline]
    pub(super) fn next_deadline(&self, limits: &Limits) -> (Moment, Deadline) {
        if self.awaits_header() || self.layer.is_handshaking() {
            return (self.conn.idle_since() + limits.frame_timeout, Deadline::Frame);
        }
        let next = self.conn.next_deadline(self.service.framing(limits), limits);
        let ciphertext = self.ciphertext_deadline(limits);
        if ciphertext < next.0 { (ciphertext, Deadline::Write) } else { next }
    }

    /// When the peer must have taken ciphertext that waits though all plaintext was taken.
    /// Plaintext has a deadline of its own, which a peer that takes a little at a time prolongs.
    #[inline]
    pub(super) fn ciphertext_deadline(&self, limits: &Limits) -> Moment {
        match self.layer.waits() && !self.conn.has_unsent() {
            true => self.conn.idle_since() + limits.write_timeout,
            false => Moment::NEVER,
        }
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
            write: self.conn.has_unsent() || self.conn.wants_to_produce() || self.layer.waits(),
            resume: self.conn.can_resume(limits),
        }
    }

    #[inline]
    fn deadline(&self, limits: &Limits) -> Moment {
        self.next_deadline(limits).0
    }
}
