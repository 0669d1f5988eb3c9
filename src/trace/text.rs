//! Events in words, one a line.
//!
//! Numbers are written by hand: a trace has hundreds of millions, and `core::fmt` would take most
//! of the time.

use super::decode::Entry;
use super::event::*;
use super::imported::Imported;
use crate::conn::{Deadline, Inbound, Outbound};
use crate::io::readiness::Readiness;

/// Bytes of the longest line, and more.
const LONGEST: usize = 512;

/// All pairs of digits: a number is written two digits at a time.
const PAIRS: [[u8; 2]; 100] = pairs();

/// Appends an event as a line, with its time in seconds of the server's clock.
pub fn line(out: &mut Vec<u8>, entry: &Entry) {
    Printer::default().line(out, entry);
}

/// Writes many events as lines. Its lines are the same as of [`line()`], and come quicker.
#[derive(Debug, Default)]
pub struct Printer {
    line: Line,
    /// The time that the line begins with, and the bytes that it takes there.
    time: Option<u64>,
    begin: usize,
}

impl Printer {
    /// Appends an event as a line.
    pub fn line(&mut self, out: &mut Vec<u8>, entry: &Entry) {
        let nanos = entry.time.as_nanos();
        // Most events have the time of the event before.
        if self.time == Some(nanos) {
            self.line.used = self.begin;
        } else {
            self.line.used = 0;
            self.line.seconds(nanos);
            (self.time, self.begin) = (Some(nanos), self.line.used);
        }
        self.line.words(entry);
        self.line.byte(b'\n');
        out.extend_from_slice(self.line.written());
    }
}

/// A line that is being written, within bounds that need no allocation.
#[derive(Debug)]
struct Line {
    bytes: [u8; LONGEST],
    used: usize,
}

impl Default for Line {
    fn default() -> Line {
        Line { bytes: [0; LONGEST], used: 0 }
    }
}

impl Line {
    fn written(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }

