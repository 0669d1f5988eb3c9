//! What is written down of each visit, and so with each request.

use super::{Recorder, count_32};
use crate::conn::{Inbound, Outbound};
use crate::io::readiness::Readiness;
use crate::trace::event::{Event, Queued, RecvEnd, SendEnd, VisitCause};

/// How a visit has left the connection.
#[derive(Clone, Copy, Debug)]
pub struct Settled {
    /// The directions from and to the peer.
    pub states: (Inbound, Outbound),
    /// What the socket is known to be ready for.
    pub ready: Readiness,
    /// Whether it is queued for another visit, and why.
    pub queued: Queued,
    /// Bytes of requests and of output that wait.
    pub waiting: (usize, usize),
    /// The visit's work, in units of about 100 ns.
    pub work: u32,
}

impl Recorder {
    /// Its visit began.
    pub fn visit_began(&mut self, cause: VisitCause) {
        let connection = self.connection();
        self.note_known(Event::Visit { connection, cause });
    }

    /// recv(2) was called for it.
    pub fn received(&mut self, asked: u32, moved: u32, end: RecvEnd) {
        self.tick_if_long(moved);
        let connection = self.connection();
        self.note_known(Event::Received { connection, asked, moved, end });
    }

    /// send(2) was called for it.
    pub fn sent(&mut self, moved: u32, left: u32, end: SendEnd) {
        self.tick_if_long(moved);
        let (request, cause) = self.request_and_cause();
        let connection = self.connection();
        self.note(Event::Sent { connection, moved, left, end, request, cause });
    }

    /// Its visit ended, and it stays.
    pub fn settled(&mut self, settled: Settled) {
        self.tick();
        let Settled { states: (inbound, outbound), ready, queued, waiting, work } = settled;
        let (connection, (unparsed, unsent)) = (self.connection(), waiting);
        self.note(Event::Settled {
            connection,
            inbound,
            outbound,
            ready,
            queued,
            unparsed: count_32(unparsed),
            unsent: count_32(unsent),
            work,
        });
    }

    /// Requests of the connection that is visited were answered.
    pub fn served(&mut self, count: u32, left: u32, reply: u32) {
        let cause = self.lane(self.current).map_or(0, |lane| lane.cause);
        let last = self.recording.encoder.requests().wrapping_add(count.into());
        let connection = self.connection();
        self.note(Event::Served { connection, count, last, left, reply, cause });
        if count > 0
            && let Some(lane) = self.lane(self.current)
        {
            lane.request = last;
        }
    }

    /// The numbers of the last request and of the cause of the connection that is visited.
    fn request_and_cause(&mut self) -> (u64, u64) {
        self.lane(self.current).map_or((0, 0), |lane| (lane.request, lane.cause))
    }
}
