//! What one visit does for a connection.
//!
//! Reading comes before sending: an answer makes room for the next request, and both go by one
//! reading of the clock. It is read after the call that brought the answer, so that an answer's time
//! counts what the client needed for the connections before this one: a client that cannot keep up
//! shows in its own result.

#![cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "numbers of slots, which are never taken away")
)]

use super::book::{Book, Pending};
use super::plan::Lifetime;
use super::slot::{Link, Role, Slot};
use super::tally::Doing;
use super::{Load, Phase, Talk};
use crate::io::clock::Moment;
use crate::io::host::MonotonicClock;
use crate::io::net::{self, Connect, ReadOutcome};
use std::io::{self, ErrorKind};
use std::time::Duration;

/// Reads in one visit; a connection that has more is visited again in the next turn.
const READS_PER_VISIT: usize = 4;

/// Requests are put together up to about this many bytes before they are sent.
const BATCH_BYTES: usize = 256 * 1024;

/// Why a visit ends a connection.
pub(super) enum Break {
    /// It broke.
    Failed(Doing, io::Error),
    /// The server closed it, as was to be expected.
    Finished,
}

impl<N: Connect + MonotonicClock> Load<N> {
    pub(super) fn visit(&mut self, index: usize, now: Moment) {
        if self.needs_connection(index) {
            return self.connect_for_request(index, now);
        }
        if !self.has_connected(index, now) {
            return;
        }
        let outcome = match self.slots[index].role {
            Role::Active => self.exchange(index),
            Role::Idle => self.listen(index),
            Role::SlowReader | Role::SlowWriter => self.trickle(index, now),
        };
        match outcome {
            Ok(()) => self.settle(index, now),
            Err(Break::Finished) => self.replace(index, now),
            Err(Break::Failed(doing, error)) => {
                self.out.clear();
                self.lose(index, doing, &error, now);
            }
        }
    }

    /// Connects, and if a request waits for that, it is part of the request's time. One that falls due
    /// later has not waited.
    fn connect_for_request(&mut self, index: usize, now: Moment) {
        if let Some(talk) = &mut self.slots[index].talk
            && (!self.plan.is_open_loop() || talk.due > 0)
        {
            talk.connecting_since.get_or_insert(self.net.now());
        }
        self.connect(index, now);
    }

    fn exchange(&mut self, index: usize) -> Result<(), Break> {
        if self.wire.is_greeting() {
            // The request was to connect; its answer may be here already. If there is none to be made
            // any more, neither is there one to be heard.
            self.begin_requests(index, self.net.now());
        }
        for _ in 0..READS_PER_VISIT {
            if self.wire.is_greeting() && !self.awaits_answer(index) {
                // Whatever else it says, nobody asked for it.
                return Err(Break::Finished);
            }
            let now = if self.slots[index].ready.read {
                self.read(index, usize::MAX)?
            } else {
                self.net.now()
            };
            self.begin_requests(index, now);
            self.send(index, usize::MAX, now)?;
            if !self.slots[index].ready.read {
                break;
            }
        }
        Ok(())
    }

    fn awaits_answer(&self, index: usize) -> bool {
        self.slots[index].talk.as_ref().is_some_and(|talk| talk.under_way() > 0)
    }

    /// Reads once, at most `most` bytes, and takes the replies. Says when they came.
    pub(super) fn read(&mut self, index: usize, most: usize) -> Result<Moment, Break> {
        let Slot { link: Link::Up(stream), ready, role, talk: Some(talk), .. } =
            &mut self.slots[index]
        else {
            return Ok(self.net.now());
        };
        let room = self.scratch.len().min(most);
        let filled = net::fill(&mut self.net, stream, ready, &mut self.scratch[..room])
            .map_err(|error| Break::Failed(Doing::Reading, error))?;
        let now = self.net.now();
        let book = if *role == Role::Active { &mut self.book } else { &mut self.side_book };
        let answered = talk.answered();
        let outcome = match filled {
            ReadOutcome::Nothing => Ok(now),
            ReadOutcome::Bytes(count) => {
                book.received(count, now);
                talk.receive(&self.scratch[..count], &mut self.wire, book, now)
                    .map(|()| now)
                    .map_err(|_| Break::Failed(Doing::Reading, ErrorKind::InvalidData.into()))
            }
            ReadOutcome::Eof if talk.receive_eof(&self.wire, book, now) => Err(Break::Finished),
            ReadOutcome::Eof => Err(Break::Failed(Doing::Reading, ErrorKind::UnexpectedEof.into())),
        };
        if talk.answered() != answered
            && let Some(dropped) = talk.returns_since.take()
        {
            self.book.served_after_storm(now.since(dropped));
        }
        outcome
    }

