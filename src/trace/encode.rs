//! From events to bytes: blocks that can each be decoded alone.
//!
//! Invariant: the bytes of an event are in the ring before the length that covers them. So a reader
//! of a ring that is being written, or whose writer was killed, finds whole events only.

use super::block::Block;
use super::codes::{Code, put_peer, states_code};
use super::event::{Event, Next, Number, RecvEnd, SendEnd};
use super::observer::Settled;
use super::wire::{Header, Kind, OTHER_CONNECTION, PAYLOAD_BYTES, TIME_PASSED, Writer, zigzag};
use crate::io::clock::Moment;
use crate::io::readiness::Readiness;

/// The most bytes of an event. A block with less room left is full.
const MOST: usize = 96;

/// recv(2) is nearly always given room for this many bytes: then the room is not written.
pub(super) const USUAL_ROOM: u32 = 64 * 1024;

/// Bit 3 of the byte that tells how a recv(2) ended: there was the usual room.
pub(super) const HAD_USUAL_ROOM: u8 = 8;

/// Bit 3 of the byte of a [`Event::Ready`]: the connection had closed.
pub(super) const STALE: u8 = 8;

/// Where blocks are written.
pub trait Ring {
    /// Goes on to the block of this number, counted from 1.
    fn advance(&mut self, sequence: u64);

    /// The block that it has gone on to.
    fn block(&self) -> &Block;
}

/// What an event is, and the connection that it is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    pub(super) kind: Kind,
    pub(super) connection: Number,
}

/// Makes the bytes of events.
#[derive(Debug)]
pub struct Encoder {
    /// The header of the block. Its numbers are counted on.
    header: Header,
    /// The wall clock less the monotonic clock.
    wall_offset: u64,
    used: usize,
    /// Of the next event.
    now: u64,
    /// Of the event before.
    time: u64,
    connection: Number,
}

impl Encoder {
    /// An encoder whose first block is yet to begin. `wall` and `now` are of one moment.
    pub fn new(pid: u32, shard: u16, wall: u64, now: Moment) -> Encoder {
        let wall_offset = wall.wrapping_sub(now.as_nanos());
        let header = Header { pid, shard, ..Header::default() };
        Encoder { header, wall_offset, used: PAYLOAD_BYTES, now: 0, time: 0, connection: 0 }
    }

    /// The same for a trace that may have events with payload.
    #[must_use]
    pub fn with_payload(mut self) -> Encoder {
        self.header.has_payload = true;
        self
    }

    /// Causes that were numbered.
    pub fn causes(&self) -> u64 {
        self.header.causes
    }

    /// Requests that were numbered.
    pub fn requests(&self) -> u64 {
        self.header.requests
    }

    /// Has the next event have this time. A clock that went back counts as one that stood.
    #[inline(always)]
    pub(super) fn set_time(&mut self, now: Moment) {
        self.now = now.as_nanos();
    }

    /// Has the next event begin a block.
    pub fn end_block(&mut self) {
        self.used = PAYLOAD_BYTES;
    }