    // Inlined, so that a text that is known costs a few moves and no call.
    #[inline(always)]
    fn say(&mut self, text: &str) -> &mut Self {
        let end = self.used + text.len();
        if let Some(slot) = self.bytes.get_mut(self.used..end) {
            slot.copy_from_slice(text.as_bytes());
            self.used = end;
        }
        self
    }

    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.used) {
            *slot = byte;
            self.used += 1;
        }
    }

    #[inline]
    fn number(&mut self, number: u64) -> &mut Self {
        if number < 10 {
            self.byte(b'0' + number as u8);
            return self;
        }
        self.digits(number, number.ilog10() as usize + 1);
        self
    }

    /// The last digits of a number.
    #[inline]
    fn digits(&mut self, mut number: u64, count: usize) {
        let end = self.used + count;
        let Some(slot) = self.bytes.get_mut(self.used..end) else { return };
        for pair in slot.rchunks_mut(2) {
            let [tens, ones] = PAIRS.get((number % 100) as usize).copied().unwrap_or_default();
            number /= 100;
            match pair {
                [first, second] => (*first, *second) = (tens, ones),
                [only] => *only = ones,
                _ => {}
            }
        }
        self.used = end;
    }

    /// A count and its noun, which takes an s.
    #[inline(always)]
    fn counted(&mut self, count: impl Into<u64>, noun: &str) -> &mut Self {
        let count = count.into();
        self.number(count).say(" ").say(noun);
        if count != 1 {
            self.byte(b's');
        }
        self
    }

    /// Seconds with nine decimals.
    fn seconds(&mut self, nanos: u64) {
        const BILLION: u64 = 1_000_000_000;
        self.number(nanos / BILLION).say(".").digits(nanos % BILLION, 9);
    }

    #[cfg(feature = "client")]
    fn into_text(self) -> String {
        String::from_utf8_lossy(self.written()).into_owned()
    }

    /// A duration with a unit that fits.
    fn duration(&mut self, nanos: u64) -> &mut Self {
        let (unit, name) = match nanos {
            ..1_000 => return self.number(nanos).say(" ns"),
            1_000..1_000_000 => (1_000, " us"),
            1_000_000..1_000_000_000 => (1_000_000, " ms"),
            _ => (1_000_000_000, " s"),
        };
        self.number(nanos / unit).say(".").number(nanos % unit / (unit / 10)).say(name)
    }

    fn of(&mut self, connection: Number) -> &mut Self {
        self.say("   #").number(connection.into()).say(" ")
    }

    fn words(&mut self, Entry { event, cause: newest, .. }: &Entry) {
        match *event {
            Event::TurnBegan { events, waited } => {
                self.say(" turn: ").counted(events, "event").say(" after ").duration(waited);
            }
            Event::Ready { connection, bits, is_stale } => {
                self.of(connection);
                match is_stale {
                    true => self.say("stale event, for a connection that is gone:"),
                    false => self.say("event ").number(*newest).say(":"),
                };
                self.say(" ").bits(bits);
            }
            Event::Visit { connection, cause } => {
                self.of(connection).say("visit: ").say(visit(cause));
            }
            Event::Received { connection, asked, moved, end } => {
                self.of(connection).say("recv ").number(moved.into()).say(" of ");
                self.counted(asked, "byte").say(": ");
                self.recv_end(end);
            }
            Event::Served { connection, count, last, left, reply, cause } => {
                self.of(connection).say("served ").counted(count, "request");
                if count > 0 {
                    self.say(" (the last is ").number(last).say(")");
                }
                self.say(", reply of ").counted(reply, "byte").say(", kept ");
                self.counted(left, "byte").say("; of event ").number(cause);
            }
            Event::Sent { connection, moved, left, end, request, cause } => {
                self.of(connection).say("send ").number(moved.into()).say(" of ");
                self.counted(u64::from(moved) + u64::from(left), "byte").say(": ");
                self.send_end(end);
                // Of other programs, requests are not known, nor every cause.
                if request > 0 {
                    self.say("; request ").number(request);
                }
                if cause > 0 {
                    self.say(if request > 0 { ", event " } else { "; event " }).number(cause);
                }
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
                self.of(connection).say(self::queued(queued));
                self.say("; input ").say(input(inbound)).say(", output ").say(output(outbound));
                self.say("; kept ").number(unparsed.into()).say(" in, ").number(unsent.into());
                self.say(" out; work ").number(work.into());
            }
            Event::TurnEnded { visits, queued, next } => {
                self.say(" turn ends: ").counted(visits, "visit").say(", ");
                self.number(queued.into()).say(" queued; next: ");
                self.next(next);
            }
            _ => self.rare_words(event, *newest),
        }
    }

    fn rare_words(&mut self, event: &Event, newest: u64) {
        match *event {
            Event::ListenerReady { listener } => {
                self.say("   listener ").number(listener.into()).say(": a client waits");
            }
            Event::Woken { by } => {
                self.say("   ").say(signal(by));
            }
            Event::Stalled { connection, why, unsent } => {
                self.of(connection).say("stalled: ").say(stall(why)).say("; ");
                self.counted(unsent, "byte").say(" to send");
            }
            Event::Resumed { connection, unsent } => {
                self.of(connection).say("resumed; ").counted(unsent, "byte").say(" to send");
            }
            Event::TimerArmed { connection, deadline: which, after } => {
                self.of(connection).say("timer for the ").say(deadline(which)).say(" in ");
                self.duration(after);
            }
            Event::TimerFired { connection, deadline: which } => {
                self.of(connection).say("event ").number(newest).say(": the ");
                self.say(deadline(which)).say(" has passed");
            }
            _ => self.loop_words(event, newest),
        }
    }

    fn loop_words(&mut self, event: &Event, newest: u64) {
        match *event {
            Event::TimersMoved { count } => {
                self.say("   ").counted(count, "timer").say(" set again: the deadline had moved");
            }
            Event::Accepted { connection, listener, peer, active } => {
                self.of(connection).say("event ").number(newest).say(": accepted from listener ");
                self.number(listener.into()).say(": ");
                self.peer(peer).say(", ").number(active.into()).say(" open");
            }
            Event::NotAccepted { listener, why } => {
                self.say("   listener ").number(listener.into()).say(": ").say(not_accepted(why));
            }
            Event::Refused { why, peer } => {
                self.say("   rejected: ");
                self.peer(peer).say(", ").say(refused(why));
            }
            Event::Shed { count } => {
                self.say("   the memory limit is reached: ").counted(count, "connection");
                self.say(" shed");
            }
            Event::FinSent { connection } => {
                self.of(connection).say("FIN sent");
            }
            Event::Closed { connection, reason, is_reset, lost } => {
                self.of(connection).say("closed: ").say(reason.word());
                self.say(if is_reset { ", with RST" } else { "" });
                if lost > 0 {
                    self.say(", ").counted(lost, "byte").say(" of output dropped");
                }
            }
            Event::TableReplaced { keys } => {
                self.say("   another table: ").counted(keys, "key");
            }
            Event::TableKept => {
                self.say("   the table could not be loaded; the old one stays");
            }
            Event::ZoneReplaced => {
                self.say("   the time zone was read again");
            }
            Event::Drain { step } => {
                self.say("   drain: ").say(drain(step));
            }
            Event::Recording => {
                self.say(" recording begins");
            }
            Event::Imported(imported) => self.imported(imported),
            // The others are in `words`.
            _ => {}
        }
    }

    fn imported(&mut self, imported: Imported) {
        match imported {
            Imported::Connecting { connection, peer } => {
                self.of(connection).say("connects to ").peer(peer);
            }
            Imported::Found { connection, peer } => {
                self.of(connection).say("opened elsewhere: ").peer(peer);
            }
            Imported::Descriptor { connection, descriptor } => {
                self.of(connection).say("descriptor ").number(descriptor.into());
            }
            Imported::Unasked { connection } => {
                self.of(connection).say("visit: without an event of its own");
            }
            Imported::ListCut { missing } => {
                self.say("   ").counted(missing, "event").say(" not told: strace cut the list");
            }
            Imported::Unknown { count } => {
                self.say("   ").counted(count, "event").say(" for a descriptor that is not known");
            }
        }
    }

    fn bits(&mut self, bits: Readiness) {
        self.say(direction(bits)).say(if bits.read_until_would_block { BROKEN } else { "" });
    }

    fn recv_end(&mut self, end: RecvEnd) {
        self.say(self::recv_end(end));
        if let RecvEnd::Error(errno) = end {
            self.number(errno.into());
        }
    }

    fn send_end(&mut self, end: SendEnd) {
        self.say(self::send_end(end));
        if let SendEnd::Error(errno) = end {
            self.number(errno.into());
        }
    }

    fn next(&mut self, next: Next) {
        match next {
            Next::Poll => self.say("looks for events at once"),
            Next::WaitFor(nanos) => self.say("waits, at most ").duration(nanos),
            Next::Wait => self.say("waits"),
            Next::Stop => self.say("stops"),
        };
    }

    fn peer(&mut self, peer: TracedPeer) -> &mut Self {
        match peer {
            TracedPeer::Unix => self.say("a unix socket"),
            TracedPeer::Inet(address) => self.say(&address.to_string()),
            TracedPeer::Hashed(hash) => self.say(&format!("client {hash:016x}")),
        }
    }
}