    /// Begins as many requests as the pipeline has room for and the pace allows.
    fn begin_requests(&mut self, index: usize, now: Moment) {
        let Phase::Running(run) = &mut self.phase else { return };
        let Slot { talk: Some(talk), .. } = &mut self.slots[index] else { return };
        while run.is_sending()
            && has_room(talk, self.plan.pipeline, self.plan.lifetime, now)
            && self.out.len() < BATCH_BYTES
        {
            let intended = match &run.schedule {
                None => {
                    let intended = talk.connecting_since.unwrap_or(now);
                    if !run.budget.take(intended) {
                        break;
                    }
                    intended
                }
                Some(_) if talk.due == 0 => break,
                Some(schedule) => {
                    talk.due -= 1;
                    run.waiting -= 1;
                    let number = talk.begun * schedule.speakers() + talk.turn;
                    talk.begun += 1;
                    run.start + schedule.intended(number)
                }
            };
            let sent = talk.connecting_since.take().unwrap_or(now);
            let request = Pending::one(intended, sent);
            self.book.sent(&request, talk.free_since, self.absence, now);
            talk.begin(request, &mut self.wire, &mut self.out);
        }
    }

    /// Sends what has been begun, at most `most` bytes of it.
    pub(super) fn send(&mut self, index: usize, most: usize, now: Moment) -> Result<(), Break> {
        let Slot { link: Link::Up(stream), ready, role, talk: Some(talk), .. } =
            &mut self.slots[index]
        else {
            return Ok(());
        };
        let was_stuck = !talk.unsent.is_empty();
        if was_stuck || !self.out.is_empty() {
            let sent = if most == usize::MAX {
                net::flush_queue(&mut self.net, stream, ready, &mut talk.unsent, &self.out, now)
            } else {
                talk.unsent.extend(&self.out, now);
                let portion = talk.unsent.bytes();
                let portion = portion.get(..most).unwrap_or(portion);
                let sent = net::flush(&mut self.net, stream, ready, portion);
                sent.inspect(|&count| talk.unsent.consume(count, now))
            };
            self.out.clear();
            let count = sent.map_err(|error| Break::Failed(Doing::Writing, error))?;
            let book = if *role == Role::Active { &mut self.book } else { &mut self.side_book };
            book.gave(count, now);
            if was_stuck && talk.unsent.is_empty() {
                talk.free_since = now;
            }
        }
        if !self.wire.has_replies() && talk.unsent.is_empty() {
            talk.settle_all(&mut self.book, self.net.now());
        }
        Ok(())
    }

    /// Holds an idle connection; one that returns from a storm asks once whether it is served.
    fn listen(&mut self, index: usize) -> Result<(), Break> {
        let now = self.net.now();
        if let Slot { talk: Some(talk), .. } = &mut self.slots[index] {
            if talk.is_quiet() && talk.returns_since.is_some() {
                let request = Pending::one(now, now);
                self.side_book.sent(&request, now, Duration::ZERO, now);
                talk.begin(request, &mut self.wire, &mut self.out);
            }
            self.send(index, usize::MAX, now)?;
            while self.slots[index].ready.read {
                self.read(index, usize::MAX)?;
            }
            return Ok(());
        }
        let Slot { link: Link::Up(stream), ready, .. } = &mut self.slots[index] else {
            return Ok(());
        };
        if !ready.read {
            return Ok(());
        }
        match net::fill(&mut self.net, stream, ready, &mut self.scratch) {
            Ok(ReadOutcome::Nothing) => Ok(()),
            Ok(ReadOutcome::Bytes(_)) => {
                self.book.stray(|mismatches| mismatches.unexpected += 1);
                Ok(())
            }
            Ok(ReadOutcome::Eof) => {
                Err(Break::Failed(Doing::Reading, ErrorKind::UnexpectedEof.into()))
            }
            Err(error) => Err(Break::Failed(Doing::Reading, error)),
        }
    }

