//! Events in words, one a line.
//!
//! Numbers are written by hand: a trace has hundreds of millions, and `core::fmt` would take most
//! of the time.

mod line;
mod words;

pub(super) use words::*;

use super::decode::Entry;
use super::event::*;
use super::imported::Imported;
use crate::io::readiness::Readiness;
use line::{LONGEST, Line};

/// Appends an event as a line, with its time in seconds of the server's clock.
pub fn line(out: &mut Vec<u8>, entry: &Entry) {
    let mut room = [0; LONGEST];
    let line = Line::new(&mut room).seconds(entry.time.as_nanos()).words(entry).say("\n");
    let used = LONGEST - line.left();
    out.extend_from_slice(room.get(..used).unwrap_or_default());
}

/// Most bytes that the time takes at the beginning of a line.
const TIME_BYTES: usize = 24;

/// Writes many events as lines, into memory that is used again. Its lines are the same as of
/// [`line()`], and come quicker.
#[derive(Debug, Default)]
pub struct Printer {
    /// Its length is the room that there is: a line is written in place.
    bytes: Vec<u8>,
    used: usize,
    /// The time that the last line began with, and its digits.
    time: Option<u64>,
    digits: [u8; TIME_BYTES],
    count: usize,
}

impl Printer {
    /// Adds an event as a line.
    #[inline]
    pub fn line(&mut self, entry: &Entry) {
        let nanos = entry.time.as_nanos();
        // Most events have the time of the event before.
        if self.time != Some(nanos) {
            self.begin(nanos);
        }
        let room =
            self.bytes.get_mut(self.used..).and_then(|rest| rest.first_chunk_mut::<LONGEST>());
        let Some(room) = room else { return self.in_more_room(entry) };
        let line = Line::new(room).put(&self.digits, self.count).words(entry).say("\n");
        self.used += LONGEST - line.left();
    }

    #[cold]
    fn in_more_room(&mut self, entry: &Entry) {
        self.bytes.resize((2 * self.bytes.len()).max(8 * LONGEST), 0);
        self.line(entry);
    }

    /// The lines to come begin with this time.
    fn begin(&mut self, nanos: u64) {
        self.count = TIME_BYTES - Line::new(&mut self.digits).seconds(nanos).left();
        self.time = Some(nanos);
    }

    /// Adds a line that is no event, with its line feed.
    pub fn add(&mut self, text: &[u8]) {
        let end = self.used + text.len();
        if self.bytes.len() < end {
            self.bytes.resize(2 * end, 0);
        }
        if let Some(room) = self.bytes.get_mut(self.used..end) {
            room.copy_from_slice(text);
            self.used = end;
        }
    }

    /// The lines that were added.
    pub fn lines(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }

    /// Begins anew, with the same memory.
    pub fn clear(&mut self) {
        self.used = 0;
    }
}