const fn pairs() -> [[u8; 2]; 100] {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + number as u8 / 10, b'0' + number as u8 % 10];
        number += 1;
    }
    pairs
}

/// What is said of a FIN, an error or urgent data behind the direction.
const BROKEN: &str = ", FIN, error or urgent data";

/// What an event tells apart from a FIN or an error, in words.
pub(super) fn direction(bits: Readiness) -> &'static str {
    match (bits.read, bits.write) {
        (true, true) => "readable, writable",
        (true, false) => "readable",
        (false, true) => "writable",
        (false, false) => "nothing",
    }
}

/// What an event tells, in words.
#[cfg(feature = "client")]
pub(super) fn readiness(bits: Readiness) -> String {
    let mut words = Line::default();
    words.bits(bits);
    words.into_text()
}

/// Who a client is, in words.
#[cfg(feature = "client")]
pub(super) fn peer(peer: TracedPeer) -> String {
    let mut words = Line::default();
    words.peer(peer);
    words.into_text()
}

/// Why a connection is visited, in words.
pub(super) fn visit(cause: VisitCause) -> &'static str {
    match cause {
        VisitCause::Opened => "it is new",
        VisitCause::Ready => "it is ready",
        VisitCause::Expired => "its time is up",
    }
}

/// What a recv(2) told, in words. The errno comes behind.
pub(super) fn recv_end(end: RecvEnd) -> &'static str {
    match end {
        RecvEnd::Short => "short, no more is there",
        RecvEnd::Full => "full, there may be more",
        RecvEnd::WouldBlock => "would block",
        RecvEnd::Interrupted => "interrupted",
        RecvEnd::Eof => "FIN",
        RecvEnd::Error(_) => "error, errno ",
    }
}

