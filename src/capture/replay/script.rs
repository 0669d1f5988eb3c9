//! The script of an exact replay: the records of a capture, one after the other.

use super::{CaptureEnd, Difference, Replayed};
use crate::capture::reader::{ReadError, Reader};
use crate::capture::record::Record;
use crate::capture::words::{Words, describe};
use crate::io::clock::Moment;
use crate::io::event_loop::LoopControl;
use crate::io::net::Told;
use crate::trace::payload::Tap;
use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

/// The records, and how far they were followed.
pub(super) struct Script {
    reader: Reader<Box<dyn Read>>,
    /// Records of this turn that were followed.
    call: u64,
    pub(super) difference: Option<Difference>,
    pub(super) error: Option<ReadError>,
    pub(super) done: Replayed,
    pub(super) tables: Vec<(Vec<u8>, bool)>,
    pub(super) places_memory: u64,
    pub(super) clock: Clock,
    /// Where the bytes of calls are left for a trace that has some of them.
    pub(super) tap: Option<Tap>,
}

/// The time, for a trace: a turn's calls are spread over the time that it took.
#[derive(Default)]
pub(super) struct Clock {
    now: Option<Rc<Cell<Moment>>>,
    step: u64,
}

impl Clock {
    /// A clock that someone reads.
    pub(super) fn start(&mut self, at: Moment) -> Box<dyn Fn() -> Moment> {
        let now = Rc::clone(self.now.get_or_insert_default());
        now.set(at);
        Box::new(move || now.get())
    }

    fn tick(&self) {
        if let Some(now) = &self.now {
            now.set(Moment::from_nanos(now.get().as_nanos().saturating_add(self.step)));
        }
    }
}

impl Script {
    pub(super) fn new(reader: Reader<Box<dyn Read>>) -> Script {
        Script {
            reader,
            call: 0,
            difference: None,
            error: None,
            done: Replayed::default(),
            tables: Vec::new(),
            places_memory: 0,
            clock: Clock::default(),
            tap: None,
        }
    }

    /// The next record; `None` at the end, and after a difference.
    pub(super) fn peek(&mut self) -> Option<Record<'_>> {
        if self.difference.is_some() || self.error.is_some() {
            return None;
        }
        // Asked twice, because the borrow checker takes the first answer to live on.
        if let Err(error) = self.reader.peek() {
            self.error = Some(error);
            return None;
        }
        self.reader.peek().ok().flatten()
    }

    /// The server does something: `fits` has to find it in the next record. Returns what `fits`
    /// makes of it, and the record is followed.
    pub(super) fn meet<T>(
        &mut self,
        now: Words,
        fits: impl FnOnce(&Record<'_>) -> Option<T>,
    ) -> Option<T> {
        let met = match self.peek() {
            Some(record) => fits(&record).ok_or_else(|| describe(&record)),
            None => Err("the end of the capture".to_owned()),
        };
        match met {
            Ok(met) => {
                self.follow();
                Some(met)
            }
            Err(captured) => {
                self.differ(captured, now.to_string());
                None
            }
        }
    }

    /// Takes the next record.
    pub(super) fn follow(&mut self) {
        self.clock.tick();
        let (mut began, mut ended) = (None, false);
        if let Ok(Some(record)) = self.reader.take() {
            self.done.records += 1;
            match record {
                Record::Told(Told::Turn(now)) => began = Some(now),
                Record::Told(Told::TurnEnded { next, .. }) => {
                    ended = true;
                    if next == LoopControl::Stop {
                        self.done.end = CaptureEnd::Stopped;
                    }
                }
                Record::End(cause) => self.done.end = CaptureEnd::Ended(cause),
                Record::Recv { outcome: Ok(bytes), .. } => {
                    self.done.received += bytes.len() as u64;
                }
                Record::Send { outcome: Ok(taken), .. } => self.done.sent += taken.count,
                _ => {}
            }
        }
        self.call += 1;
        if ended {
            self.call = 0;
            self.done.turns += 1;
        }
        if let Some(began) = began {
            self.begin_turn(began);
        }
    }

    /// Has the clock pass the calls of a turn in the time that they took.
    fn begin_turn(&mut self, began: Moment) {
        let Some(now) = &self.clock.now else { return };
        let mut calls = 1;
        let ended = self.reader.ahead().find_map(|record| match record {
            Record::Told(Told::TurnEnded { ended, .. }) => Some(ended),
            _ => {
                calls += 1;
                None
            }
        });
        let took = ended.unwrap_or(began).since(began).as_nanos() as u64;
        now.set(began);
        self.clock.step = took / calls;
    }

    /// The server does something else.
    pub(super) fn differ(&mut self, captured: String, now: String) {
        if self.difference.is_none() && self.error.is_none() {
            let (turn, call) = (self.reader.turn(), self.call);
            self.difference = Some(Difference { turn, call, captured, now });
        }
    }
}