impl Line<'_> {
    #[inline(always)]
    fn of(self, connection: Number) -> Self {
        self.say("   #").number(connection.into()).say(" ")
    }

    #[inline(always)]
    fn words(self, Entry { event, cause: newest, .. }: &Entry) -> Self {
        match *event {
            Event::TurnBegan { events, waited } => {
                self.say(" turn: ").counted(events, "event").say(" after ").duration(waited)
            }
            Event::Ready { connection, bits, is_stale: false } => {
                self.of(connection).say("event ").number(*newest).say(": ").bits(bits)
            }
            Event::Visit { connection, cause } => {
                self.of(connection).say("visit: ").word(visit(cause))
            }
            Event::Received { connection, asked, moved, end } => {
                let line = self.of(connection).say("recv ").number(moved.into()).say(" of ");
                line.counted(asked, "byte").say(": ").recv_end(end)
            }
            Event::Served { connection, count, last, left, reply, cause } => {
                let mut line = self.of(connection).say("served ").counted(count, "request");
                if count > 0 {
                    line = line.say(" (the last is ").number(last).say(")");
                }
                line = line.say(", reply of ").counted(reply, "byte").say(", kept ");
                line.counted(left, "byte").say("; of event ").number(cause)
            }
            Event::Sent { connection, moved, left, end, request, cause } => {
                let line = self.of(connection).say("send ").number(moved.into()).say(" of ");
                let all = u64::from(moved) + u64::from(left);
                line.counted(all, "byte").say(": ").send_end(end).reason(request, cause)
            }
            Event::Settled {
                connection,
                inbound,
                outbound,
                unparsed,
                unsent,
                work,
                queued,
                ..
            } => {
                let line = self.of(connection).word(words::queued(queued)).say("; input ");
                let line = line.word(input(inbound)).say(", output ").word(output(outbound));
                let line = line.say("; kept ").number(unparsed.into()).say(" in, ");
                line.number(unsent.into()).say(" out; work ").number(work.into())
            }
            Event::TurnEnded { visits, queued, next } => {
                let line = self.say(" turn ends: ").counted(visits, "visit").say(", ");
                line.number(queued.into()).say(" queued; next: ").next(next)
            }
            _ => self.rare_words(event, *newest),
        }
    }

    #[inline(never)]
    fn rare_words(self, event: &Event, newest: u64) -> Self {
        match *event {
            Event::Ready { connection, bits, .. } => {
                let line = self.of(connection).say("stale event, for a connection that is gone: ");
                line.bits(bits)
            }
            Event::ListenerReady { listener } => {
                self.say("   listener ").number(listener.into()).say(": a client waits")
            }
            Event::Woken { by } => self.say("   ").say(signal(by)),
            Event::Stalled { connection, why, unsent } => {
                let line = self.of(connection).say("stalled: ").say(stall(why)).say("; ");
                line.counted(unsent, "byte").say(" to send")
            }
            Event::Resumed { connection, unsent } => {
                self.of(connection).say("resumed; ").counted(unsent, "byte").say(" to send")
            }
            Event::TimerArmed { connection, deadline: which, after } => {
                let line = self.of(connection).say("timer for the ").say(deadline(which));
                line.say(" in ").duration(after)
            }
            Event::TimerFired { connection, deadline: which } => {
                let line = self.of(connection).say("event ").number(newest).say(": the ");
                line.say(deadline(which)).say(" has passed")
            }
            _ => self.loop_words(event, newest),
        }
    }

    fn loop_words(self, event: &Event, newest: u64) -> Self {
        match *event {
            Event::TimersMoved { count } => {
                self.say("   ").counted(count, "timer").say(" set again: the deadline had moved")
            }
            Event::Accepted { connection, listener, peer, active } => {
                let line = self.of(connection).say("event ").number(newest);
                let line = line.say(": accepted from listener ").number(listener.into());
                line.say(": ").peer(peer).say(", ").number(active.into()).say(" open")
            }
            Event::ProxyHeader { connection, peer } => {
                self.of(connection).say("PROXY header: the peer is ").peer(peer)
            }
            Event::NotAccepted { listener, why } => {
                self.say("   listener ").number(listener.into()).say(": ").say(not_accepted(why))
            }
            Event::Refused { why, peer } => {
                self.say("   rejected: ").peer(peer).say(", ").say(refused(why))
            }
            Event::Shed { count } => {
                let line = self.say("   the memory limit is reached: ");
                line.counted(count, "connection").say(" shed")
            }
            Event::FinSent { connection } => self.of(connection).say("FIN sent"),
            Event::Closed { connection, reason, is_reset, lost } => {
                let line = self.of(connection).say("closed: ").say(reason.word());
                let line = line.say(if is_reset { ", with RST" } else { "" });
                match lost {
                    0 => line,
                    _ => line.say(", ").counted(lost, "byte").say(" of output dropped"),
                }
            }
            Event::TableReplaced { keys } => self.say("   another table: ").counted(keys, "key"),
            Event::TableKept => self.say("   the table could not be loaded; the old one stays"),
            Event::ZoneReplaced => self.say("   the time zone was read again"),
            Event::Drain { step } => self.say("   drain: ").say(drain(step)),
            Event::Recording => self.say(" recording begins"),
            Event::Payload { connection, direction, chunk } => {
                let line = self.of(connection).say(payload(direction)).say(" \"");
                line.escaped(chunk.bytes()).say("\"")
            }
            Event::Imported(imported) => self.imported(imported),
            // The others are in `words`.
            _ => self,
        }
    }

    fn imported(self, imported: Imported) -> Self {
        match imported {
            Imported::Connecting { connection, peer } => {
                self.of(connection).say("connects to ").peer(peer)
            }
            Imported::Found { connection, peer } => {
                self.of(connection).say("opened elsewhere: ").peer(peer)
            }
            Imported::Descriptor { connection, descriptor } => {
                self.of(connection).say("descriptor ").number(descriptor.into())
            }
            Imported::Unasked { connection } => {
                self.of(connection).say("visit: without an event of its own")
            }
            Imported::ListCut { missing } => {
                self.say("   ").counted(missing, "event").say(" not told: strace cut the list")
            }
            Imported::Unknown { count } => {
                let line = self.say("   ").counted(count, "event");
                line.say(" for a descriptor that is not known")
            }
        }
    }

    #[inline(always)]
    fn bits(self, bits: Readiness) -> Self {
        let line = self.word(direction(bits));
        if bits.read_until_would_block { line.say(BROKEN) } else { line }
    }

    #[inline(always)]
    fn recv_end(self, end: RecvEnd) -> Self {
        let line = self.word(words::recv_end(end));
        match end {
            RecvEnd::Error(errno) => line.number(errno.into()),
            _ => line,
        }
    }

    #[inline(always)]
    fn send_end(self, end: SendEnd) -> Self {
        let line = self.word(words::send_end(end));
        match end {
            SendEnd::Error(errno) => line.number(errno.into()),
            _ => line,
        }
    }

    /// What was sent. Of other programs, requests are not known, nor every cause.
    #[inline(always)]
    fn reason(self, request: u64, cause: u64) -> Self {
        match (request, cause) {
            (0, 0) => self,
            (0, _) => self.say("; event ").number(cause),
            (_, 0) => self.say("; request ").number(request),
            _ => self.say("; request ").number(request).say(", event ").number(cause),
        }
    }

    fn next(self, next: Next) -> Self {
        match next {
            Next::Poll => self.say("looks for events at once"),
            Next::WaitFor(nanos) => self.say("waits, at most ").duration(nanos),
            Next::Wait => self.say("waits"),
            Next::Stop => self.say("stops"),
        }
    }

    fn peer(self, peer: TracedPeer) -> Self {
        match peer {
            TracedPeer::Unix => self.say("a unix socket"),
            TracedPeer::Proxied => self.say("a client without an address"),
            TracedPeer::Inet(address) => self.say(&address.to_string()),
            TracedPeer::Hashed(hash) => self.say(&format!("client {hash:016x}")),
        }
    }
}

/// What is said of a FIN, an error or urgent data behind the direction.
const BROKEN: &str = ", FIN, error or urgent data";

/// What an event tells, in words.
#[cfg(feature = "client-library")]
pub(super) fn readiness(bits: Readiness) -> String {
    text(|words| words.bits(bits))
}

/// Who a client is, in words.
#[cfg(feature = "client-library")]
pub(super) fn peer(peer: TracedPeer) -> String {
    text(|words| words.peer(peer))
}

#[cfg(feature = "client-library")]
fn text(write: impl FnOnce(Line<'_>) -> Line<'_>) -> String {
    let mut room = [0; LONGEST];
    let used = LONGEST - write(Line::new(&mut room)).left();
    String::from_utf8_lossy(room.get(..used).unwrap_or_default()).into_owned()
}
