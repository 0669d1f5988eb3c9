//! Where two traces of the same work part, and what followed.
//!
//! ```text
//! A --events--> a lane for each connection <--events-- B     compared in order, lane by lane
//! ```
//!
//! Connections are paired by their numbers, which is the order in which they were opened, and the
//! events of each are compared one by one. Times do not count, nor turns: how events are spread
//! over turns is an accident of time. Numbers of causes and requests, which are counted over all
//! connections, are compared as "the newest of this connection" or not.
//!
//! Invariant: both traces are read in step, so memory grows with open connections and with how far
//! the traces are apart in one, up to `MOST_WAITING` events.

mod essence;
#[cfg(test)]
mod tests;

use super::decode::Entry;
use super::event::{Event, Number};
use crate::server::close::CloseReason;
use essence::{Track, essence, is_opening};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Events of one trace that wait for their partner in the other.
const MOST_WAITING: usize = 1_000_000;

/// Events that are kept before a divergence.
const BEFORE: usize = 6;

/// Events that are kept behind one, of each trace.
const AFTER: usize = 8;

/// Divergences that are kept, the first ones.
const MOST_DIVERGENCES: usize = 1_000;

/// Which trace: an index.
pub type Side = usize;

/// The first trace.
pub const A: Side = 0;

/// The second trace.
pub const B: Side = 1;

/// What is known of two traces so far.
#[derive(Debug, Default)]
pub struct Diff {
    lanes: HashMap<Number, Lane>,
    told: [u64; 2],
    waiting: usize,
    same: u64,
    paired: u64,
    partly: u64,
    divergences: BTreeMap<(u64, Number), Divergence>,
    diverged: u64,
}

/// What two traces came to.
#[derive(Debug)]
pub struct Report {
    /// Events that are the same in both.
    pub same: u64,
    /// Connections that were compared.
    pub paired: u64,
    /// Connections that were not, as a trace does not have their beginning, or has a gap.
    pub partly: u64,
    /// Connections that diverged.
    pub diverged: u64,
    /// The first of them, by where they are in A.
    pub divergences: Vec<Divergence>,
}

/// Where a connection parts.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// Which. 0 is the loop itself.
    pub connection: Number,
    /// Events of it that are the same.
    pub same: u64,
    /// The last of them, in A.
    pub before: Vec<Entry>,
    /// The first event that is not, in A and in B. `None` if there is none any more.
    pub at: [Option<Entry>; 2],
    /// How many events of the trace, gaps included, come before it.
    pub place: [u64; 2],
    /// What followed on the connection.
    pub after: [Vec<Entry>; 2],
    /// What became of the connection.
    pub outcome: [Outcome; 2],
}

/// What became of a connection in one trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Requests answered.
    pub requests: u64,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Why it was closed, if it was.
    pub closed: Option<CloseReason>,
}

impl Outcome {
    fn add(&mut self, event: &Event) {
        match *event {
            Event::Received { moved, .. } => self.received += u64::from(moved),
            Event::Served { count, .. } => self.requests += u64::from(count),
            Event::Sent { moved, .. } => self.sent += u64::from(moved),
            Event::Closed { reason, .. } => self.closed = Some(reason),
            _ => {}
        }
    }
}

/// The events of one connection in both traces.
#[derive(Debug, Default)]
struct Lane {
    tracks: [Track; 2],
    outcome: [Outcome; 2],
    /// Events of one trace that the other does not have yet.
    waiting: VecDeque<Item>,
    ahead: Side,
    same: u64,
    before: VecDeque<Entry>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Compared,
    /// Under this key.
    Diverged((u64, Number)),
    /// It is not known in both from its beginning.
    Partly,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    entry: Entry,
    essence: Event,
    place: u64,
}

impl Diff {
    /// Events of a trace are missing: connections that are open are not compared any more.
    pub fn gap(&mut self, side: Side) {
        if let Some(told) = self.told.get_mut(side) {
            *told += 1;
        }
        for lane in self.lanes.values_mut().filter(|lane| lane.state == State::Compared) {
            self.waiting -= lane.waiting.len();
            lane.waiting.clear();
            lane.state = State::Partly;
            self.partly += 1;
        }
    }

