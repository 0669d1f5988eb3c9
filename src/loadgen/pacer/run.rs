//! A run between its start and its end.

use super::OpenCounts;
use super::due::DueRequests;
use crate::io::clock::Moment;
use crate::loadgen::Event;
use crate::loadgen::accounting::RequestAccounting;
use crate::loadgen::counters::Counters;
use crate::loadgen::plan::{Plan, Worker};
use crate::loadgen::report::GRACE_PERIOD;
use crate::loadgen::schedule::Schedule;
use std::time::Duration;

/// A run in which no connection was ever open is given up after this long.
const NEVER_OPEN_LIMIT: Duration = Duration::from_secs(1);

/// A run between its start and its end.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) start: Moment,
    pub(super) measured_from: Moment,
    /// When the plan says that it ends.
    pub(super) end: Moment,
    pub(super) schedule: Option<Schedule>,
    pub(super) due: DueRequests,
    /// How many requests the schedule has.
    pub(super) scheduled: u64,
    pub(super) budget: Budget,
    pub(super) next_storm: Option<Moment>,
    pub(super) stormed_at: Moment,
    /// Attempts to connect that failed since one did not.
    pub(super) failed_since_connected: u64,
    /// Since when no connection is open that the run needs.
    pub(super) nothing_open_since: Option<Moment>,
    /// Whether an attempt to connect has failed since then.
    pub(super) was_missed: bool,
    pub(super) measuring: Measuring,
    /// When the measured part ended, until a new interval has begun there.
    pub(super) measured_until: Option<Moment>,
    pub(super) ending: Option<Ending>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measuring {
    NotYet,
    Now,
    Over,
}

/// How many requests a closed loop may still send.
#[derive(Debug)]
pub(super) struct Budget {
    /// `None`: any number.
    pub(super) left: Option<u64>,
    /// Requests that are intended earlier cost nothing.
    pub(super) counts_from: Moment,
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
    /// The run that `plan` asks of `worker`, with these slots for its requests.
    pub(super) fn new(plan: &Plan, worker: Worker, active_slots: &[usize], start: Moment) -> Run {
        let measured_from = start + plan.warmup;
        let end = plan.until.duration.map_or(Moment::NEVER, |length| measured_from + length);
        let share = plan.until.requests.map(|requests| worker.share_of_requests(requests));
        let schedule = Schedule::new(plan, worker, active_slots.len());
        let scheduled = schedule.as_ref().map_or(0, |schedule| {
            let until_end = if end == Moment::NEVER {
                u64::MAX
            } else {
                schedule.count_before(end.since(start))
            };
            let before_measured = schedule.count_before(plan.warmup);
            until_end.min(share.map_or(u64::MAX, |share| before_measured.saturating_add(share)))
        });
        // Without an active slot there is nothing that could send a request.
        let budget = if active_slots.is_empty() { Some(0) } else { share };
        Run {
            start,
            measured_from,
            end,
            schedule,
            due: DueRequests::new(active_slots),
            scheduled,
            budget: Budget { left: budget, counts_from: measured_from },
            next_storm: plan.storm_every.map(|every| measured_from + every),
            stormed_at: Moment::START,
            failed_since_connected: 0,
            nothing_open_since: None,
            was_missed: false,
            measuring: Measuring::NotYet,
            measured_until: None,
            ending: None,
        }
    }

    /// Whether requests are still sent.
    pub(super) fn is_sending(&self) -> bool {
        self.ending.is_none()
    }

    /// When the run has to be looked at next.
    pub(super) fn next_wakeup(&self) -> Option<Moment> {
        if !self.is_sending() {
            return None;
        }
        // To wake up for a request that has to wait behind others would take time from those.
        let due = self
            .schedule
            .as_ref()
            .filter(|_| self.due.count() < self.scheduled && self.due.awaits_more())
            .map(|schedule| self.start + schedule.intended(self.due.count()));
        let measuring = match self.measuring {
            Measuring::NotYet => self.measured_from,
            Measuring::Now => self.end,
            Measuring::Over => self.end + GRACE_PERIOD,
        };
        let storm = self.next_storm.filter(|_| self.measuring != Measuring::Over);
        [due, storm, Some(measuring)].into_iter().flatten().min()
    }

    /// Has the requests that are due by `now` wait for their slots. Names the next slot that has to
    /// be visited for that.
    pub(super) fn next_due(&mut self, now: Moment) -> Option<usize> {
        let schedule = self.schedule.as_ref()?;
        let elapsed = now.since(self.start);
        self.due.advance(schedule.count_due(self.due.count(), self.scheduled, elapsed));
        self.due.next_slot()
    }

