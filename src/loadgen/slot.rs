//! A slot: connections come and go in it, the slot stays.
//!
//! Invariant: a slot that says nothing owns no more than its entry. Tens of thousands of idle
//! connections are what the memory of a load generator is for.

use super::client_connection::ClientConnection;
use super::conn_state::{Role, SlotConnection};
use super::counters::Operation;
use super::ends::ConnectionEnd;
use super::slow_peer::SlowPeer;
use crate::io::clock::Moment;
use crate::io::net::Connect;
use crate::io::readiness::Readiness;
use std::io;

/// What talks on a slot's connections.
#[derive(Debug)]
pub(super) enum LoadEndpoint {
    /// Nothing: the connection is only held.
    Idle,
    /// A client that makes the requests of the pacer.
    Active(Box<ClientConnection>),
    /// An idle connection, or one to come: one request shows whether it is served.
    Probe(Box<ClientConnection>),
    /// A slow reader or writer.
    Slow(Box<SlowPeer>),
}

/// One place for a connection.
#[derive(Debug)]
pub(super) struct Slot<S> {
    pub(super) connection: SlotConnection<S>,
    pub(super) endpoint: LoadEndpoint,
    /// The generation in the token of the present socket.
    pub(super) generation: u32,
    pub(super) ready: Readiness,
    pub(super) is_queued: bool,
    /// Whether the slot has ever had an open connection.
    pub(super) was_established: bool,
    /// Whether an idle connection of the slot was ever served.
    pub(super) was_served: bool,
    /// Whether the ramp waits for the reply to the present connection's probe.
    pub(super) awaits_probe: bool,
    /// Attempts to connect that failed since the last one that did not.
    pub(super) failures: u8,
    /// Since when an attempt to connect has found the backlog of a unix socket full.
    pub(super) no_room_since: Option<Moment>,
    /// The end of the last connection, if the next attempt decides what it was.
    pub(super) undecided: Option<Box<UndecidedEnd>>,
}

/// The end of a connection that the server closed right behind an answer, with requests on their
/// way to it. If the server can be connected to again, that was its last answer on the connection;
/// otherwise the connection was lost.
#[derive(Debug)]
pub(super) struct UndecidedEnd {
    /// What it was if the connection was lost.
    pub(super) loss: ConnectionEnd,
    pub(super) operation: Operation,
    pub(super) error: io::Error,
}

impl<S> Slot<S> {
    pub(super) fn new(role: Role, endpoint: LoadEndpoint) -> Slot<S> {
        Slot {
            connection: SlotConnection::new(role),
            endpoint,
            generation: 0,
            ready: Readiness::default(),
            is_queued: false,
            was_established: false,
            was_served: false,
            awaits_probe: false,
            failures: 0,
            no_room_since: None,
            undecided: None,
        }
    }
}

/// The socket of an open connection, with all that a read or a write needs.
pub(super) struct OpenSocket<'a, N: Connect> {
    pub(super) net: &'a mut N,
    pub(super) stream: &'a mut N::Stream,
    pub(super) ready: &'a mut Readiness,
}
