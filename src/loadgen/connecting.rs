//! How connections come to be, and cease.
//!
//! Invariant: of each slot's connection it is counted once that it was opened and once that it was
//! lost, if it was; one that we close ourselves is not lost.

#![cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "numbers of slots, which are never taken away")
)]

use super::book::Book;
use super::plan::{Close, Lifetime, Plan, Worker};
use super::slot::{Link, Role, Slot};
use super::tally::Doing;
use super::{Event, Load, Phase, Talk};
use crate::io::clock::Moment;
use crate::io::host::MonotonicClock;
use crate::io::net::{Connect, Token};
use crate::io::readiness::{Interest, Readiness};
use std::io::{self, ErrorKind};
use std::time::Duration;

/// A wait for a lost connection's return doubles this often at most.
const MOST_DOUBLINGS: u8 = 5;

/// Opens the connections that the plan begins with.
#[derive(Debug)]
pub(super) struct Opener {
    /// The next slot to be opened.
    next: usize,
    /// How many slots there are.
    slots: usize,
    /// Slots of which it is known whether they could be opened.
    decided: usize,
    began: Moment,
    parallel: usize,
    /// Between two attempts, with a rate.
    gap: Option<Duration>,
}

impl Opener {
    pub(super) fn new(plan: &Plan, worker: Worker, now: Moment) -> Opener {
        let gap = plan.opening.rate.map(|rate| Duration::from_secs_f64(worker.of as f64 / rate));
        let parallel = worker.share(plan.opening.parallel).max(1);
        let slots = worker.share_of_crowd(plan.crowd).total();
        Opener { next: 0, slots, decided: 0, began: now, parallel, gap }
    }

    fn may_open(&self, now: Moment) -> bool {
        self.has_room() && self.next_due().is_none_or(|at| at <= now)
    }

    fn has_room(&self) -> bool {
        self.next < self.slots && self.next - self.decided.min(self.next) < self.parallel
    }

    /// When to open the next one, unless that waits for others to be made, or there is none.
    pub(super) fn next_wakeup(&self) -> Option<Moment> {
        self.next_due().filter(|_| self.has_room())
    }

    /// When the rate allows for the next one.
    fn next_due(&self) -> Option<Moment> {
        let gap = self.gap?;
        let nanos = gap.as_nanos() as u64;
        Some(self.began + Duration::from_nanos(nanos.saturating_mul(self.next as u64)))
    }
}

impl<N: Connect + MonotonicClock> Load<N> {
    /// Opens what the plan begins with, as fast as it allows.
    pub(super) fn open_more(&mut self, now: Moment) {
        if !matches!(self.phase, Phase::Opening) {
            return;
        }
        while self.opener.may_open(now) {
            let index = self.opener.next;
            self.opener.next += 1;
            if self.plan.connects_on_demand() && self.slots[index].role == Role::Active {
                self.opener.decided += 1;
            } else {
                self.connect(index, now);
            }
        }
        if self.opener.decided == self.slots.len() {
            self.phase = Phase::Ready;
            self.events.push(Event::Opened);
        }
    }

    /// Begins to connect a slot that has no connection.
    pub(super) fn connect(&mut self, index: usize, now: Moment) {
        let since = self.net.now();
        match self.begin_to_connect(index) {
            Ok(stream) => {
                self.slots[index].link = Link::Connecting(stream, since);
                self.timers.arm(index, since + self.plan.opening.timeout);
            }
            Err(error) => self.connect_failed(index, &error, now),
        }
    }

    fn begin_to_connect(&mut self, index: usize) -> io::Result<N::Stream> {
        let (source, destination) = self.plan.route(self.worker.connection(index));
        let mut stream = self.net.connect_from(source, destination)?;
        let generation = self.generations.take();
        self.slots[index].generation = generation;
        self.slots[index].ready = Readiness::default();
        self.net.register(&mut stream, Token::new(index, generation), Interest::ReadWrite)?;
        Ok(stream)
    }