    /// Writes an event that happened at `now`. A clock that went back counts as one that stood. An
    /// [`Event::Imported`] has no place in a ring and is left out.
    pub fn write(&mut self, ring: &mut dyn Ring, now: Moment, event: &Event) {
        self.set_time(now);
        // Before it is known which connection the event before was about: a block begins with none.
        self.make_room(ring);
        let about = |kind, connection| Subject { kind, connection };
        match *event {
            Event::TurnBegan { events, waited } => {
                let subject = about(Kind::TurnBegan, self.connection);
                self.put(ring, subject, &[events.into(), waited]);
            }
            Event::Ready { connection, bits, is_stale } => {
                self.ready(ring, about(Kind::Ready, connection), bits, is_stale);
            }
            Event::Visit { connection, cause } => {
                self.put(ring, about(Kind::Visit, connection), &[cause.code().into()]);
            }
            Event::Received { connection, asked, moved, end } => {
                self.received(ring, about(Kind::Received, connection), asked, moved, end);
            }
            Event::Served { connection, count, left, reply, cause, .. } => {
                self.served(ring, about(Kind::Served, connection), count, left, reply, cause);
            }
            Event::Sent { connection, moved, left, end, request, cause } => {
                let subject = about(Kind::Sent, connection);
                self.sent(ring, subject, moved, left, end, (request, cause));
            }
            Event::Settled {
                connection,
                inbound,
                outbound,
                ready,
                queued,
                unparsed,
                unsent,
                work,
            } => {
                let (states, waiting) = ((inbound, outbound), (unparsed, unsent));
                let settled = Settled { states, ready, queued, waiting, work };
                self.settled(ring, about(Kind::Settled, connection), settled);
            }
            Event::TurnEnded { visits, queued, next } => {
                let subject = about(Kind::TurnEnded, self.connection);
                let (visits, queued) = (visits.into(), queued.into());
                match next {
                    Next::Poll => self.put(ring, subject, &[visits, queued, 0]),
                    Next::WaitFor(nanos) => self.put(ring, subject, &[visits, queued, 1, nanos]),
                    Next::Wait => self.put(ring, subject, &[visits, queued, 2]),
                    Next::Stop => self.put(ring, subject, &[visits, queued, 3]),
                }
            }
            _ => self.write_rare(ring, event),
        }
    }

    /// An event that not every request has.
    #[inline(never)]
    fn write_rare(&mut self, ring: &mut dyn Ring, event: &Event) {
        let Some(kind) = event.kind() else { return };
        let connection = event.connection().unwrap_or(self.connection);
        let out = self.begin(ring, Subject { kind, connection });
        self.used = rare_fields(out, event).commit();
        let is_cause = matches!(event, Event::TimerFired { .. } | Event::Accepted { .. });
        self.count_causes(u64::from(is_cause));
    }

    /// Writes an event whose fields are numbers, or bytes below 128, which look the same.
    ///
    /// Those that each request has are written by this, and without an [`Event`]. What costs time
    /// is less the instructions than to fetch them from memory: the kernel has used the processor's
    /// cache since the last event. So this is one piece of code, for all of them.
    #[inline(never)]
    pub(super) fn put(&mut self, ring: &mut dyn Ring, subject: Subject, fields: &[u64]) {
        let out = self.begin(ring, subject);
        self.used = fields.iter().fold(out, |out, field| out.number(*field)).commit();
    }

    /// An [`Event::Ready`].
    #[inline]
    pub(super) fn ready(
        &mut self,
        ring: &mut dyn Ring,
        subject: Subject,
        bits: Readiness,
        is_stale: bool,
    ) {
        let byte = bits.code() | if is_stale { STALE } else { 0 };
        self.put(ring, subject, &[byte.into()]);
        self.count_causes(u64::from(!is_stale));
    }

    /// An [`Event::Received`].
    #[inline]
    pub(super) fn received(
        &mut self,
        ring: &mut dyn Ring,
        subject: Subject,
        asked: u32,
        moved: u32,
        end: RecvEnd,
    ) {
        let (code, errno) = match end {
            RecvEnd::Short => (0, None),
            RecvEnd::Full => (1, None),
            RecvEnd::WouldBlock => (2, None),
            RecvEnd::Interrupted => (3, None),
            RecvEnd::Eof => (4, None),
            RecvEnd::Error(errno) => (5, Some(errno)),
        };
        let room = (asked != USUAL_ROOM).then_some(asked);
        let code: u8 = code | if room.is_none() { HAD_USUAL_ROOM } else { 0 };
        let (code, moved) = (code.into(), moved.into());
        match (room.map(u64::from), errno.map(u64::from)) {
            (None, None) => self.put(ring, subject, &[code, moved]),
            (Some(more), None) | (None, Some(more)) => {
                self.put(ring, subject, &[code, moved, more])
            }
            (Some(room), Some(errno)) => self.put(ring, subject, &[code, moved, room, errno]),
        }
    }

