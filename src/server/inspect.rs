//! What a simulator may see of a server's connections, to check after every turn that the
//! invariants hold. Nothing here changes anything.

use super::Server;
use super::connection::ServerConnection;
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::endpoint::Endpoint;
use crate::io::net::Net;
use crate::server::stats::standing::Standing;

/// An open connection, between two turns.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionSnapshot {
    /// The client.
    pub peer: Peer,
    /// Whether its socket is ready for work that it wants.
    pub has_work: bool,
    /// Whether it is to be read, if there is input.
    pub wants_read: bool,
    /// Whether it is queued for a visit in the next turn of the loop.
    pub is_queued: bool,
    /// Bytes of requests that are unfinished, or that wait for room.
    pub input_waits: usize,
    /// Bytes of output that the kernel has not taken.
    pub output_waits: usize,
    /// Heap bytes held for that input.
    pub input_heap: usize,
    /// Heap bytes held for that output.
    pub output_heap: usize,
    /// How it stands, to be counted.
    pub standing: Standing,
    /// When its timer fires.
    pub watched_until: Option<Moment>,
}

impl<N: Net> Server<N> {
    /// All open connections.
    #[doc(hidden)]
    pub fn inspect(&self) -> impl Iterator<Item = ConnectionSnapshot> {
        let limits = &self.cx.limits;
        self.sockets.iter().map(move |(token, socket)| {
            let ServerConnection { conn, peer, .. } = &socket.endpoint;
            let (input_waits, output_waits) = conn.waiting();
            let (input_heap, output_heap) = self.cx.memory_of(socket);
            ConnectionSnapshot {
                peer: *peer,
                has_work: socket.endpoint.wanted(limits).is_met(socket.ready),
                wants_read: conn.wants_read(),
                is_queued: self.sockets.is_queued(token),
                input_waits,
                output_waits,
                input_heap,
                output_heap,
                standing: conn.standing(),
                watched_until: self.sockets.watched_until(token),
            }
        })
    }

    /// Clients whose connections are counted, because a limit holds for each client.
    #[doc(hidden)]
    pub fn clients_counted(&self) -> usize {
        self.cx.admission.counted()
    }

    /// Timers that are armed: one for each connection.
    #[doc(hidden)]
    pub fn armed_timers(&self) -> usize {
        self.sockets.armed_timers()
    }
}