    /// Looks whether connecting has ended. Tells whether the slot has a connection now.
    pub(super) fn has_connected(&mut self, index: usize, now: Moment) -> bool {
        let slot = &mut self.slots[index];
        let Link::Connecting(stream, since) = &slot.link else { return slot.is_up() };
        let since = *since;
        match self.net.connected(stream) {
            Ok(()) => {
                self.opened(index, since);
                true
            }
            // connect(2) tells that an attempt still goes on by the socket having no peer yet.
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) =>
            {
                false
            }
            Err(error) => {
                self.connect_failed(index, &error, now);
                false
            }
        }
    }

    fn opened(&mut self, index: usize, since: Moment) {
        let now = self.net.now();
        let life = match self.plan.lifetime {
            // Of connections that were opened together not all should end together.
            Lifetime::Time(life) if !self.slots[index].was_established => self.part_of(life),
            Lifetime::Time(life) => life,
            Lifetime::Run | Lifetime::Requests(_) => Duration::MAX,
        };
        let slot = &mut self.slots[index];
        if let Link::Connecting(stream, _) = std::mem::replace(&mut slot.link, Link::Down) {
            slot.link = Link::Up(stream);
        }
        self.timers.disarm(index);
        slot.failures = 0;
        if !std::mem::replace(&mut slot.was_established, true) {
            self.opener.decided += usize::from(matches!(self.phase, Phase::Opening));
            self.book.tally.connections.established += 1;
            self.book.tally.slow.established += u64::from(slot.role.is_slow());
        }
        self.book.opened();
        self.active_open += usize::from(slot.role == Role::Active);
        self.book.tally.connect.record(now.since(since));
        if let Some(talk) = &mut slot.talk {
            talk.free_since = now;
            talk.used = 0;
            talk.expires = now + life;
            if slot.role == Role::Active && talk.expires != Moment::NEVER {
                self.timers.arm(index, talk.expires);
            }
        }
        if let Phase::Running(run) = &mut self.phase {
            run.failed_since_opened = 0;
        }
    }

    /// An attempt to connect has failed: now, or after all its time.
    pub(super) fn connect_failed(&mut self, index: usize, error: &io::Error, now: Moment) {
        self.timers.disarm(index);
        self.book.error(Doing::Connecting, error);
        self.book.tally.connections.failed += 1;
        if let Some(storm) = self.book.tally.storms.last_mut() {
            storm.failed_attempts += 1;
        }
        let slot = &mut self.slots[index];
        slot.link = Link::Down;
        slot.failures = slot.failures.saturating_add(1);
        match &mut self.phase {
            Phase::Opening => {
                self.opener.decided += usize::from(!slot.was_established);
                if !slot.was_established {
                    return self.give_up_slot(index);
                }
            }
            Phase::Running(run) => run.failed_since_opened += 1,
            _ => {}
        }
        self.return_later(index, now);
    }

    /// A connection is lost while in use.
    pub(super) fn lose(&mut self, index: usize, doing: Doing, error: &io::Error, now: Moment) {
        self.hang_up(index, Book::unanswered);
        if self.slots[index].role.is_slow() {
            self.book.tally.slow.closed_by_server += 1;
            self.slots[index].link = Link::Gone;
            return;
        }
        self.book.error(doing, error);
        self.book.tally.connections.lost += 1;
        self.return_later(index, now);
    }

    /// Has a slot without a connection connect again, after a while.
    pub(super) fn return_later(&mut self, index: usize, now: Moment) {
        if !self.plan.recovery.reconnect || !self.may_reconnect() {
            return self.give_up_slot(index);
        }
        let doublings = self.slots[index].failures.min(MOST_DOUBLINGS);
        let wait = self.part_of(self.plan.recovery.backoff * (1 << doublings));
        self.back_off(index, now + wait);
    }

    pub(super) fn back_off(&mut self, index: usize, until: Moment) {
        self.slots[index].link = Link::BackingOff(until);
        self.timers.arm(index, until);
    }

    /// A connection's place stays empty; what was due in it will not be sent.
    fn give_up_slot(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.link = Link::Gone;
        let due = slot.talk.as_mut().map_or(0, |talk| std::mem::take(&mut talk.due));
        if let Phase::Running(run) = &mut self.phase {
            run.gone += usize::from(slot.role == Role::Active);
            run.waiting -= due;
        }
    }

    /// Closes a connection that has served its time.
    pub(super) fn close(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        self.timers.disarm(index);
        match std::mem::replace(&mut slot.link, Link::Down) {
            Link::Up(stream) => {
                self.book.tally.connections.open -= 1;
                self.active_open -= usize::from(slot.role == Role::Active);
                if self.plan.close == Close::Rst {
                    self.net.abort(stream);
                }
            }
            Link::Connecting(stream, _) => drop(stream),
            link => slot.link = link,
        }
    }

    /// Closes a connection whatever is under way on it; `account` says what that means for it.
    pub(super) fn hang_up(
        &mut self,
        index: usize,
        account: impl Fn(&mut Book, &super::book::Pending),
    ) {
        self.close(index);
        let slot = &mut self.slots[index];
        if let Some(talk) = &mut slot.talk {
            let book = if slot.role == Role::Active { &mut self.book } else { &mut self.side_book };
            talk.hang_up(book, account);
        }
    }

    /// Closes everything.
    pub(super) fn hang_up_all(&mut self) {
        (0..self.slots.len()).for_each(|index| self.hang_up(index, Book::unanswered));
    }

    /// Drops all connections at once, to see them return.
    pub(super) fn storm(&mut self, now: Moment) {
        let mut dropped = 0;
        for index in 0..self.slots.len() {
            if !self.slots[index].is_up() || self.slots[index].role.is_slow() {
                continue;
            }
            dropped += 1;
            self.hang_up(index, Book::abandoned);
            let number = self.worker.connection(index);
            let slot: &mut Slot<N::Stream> = &mut self.slots[index];
            slot.talk.get_or_insert_with(|| Box::new(Talk::new(number, 1))).returns_since =
                Some(now);
            let wait = self.part_of(self.plan.recovery.backoff);
            self.back_off(index, now + wait);
        }
        if let Some(storm) = self.book.tally.storms.last_mut() {
            storm.dropped = dropped;
        }
    }
}
