//! From events to bytes: blocks that can each be decoded alone.
//!
//! Invariant: the bytes of an event are in the ring before the length that covers them. So a reader
//! of a ring that is being written, or whose writer was killed, finds whole events only.

use super::codes::{Code, put_peer, put_states};
use super::event::{Event, Next, Number, RecvEnd, SendEnd};
use super::wire::{HEADER_BYTES, Header, Kind, OTHER_CONNECTION, PAYLOAD_BYTES, TIME_PASSED};
use super::wire::{Writer, zigzag};
use crate::io::clock::Moment;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

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
    /// Begins the next block: its length is 0 first of all, then its header is `header`.
    fn begin(&mut self, header: &[u8; HEADER_BYTES]);

    /// The block that was begun last.
    fn block(&self) -> OpenBlock<'_>;
}

/// A block that is written. Another process may read it, so all of it is atomic.
#[derive(Clone, Copy, Debug)]
pub struct OpenBlock<'a> {
    /// Room for [`PAYLOAD_BYTES`] bytes of events.
    pub payload: &'a [AtomicU8],
    /// How many of them are whole events, little-endian.
    pub length: &'a AtomicU32,
}

/// Makes the bytes of events.
#[derive(Debug)]
pub struct Encoder {
    /// The header of the block. Its numbers are counted on.
    header: Header,
    /// The wall clock less the monotonic clock.
    wall_offset: u64,
    used: usize,
    /// Of the event before.
    time: u64,
    connection: Number,
}

impl Encoder {
    /// An encoder whose first block is yet to begin. `wall` and `now` are of one moment.
    pub fn new(pid: u32, shard: u16, wall: u64, now: Moment) -> Encoder {
        let wall_offset = wall.wrapping_sub(now.as_nanos());
        let header = Header { pid, shard, ..Header::default() };
        Encoder { header, wall_offset, used: PAYLOAD_BYTES, time: 0, connection: 0 }
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

    /// Has the next event begin a block.
    pub fn end_block(&mut self) {
        self.used = PAYLOAD_BYTES;
    }

    /// Writes an event that happened at `now`. A clock that went back counts as one that stood. An
    /// [`Event::Imported`] has no place in a ring and is left out.
    #[inline(never)]
    pub fn write(&mut self, ring: &mut dyn Ring, now: Moment, event: &Event) {
        self.write_known(ring, now, event);
    }

    /// The same, unfolded where it is called: if the kind of the event is known there, nothing
    /// looks for it, which is more than half of the work.
    #[inline(always)]
    pub(super) fn write_known(&mut self, ring: &mut dyn Ring, now: Moment, event: &Event) {
        let Some(kind) = event.kind() else { return };
        let now = now.as_nanos();
        if self.used + MOST > PAYLOAD_BYTES {
            self.begin_block(ring, now);
        }
        let block = ring.block();
        let room = block.payload.get(self.used..).unwrap_or_default();
        let rest = self.encode(Writer::new(room), now, kind, event);
        self.used += room.len() - rest.left();
        block.length.store((self.used as u32).to_le(), Ordering::Release);
        self.time = self.time.max(now);
    }

    #[cold]
    #[inline(never)]
    fn begin_block(&mut self, ring: &mut dyn Ring, now: u64) {
        self.time = self.time.max(now);
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.time = self.time;
        self.header.wall = self.time.wrapping_add(self.wall_offset);
        self.used = 0;
        self.connection = 0;
        ring.begin(&self.header.to_bytes());
    }

    #[inline(always)]
    fn encode<'a>(
        &mut self,
        mut out: Writer<'a>,
        now: u64,
        kind: Kind,
        event: &Event,
    ) -> Writer<'a> {
        let passed = now.saturating_sub(self.time);
        let connection = event.connection().unwrap_or(self.connection);
        let mut first = kind as u8;
        first |= if passed > 0 { TIME_PASSED } else { 0 };
        first |= if connection != self.connection { OTHER_CONNECTION } else { 0 };
        out = out.byte(first);
        if passed > 0 {
            out = out.number(passed);
        }
        if connection != self.connection {
            out = out.number(zigzag(connection.wrapping_sub(self.connection)));
            self.connection = connection;
        }
        self.fields(out, event)
    }

    /// The fields of an event. What it numbers is counted.
    #[inline(always)]
    fn fields<'a>(&mut self, out: Writer<'a>, event: &Event) -> Writer<'a> {
        match *event {
            Event::TurnBegan { events, waited } => out.number(events).number(waited),
            Event::Ready { bits, is_stale, .. } => {
                self.count_causes(u64::from(!is_stale));
                out.byte(bits.code() | if is_stale { STALE } else { 0 })
            }
            Event::Visit { cause, .. } => out.byte(cause.code()),
            Event::Received { asked, moved, end, .. } => received(out, asked, moved, end),
            Event::Served { count, left, reply, cause, .. } => {
                self.header.requests = self.header.requests.wrapping_add(u64::from(count));
                let cause = self.header.causes.wrapping_sub(cause);
                out.number(count).number(left).number(reply).number(cause)
            }
            Event::Sent { moved, left, end, request, cause, .. } => {
                let request = self.header.requests.wrapping_sub(request);
                let cause = self.header.causes.wrapping_sub(cause);
                sent(out, moved, left, end).number(request).number(cause)
            }
            Event::Settled { inbound, outbound, ready, queued, unparsed, unsent, work, .. } => {
                let out = put_states(out, inbound, outbound);
                let out = out.byte(ready.code() | queued.code() << 3);
                out.number(unparsed).number(unsent).number(work)
            }
            Event::TurnEnded { visits, queued, next } => {
                let out = out.number(visits).number(queued);
                match next {
                    Next::Poll => out.byte(0),
                    Next::WaitFor(nanos) => out.byte(1).number(nanos),
                    Next::Wait => out.byte(2),
                    Next::Stop => out.byte(3),
                }
            }
            Event::TimerFired { deadline, .. } => {
                self.count_causes(1);
                out.byte(deadline.code())
            }
            Event::Accepted { listener, peer, active, .. } => {
                self.count_causes(1);
                put_peer(out.number(listener).number(active), peer)
            }
            _ => rare_fields(out, event),
        }
    }

    fn count_causes(&mut self, count: u64) {
        self.header.causes = self.header.causes.wrapping_add(count);
    }
}

