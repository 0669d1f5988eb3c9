//! The course of a run: when it begins, what is due, when it ends.
//!
//! ```text
//! start        measured_from                      end
//!   |---- warm-up ---|------ measured part ---------|-- answers are awaited --|
//! ```

#![cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "numbers of slots, which are never taken away")
)]

use super::plan::{Pace, Plan, Worker};
use super::schedule::Schedule;
use super::slot::{Link, Role};
use super::tally::StormTally;
use super::{Event, INTERVAL, Load, Phase};
use crate::io::clock::Moment;
use crate::io::host::MonotonicClock;
use crate::io::net::Connect;
use std::time::Duration;

/// A run in which nothing is open, and nothing could be opened for this long, is given up.
const NOTHING_OPEN_LIMIT: Duration = Duration::from_secs(1);

/// What was due before the end and found no free connection may still be sent for this long: a
/// server that hesitates for a moment has not failed to keep up.
const LAST_CALL: Duration = Duration::from_millis(250);

/// A run that goes on.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) start: Moment,
    measured_from: Moment,
    /// When the plan says that it ends.
    end: Moment,
    pub(super) schedule: Option<Schedule>,
    /// Which slots take turns.
    speakers: Vec<u32>,
    /// The next request that the schedule will have due.
    next_request: u64,
    /// How many the schedule holds.
    scheduled: u64,
    /// Requests that are due in slots that may still have a connection.
    pub(super) waiting: u64,
    pub(super) budget: Budget,
    next_storm: Option<Moment>,
    /// Active slots that have no connection any more.
    pub(super) gone: usize,
    /// Attempts to connect that failed since one did not.
    pub(super) failed_since_opened: u64,
    /// Since when nothing is open.
    nothing_open_since: Option<Moment>,
    measuring: Measuring,
    ending: Option<Ending>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measuring {
    NotYet,
    GoesOn,
    Over,
}

/// How many requests a closed loop may still send.
#[derive(Debug)]
pub(super) struct Budget {
    /// Any number, if none is said.
    left: Option<u64>,
    counts_from: Moment,
}

impl Budget {
    pub(super) fn is_spent(&self) -> bool {
        self.left == Some(0)
    }

    /// Takes one that is intended for then, if there is one.
    pub(super) fn take(&mut self, intended: Moment) -> bool {
        match &mut self.left {
            Some(0) => return false,
            Some(left) if intended >= self.counts_from => *left -= 1,
            _ => {}
        }
        true
    }
}

/// Why nothing more is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    TimeIsUp,
    AllSent,
    /// The run was stopped, or nothing more can be sent.
    Early,
}

impl Run {
    fn new(plan: &Plan, worker: Worker, speakers: Vec<u32>, start: Moment) -> Run {
        let measured_from = start + plan.warmup;
        let end = plan.until.duration.map_or(Moment::NEVER, |length| measured_from + length);
        let share = plan.until.requests.map(|requests| worker.share_of_requests(requests));
        let schedule = Schedule::new(plan, worker, speakers.len());
        let scheduled = schedule.as_ref().map_or(0, |schedule| {
            let until_end = if end == Moment::NEVER {
                u64::MAX
            } else {
                schedule.count_before(end.since(start))
            };
            let before_measured = schedule.count_before(plan.warmup);
            until_end.min(share.map_or(u64::MAX, |share| before_measured.saturating_add(share)))
        });
        // Nobody is there who could send them.
        let budget = if speakers.is_empty() { Some(0) } else { share };
        Run {
            start,
            measured_from,
            end,
            schedule,
            speakers,
            next_request: 0,
            scheduled,
            waiting: 0,
            budget: Budget { left: budget, counts_from: measured_from },
            next_storm: plan.storm_every.map(|every| measured_from + every),
            gone: 0,
            failed_since_opened: 0,
            nothing_open_since: None,
            measuring: Measuring::NotYet,
            ending: None,
        }
    }

    /// Whether requests are still sent.
    pub(super) fn is_sending(&self) -> bool {
        self.ending.is_none()
    }

    pub(super) fn next_wakeup(&self) -> Option<Moment> {
        if !self.is_sending() {
            return None;
        }
        let due = self
            .schedule
            .as_ref()
            .filter(|_| self.next_request < self.scheduled && !self.speakers.is_empty())
            .map(|schedule| self.start + schedule.intended(self.next_request));
        let measuring = match self.measuring {
            Measuring::NotYet => self.measured_from,
            Measuring::GoesOn => self.end,
            Measuring::Over => self.end + LAST_CALL,
        };
        let giving_up = self.nothing_open_since.map(|since| since + NOTHING_OPEN_LIMIT);
        let storm = self.next_storm.filter(|_| self.measuring != Measuring::Over);
        [due, giving_up, storm, Some(measuring)].into_iter().flatten().min()
    }
}

