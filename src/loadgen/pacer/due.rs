//! The requests of a schedule whose time has come, and the slots that they wait for.
//!
//! Invariant: requests are dealt to turns like cards, number `n` to turn `n` modulo the number of
//! turns. So the count of those that are due tells how many wait for each turn, and nothing is kept
//! of a single request: to fall a million behind costs no more than to fall one behind.

#[cfg(test)]
mod tests;

/// The requests that are due, by turn.
#[derive(Debug)]
pub(super) struct DueRequests {
    turns: Vec<Turn>,
    /// Requests whose time has come; they have the lowest numbers.
    count: u64,
    /// How many of these each turn has, and how many turns have one more.
    each: u64,
    rest: u64,
    /// The request up to which turns were looked at by [`DueRequests::next_slot`].
    looked_at: u64,
    /// Requests that wait for slots that may still have a connection.
    waiting: u64,
    /// Turns that [`DueRequests::next_slot`] has still to name when a request waits.
    unnamed: usize,
    given_up: usize,
}

/// One active slot's share of the schedule.
#[derive(Debug)]
struct Turn {
    slot: usize,
    /// Requests that were taken.
    taken: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The slot has to be named when a request waits.
    Unnamed,
    /// The slot was named, and takes requests whenever it can until none waits.
    Named,
    /// The slot stays empty.
    GivenUp,
}

impl DueRequests {
    /// None is due yet. These slots take turns.
    pub(super) fn new(slots: &[usize]) -> DueRequests {
        let turn = |&slot| Turn { slot, taken: 0, state: State::Unnamed };
        DueRequests {
            turns: slots.iter().map(turn).collect(),
            count: 0,
            each: 0,
            rest: 0,
            looked_at: 0,
            waiting: 0,
            unnamed: slots.len(),
            given_up: 0,
        }
    }

    /// Whether no slot takes a turn.
    pub(super) fn has_no_turns(&self) -> bool {
        self.turns.is_empty()
    }

    /// How many requests have come due.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// How many of them wait for slots that may still have a connection.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Whether a slot has to be visited when a request comes due on it: no earlier one waits there.
    pub(super) fn awaits_more(&self) -> bool {
        self.unnamed > 0
    }

    /// Whether there are turns, and the slots of all were given up.
    pub(super) fn are_all_given_up(&self) -> bool {
        self.given_up == self.turns.len() && self.given_up > 0
    }

    /// All requests with lower numbers than `count` have come due.
    pub(super) fn advance(&mut self, count: u64) {
        let turns = self.turns.len() as u64;
        let (Some(each), Some(rest)) = (count.checked_div(turns), count.checked_rem(turns)) else {
            self.count = count;
            return;
        };
        // A request's time passes, too, where no slot is left to send it.
        self.waiting += if self.given_up == 0 {
            count - self.count
        } else {
            let rounds = (each - self.each) * (turns - self.given_up as u64);
            rounds + self.open_turns_before(rest) - self.open_turns_before(self.rest)
        };
        (self.count, self.each, self.rest) = (count, each, rest);
        // No turn has to be looked at twice.
        self.looked_at = self.looked_at.max(count.saturating_sub(turns));
    }

    /// How many of the first `turns` turns are not given up.
    fn open_turns_before(&self, turns: u64) -> u64 {
        let before = self.turns.iter().take(turns as usize);
        before.filter(|turn| turn.state != State::GivenUp).count() as u64
    }

    /// The next slot on which a request has come due when none waited.
    pub(super) fn next_slot(&mut self) -> Option<usize> {
        while self.looked_at < self.count && self.unnamed > 0 {
            let index = self.looked_at.checked_rem(self.turns.len() as u64)? as usize;
            self.looked_at += 1;
            if self.has(index)
                && let Some(turn) = self.turns.get_mut(index)
                && turn.state == State::Unnamed
            {
                turn.state = State::Named;
                self.unnamed -= 1;
                return Some(turn.slot);
            }
        }
        self.looked_at = self.count;
        None
    }

    /// Whether a request waits for this turn.
    #[inline]
    pub(super) fn has(&self, index: usize) -> bool {
        self.turns.get(index).is_some_and(|turn| self.waiting_for(index, turn) > 0)
    }

    #[inline]
    fn waiting_for(&self, index: usize, turn: &Turn) -> u64 {
        if turn.state == State::GivenUp {
            return 0;
        }
        self.each + u64::from((index as u64) < self.rest) - turn.taken
    }

    /// Takes the oldest request that waits for this turn, and says its number.
    #[inline]
    pub(super) fn take(&mut self, index: usize) -> Option<u64> {
        let turns = self.turns.len() as u64;
        let left = self.waiting_for(index, self.turns.get(index)?).checked_sub(1)?;
        let turn = self.turns.get_mut(index)?;
        let number = turn.taken * turns + index as u64;
        turn.taken += 1;
        self.waiting -= 1;
        if left == 0 && turn.state == State::Named {
            turn.state = State::Unnamed;
            self.unnamed += 1;
        }
        Some(number)
    }

    /// The slot of this turn stays empty: what was due on it will not be sent.
    pub(super) fn give_up(&mut self, index: usize) {
        let waiting = self.turns.get(index).map_or(0, |turn| self.waiting_for(index, turn));
        if let Some(turn) = self.turns.get_mut(index)
            && turn.state != State::GivenUp
        {
            self.unnamed -= usize::from(turn.state == State::Unnamed);
            turn.state = State::GivenUp;
            self.given_up += 1;
            self.waiting -= waiting;
        }
    }
}
