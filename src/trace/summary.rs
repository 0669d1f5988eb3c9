//! What a trace says as a whole: how long turns took, and who waited for whom or for what.
//!
//! Invariant: memory is bounded, however many turns and connections there were.

use super::decode::Entry;
use super::event::{Event, NoAccept, Number, Queued, RecvEnd, SendEnd};
use crate::conn::Inbound;
use crate::counted::counted;
use crate::io::clock::Moment;
use busiest::Busiest;
use peer_waits::PeerWaits;
use std::fmt::{self, Write as _};
use std::time::Duration;

mod busiest;
mod peer_waits;
#[cfg(test)]
mod tests;

/// Waits that are listed.
const WORST_WAITS: usize = 10;

/// Classes of turns: each is twice as long as the one before, from 1 us on.
const CLASSES: usize = 24;

/// Columns of the longest bar, where there is room for it.
const LONGEST_BAR: usize = 40;

/// Columns before a bar.
const BEFORE_BAR: usize = 23;

/// Adds up what happened. It is shown as text; its `width` bounds the bars: `{summary:width$}`.
#[derive(Debug, Default)]
pub struct Summary {
    events: u64,
    gaps: u64,
    first: Option<Moment>,
    last: Moment,
    turns: u64,
    busy: Duration,
    classes: [u64; CLASSES],
    longest: (Duration, Moment),
    /// Turns with events or without, in which nothing was read, sent, accepted or closed.
    for_nothing: u64,
    recvs: u64,
    recvs_blocked: u64,
    sends: u64,
    sends_blocked: u64,
    requests: u64,
    accepted: u64,
    accept_pauses: u64,
    paused_since: Option<Moment>,
    paused: Duration,
    closed: u64,
    turn: Turn,
    waits: Vec<Wait>,
    busiest: Busiest,
    /// For the rest of a request.
    unfinished: PeerWaits,
    /// For a peer to read.
    unread: PeerWaits,
}

/// The turn that is being read.
#[derive(Debug, Default)]
struct Turn {
    began: Moment,
    has_done_something: bool,
    visited: Option<(Number, Moment)>,
    /// The longest visit of the turn so far.
    longest: Option<(Number, Duration)>,
}

/// A connection that waited for its visit, since its turn began.
#[derive(Clone, Copy, Debug)]
struct Wait {
    waited: Duration,
    connection: Number,
    at: Moment,
    /// The longest visit before, and how long that was.
    behind: Option<(Number, Duration)>,
}

impl Summary {
    /// Events are missing here: they were overwritten.
    pub fn gap(&mut self) {
        self.gaps += 1;
        self.turn = Turn::default();
        self.paused_since = None;
        self.unfinished.gap();
        self.unread.gap();
    }

    /// Adds an event.
    pub fn add(&mut self, entry: &Entry) {
        let now = entry.time;
        self.events += 1;
        self.first.get_or_insert(now);
        self.last = now;
        match entry.event {
            Event::TurnBegan { .. } => self.turn = Turn { began: now, ..Turn::default() },
            Event::TurnEnded { .. } => self.end_turn(now),
            Event::Visit { connection, .. } => self.begin_visit(connection, now),
            Event::Received { end, moved, .. } => {
                self.recvs += 1;
                self.recvs_blocked += u64::from(end == RecvEnd::WouldBlock);
                self.turn.has_done_something |= moved > 0 || end == RecvEnd::Eof;
            }
            Event::Sent { connection, end, moved, .. } => {
                self.end_visit(now, Some(connection));
                self.sends += 1;
                self.sends_blocked += u64::from(end == SendEnd::WouldBlock);
                self.turn.has_done_something |= moved > 0;
            }
            Event::Served { connection, count, .. } => {
                self.requests += u64::from(count);
                self.busiest.served(connection, count);
            }
            Event::Accepted { .. } => {
                self.accepted += 1;
                self.end_pause(now);
                self.turn.has_done_something = true;
            }
            Event::NotAccepted { why, .. } => self.not_accepted(why, now),
            Event::Closed { connection, .. } => {
                self.closed += 1;
                self.unfinished.ended(connection, now);
                self.unread.ended(connection, now);
                self.turn.has_done_something = true;
            }
            Event::Settled { connection, inbound, queued, unparsed, unsent, .. } => {
                self.end_visit(now, None);
                // What is queued, or stalled, waits for the server and not for its peer.
                let (waits, reads) = (queued == Queued::No, inbound == Inbound::Open);
                let unparsed = if waits && reads { unparsed } else { 0 };
                self.unfinished.settled(connection, unparsed, now);
                self.unread.settled(connection, if waits { unsent } else { 0 }, now);
            }
            Event::Woken { .. } | Event::TimerFired { .. } => self.turn.has_done_something = true,
            _ => {}
        }
    }

    fn not_accepted(&mut self, why: NoAccept, now: Moment) {
        if why.is_pause() {
            self.accept_pauses += 1;
            self.paused_since.get_or_insert(now);
        } else {
            self.end_pause(now);
        }
    }

