//! What a capture is written on: the records of a turn are gathered, and given to a [`Sink`] when
//! the turn ends.

use super::record::{EndCause, Record, Stream};
use super::start::Start;
use super::wire::{self, Writer};
use crate::io::net::Told;

/// Where whole turns are written.
pub trait Sink {
    /// Takes the records of a turn, without waiting. Returns whether the capture goes on: if not,
    /// the turn was not taken, and the capture ends before it.
    fn turn(&mut self, records: &[u8]) -> bool;
}

/// The records since the last turn ended, and what later records refer to.
pub struct Tape {
    writer: Writer,
    /// `None` when the capture has ended.
    sink: Option<Box<dyn Sink>>,
    streams: Stream,
    listeners: u32,
    /// Tables that were written: length, sum, order.
    tables: Vec<(usize, u64, bool)>,
    places_memory: u64,
}

impl Tape {
    /// The first bytes of a capture: its header, and how its server begins.
    ///
    /// # Errors
    ///
    /// The table has 4 GiB or more.
    pub fn beginning(start: &Start<'_>) -> Result<Vec<u8>, TooLong> {
        let payload = start.encode();
        if u32::try_from(payload.len()).is_err() {
            return Err(TooLong);
        }
        Ok([&wire::header()[..], &wire::block_header(&payload), &payload].concat())
    }

    /// A tape for a server that began so; its [beginning](Tape::beginning) was written.
    pub fn new(start: &Start<'_>, sink: Box<dyn Sink>) -> Tape {
        let table = (start.table.len(), wire::wide_sum(&start.table), start.is_value_first);
        Tape {
            writer: Writer::default(),
            sink: Some(sink),
            streams: 0,
            listeners: 0,
            tables: vec![table],
            places_memory: 0,
        }
    }

    /// Writes a record.
    #[inline]
    pub(super) fn note(&mut self, record: &Record<'_>) {
        if self.sink.is_some() {
            record.encode(&mut self.writer);
        }
    }

    /// Writes what the server was told.
    pub(super) fn told(&mut self, told: Told<'_>) {
        match told {
            Told::Table { text, is_value_first } => self.table(text, is_value_first),
            Told::TurnEnded { .. } => {
                self.note(&Record::Told(told));
                self.end_turn();
            }
            told => self.note(&Record::Told(told)),
        }
    }

    fn table(&mut self, text: &[u8], is_value_first: bool) {
        let table = (text.len(), wire::wide_sum(text), is_value_first);
        match self.tables.iter().position(|known| *known == table) {
            Some(number) => self.note(&Record::TableAgain(number as u64)),
            None => {
                self.tables.push(table);
                self.note(&Record::Told(Told::Table { text, is_value_first }));
            }
        }
    }

    fn end_turn(&mut self) {
        if let Some(sink) = &mut self.sink
            && !sink.turn(&self.writer.bytes)
        {
            self.sink = None;
        }
        self.writer.bytes.clear();
        self.writer.bytes.shrink_to(KEPT);
    }

    /// The number of the next connection.
    pub(super) fn next_stream(&mut self) -> Stream {
        self.streams = self.streams.wrapping_add(1);
        self.streams
    }

    /// The number of the next listener, from 0.
    pub(super) fn next_listener(&mut self) -> u32 {
        self.listeners += 1;
        self.listeners - 1
    }

    /// Writes how much memory the places of connections take, if that has changed.
    pub(super) fn places_memory(&mut self, bytes: u64) {
        if self.places_memory != bytes {
            self.places_memory = bytes;
            self.note(&Record::PlacesMemory(bytes));
        }
    }
}

/// A turn's buffer that has grown beyond this for a burst goes back to the heap.
const KEPT: usize = 1 << 20;

/// The table is too long for a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the table does not fit a capture")
    }
}

impl std::error::Error for TooLong {}

/// A record that says why a capture ends before its server does.
pub fn end_of(cause: EndCause) -> Vec<u8> {
    let mut writer = Writer::default();
    Record::End(cause).encode(&mut writer);
    writer.bytes
}