/// Why no more was sent, in words. The errno comes behind.
pub(super) fn send_end(end: SendEnd) -> &'static str {
    match end {
        SendEnd::All => "all taken",
        SendEnd::WouldBlock => "would block, the peer has no room",
        SendEnd::Budget => "budget, others have their turn",
        SendEnd::Interrupted => "interrupted",
        SendEnd::Error(_) => "error, errno ",
    }
}

/// Whether a connection is queued, in words.
pub(super) fn queued(queued: Queued) -> &'static str {
    match queued {
        Queued::No => "waits",
        Queued::MoreToRead => "queued again: there may be more to read",
        Queued::MoreToSend => "queued again: there is more to send",
        Queued::RequestsWait => "queued again: requests wait",
    }
}

/// Why requests have to wait, in words.
pub(super) fn stall(why: StallCause) -> &'static str {
    match why {
        StallCause::Budget => "its work of this visit is done",
        StallCause::HighWater => "output is at the high-water mark",
    }
}

/// Why none was accepted, in words.
pub(super) fn not_accepted(why: NoAccept) -> &'static str {
    match why {
        NoAccept::NoneWaiting => "accept would block, no client waits",
        NoAccept::Lost => "a client was lost before it was accepted",
        NoAccept::Interrupted => "accept was interrupted",
        NoAccept::Full => "accepting pauses, all places are taken",
        NoAccept::OutOfResources => "accepting pauses, the system lacks something",
    }
}

/// Why a client was rejected, in words.
pub(super) fn refused(why: RefusalCause) -> &'static str {
    match why {
        RefusalCause::Denied => "its address is not allowed",
        RefusalCause::TooMany => "its address has enough connections",
        RefusalCause::TooFast => "its address comes too often",
    }
}

/// How far the server has stopped, in words.
pub(super) fn drain(step: DrainStep) -> &'static str {
    match step {
        DrainStep::Began => "begins",
        DrainStep::ListenersClosed => "the listeners are closed",
        DrainStep::AtOnce => "stops at once",
        DrainStep::TimeUp => "time is up, what is left is cut off",
    }
}

/// The state of the input, in words.
pub(super) fn input(state: Inbound) -> &'static str {
    match state {
        Inbound::Open => "open",
        Inbound::Stalled => "stalled",
        Inbound::LingerRead => "thrown away",
        Inbound::Ended => "ended",
    }
}

/// The state of the output, in words.
pub(super) fn output(state: Outbound) -> &'static str {
    match state {
        Outbound::Open => "open",
        Outbound::Producing => "producing",
        Outbound::Closing(_) => "closing",
        Outbound::FinSent(_) => "FIN sent",
        Outbound::Aborting(_) => "aborting",
        Outbound::Failed(_) => "failed",
    }
}

/// What a timer is for, in words.
pub(super) fn deadline(deadline: Deadline) -> &'static str {
    match deadline {
        Deadline::Frame => "frame timeout",
        Deadline::LineGap => "gap behind a line",
        Deadline::Idle => "idle timeout",
        Deadline::Write => "write timeout",
        Deadline::Linger => "linger timeout",
    }
}

/// What woke the loop, in words.
pub(super) fn signal(signal: Signal) -> &'static str {
    match signal {
        Signal::Terminate => "SIGTERM or SIGINT",
        Signal::StopAtOnce => "SIGQUIT",
        Signal::CpuTimeLimit => "SIGXCPU",
        Signal::Reload => "SIGHUP",
        Signal::Report => "SIGUSR1",
        Signal::Message => "a message",
        Signal::Other => "another signal",
    }
}
