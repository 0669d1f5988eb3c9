//! From bytes to events.

use super::codes::{Code, take_peer, take_states};
use super::encode::{HAD_USUAL_ROOM, STALE, USUAL_ROOM};
use super::event::{Event, Next, Number, RecvEnd, SendEnd};
use super::payload::{CHUNK_BYTES, Chunk};
use super::wire::unzigzag;
use super::wire::{Cursor, Damage, HEADER_BYTES, Header, Kind, OTHER_CONNECTION, TIME_PASSED};
use crate::io::clock::Moment;
use crate::io::readiness::Readiness;

/// An event, and when it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it happened, on the server's monotonic clock.
    pub time: Moment,
    /// The number of the newest cause: of this event, if it is one.
    pub cause: u64,
    /// What happened.
    pub event: Event,
}

impl Default for Entry {
    /// A place for an event that is yet to be read.
    fn default() -> Entry {
        Entry { time: Moment::START, cause: 0, event: Event::Recording }
    }
}

/// The events of one block, in order. After damage comes nothing more.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    /// The block's header.
    pub header: Header,
    cursor: Cursor<'a>,
    time: u64,
    connection: Number,
    causes: u64,
    requests: u64,
    is_broken: bool,
}

impl<'a> Block<'a> {
    /// Reads the header of a block.
    ///
    /// # Errors
    ///
    /// [`Damage`] if this is no block, one of another version, or one that is cut off.
    pub fn parse(block: &'a [u8]) -> Result<Block<'a>, Damage> {
        let (header, length) = Header::parse(block)?;
        let payload = block.get(HEADER_BYTES..HEADER_BYTES + length).ok_or(Damage::CutOff)?;
        Ok(Block {
            header,
            cursor: Cursor::new(payload),
            time: header.time,
            connection: 0,
            causes: header.causes,
            requests: header.requests,
            is_broken: false,
        })
    }

    /// Reads the next event into `entry`: made elsewhere and copied, it would be read while the
    /// processor has not stored all of it yet. Returns false at the end.
    ///
    /// # Errors
    ///
    /// [`Damage`], after which comes nothing more.
    #[inline]
    pub fn read(&mut self, entry: &mut Entry) -> Result<bool, Damage> {
        if self.is_broken || self.cursor.is_empty() {
            return Ok(false);
        }
        let read = self.entry(entry);
        self.is_broken = read.is_err();
        read.map(|()| true)
    }

    #[inline(always)]
    fn entry(&mut self, entry: &mut Entry) -> Result<(), Damage> {
        // A copy, which stays in registers.
        let mut cursor = self.cursor;
        let first = cursor.byte()?;
        if first & TIME_PASSED != 0 {
            self.time = self.time.wrapping_add(cursor.number()?);
        }
        let kind = Kind::of(first & !(TIME_PASSED | OTHER_CONNECTION))?;
        if first & OTHER_CONNECTION != 0 {
            let difference = unzigzag(cursor.number_32()?);
            self.connection = self.connection.wrapping_add(difference);
        }
        self.cursor = self.event(cursor, kind, &mut entry.event)?;
        (entry.time, entry.cause) = (Moment::from_nanos(self.time), self.causes);
        Ok(())
    }

    /// The event of a kind at a cursor. Returns the cursor behind it.
    #[inline(always)]
    fn event(
        &mut self,
        mut from: Cursor<'a>,
        kind: Kind,
        event: &mut Event,
    ) -> Result<Cursor<'a>, Damage> {
        let connection = self.connection;
        let cursor = &mut from;
        match kind {
            Kind::TurnBegan => {
                let (events, waited) = (cursor.number_32()?, cursor.number()?);
                *event = Event::TurnBegan { events, waited };
            }
            Kind::Ready => {
                let code = cursor.byte()?;
                let (bits, is_stale) = (Readiness::of(code & !STALE)?, code & STALE != 0);
                self.causes = self.causes.wrapping_add(u64::from(!is_stale));
                *event = Event::Ready { connection, bits, is_stale };
            }
            Kind::Visit => *event = Event::Visit { connection, cause: Code::of(cursor.byte()?)? },
            Kind::Received => *event = received(cursor, connection)?,
            Kind::Served => {
                let count = cursor.number_32()?;
                let (left, reply) = (cursor.number_32()?, cursor.number_32()?);
                let cause = self.causes.wrapping_sub(cursor.number()?);
                let last = self.requests.wrapping_add(count.into());
                self.requests = last;
                *event = Event::Served { connection, count, last, left, reply, cause };
            }
            Kind::Sent => {
                let (moved, left, end) = sent(cursor)?;
                let request = self.requests.wrapping_sub(cursor.number()?);
                let cause = self.causes.wrapping_sub(cursor.number()?);
                *event = Event::Sent { connection, moved, left, end, request, cause };
            }
            Kind::Settled => *event = settled(cursor, connection)?,
            Kind::TurnEnded => {
                let (visits, queued) = (cursor.number_32()?, cursor.number_32()?);
                *event = Event::TurnEnded { visits, queued, next: next(cursor)? };
            }
            _ => {
                // Another copy, for the same reason.
                let mut rest = *cursor;
                *event = self.rare_event(&mut rest, kind)?;
                return Ok(rest);
            }
        }
        Ok(from)
    }

