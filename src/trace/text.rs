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
use line::Line;

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

impl Line {
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
                self.of(connection).say(words::queued(queued));
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
            Event::ProxyHeader { connection, peer } => {
                self.of(connection).say("PROXY header: the peer is ").peer(peer);
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
            Event::Payload { connection, direction, chunk } => {
                self.of(connection).say(payload(direction)).say(" \"");
                self.escaped(chunk.bytes()).say("\"");
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
        self.say(words::recv_end(end));
        if let RecvEnd::Error(errno) = end {
            self.number(errno.into());
        }
    }

    fn send_end(&mut self, end: SendEnd) {
        self.say(words::send_end(end));
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
            TracedPeer::Proxied => self.say("a client without an address"),
            TracedPeer::Inet(address) => self.say(&address.to_string()),
            TracedPeer::Hashed(hash) => self.say(&format!("client {hash:016x}")),
        }
    }
}

/// What is said of a FIN, an error or urgent data behind the direction.
const BROKEN: &str = ", FIN, error or urgent data";

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