    fn end_pause(&mut self, now: Moment) {
        let since = self.paused_since.take();
        self.paused += since.map_or(Duration::ZERO, |since| now.since(since));
    }

    /// A visit lasts until the next begins, or something is sent.
    fn begin_visit(&mut self, connection: Number, now: Moment) {
        self.end_visit(now, None);
        let waited = now.since(self.turn.began);
        self.turn.visited = Some((connection, now));
        self.busiest.visited(connection);
        if waited.is_zero() {
            return;
        }
        let wait = Wait { waited, connection, at: now, behind: self.turn.longest };
        if self.waits.len() < WORST_WAITS {
            self.waits.push(wait);
        } else if let Some(least) = self.waits.iter_mut().min_by_key(|wait| wait.waited)
            && least.waited < waited
        {
            *least = wait;
        }
    }

    fn end_visit(&mut self, now: Moment, next: Option<Number>) {
        let visited = std::mem::replace(&mut self.turn.visited, next.map(|next| (next, now)));
        let Some((connection, since)) = visited else { return };
        let took = now.since(since);
        self.busiest.took(connection, took);
        if self.turn.longest.is_none_or(|(_, longest)| took > longest) {
            self.turn.longest = Some((connection, took));
        }
    }

    fn end_turn(&mut self, now: Moment) {
        self.end_visit(now, None);
        let took = now.since(self.turn.began);
        self.turns += 1;
        self.busy += took;
        self.for_nothing += u64::from(!self.turn.has_done_something);
        let class = (took.as_micros() as u64 + 1).ilog2() as usize;
        if let Some(count) = self.classes.get_mut(class.min(CLASSES - 1)) {
            *count += 1;
        }
        if took > self.longest.0 {
            self.longest = (took, now);
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = self.last.since(self.first.unwrap_or(self.last));
        writeln!(f, "{} in {}", counted(self.events, "event"), took(span))?;
        if self.gaps > 0 {
            writeln!(
                f,
                "events are missing in {}: they were overwritten",
                counted(self.gaps, "place")
            )?;
        }
        writeln!(f, "{}, {} at work", counted(self.turns, "turn"), took(self.busy))?;
        if self.turns > 0 {
            let (longest, at) = self.longest;
            writeln!(f, "longest turn {}, which ended at {}", took(longest), seconds(at))?;
            self.histogram(f)?;
        }
        writeln!(f, "turns for nothing: {}", self.for_nothing)?;
        let (blocked, recvs) = (self.recvs_blocked, self.recvs);
        writeln!(f, "recv: {}, {blocked} would have blocked", counted(recvs, "call"))?;
        let (blocked, sends) = (self.sends_blocked, self.sends);
        writeln!(f, "send: {sends}, {blocked} ended because the peer had no room")?;
        writeln!(f, "{} answered", counted(self.requests, "request"))?;
        let (accepted, closed) = (self.accepted, self.closed);
        writeln!(f, "{} accepted, {closed} closed", counted(accepted, "connection"))?;
        write!(f, "accepting paused: {}", counted(self.accept_pauses, "time"))?;
        let since = self.paused_since.map(|since| self.last.since(since));
        let paused = self.paused + since.unwrap_or_default();
        match self.accept_pauses {
            0 => f.write_char('\n')?,
            _ => writeln!(f, ", {} in all", took(paused))?,
        }
        self.busiest.write(f, self.busy)?;
        self.worst_waits(f)?;
        self.unfinished.write(f, "longest waits for the rest of a request", self.last)?;
        self.unread.write(f, "longest waits for a peer to read", self.last)
    }
}

impl Summary {
    fn histogram(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.classes.iter().copied().max().unwrap_or(1).max(1);
        let room = f.width().map_or(LONGEST_BAR, |width| width.saturating_sub(BEFORE_BAR));
        let room = room.clamp(1, LONGEST_BAR) as u64;
        writeln!(f, "\n  turns that took less than")?;
        for (class, &count) in self.classes.iter().enumerate().filter(|(_, count)| **count > 0) {
            let limit = Duration::from_micros((2 << class) - 1);
            let bar = "█".repeat((count * room).div_ceil(most) as usize);
            writeln!(f, "{:>12} {count:>8}  {bar}", took(limit))?;
        }
        f.write_char('\n')
    }

    fn worst_waits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut waits = self.waits.clone();
        waits.sort_by_key(|wait| std::cmp::Reverse(wait.waited));
        if waits.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n  longest waits, from the turn's beginning to the visit")?;
        for Wait { waited, connection, at, behind } in waits {
            write!(f, "  {:>9} #{connection} at {}", took(waited), seconds(at))?;
            match behind {
                Some((other, long)) => {
                    writeln!(f, ", behind #{other}, which took {}", took(long))?;
                }
                None => f.write_char('\n')?,
            }
        }
        Ok(())
    }
}

fn seconds(moment: Moment) -> String {
    let nanos = moment.as_nanos();
    format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

/// A duration with a unit that fits, as the events have it.
fn took(duration: Duration) -> String {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let (unit, name) = match nanos {
        ..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (1_000, "us"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    format!("{}.{} {name}", nanos / unit, nanos % unit / (unit / 10))
}
