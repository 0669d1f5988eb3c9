//! A trace for Perfetto (ui.perfetto.dev), as its protobuf `TrackEvent`.
//!
//! The loop has a track with its turns, and one each for the length of its queue and for the bytes
//! that wait to be sent. Each connection has a track: its states, within them its visits, and in
//! these the calls. Arrows lead from an event by way of the visit to the sends that it caused.
//!
//! Invariant: packets are written as events come. Memory grows with open connections only.

mod packets;
mod protobuf;
mod slices;
#[cfg(test)]
mod tests;

use super::decode::Entry;
use super::event::{Event, Number, TracedPeer};
use super::imported::Imported;
use super::text;
use packets::{Mark, Name, Packets, TrackEvent, TrackKind, Unit};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Numbers of tracks and flows that each source has for itself.
const EACH: u64 = 1 << 48;

/// The tracks of a source, before those of its connections.
const PROCESS: u64 = 1;
const LOOP: u64 = 2;
const QUEUED: u64 = 3;
const UNSENT: u64 = 4;

/// Tracks of connections begin here; their counters at the next.
const CONNECTIONS: u64 = 1 << 34;
const COUNTERS: u64 = 2 << 34;

/// Writes a trace for Perfetto.
#[derive(Debug)]
pub struct Perfetto<W> {
    packets: Packets<W>,
    /// The number of the source, from 0, times [`EACH`].
    base: u64,
    sources: u64,
    lanes: BTreeMap<Number, Lane>,
    is_in_turn: bool,
    unsent: u64,
    told_unsent: u64,
    time: u64,
}

/// A connection's track.
#[derive(Clone, Debug, Default)]
struct Lane {
    name: String,
    is_named: bool,
    has_counter: bool,
    /// The slice that has its state.
    state: Option<Name>,
    is_visited: bool,
    /// The number of its newest cause.
    cause: u64,
    unsent: u32,
}

impl<W: Write> Perfetto<W> {
    /// Writes to `out`, which should have a buffer.
    pub fn new(out: W) -> Perfetto<W> {
        Perfetto {
            packets: Packets::new(out),
            base: 0,
            sources: 0,
            lanes: BTreeMap::new(),
            is_in_turn: false,
            unsent: 0,
            told_unsent: 0,
            time: 0,
        }
    }

    /// Begins a source of events: a loop. `process` and `thread` may be made up, but no two
    /// sources may have the same.
    ///
    /// # Errors
    ///
    /// Those of the writer, as in all functions here.
    pub fn source(&mut self, name: &str, process: u32, thread: u32) -> io::Result<()> {
        self.end()?;
        self.base = self.sources * EACH;
        self.sources += 1;
        let (of_process, of_loop) = (self.base + PROCESS, self.base + LOOP);
        self.packets.track(of_process, 0, name, TrackKind::Process(process))?;
        self.packets.track(of_loop, of_process, "loop", TrackKind::Thread(process, thread))?;
        let count = TrackKind::Counter(Unit::Count);
        self.packets.track(self.base + QUEUED, of_process, "connections queued", count)?;
        let bytes = TrackKind::Counter(Unit::Bytes);
        self.packets.track(self.base + UNSENT, of_process, "bytes to send", bytes)
    }