impl<N: Connect + MonotonicClock> Load<N> {
    /// Does what is due at `now`, before connections are seen to.
    pub(super) fn keep_schedule(&mut self, now: Moment) {
        if let Phase::Starting(start) = self.phase
            && start <= now
        {
            self.begin(start);
        }
        let Phase::Running(run) = &mut self.phase else { return };
        if !run.is_sending() {
            return;
        }
        if run.measuring == Measuring::NotYet && run.measured_from <= now {
            run.measuring = Measuring::GoesOn;
            self.book.begin_measuring();
            self.events.push(Event::Measuring);
        }
        if run.end <= now {
            self.release_due(now);
            return self.call_last(now);
        }
        if let Some((at, every)) = run.next_storm.zip(self.plan.storm_every)
            && at <= now
        {
            // The last one, too, has its time in which all may return.
            run.next_storm = Some(at + every).filter(|&next| next + every <= run.end);
            let at = now.since(run.measured_from);
            self.book.tally.storms.push(StormTally { at, ..StormTally::default() });
            self.storm(now);
        }
        self.release_due(now);
    }

    /// The time is up: what is due may still be sent, for a moment.
    fn call_last(&mut self, now: Moment) {
        let Phase::Running(run) = &self.phase else { return };
        let end = run.end;
        self.end_measuring(end);
        let Phase::Running(run) = &self.phase else { return };
        if run.waiting == 0 || end + LAST_CALL <= now {
            self.stop_sending(now, Ending::TimeIsUp);
        }
    }

