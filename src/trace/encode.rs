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
    pub fn write(&mut self, ring: &mut dyn Ring, now: Moment, event: &Event) {
        let Some(kind) = event.kind() else { return };
        let now = now.as_nanos();
        if self.used + MOST > PAYLOAD_BYTES {
            self.begin_block(ring, now);
        }
        let block = ring.block();
        let mut out = Writer::new(block.payload.get(self.used..).unwrap_or_default());
        self.encode(&mut out, now, kind, event);
        self.used += out.len();
        block.length.store((self.used as u32).to_le(), Ordering::Release);
        self.time = self.time.max(now);
    }

    fn begin_block(&mut self, ring: &mut dyn Ring, now: u64) {
        self.time = self.time.max(now);
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.time = self.time;
        self.header.wall = self.time.wrapping_add(self.wall_offset);
        self.used = 0;
        self.connection = 0;
        ring.begin(&self.header.to_bytes());
    }

    #[inline]
    fn encode(&mut self, out: &mut Writer<'_>, now: u64, kind: Kind, event: &Event) {
        let passed = now.saturating_sub(self.time);
        let connection = event.connection().unwrap_or(self.connection);
        let mut first = kind as u8;
        first |= if passed > 0 { TIME_PASSED } else { 0 };
        first |= if connection != self.connection { OTHER_CONNECTION } else { 0 };
        out.byte(first);
        if passed > 0 {
            out.number(passed);
        }
        if connection != self.connection {
            out.number(zigzag(connection.wrapping_sub(self.connection)).into());
            self.connection = connection;
        }
        self.fields(out, event);
    }

    /// The fields of an event. What it numbers is counted.
    #[inline]
    fn fields(&mut self, out: &mut Writer<'_>, event: &Event) {
        match *event {
            Event::TurnBegan { events, waited } => numbers(out, &[events.into(), waited]),
            Event::Ready { bits, is_stale, .. } => {
                out.byte(bits.code() | if is_stale { STALE } else { 0 });
                self.count_causes(u64::from(!is_stale));
            }
            Event::ListenerReady { listener } => out.number(listener.into()),
            Event::Woken { by } => out.byte(by.code()),
            Event::Visit { cause, .. } => out.byte(cause.code()),
            Event::Received { asked, moved, end, .. } => received(out, asked, moved, end),
            Event::Served { count, left, reply, cause, .. } => {
                numbers(out, &[count.into(), left.into(), reply.into()]);
                out.number(self.header.causes.wrapping_sub(cause));
                self.header.requests = self.header.requests.wrapping_add(u64::from(count));
            }
            Event::Sent { moved, left, end, request, cause, .. } => {
                sent(out, moved, left, end);
                out.number(self.header.requests.wrapping_sub(request));
                out.number(self.header.causes.wrapping_sub(cause));
            }
            Event::Settled { inbound, outbound, ready, queued, unparsed, unsent, work, .. } => {
                put_states(out, inbound, outbound);
                out.byte(ready.code() | queued.code() << 3);
                numbers(out, &[unparsed.into(), unsent.into(), work.into()]);
            }
            Event::Stalled { why, unsent, .. } => {
                out.byte(why.code());
                out.number(unsent.into());
            }
            Event::Resumed { unsent, .. } => out.number(unsent.into()),
            Event::TimerArmed { deadline, after, .. } => {
                out.byte(deadline.code());
                out.number(after);
            }
            Event::TimerFired { deadline, .. } => {
                out.byte(deadline.code());
                self.count_causes(1);
            }
            Event::Accepted { listener, peer, active, .. } => {
                numbers(out, &[listener.into(), active.into()]);
                put_peer(out, peer);
                self.count_causes(1);
            }
            Event::TimersMoved { count } | Event::Shed { count } => out.number(count.into()),
            _ => Encoder::rare_fields(out, event),
        }
    }

    fn count_causes(&mut self, count: u64) {
        self.header.causes = self.header.causes.wrapping_add(count);
    }

    fn rare_fields(out: &mut Writer<'_>, event: &Event) {
        match *event {
            Event::NotAccepted { listener, why } => {
                out.number(listener.into());
                out.byte(why.code());
            }
            Event::Refused { why, peer } => {
                out.byte(why.code());
                put_peer(out, peer);
            }
            Event::Closed { reason, is_reset, lost, .. } => {
                out.byte(reason.code());
                out.byte(is_reset.code());
                out.number(lost.into());
            }
            Event::ProxyHeader { peer, .. } => put_peer(out, peer),
            Event::TableReplaced { keys } => out.number(keys),
            Event::Payload { direction, ref chunk, .. } => {
                out.byte(direction.code());
                out.byte(chunk.bytes().len() as u8);
                out.bytes(chunk.bytes());
            }
            Event::Drain { step } => out.byte(step.code()),
            Event::TurnEnded { visits, queued, next } => {
                numbers(out, &[visits.into(), queued.into()]);
                match next {
                    Next::Poll => out.byte(0),
                    Next::WaitFor(nanos) => {
                        out.byte(1);
                        out.number(nanos);
                    }
                    Next::Wait => out.byte(2),
                    Next::Stop => out.byte(3),
                }
            }
            _ => {}
        }
    }
}

fn numbers(out: &mut Writer<'_>, numbers: &[u64]) {
    numbers.iter().for_each(|&number| out.number(number));
}

fn received(out: &mut Writer<'_>, asked: u32, moved: u32, end: RecvEnd) {
    let (code, errno) = match end {
        RecvEnd::Short => (0, None),
        RecvEnd::Full => (1, None),
        RecvEnd::WouldBlock => (2, None),
        RecvEnd::Interrupted => (3, None),
        RecvEnd::Eof => (4, None),
        RecvEnd::Error(errno) => (5, Some(errno)),
    };
    out.byte(code | if asked == USUAL_ROOM { HAD_USUAL_ROOM } else { 0 });
    out.number(moved.into());
    if asked != USUAL_ROOM {
        out.number(asked.into());
    }
    if let Some(errno) = errno {
        out.number(errno.into());
    }
}

fn sent(out: &mut Writer<'_>, moved: u32, left: u32, end: SendEnd) {
    let (code, errno) = match end {
        SendEnd::All => (0, None),
        SendEnd::WouldBlock => (1, None),
        SendEnd::Budget => (2, None),
        SendEnd::Interrupted => (3, None),
        SendEnd::Error(errno) => (4, Some(errno)),
    };
    out.byte(code);
    numbers(out, &[moved.into(), left.into()]);
    if let Some(errno) = errno {
        out.number(errno.into());
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