    /// An [`Event::Served`].
    #[inline]
    pub(super) fn served(
        &mut self,
        ring: &mut dyn Ring,
        subject: Subject,
        count: u32,
        left: u32,
        reply: u32,
        cause: u64,
    ) {
        let cause = self.header.causes.wrapping_sub(cause);
        self.put(ring, subject, &[count.into(), left.into(), reply.into(), cause]);
        self.header.requests = self.header.requests.wrapping_add(u64::from(count));
    }

    /// An [`Event::Sent`].
    #[inline]
    pub(super) fn sent(
        &mut self,
        ring: &mut dyn Ring,
        subject: Subject,
        moved: u32,
        left: u32,
        end: SendEnd,
        (request, cause): (u64, u64),
    ) {
        let (code, errno) = match end {
            SendEnd::All => (0, None),
            SendEnd::WouldBlock => (1, None),
            SendEnd::Budget => (2, None),
            SendEnd::Interrupted => (3, None),
            SendEnd::Error(errno) => (4, Some(errno)),
        };
        let request = self.header.requests.wrapping_sub(request);
        let cause = self.header.causes.wrapping_sub(cause);
        let (moved, left) = (moved.into(), left.into());
        match errno {
            None => self.put(ring, subject, &[code, moved, left, request, cause]),
            Some(errno) => {
                self.put(ring, subject, &[code, moved, left, errno.into(), request, cause])
            }
        }
    }

    /// An [`Event::Settled`].
    #[inline]
    pub(super) fn settled(&mut self, ring: &mut dyn Ring, subject: Subject, settled: Settled) {
        let Settled { states: (inbound, outbound), ready, queued, waiting, work } = settled;
        let (states, reason) = states_code(inbound, outbound);
        let ready = (ready.code() | queued.code() << 3).into();
        let (states, unparsed, unsent) = (states.into(), waiting.0.into(), waiting.1.into());
        let work = work.into();
        match reason {
            None => self.put(ring, subject, &[states, ready, unparsed, unsent, work]),
            Some(reason) => {
                self.put(
                    ring,
                    subject,
                    &[states, reason.code().into(), ready, unparsed, unsent, work],
                );
            }
        }
    }

    /// Writes what all events begin with. What is in the block's header must not be counted before.
    #[inline(always)]
    fn begin<'a>(&mut self, ring: &'a mut dyn Ring, subject: Subject) -> Writer<'a> {
        let Subject { kind, connection } = subject;
        let now = self.now;
        self.make_room(ring);
        let passed = now.saturating_sub(self.time);
        let other = connection.wrapping_sub(self.connection);
        let time_passed = if passed > 0 { TIME_PASSED } else { 0 };
        let is_other = if other != 0 { OTHER_CONNECTION } else { 0 };
        let mut out = Writer::new(ring.block(), self.used);
        out = out.byte(kind as u8 | time_passed | is_other);
        if passed > 0 {
            self.time = now;
            out = out.number(passed);
        }
        if other != 0 {
            self.connection = connection;
            out = out.number(zigzag(other));
        }
        out
    }

    #[inline(always)]
    fn make_room(&mut self, ring: &mut dyn Ring) {
        if self.used + MOST > PAYLOAD_BYTES {
            self.begin_block(ring);
        }
    }

    #[cold]
    #[inline(never)]
    fn begin_block(&mut self, ring: &mut dyn Ring) {
        self.time = self.time.max(self.now);
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.time = self.time;
        self.header.wall = self.time.wrapping_add(self.wall_offset);
        self.used = 0;
        self.connection = 0;
        ring.advance(self.header.sequence);
        ring.block().begin(&self.header.to_bytes());
    }

    fn count_causes(&mut self, count: u64) {
        self.header.causes = self.header.causes.wrapping_add(count);
    }
}