    /// Nothing more is sent.
    pub(super) fn stop_sending(
        &mut self,
        ending: Ending,
        plan: &Plan,
        accounting: &mut RequestAccounting,
    ) {
        self.ending = Some(ending);
        if let Some(schedule) = &self.schedule {
            // A run that is stopped before its time asked for the requests that were due by then.
            let asked = if ending == Ending::Early { self.due.count() } else { self.scheduled };
            accounting.scheduled(asked.saturating_sub(schedule.count_before(plan.warmup)));
        }
    }

    /// The measured part was over at `until`: later replies are no part of the rate.
    pub(super) fn end_measuring(
        &mut self,
        until: Moment,
        accounting: &mut RequestAccounting,
        events: &mut Vec<Event>,
    ) {
        if std::mem::replace(&mut self.measuring, Measuring::Over) != Measuring::Over {
            self.end_outage(until, accounting);
            accounting.end_measuring(until);
            self.measured_until = Some(until);
            events.push(Event::Measured);
        }
    }

    /// When the measured part ends of a run whose requests all have ended, at `until`. A schedule
    /// lasts until its next request would be due: one request in ten seconds has not the rate of
    /// its answer.
    pub(super) fn end_of_all(&self, until: Moment) -> Moment {
        let next = self.schedule.as_ref().map(|schedule| schedule.intended(self.scheduled));
        next.map_or(until, |next| until.max(self.start + next)).min(self.end.max(until))
    }

    /// Stops sending when the plan has nothing more to be sent.
    pub(super) fn end_if_all_is_sent(
        &mut self,
        now: Moment,
        plan: &Plan,
        accounting: &mut RequestAccounting,
    ) {
        if self.is_sending() && self.end <= now && self.due.waiting() == 0 {
            self.stop_sending(Ending::TimeIsUp, plan, accounting);
        }
        let is_all_sent = match &self.schedule {
            _ if self.due.has_no_turns() => true,
            Some(_) => self.due.count() == self.scheduled && self.due.waiting() == 0,
            None => self.budget.left == Some(0),
        };
        // When only the time is limited, it is waited for.
        if self.is_sending() && is_all_sent && plan.until.requests.is_some() {
            self.stop_sending(Ending::AllSent, plan, accounting);
        }
    }

    /// Stops sending when all connections were lost and none can be opened again.
    pub(super) fn end_if_nothing_opens(
        &mut self,
        now: Moment,
        open: OpenCounts,
        plan: &Plan,
        accounting: &mut RequestAccounting,
        events: &mut Vec<Event>,
    ) {
        if !self.is_sending() {
            return;
        }
        // A run without active slots holds its idle connections for their own sake.
        let is_any_open = if self.due.has_no_turns() { open.all > 0 } else { open.active > 0 };
        let since = *self.nothing_open_since.get_or_insert(now);
        let has_failed = self.failed_since_connected > 0;
        self.was_missed |= has_failed && !is_any_open;
        if is_any_open {
            self.end_outage(now, accounting);
        }
        let limit = match accounting.counters().connections.established {
            0 => Some(NEVER_OPEN_LIMIT),
            _ => plan.reconnecting.give_up_after,
        };
        let is_hopeless =
            !is_any_open && has_failed && limit.is_some_and(|limit| since + limit <= now);
        if is_hopeless || self.due.are_all_given_up() {
            let elapsed = now.since(self.measured_from);
            accounting.ends_early(|counters| nothing_opens(counters, elapsed));
            self.end_outage(now, accounting);
            self.stop_sending(Ending::Early, plan, accounting);
            self.end_measuring(now, accounting, events);
        }
    }

    /// If nothing was open until `now` although attempts were made, that was an outage.
    pub(super) fn end_outage(&mut self, now: Moment, accounting: &mut RequestAccounting) {
        if let Some(since) = self.nothing_open_since.take()
            && self.was_missed
        {
            accounting.outage(since, now);
        }
        self.was_missed = false;
    }
}

/// Why a run ended that had no connection any more.
fn nothing_opens(counters: &Counters, elapsed: Duration) -> String {
    let most_frequent = counters.errors.by_errno.iter().max_by_key(|(_, count)| **count);
    let reason = most_frequent.map_or_else(String::new, |(name, _)| format!(" (mostly {name})"));
    format!(
        "all connections were lost and none could be opened again{reason}; given up {:.1} s into \
         the run",
        elapsed.as_secs_f64()
    )
}
