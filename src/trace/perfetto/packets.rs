//! Packets of Perfetto's trace format: tracks, and what happens on them.
//!
//! The numbers of fields are those of `protos/perfetto/trace/track_event` in Perfetto's sources.
//! Names are interned: each is written once and has a number from then on.

use super::protobuf::Message;
use std::collections::HashMap;
use std::io::{self, Write};

/// All packets are of one writer.
const SEQUENCE: u64 = 1;

/// Flags of a packet: it begins the writer's state, or it needs it.
const STATE_CLEARED: u64 = 1;
const NEEDS_STATE: u64 = 2;

/// What happens on a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A slice begins.
    Begin = 1,
    /// The innermost slice ends.
    End = 2,
    /// Something that has no length.
    Instant = 3,
}

/// A name: what happened, and the reason in words.
pub(super) type Name = (&'static str, &'static str);

/// Writes packets.
#[derive(Debug)]
pub(super) struct Packets<W> {
    out: W,
    names: HashMap<Name, u64>,
    keys: HashMap<&'static str, u64>,
    has_begun: bool,
    // Kept, so that no packet allocates.
    packet: Message,
    event: Message,
    part: Message,
    interned: Message,
}

/// An event of a track.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrackEvent<'a> {
    pub(super) time: u64,
    pub(super) track: u64,
    pub(super) mark: Mark,
    pub(super) name: Name,
    /// Numbers with their names. Those that are 0 are not written.
    pub(super) details: &'a [(&'static str, u64)],
    /// The number of the arrows that pass through here. 0 for none.
    pub(super) flow: u64,
}

/// What a track is of.
#[derive(Clone, Copy, Debug)]
pub(super) enum TrackKind {
    /// A process with this number.
    Process(u32),
    /// A thread of a process.
    Thread(u32, u32),
    /// Slices and instants of something else.
    Plain,
    /// A number that changes.
    Counter(Unit),
}

/// What a counter counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Count = 2,
    Bytes = 3,
}

impl<W: Write> Packets<W> {
    pub(super) fn new(out: W) -> Packets<W> {
        Packets {
            out,
            names: HashMap::new(),
            keys: HashMap::new(),
            has_begun: false,
            packet: Message::default(),
            event: Message::default(),
            part: Message::default(),
            interned: Message::default(),
        }
    }

    /// Names a track.
    pub(super) fn track(
        &mut self,
        track: u64,
        parent: u64,
        name: &str,
        kind: TrackKind,
    ) -> io::Result<()> {
        self.event.clear().number(1, track).text(2, name);
        if parent != 0 {
            self.event.number(5, parent);
        }
        match kind {
            TrackKind::Process(pid) => {
                self.part.clear().number(1, pid.into()).text(6, name);
                self.event.message(3, &self.part);
            }
            TrackKind::Thread(pid, tid) => {
                self.part.clear().number(1, pid.into()).number(2, tid.into()).text(5, name);
                self.event.message(4, &self.part);
            }
            TrackKind::Counter(unit) => {
                self.part.clear().number(3, unit as u64);
                self.event.message(8, &self.part);
            }
            TrackKind::Plain => {}
        }
        self.packet.clear().message(60, &self.event);
        self.write()
    }

    /// Writes an event.
    pub(super) fn event(&mut self, event: &TrackEvent<'_>) -> io::Result<()> {
        self.interned.clear();
        self.event.clear().number(9, event.mark as u64).number(11, event.track);
        if event.mark != Mark::End {
            let name = self.name(event.name);
            self.event.number(10, name);
        }
        for &(key, number) in event.details.iter().filter(|(_, number)| *number > 0) {
            let key = self.key(key);
            self.part.clear().number(1, key).number(3, number);
            self.event.message(4, &self.part);
        }
        if event.flow != 0 {
            self.event.fixed(47, event.flow);
        }
        self.packet.clear().number(8, event.time).message(11, &self.event);
        if !self.interned.is_empty() {
            self.packet.message(12, &self.interned);
        }
        self.write()
    }

    /// Writes the value of a counter.
    pub(super) fn counter(&mut self, time: u64, track: u64, value: u64) -> io::Result<()> {
        self.event.clear().number(9, 4).number(11, track).number(30, value);
        self.packet.clear().number(8, time).message(11, &self.event);
        self.write()
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn name(&mut self, name: Name) -> u64 {
        let next = self.names.len() as u64 + 1;
        *self.names.entry(name).or_insert_with(|| {
            let (what, why) = name;
            let text = if why.is_empty() { what.to_owned() } else { format!("{what}: {why}") };
            self.part.clear().number(1, next).text(2, text.trim_end());
            self.interned.message(2, &self.part);
            next
        })
    }

    fn key(&mut self, key: &'static str) -> u64 {
        let next = self.keys.len() as u64 + 1;
        *self.keys.entry(key).or_insert_with(|| {
            self.part.clear().number(1, next).text(2, key);
            self.interned.message(3, &self.part);
            next
        })
    }

    /// Writes the packet as a field of the trace.
    fn write(&mut self) -> io::Result<()> {
        let flags = if self.has_begun { NEEDS_STATE } else { STATE_CLEARED | NEEDS_STATE };
        self.has_begun = true;
        self.packet.number(10, SEQUENCE).number(13, flags);
        self.event.clear().message(1, &self.packet);
        self.out.write_all(self.event.bytes())
    }
}
