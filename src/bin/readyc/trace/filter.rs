//! Which events are printed.

use super::{GAP, View};
use readyd::trace::decode::Entry;
use readyd::trace::event::{Event, Number};
use readyd::trace::text::Printer;
use std::collections::{BTreeMap, VecDeque};
use std::str::FromStr;
use std::time::Duration;

/// Events of a turn that are kept, to be printed if the turn was slow. Of a longer one, the first.
const TURN_KEPT: usize = 100_000;

/// Events of a connection that are kept, to be printed when it is closed.
const HISTORY: usize = 8;

/// Connections whose events are kept. Beyond these, those with the lowest numbers are forgotten.
const CONNECTIONS_KEPT: usize = 50_000;

/// `FROM..TO` in seconds; either may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    from: u64,
    to: u64,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Range, String> {
        let (from, to) = text.split_once("..").ok_or("write it as 12.5..13")?;
        let nanos = |text: &str, missing: u64| match text {
            "" => Ok(missing),
            text => readyd::config::values::duration(text)
                .map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
                .map_err(|error| error.to_string()),
        };
        let range = Range { from: nanos(from, 0)?, to: nanos(to, u64::MAX)? };
        if range.from > range.to { Err("it ends before it begins".to_owned()) } else { Ok(range) }
    }
}

/// Passes the events on that were asked for.
pub(super) struct Filter {
    connection: Option<Number>,
    between: Option<Range>,
    slow_turns: Option<Duration>,
    turn: Vec<Entry>,
    history: Option<BTreeMap<Number, VecDeque<Entry>>>,
}

impl Filter {
    pub(super) fn new(view: &View) -> Filter {
        Filter {
            connection: view.connection,
            between: view.between,
            slow_turns: view.slow_turns,
            turn: Vec::new(),
            history: view.why_closed.then(BTreeMap::new),
        }
    }

    /// Whether nothing is left out: then events need not pass through here.
    pub(super) fn passes_all(&self) -> bool {
        self.connection.is_none()
            && self.between.is_none()
            && self.slow_turns.is_none()
            && self.history.is_none()
    }

    /// Calls `tell` with the events that are known to be wanted by now.
    pub(super) fn pass(&mut self, entry: Entry, tell: &mut dyn FnMut(&Entry)) {
        let nanos = entry.time.as_nanos();
        if self.between.is_some_and(|range| nanos < range.from || nanos > range.to) {
            return;
        }
        if let Some(wanted) = self.connection
            && entry.event.connection() != Some(wanted)
        {
            return;
        }
        if self.history.is_some() {
            return self.why_closed(entry, tell);
        }
        match self.slow_turns {
            None => tell(&entry),
            Some(limit) => self.slow_turn(entry, limit, tell),
        }
    }

    /// Events are missing.
    pub(super) fn gap(&mut self, printer: &mut Printer) {
        self.turn.clear();
        printer.add(GAP);
    }

    fn slow_turn(&mut self, entry: Entry, limit: Duration, tell: &mut dyn FnMut(&Entry)) {
        if matches!(entry.event, Event::TurnBegan { .. }) {
            self.turn.clear();
        }
        let is_end = matches!(entry.event, Event::TurnEnded { .. });
        if self.turn.len() < TURN_KEPT || is_end {
            self.turn.push(entry);
        }
        let began =
            self.turn.first().filter(|first| matches!(first.event, Event::TurnBegan { .. }));
        if is_end && began.is_some_and(|first| entry.time.since(first.time) >= limit) {
            self.turn.iter().for_each(tell);
        }
        if is_end {
            self.turn.clear();
        }
    }

    fn why_closed(&mut self, entry: Entry, tell: &mut dyn FnMut(&Entry)) {
        let (Some(histories), Some(connection)) = (&mut self.history, entry.event.connection())
        else {
            return;
        };
        let history = histories.entry(connection).or_default();
        history.push_back(entry);
        if history.len() > HISTORY {
            history.pop_front();
        }
        if matches!(entry.event, Event::Closed { .. }) {
            history.iter().for_each(tell);
            histories.remove(&connection);
        } else if histories.len() > CONNECTIONS_KEPT {
            histories.pop_first();
        }
    }
}
