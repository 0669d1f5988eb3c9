//! What can be seen of a server's connections from outside, so that a simulator can check after every
//! turn that the invariants hold. It only looks.

use super::Server;
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::net::Net;

/// One open connection, between two turns.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audited {
    /// The client.
    pub peer: Peer,
    /// Something is both ready and wanted.
    pub has_work: bool,
    /// Input, if there is some, is to be read.
    pub wants_read: bool,
    /// It gets its turn in the next turn of the loop.
    pub is_queued: bool,
    /// Bytes of requests that are unfinished, or that have to wait.
    pub input_waits: usize,
    /// Bytes of output that the kernel has not taken.
    pub output_waits: usize,
    /// Heap bytes held for that input.
    pub input_heap: usize,
    /// Heap bytes held for that output.
    pub output_heap: usize,
    /// When its timer fires.
    pub watched_until: Option<Moment>,
}

impl<N: Net> Server<N> {
    /// All open connections.
    #[doc(hidden)]
    pub fn audit(&self) -> impl Iterator<Item = Audited> {
        let limits = &self.visitor.limits;
        self.connections.iter().map(move |(index, entry)| {
            let (input_waits, output_waits) = entry.conn.waiting();
            let (input_heap, output_heap) = entry.conn.memory();
            Audited {
                peer: entry.peer,
                has_work: entry.has_work(limits),
                wants_read: entry.conn.wants_read(),
                is_queued: entry.queued,
                input_waits,
                output_waits,
                input_heap,
                output_heap,
                watched_until: self.timers.deadline(index),
            }
        })
    }

    /// Clients whose connections are counted, because one client may have only so many.
    #[doc(hidden)]
    pub fn clients_counted(&self) -> usize {
        self.admission.counted()
    }

    /// Timers that are armed: one for each connection.
    #[doc(hidden)]
    pub fn armed_timers(&self) -> usize {
        self.timers.len()
    }
}