/// The fields of an event that numbers nothing.
#[inline(never)]
fn rare_fields<'a>(out: Writer<'a>, event: &Event) -> Writer<'a> {
    match *event {
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

#[inline(always)]
fn received(out: Writer<'_>, asked: u32, moved: u32, end: RecvEnd) -> Writer<'_> {
    let (code, errno) = match end {
        RecvEnd::Short => (0, None),
        RecvEnd::Full => (1, None),
        RecvEnd::WouldBlock => (2, None),
        RecvEnd::Interrupted => (3, None),
        RecvEnd::Eof => (4, None),
        RecvEnd::Error(errno) => (5, Some(errno)),
    };
    let had_usual_room = asked == USUAL_ROOM;
    let mut out = out.byte(code | if had_usual_room { HAD_USUAL_ROOM } else { 0 }).number(moved);
    if !had_usual_room {
        out = out.number(asked);
    }
    match errno {
        Some(errno) => out.number(errno),
        None => out,
    }
}

#[inline(always)]
fn sent(out: Writer<'_>, moved: u32, left: u32, end: SendEnd) -> Writer<'_> {
    let (code, errno) = match end {
        SendEnd::All => (0, None),
        SendEnd::WouldBlock => (1, None),
        SendEnd::Budget => (2, None),
        SendEnd::Interrupted => (3, None),
        SendEnd::Error(errno) => (4, Some(errno)),
    };
    let out = out.byte(code).number(moved).number(left);
    match errno {
        Some(errno) => out.number(errno),
        None => out,
    }
}

impl Event {
    /// The connection that the event is about, if it is about one.
    #[inline(always)]
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
    #[inline(always)]
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