fn rare_fields<'a>(out: Writer<'a>, event: &Event) -> Writer<'a> {
    match *event {
        Event::TimerFired { deadline, .. } => out.byte(deadline.code()),
        Event::Accepted { listener, peer, active, .. } => {
            put_peer(out.number(listener).number(active), peer)
        }
        Event::ListenerReady { listener } => out.number(listener),
        Event::Woken { by } => out.byte(by.code()),
        Event::Stalled { why, unsent, .. } => out.byte(why.code()).number(unsent),
        Event::Resumed { unsent, .. } => out.number(unsent),
        Event::TimerArmed { deadline, after, .. } => out.byte(deadline.code()).number(after),
        Event::TimersMoved { count } | Event::Shed { count } => out.number(count),
        Event::NotAccepted { listener, why } => out.number(listener).byte(why.code()),
        Event::Refused { why, peer } => put_peer(out.byte(why.code()), peer),
        Event::Closed { reason, is_reset, lost, .. } => {
            out.byte(reason.code()).byte(is_reset.code()).number(lost)
        }
        Event::ProxyHeader { peer, .. } => put_peer(out, peer),
        Event::TableReplaced { keys } => out.number(keys),
        Event::Payload { direction, ref chunk, .. } => {
            let out = out.byte(direction.code()).byte(chunk.bytes().len() as u8);
            out.bytes(chunk.bytes())
        }
        Event::Drain { step } => out.byte(step.code()),
        _ => out,
    }
}

impl Event {
    /// The connection that the event is about, if it is about one.
    pub fn connection(&self) -> Option<Number> {
        match *self {
            Event::Ready { connection, .. }
            | Event::Visit { connection, .. }
            | Event::Received { connection, .. }
            | Event::Served { connection, .. }
            | Event::Sent { connection, .. }
            | Event::Settled { connection, .. }
            | Event::Stalled { connection, .. }
            | Event::Resumed { connection, .. }
            | Event::TimerArmed { connection, .. }
            | Event::TimerFired { connection, .. }
            | Event::Accepted { connection, .. }
            | Event::ProxyHeader { connection, .. }
            | Event::FinSent { connection }
            | Event::Payload { connection, .. }
            | Event::Closed { connection, .. } => Some(connection),
            Event::Imported(imported) => imported.connection(),
            _ => None,
        }
    }

    /// Its kind in the format, if it has one.
    pub(super) fn kind(&self) -> Option<Kind> {
        Some(match self {
            Event::TurnBegan { .. } => Kind::TurnBegan,
            Event::Ready { .. } => Kind::Ready,
            Event::ListenerReady { .. } => Kind::ListenerReady,
            Event::Woken { .. } => Kind::Woken,
            Event::Visit { .. } => Kind::Visit,
            Event::Received { .. } => Kind::Received,
            Event::Served { .. } => Kind::Served,
            Event::Sent { .. } => Kind::Sent,
            Event::Settled { .. } => Kind::Settled,
            Event::Stalled { .. } => Kind::Stalled,
            Event::Resumed { .. } => Kind::Resumed,
            Event::TimerArmed { .. } => Kind::TimerArmed,
            Event::TimerFired { .. } => Kind::TimerFired,
            Event::TimersMoved { .. } => Kind::TimersMoved,
            Event::Accepted { .. } => Kind::Accepted,
            Event::NotAccepted { .. } => Kind::NotAccepted,
            Event::Refused { .. } => Kind::Refused,
            Event::Shed { .. } => Kind::Shed,
            Event::FinSent { .. } => Kind::FinSent,
            Event::Closed { .. } => Kind::Closed,
            Event::TableReplaced { .. } => Kind::TableReplaced,
            Event::TableKept => Kind::TableKept,
            Event::ZoneReplaced => Kind::ZoneReplaced,
            Event::Drain { .. } => Kind::Drain,
            Event::TurnEnded { .. } => Kind::TurnEnded,
            Event::Recording => Kind::Recording,
            Event::ProxyHeader { .. } => Kind::ProxyHeader,
            Event::Payload { .. } => Kind::Payload,
            Event::Imported(_) => return None,
        })
    }
}