    fn begin(&mut self, start: Moment) {
        let is_speaker = |index: &u32| {
            let slot = &self.slots[*index as usize];
            slot.role == Role::Active && !matches!(slot.link, Link::Gone)
        };
        let speakers: Vec<u32> = (0..self.slots.len() as u32).filter(is_speaker).collect();
        for (turn, &index) in speakers.iter().enumerate() {
            if let Some(talk) = &mut self.slots[index as usize].talk {
                talk.turn = turn as u64;
                talk.free_since = start;
            }
        }
        self.book.begin(&self.plan, start);
        self.side_book.begin(&self.plan, start);
        let run = Run::new(&self.plan, self.worker, speakers, start);
        // The seconds of the run are counted from where it is measured; warm-up may begin in the
        // middle of one.
        let warmup = self.plan.warmup;
        let into_second = Duration::from_nanos((warmup.as_nanos() % INTERVAL.as_nanos()) as u64);
        let opening = self.book.end_interval(start);
        self.events.push(Event::Interval(Box::new(opening)));
        self.next_interval = start + if into_second.is_zero() { INTERVAL } else { into_second };
        self.phase = Phase::Running(run);
        // In a closed loop, all speak now; slow ones always do.
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            let speaks = match slot.role {
                Role::Active => !self.plan.is_open_loop(),
                Role::SlowReader | Role::SlowWriter => true,
                Role::Idle => false,
            };
            if speaks {
                slot.enqueue(index, &mut self.queue);
            }
        }
    }

    /// Hands the requests whose time has come to the connections whose turn it is.
    fn release_due(&mut self, now: Moment) {
        let Phase::Running(run) = &mut self.phase else { return };
        let Some(schedule) = &run.schedule else { return };
        while run.next_request < run.scheduled
            && run.start + schedule.intended(run.next_request) <= now
        {
            let turn = run.next_request.checked_rem(schedule.speakers());
            run.next_request += 1;
            // With nobody to send it, a request's time passes all the same.
            let Some(index) = turn.map(|turn| run.speakers[turn as usize] as usize) else {
                continue;
            };
            let slot = &mut self.slots[index];
            if !matches!(slot.link, Link::Gone)
                && let Some(talk) = &mut slot.talk
            {
                talk.due += 1;
                run.waiting += 1;
                slot.enqueue(index, &mut self.queue);
            }
        }
    }

    /// Nothing more is sent: the time is up, or all has been sent, or nothing more can be.
    pub(super) fn stop_sending(&mut self, now: Moment, ending: Ending) {
        let Phase::Running(run) = &mut self.phase else { return };
        run.ending = Some(ending);
        let tally = &mut self.book.tally;
        if let Some(schedule) = &run.schedule {
            // A run that is stopped before its time asked for what was due until then.
            let asked = if ending == Ending::Early { run.next_request } else { run.scheduled };
            tally.scheduled = asked.saturating_sub(schedule.count_before(self.plan.warmup));
        }
        if ending == Ending::Early {
            self.end_measuring(now);
        }
    }

    /// The measured part was over at `until`: what comes after it is no part of the rate.
    fn end_measuring(&mut self, until: Moment) {
        let Phase::Running(run) = &mut self.phase else { return };
        if std::mem::replace(&mut run.measuring, Measuring::Over) == Measuring::Over {
            return;
        }
        let tally = &mut self.book.tally;
        tally.elapsed = until.since(run.measured_from);
        tally.answered_in_time = tally.requests.answered;
        self.events.push(Event::Measured);
    }

    /// Ends the run when there is nothing more to do in it.
    pub(super) fn move_on(&mut self, now: Moment) {
        self.give_up_if_nothing_opens(now);
        let Phase::Running(run) = &self.phase else { return };
        if run.is_sending() && run.end <= now && run.waiting == 0 {
            self.stop_sending(now, Ending::TimeIsUp);
        }
        let Phase::Running(run) = &self.phase else { return };
        let all_sent = match &run.schedule {
            _ if run.speakers.is_empty() => true,
            Some(_) => run.next_request == run.scheduled && run.waiting == 0,
            None => run.budget.is_spent(),
        };
        // When only the time is limited, it is waited for.
        if run.is_sending() && all_sent && self.plan.until.requests.is_some() {
            self.stop_sending(now, Ending::AllSent);
        }
        let Phase::Running(run) = &self.phase else { return };
        if let Some(ending) = run.ending
            && self.book.in_flight == 0
        {
            if ending == Ending::AllSent {
                // What was never answered was waited for until now.
                let has_all = self.book.tally.requests.unanswered == 0;
                self.end_measuring(if has_all { self.book.last_answer() } else { now });
            }
            self.phase = Phase::Over;
        }
    }

    fn give_up_if_nothing_opens(&mut self, now: Moment) {
        let Phase::Running(run) = &mut self.phase else { return };
        if !run.is_sending() {
            return;
        }
        // Where nobody is to speak, all are held for their own sake.
        let is_any_of_use_open = if run.speakers.is_empty() {
            self.book.tally.connections.open > 0
        } else {
            self.active_open > 0
        };
        if is_any_of_use_open || run.failed_since_opened == 0 {
            run.nothing_open_since = None;
        } else {
            run.nothing_open_since.get_or_insert(now);
        }
        let is_hopeless =
            run.nothing_open_since.is_some_and(|since| since + NOTHING_OPEN_LIMIT <= now);
        let actives_gone = run.gone == run.speakers.len() && run.gone > 0;
        if !is_hopeless && !actives_gone {
            return;
        }
        let elapsed = now.since(run.measured_from);
        let reason = self.book.tally.errors.by_errno.iter().max_by_key(|(_, count)| **count);
        let reason = reason.map_or_else(String::new, |(name, _)| format!(" (mostly {name})"));
        let why = format!(
            "all connections were lost and none could be opened again{reason}; given up {:.1} s \
             into the run",
            elapsed.as_secs_f64()
        );
        self.book.tally.partial.get_or_insert(why);
        self.stop_sending(now, Ending::Early);
    }

    /// Whether a connection that is lost now is still of use.
    pub(super) fn may_reconnect(&self) -> bool {
        match &self.phase {
            Phase::Opening | Phase::Ready | Phase::Starting(_) => true,
            Phase::Running(run) => run.is_sending(),
            Phase::Over => false,
        }
    }

    /// Whether a slot without a connection needs one at once.
    pub(super) fn needs_connection(&self, index: usize) -> bool {
        let Phase::Running(run) = &self.phase else { return false };
        let slot = &self.slots[index];
        let Some(talk) = &slot.talk else { return false };
        if slot.role != Role::Active || !run.is_sending() || !matches!(slot.link, Link::Down) {
            return false;
        }
        match self.plan.pace {
            Pace::Closed => !run.budget.is_spent(),
            _ => talk.due > 0 || !matches!(self.plan.lifetime, super::plan::Lifetime::Requests(_)),
        }
    }
}