    /// Events are missing here: all slices end.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn gap(&mut self) -> io::Result<()> {
        self.end()?;
        self.on_loop(Mark::Instant, ("events are missing", ""), &[], 0)
    }

    /// Ends a source: all slices end.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn end(&mut self) -> io::Result<()> {
        for (connection, mut lane) in std::mem::take(&mut self.lanes) {
            self.leave(connection, &mut lane)?;
        }
        if std::mem::take(&mut self.is_in_turn) {
            self.on_loop(Mark::End, ("", ""), &[], 0)?;
        }
        (self.unsent, self.told_unsent) = (0, 0);
        self.packets.flush()
    }

    /// Adds an event.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn add(&mut self, entry: &Entry) -> io::Result<()> {
        self.time = entry.time.as_nanos();
        match entry.event {
            Event::TurnBegan { events, waited } => {
                if std::mem::replace(&mut self.is_in_turn, true) {
                    self.on_loop(Mark::End, ("", ""), &[], 0)?;
                }
                let details = [("events", events.into()), ("waited_ns", waited)];
                self.on_loop(Mark::Begin, ("turn", ""), &details, 0)
            }
            Event::TurnEnded { visits, queued, .. } => self.end_turn(visits, queued),
            Event::Ready { connection, bits, is_stale } => {
                let what = if is_stale { "stale event" } else { "event" };
                let cause = if is_stale { 0 } else { entry.cause };
                let details = [
                    ("connection", connection.into()),
                    ("event", cause),
                    ("fin_or_error", bits.read_until_would_block.into()),
                ];
                let name = (what, text::direction(bits));
                self.on_loop(Mark::Instant, name, &details, cause)?;
                self.note_cause(connection, cause);
                Ok(())
            }
            Event::Accepted { connection, peer, listener, active } => {
                self.name(connection, "", peer);
                let (listener, active) = (listener.into(), active.into());
                let details = [
                    ("connection", connection.into()),
                    ("event", entry.cause),
                    ("listener", listener),
                    ("open", active),
                ];
                self.on_loop(Mark::Instant, ("accepted", ""), &details, entry.cause)?;
                self.note_cause(connection, entry.cause);
                Ok(())
            }
            Event::TimerFired { connection, deadline } => {
                let details = [("connection", connection.into()), ("event", entry.cause)];
                let name = ("time is up", text::deadline(deadline));
                self.on_loop(Mark::Instant, name, &details, entry.cause)?;
                self.note_cause(connection, entry.cause);
                Ok(())
            }
            Event::Imported(imported) => self.imported(imported),
            event => match event.connection() {
                Some(connection) => self.of_connection(connection, &event),
                None => self.of_loop(&event),
            },
        }
    }

    fn end_turn(&mut self, visits: u32, queued: u32) -> io::Result<()> {
        if std::mem::take(&mut self.is_in_turn) {
            let details = [("visits", visits.into()), ("queued", queued.into())];
            self.on_loop(Mark::End, ("", ""), &details, 0)?;
        }
        self.packets.counter(self.time, self.base + QUEUED, queued.into())?;
        if self.unsent != self.told_unsent {
            self.told_unsent = self.unsent;
            self.packets.counter(self.time, self.base + UNSENT, self.unsent)?;
        }
        Ok(())
    }

    fn imported(&mut self, imported: Imported) -> io::Result<()> {
        match imported {
            Imported::Connecting { connection, peer } => {
                self.name(connection, "to ", peer);
                Ok(())
            }
            Imported::Found { connection, peer } => {
                self.name(connection, "", peer);
                Ok(())
            }
            Imported::Descriptor { connection, descriptor } => {
                let lane = self.lanes.entry(connection).or_default();
                lane.name = format!("{}, fd {descriptor}", lane.name);
                Ok(())
            }
            Imported::Unasked { connection } => {
                self.visit(connection, "without an event of its own")
            }
            Imported::ListCut { missing } => {
                let details = [("events", missing.into())];
                self.on_loop(Mark::Instant, ("strace cut the list", ""), &details, 0)
            }
            Imported::Unknown { count } => {
                let details = [("events", count.into())];
                self.on_loop(Mark::Instant, ("event", "descriptor not known"), &details, 0)
            }
        }
    }

    /// Remembers how a connection's track is called.
    fn name(&mut self, connection: Number, prefix: &str, peer: TracedPeer) {
        let lane = self.lanes.entry(connection).or_default();
        lane.name = format!("#{connection} {prefix}{}", text::peer(peer));
    }

    fn note_cause(&mut self, connection: Number, cause: u64) {
        if cause != 0 {
            self.lanes.entry(connection).or_default().cause = cause;
        }
    }

    /// Writes an event of the loop's track.
    fn on_loop(
        &mut self,
        mark: Mark,
        name: Name,
        details: &[(&'static str, u64)],
        cause: u64,
    ) -> io::Result<()> {
        let track = self.base + LOOP;
        let flow = self.flow(cause);
        self.packets.event(&TrackEvent { time: self.time, track, mark, name, details, flow })
    }

    /// The arrows of a cause. 0 is none.
    fn flow(&self, cause: u64) -> u64 {
        if cause == 0 { 0 } else { self.base.wrapping_add(cause) }
    }
}