    /// The next event of a trace.
    pub fn add(&mut self, side: Side, entry: &Entry) {
        let Some(told) = self.told.get_mut(side) else { return };
        let place = *told;
        *told += 1;
        let connection = entry.event.connection().unwrap_or(0);
        if connection == 0 && essence(&entry.event, &mut Track::default()).is_none() {
            return;
        }
        let lane = self.lanes.entry(connection).or_default();
        let (Some(track), Some(outcome)) = (lane.tracks.get_mut(side), lane.outcome.get_mut(side))
        else {
            return;
        };
        let is_first = std::mem::replace(&mut track.has_begun, true);
        let essence = essence(&entry.event, track);
        outcome.add(&entry.event);
        match lane.state {
            State::Partly => {}
            State::Diverged(key) => {
                let after = self.divergences.get_mut(&key).and_then(|it| it.after.get_mut(side));
                if let Some(after) = after.filter(|after| after.len() < AFTER) {
                    after.push(*entry);
                }
            }
            State::Compared if !is_first && connection != 0 && !is_opening(&entry.event) => {
                self.waiting -= lane.waiting.len();
                lane.waiting.clear();
                lane.state = State::Partly;
                self.partly += 1;
            }
            State::Compared => {
                if let Some(essence) = essence {
                    self.compare(side, connection, Item { entry: *entry, essence, place });
                }
            }
        }
        self.forget_if_closed(connection);
    }

    fn compare(&mut self, side: Side, connection: Number, item: Item) {
        let Some(lane) = self.lanes.get_mut(&connection) else { return };
        if lane.waiting.is_empty() || lane.ahead == side {
            lane.ahead = side;
            lane.waiting.push_back(item);
            self.waiting += 1;
            if self.waiting > MOST_WAITING {
                self.give_up_farthest();
            }
            return;
        }
        let Some(partner) = lane.waiting.pop_front() else { return };
        self.waiting -= 1;
        let pair = if side == A { [item, partner] } else { [partner, item] };
        if item.essence == partner.essence {
            self.same += 1;
            lane.same += 1;
            lane.before.push_back(pair[A].entry);
            if lane.before.len() > BEFORE {
                lane.before.pop_front();
            }
        } else {
            self.diverge(connection, pair.map(Some));
        }
    }

    /// The traces are far apart in a connection: one of them does not have it.
    fn give_up_farthest(&mut self) {
        let farthest = self.lanes.iter().max_by_key(|(_, lane)| lane.waiting.len());
        if let Some((&connection, _)) = farthest {
            self.end_lane(connection);
        }
    }

    /// One trace has nothing more of a connection.
    fn end_lane(&mut self, connection: Number) {
        let Some(lane) = self.lanes.get_mut(&connection) else { return };
        let Some(item) = lane.waiting.pop_front() else { return };
        self.waiting -= 1;
        let pair = if lane.ahead == A { [Some(item), None] } else { [None, Some(item)] };
        self.diverge(connection, pair);
    }

    fn diverge(&mut self, connection: Number, pair: [Option<Item>; 2]) {
        let told = self.told;
        let Some(lane) = self.lanes.get_mut(&connection) else { return };
        let mut after = [Vec::new(), Vec::new()];
        self.waiting -= lane.waiting.len();
        let rest = lane.waiting.drain(..).take(AFTER).map(|item| item.entry);
        if let Some(after) = after.get_mut(lane.ahead) {
            after.extend(rest);
        }
        let [in_a, in_b] = pair;
        let place = [in_a.map_or(told[A], |it| it.place), in_b.map_or(told[B], |it| it.place)];
        let key = (in_a.or(in_b).map_or(0, |it| it.place), connection);
        let divergence = Divergence {
            connection,
            same: lane.same,
            before: std::mem::take(&mut lane.before).into(),
            at: pair.map(|item| item.map(|item| item.entry)),
            place,
            after,
            outcome: lane.outcome,
        };
        lane.state = State::Diverged(key);
        self.diverged += 1;
        self.divergences.insert(key, divergence);
        if self.divergences.len() > MOST_DIVERGENCES {
            self.divergences.pop_last();
        }
    }

    /// A connection that is closed in both traces has nothing more to tell.
    fn forget_if_closed(&mut self, connection: Number) {
        let Some(lane) = self.lanes.get(&connection) else { return };
        if connection == 0 || !lane.outcome.iter().all(|outcome| outcome.closed.is_some()) {
            return;
        }
        match lane.state {
            State::Diverged(key) => {
                if let Some(it) = self.divergences.get_mut(&key) {
                    it.outcome = lane.outcome;
                }
            }
            State::Compared if !lane.waiting.is_empty() => return,
            State::Compared => self.paired += 1,
            State::Partly => {}
        }
        self.paired += u64::from(matches!(lane.state, State::Diverged(_)));
        self.lanes.remove(&connection);
    }

    /// Both traces have ended.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let open: Vec<Number> = self.lanes.keys().copied().collect();
        for connection in open {
            self.end_lane(connection);
            let Some(lane) = self.lanes.get(&connection) else { continue };
            self.paired += u64::from(connection != 0 && lane.state != State::Partly);
            if let State::Diverged(key) = lane.state
                && let Some(it) = self.divergences.get_mut(&key)
            {
                it.outcome = lane.outcome;
            }
        }
        Report {
            same: self.same,
            paired: self.paired,
            partly: self.partly,
            diverged: self.diverged,
            divergences: self.divergences.into_values().collect(),
        }
    }
}
