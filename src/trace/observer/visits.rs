//! What is written down of each visit, and so with each request.

use super::{Recorder, Recording};
use crate::conn::{Deadline, Inbound, Outbound};
use crate::io::readiness::Readiness;
use crate::trace::codes::Code;
use crate::trace::encode::{Encoder, Ring, Subject};
use crate::trace::event::{Event, Queued, RecvEnd, SendEnd, StallCause, VisitCause};
use crate::trace::wire::Kind;

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
    pub waiting: (u32, u32),
    /// The visit's work, in units of about 100 ns.
    pub work: u32,
}

impl Recorder {
    /// What an event about the connection that is visited needs: what writes it and where, and what
    /// it is about.
    #[inline(always)]
    fn about(&mut self, kind: Kind) -> (&mut Encoder, &mut dyn Ring, Subject) {
        let subject = Subject { kind, connection: self.connection() };
        let Recording { ring, encoder, .. } = &mut self.recording;
        encoder.set_time(self.now);
        (encoder, &mut **ring, subject)
    }

    /// Its visit began.
    pub fn visit_began(&mut self, cause: VisitCause) {
        let (encoder, ring, subject) = self.about(Kind::Visit);
        encoder.put(ring, subject, &[cause.code().into()]);
        let connection = self.connection();
        self.tell_if_asked(|| Event::Visit { connection, cause });
    }

    /// recv(2) was called for it.
    pub fn received(&mut self, asked: u32, moved: u32, end: RecvEnd) {
        self.tick_if_long(moved);
        let (encoder, ring, subject) = self.about(Kind::Received);
        encoder.received(ring, subject, asked, moved, end);
        let connection = self.connection();
        self.tell_if_asked(|| Event::Received { connection, asked, moved, end });
    }

    /// send(2) was called for it.
    pub fn sent(&mut self, moved: u32, left: u32, end: SendEnd) {
        self.tick_if_long(moved);
        let lane = self.lane(self.current);
        let (request, cause) = lane.map_or((0, 0), |lane| (lane.request, lane.cause));
        let (encoder, ring, subject) = self.about(Kind::Sent);
        encoder.sent(ring, subject, moved, left, end, (request, cause));
        let connection = self.connection();
        self.tell_if_asked(|| Event::Sent { connection, moved, left, end, request, cause });
    }

    /// Its visit ended, and it stays.
    pub fn settled(&mut self, settled: Settled) {
        self.tick();
        let (encoder, ring, subject) = self.about(Kind::Settled);
        encoder.settled(ring, subject, settled);
        let connection = self.connection();
        self.tell_if_asked(|| {
            let Settled { states: (inbound, outbound), ready, queued, waiting, work } = settled;
            let (unparsed, unsent) = waiting;
            Event::Settled { connection, inbound, outbound, ready, queued, unparsed, unsent, work }
        });
    }

    /// Its requests wait, for this reason; or wait no more.
    #[cold]
    pub fn stalled_or_resumed(&mut self, why: Option<StallCause>, unsent: u32) {
        let connection = self.connection();
        self.note(match why {
            Some(why) => Event::Stalled { connection, why, unsent },
            None => Event::Resumed { connection, unsent },
        });
    }

    /// Its timer will fire `after` nanoseconds from now.
    #[cold]
    pub fn timer_armed(&mut self, deadline: Deadline, after: u64) {
        let connection = self.connection();
        self.note(Event::TimerArmed { connection, deadline, after });
    }

    /// Requests of the connection that is visited were answered.
    pub fn served(&mut self, count: u32, left: u32, reply: u32) {
        let last = self.recording.encoder.requests().wrapping_add(count.into());
        let lane = self.lane(self.current);
        let cause = lane.map_or(0, |lane| {
            if count > 0 {
                lane.request = last;
            }
            lane.cause
        });
        let (encoder, ring, subject) = self.about(Kind::Served);
        encoder.served(ring, subject, count, left, reply, cause);
        let connection = self.connection();
        self.tell_if_asked(|| Event::Served { connection, count, last, left, reply, cause });
    }
}