    #[inline(never)]
    fn rare_event(&mut self, cursor: &mut Cursor<'a>, kind: Kind) -> Result<Event, Damage> {
        let connection = self.connection;
        Ok(match kind {
            Kind::ListenerReady => Event::ListenerReady { listener: cursor.number_32()? },
            Kind::Woken => Event::Woken { by: Code::of(cursor.byte()?)? },
            Kind::Stalled => {
                let (why, unsent) = (Code::of(cursor.byte()?)?, cursor.number_32()?);
                Event::Stalled { connection, why, unsent }
            }
            Kind::Resumed => Event::Resumed { connection, unsent: cursor.number_32()? },
            Kind::TimerArmed => {
                let (deadline, after) = (Code::of(cursor.byte()?)?, cursor.number()?);
                Event::TimerArmed { connection, deadline, after }
            }
            Kind::TimerFired => {
                self.causes = self.causes.wrapping_add(1);
                Event::TimerFired { connection, deadline: Code::of(cursor.byte()?)? }
            }
            Kind::TimersMoved => Event::TimersMoved { count: cursor.number_32()? },
            Kind::Accepted => {
                self.causes = self.causes.wrapping_add(1);
                let (listener, active) = (cursor.number_32()?, cursor.number_32()?);
                Event::Accepted { connection, listener, peer: take_peer(cursor)?, active }
            }
            Kind::NotAccepted => {
                let listener = cursor.number_32()?;
                Event::NotAccepted { listener, why: Code::of(cursor.byte()?)? }
            }
            Kind::Refused => {
                let why = Code::of(cursor.byte()?)?;
                Event::Refused { why, peer: take_peer(cursor)? }
            }
            Kind::Shed => Event::Shed { count: cursor.number_32()? },
            Kind::FinSent => Event::FinSent { connection },
            Kind::Closed => {
                let (reason, is_reset) = (Code::of(cursor.byte()?)?, Code::of(cursor.byte()?)?);
                Event::Closed { connection, reason, is_reset, lost: cursor.number_32()? }
            }
            Kind::TableReplaced => Event::TableReplaced { keys: cursor.number()? },
            Kind::TableKept => Event::TableKept,
            Kind::ZoneReplaced => Event::ZoneReplaced,
            Kind::Drain => Event::Drain { step: Code::of(cursor.byte()?)? },
            Kind::Recording => Event::Recording,
            Kind::ProxyHeader => Event::ProxyHeader { connection, peer: take_peer(cursor)? },
            Kind::Payload => {
                let direction = Code::of(cursor.byte()?)?;
                let length = usize::from(cursor.byte()?);
                if length > CHUNK_BYTES {
                    return Err(Damage::Value("the length of a payload"));
                }
                Event::Payload { connection, direction, chunk: Chunk::of(cursor.take(length)?) }
            }
            _ => return Err(Damage::Kind(kind as u8)),
        })
    }
}

impl Iterator for Block<'_> {
    type Item = Result<Entry, Damage>;

    fn next(&mut self) -> Option<Result<Entry, Damage>> {
        let mut entry = Entry::default();
        match self.read(&mut entry) {
            Ok(true) => Some(Ok(entry)),
            Ok(false) => None,
            Err(damage) => Some(Err(damage)),
        }
    }
}

#[inline(always)]
fn next(cursor: &mut Cursor<'_>) -> Result<Next, Damage> {
    Ok(match cursor.byte()? {
        0 => Next::Poll,
        1 => Next::WaitFor(cursor.number()?),
        2 => Next::Wait,
        3 => Next::Stop,
        _ => return Err(Damage::Value("what the loop does next")),
    })
}

#[inline(always)]
fn received(cursor: &mut Cursor<'_>, connection: Number) -> Result<Event, Damage> {
    let code = cursor.byte()?;
    let moved = cursor.number_32()?;
    let asked = if code & HAD_USUAL_ROOM != 0 { USUAL_ROOM } else { cursor.number_32()? };
    let end = match code & !HAD_USUAL_ROOM {
        0 => RecvEnd::Short,
        1 => RecvEnd::Full,
        2 => RecvEnd::WouldBlock,
        3 => RecvEnd::Interrupted,
        4 => RecvEnd::Eof,
        5 => RecvEnd::Error(cursor.number_32()?),
        _ => return Err(Damage::Value("the end of a recv")),
    };
    Ok(Event::Received { connection, asked, moved, end })
}

#[inline(always)]
fn settled(cursor: &mut Cursor<'_>, connection: Number) -> Result<Event, Damage> {
    let (inbound, outbound) = take_states(cursor)?;
    let code = cursor.byte()?;
    let (ready, queued) = (Readiness::of(code & 7)?, Code::of(code >> 3)?);
    let (unparsed, unsent) = (cursor.number_32()?, cursor.number_32()?);
    let work = cursor.number_32()?;
    Ok(Event::Settled { connection, inbound, outbound, ready, queued, unparsed, unsent, work })
}

#[inline(always)]
fn sent(cursor: &mut Cursor<'_>) -> Result<(u32, u32, SendEnd), Damage> {
    let code = cursor.byte()?;
    let (moved, left) = (cursor.number_32()?, cursor.number_32()?);
    let end = match code {
        0 => SendEnd::All,
        1 => SendEnd::WouldBlock,
        2 => SendEnd::Budget,
        3 => SendEnd::Interrupted,
        4 => SendEnd::Error(cursor.number_32()?),
        _ => return Err(Damage::Value("the end of a send")),
    };
    Ok((moved, left, end))
}