    /// Sees after a visit to when the connection has to be visited next.
    fn settle(&mut self, index: usize, now: Moment) {
        let Slot { role, ready, talk, .. } = &mut self.slots[index];
        let Some(talk) = talk else {
            if ready.read {
                self.slots[index].enqueue(index, &mut self.queue);
            }
            return;
        };
        match role {
            // Their clock ticks on its own.
            Role::SlowReader | Role::SlowWriter => return,
            Role::Idle if talk.is_quiet() && talk.returns_since.is_none() => {
                self.slots[index].talk = None;
                return self.timers.disarm(index);
            }
            Role::Idle | Role::Active => {}
        }
        self.timers.arm_no_later(index, talk.deadline(self.plan.timeout));
        if !may_use(talk, self.plan.lifetime, now) && talk.is_quiet() {
            return self.replace(index, now);
        }
        let could_begin = match &self.phase {
            Phase::Running(run) if run.is_sending() && *role == Role::Active => {
                has_room(talk, self.plan.pipeline, self.plan.lifetime, now)
                    && if run.schedule.is_some() { talk.due > 0 } else { !run.budget.is_spent() }
            }
            _ => false,
        };
        if ready.read || (ready.write && (could_begin || !talk.unsent.is_empty())) {
            self.slots[index].enqueue(index, &mut self.queue);
        }
    }

    /// Closes a connection that has served its time, and opens the next if one is needed.
    fn replace(&mut self, index: usize, now: Moment) {
        self.hang_up(index, Book::unanswered);
        if self.needs_connection(index) {
            self.connect_for_request(index, now);
        }
    }

    /// Acts on a deadline, after one more try: what has happened in time may be told of later.
    pub(super) fn expire(&mut self, index: usize, now: Moment) {
        match &self.slots[index].link {
            Link::Connecting(_, since) if *since + self.plan.opening.timeout > now => {
                self.timers.arm(index, *since + self.plan.opening.timeout);
            }
            Link::Connecting(..) => {
                if self.has_connected(index, now) {
                    return self.visit(index, now);
                }
                if matches!(self.slots[index].link, Link::Connecting(..)) {
                    self.close(index);
                    self.connect_failed(index, &ErrorKind::TimedOut.into(), now);
                }
            }
            Link::BackingOff(until) if *until > now => self.timers.arm(index, *until),
            Link::BackingOff(_) => {
                self.slots[index].link = Link::Down;
                let is_for_all = self.slots[index].role != Role::Active
                    || !matches!(self.plan.lifetime, Lifetime::Requests(_));
                if is_for_all && self.may_reconnect() {
                    self.connect(index, now);
                } else {
                    self.visit(index, now);
                }
            }
            Link::Up(_) => self.expire_open(index, now),
            Link::Down | Link::Gone => {}
        }
    }

    fn expire_open(&mut self, index: usize, now: Moment) {
        let generation = self.slots[index].generation;
        if !self.slots[index].role.is_slow() {
            self.slots[index].ready.read = true;
        }
        self.visit(index, now);
        let Slot { role, talk: Some(talk), link: Link::Up(_), generation: current, .. } =
            &mut self.slots[index]
        else {
            return;
        };
        if role.is_slow() || *current != generation {
            return;
        }
        let book = if *role == Role::Active { &mut self.book } else { &mut self.side_book };
        if talk.give_up(&self.wire, book, self.plan.timeout, now).is_err() {
            // Its answer may come any time, in place of the next one's.
            self.hang_up(index, Book::unanswered);
            self.book.tally.connections.lost += 1;
            return self.return_later(index, now);
        }
        let deadline = talk.deadline(self.plan.timeout);
        let expires = if talk.expires > now { talk.expires } else { Moment::NEVER };
        if deadline.min(expires) != Moment::NEVER {
            self.timers.arm(index, deadline.min(expires));
        }
        self.slots[index].enqueue(index, &mut self.queue);
    }
}

/// Whether the present connection may take one more request in its life.
fn may_use(talk: &Talk, lifetime: Lifetime, now: Moment) -> bool {
    match lifetime {
        Lifetime::Run => true,
        Lifetime::Time(_) => now < talk.expires,
        Lifetime::Requests(most) => talk.used < most,
    }
}

/// Whether it may take one more now.
fn has_room(talk: &Talk, pipeline: usize, lifetime: Lifetime, now: Moment) -> bool {
    talk.awaited() < pipeline && talk.unsent.is_empty() && may_use(talk, lifetime, now)
}
