//! `--log trace`: turns of the loop in words.
//!
//! Invariants: a turn is told whole or not at all; the log decides which, because it has room for
//! `--log-rate` lines a second; the number of turns that were left out is told before the next one.

use super::decode::Entry;
use super::text;
use crate::counted::counted;
use std::fmt;

#[cfg(test)]
mod tests;

/// Tells turns, line by line.
pub struct Teller {
    /// Lines that the log has room for in a second.
    rate: u32,
    /// The lines of this turn. None is kept beyond `rate`.
    turn: Vec<u8>,
    lines: u32,
    left_out: u64,
    tell: Box<dyn FnMut(fmt::Arguments<'_>)>,
}

impl Teller {
    /// Gives `tell` lines without line feeds, for a log with room for `rate` lines a second.
    pub fn new(rate: u32, tell: Box<dyn FnMut(fmt::Arguments<'_>)>) -> Teller {
        Teller { rate, turn: Vec::new(), lines: 0, left_out: 0, tell }
    }

    /// Something happened in this turn.
    pub(super) fn hear(&mut self, entry: &Entry) {
        self.lines = self.lines.saturating_add(1);
        if self.lines <= self.rate {
            text::line(&mut self.turn, entry);
        }
    }

    /// The turn is over. It is told if `take_room` says that the log has room for its lines.
    pub fn end_turn(&mut self, take_room: impl FnOnce(u32) -> bool) {
        let lines = self.lines.saturating_add(u32::from(self.left_out > 0));
        if lines <= self.rate && take_room(lines) {
            if self.left_out > 0 {
                let turns = counted(self.left_out, "turn");
                (self.tell)(format_args!("{turns} left out (--log-rate {})", self.rate));
                self.left_out = 0;
            }
            for line in self.turn.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                (self.tell)(format_args!("{}", String::from_utf8_lossy(line)));
            }
        } else {
            self.left_out += 1;
        }
        self.turn.clear();
        self.lines = 0;
    }
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teller").field("rate", &self.rate).finish_non_exhaustive()
    }
}
