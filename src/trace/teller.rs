//! `--log trace`: turns of the loop in words.
//!
//! Invariants: a turn is told whole or not at all; turns have `--log-rate` lines a second, less
//! those that clients have had; the number of turns that were left out is told before the next one.
//! Telling takes no room from what the server logs: it must do the same whether it is told or not.

use super::decode::Entry;
use super::text;
use crate::counted::counted;
use crate::io::clock::Moment;
use std::fmt;
use std::time::Duration;

#[cfg(test)]
mod tests;

const SECOND: Duration = Duration::from_secs(1);

/// Tells turns, line by line.
pub struct Teller {
    /// Lines in a second, at most.
    rate: u32,
    /// When the second began, and the lines that were told in it.
    second: Moment,
    told: u32,
    /// The lines of this turn. None is kept beyond `rate`.
    turn: Vec<u8>,
    lines: u32,
    left_out: u64,
    tell: Box<dyn FnMut(fmt::Arguments<'_>)>,
}

impl Teller {
    /// Gives `tell` at most `rate` lines a second, without line feeds.
    pub fn new(rate: u32, tell: Box<dyn FnMut(fmt::Arguments<'_>)>) -> Teller {
        let second = Moment::START;
        Teller { rate, second, told: 0, turn: Vec::new(), lines: 0, left_out: 0, tell }
    }

    /// Something happened in this turn.
    pub(super) fn hear(&mut self, entry: &Entry) {
        self.lines = self.lines.saturating_add(1);
        if self.lines <= self.rate {
            text::line(&mut self.turn, entry);
        }
    }

    /// The turn is over at `now`; clients have had `of_clients` lines in this second. It is told if
    /// there is room for its lines.
    pub fn end_turn(&mut self, now: Moment, of_clients: u32) {
        if now.since(self.second) >= SECOND {
            (self.second, self.told) = (now, 0);
        }
        let lines = self.lines.saturating_add(u32::from(self.left_out > 0));
        let taken = self.told.saturating_add(of_clients);
        if lines <= self.rate.saturating_sub(taken) {
            self.told += lines;
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
