//! Events in words, one a line.
//!
//! Numbers are written by hand: a trace has hundreds of millions, and `core::fmt` would take most
//! of the time.

use super::decode::Entry;
use super::event::*;
use super::imported::Imported;
use crate::conn::{Deadline, Inbound, Outbound};
use crate::io::readiness::Readiness;

/// Appends an event as a line, with its time in seconds of the server's clock.
pub fn line(out: &mut Vec<u8>, entry: &Entry) {
    let mut line = Line(out);
    line.seconds(entry.time.as_nanos());
    line.words(entry);
    line.0.push(b'\n');
}

/// A line that is being written.
struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    fn say(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn number(&mut self, mut number: u64) -> &mut Self {
        let mut digits = [0; 20];
        let mut at = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
            at -= 1;
            if number == 0 {
                break;
            }
        }
        self.0.extend_from_slice(digits.get(at..).unwrap_or_default());
        self
    }

    /// A count and its noun, which takes an s.
    fn counted(&mut self, count: impl Into<u64>, noun: &str) -> &mut Self {
        let count = count.into();
        self.number(count).say(" ").say(noun).say(if count == 1 { "" } else { "s" })
    }

    /// Seconds with nine decimals.
    fn seconds(&mut self, nanos: u64) {
        const BILLION: u64 = 1_000_000_000;
        self.number(nanos / BILLION).say(".");
        let mut digits = [0; 9];
        let mut rest = nanos % BILLION;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.0.extend_from_slice(&digits);
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
    let mut words = Vec::new();
    Line(&mut words).bits(bits);
    String::from_utf8(words).unwrap_or_default()
}

/// Who a client is, in words.
#[cfg(feature = "client")]
pub(super) fn peer(peer: TracedPeer) -> String {
    let mut words = Vec::new();
    Line(&mut words).peer(peer);
    String::from_utf8(words).unwrap_or_default()
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
