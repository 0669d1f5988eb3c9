//! The pacer: when the run begins, which request is due on which slot, and when the run ends.
//!
//! ```text
//! start        measured_from                      end
//!   |---- warm-up ---|------ measured part ---------|-- grace period, replies are awaited --|
//! ```
//!
//! A *turn* here is a slot's place in the order in which active slots are dealt requests.
//!
//! Invariant: a request that the schedule had due is taken once, or its slot has been given up, or
//! it waits: the *due requests* are those.

mod due;
mod run;

use super::accounting::RequestAccounting;
use super::counters;
use super::plan::{Plan, Worker};
use super::{Event, INTERVAL};
use crate::io::clock::Moment;
use crate::io::event_loop::LoopControl;
use crate::loadgen::report::GRACE_PERIOD;
use run::{Ending, Measuring, Run};
use std::rc::Rc;
use std::time::Duration;

/// The loop turns at least this often during the run, so that it can tell when it was kept from it.
const HEARTBEAT: Duration = Duration::from_millis(10);

/// How far the run has come.
#[derive(Debug)]
enum Phase {
    /// Connections are being opened.
    Connecting,
    /// They are open; the owner says when load begins.
    Ready,
    /// Load begins at this time.
    Starting(Moment),
    Running(Box<Run>),
    Over,
}

/// What the pacer has the worker do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Begin the run, which has started at this time: [`Pacer::begin`].
    Begin(Moment),
    /// Drop all connections, to see them return; this long after the measured part began.
    Storm(Duration),
    /// Visit this slot: a request is due on it.
    Due(usize),
}

/// What is open when a turn of the loop ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenCounts {
    /// Connections of active slots.
    pub(super) active: usize,
    /// Connections of all slots.
    pub(super) all: u64,
}

/// When requests are sent, and when the run ends.
#[derive(Debug)]
pub(super) struct Pacer {
    plan: Rc<Plan>,
    worker: Worker,
    phase: Phase,
    /// When the loop was to turn again at the latest.
    planned: Moment,
    /// How late the present turn began.
    stall: Duration,
    next_interval: Moment,
    events: Vec<Event>,
}

impl Pacer {
    pub(super) fn new(plan: Rc<Plan>, worker: Worker, now: Moment) -> Pacer {
        Pacer {
            plan,
            worker,
            phase: Phase::Connecting,
            planned: Moment::NEVER,
            stall: Duration::ZERO,
            next_interval: now + INTERVAL,
            events: Vec::new(),
        }
    }

    /// Every slot has been connected, or could not be.
    pub(super) fn all_connected(&mut self) {
        if self.is_connecting() {
            self.phase = Phase::Ready;
            self.events.push(Event::Opened);
        }
    }

    /// The owner lets load begin at `start`.
    pub(super) fn start_at(&mut self, start: Moment) {
        if let Phase::Ready = self.phase {
            self.phase = Phase::Starting(start);
        }
    }

    /// Ends the run before its time. Replies to requests in flight are awaited unless the run is
    /// stopped again: then it is over at once, which is told.
    pub(super) fn stop(
        &mut self,
        why: &str,
        now: Moment,
        accounting: &mut RequestAccounting,
    ) -> bool {
        match &mut self.phase {
            Phase::Running(run) if run.is_sending() => {
                accounting.ends_early(|_| why.to_owned());
                run.stop_sending(Ending::Early, &self.plan, accounting);
                run.end_measuring(now, accounting, &mut self.events);
                return false;
            }
            Phase::Running(_) | Phase::Over => {}
            Phase::Connecting | Phase::Ready | Phase::Starting(_) => {
                accounting.ends_early(|_| why.to_owned());
            }
        }
        self.phase = Phase::Over;
        true
    }

    /// The server sends bytes before any request, which was not declared.
    pub(super) fn speaks_first(&mut self, what: String) {
        self.events.push(Event::SpeaksFirst(what));
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether the connections that the plan begins with are being opened.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.phase, Phase::Connecting)
    }

    /// Since when the run goes on.
    pub(super) fn running_since(&self) -> Option<Moment> {
        match &self.phase {
            Phase::Running(run) => Some(run.start),
            _ => None,
        }
    }

    /// Whether a connection that is lost now is still of use.
    pub(super) fn may_reconnect(&self) -> bool {
        match &self.phase {
            Phase::Connecting | Phase::Ready | Phase::Starting(_) => true,
            Phase::Running(run) => run.is_sending(),
            Phase::Over => false,
        }
    }

    /// Whether requests are still sent.
    pub(super) fn is_sending(&self) -> bool {
        matches!(&self.phase, Phase::Running(run) if run.is_sending())
    }

    /// Whether the run goes on until its requests are answered: it was not ended early.
    pub(super) fn awaits_replies(&self) -> bool {
        matches!(&self.phase, Phase::Running(run) if run.ending != Some(Ending::Early))
    }

    /// A turn of the loop begins at `now`. If the loop was kept from turning when it should have,
    /// that is a stall of the client.
    pub(super) fn begin_turn(&mut self, now: Moment, accounting: &mut RequestAccounting) {
        let late = now.since(self.planned);
        // In a closed loop, epoll_wait's timeout has milliseconds, and is rounded up.
        let tolerated = if self.plan.is_open_loop() { counters::LATE } else { 2 * counters::LATE };
        self.stall = if late > tolerated { late } else { Duration::ZERO };
        if !self.stall.is_zero() {
            accounting.stalled(self.stall);
            self.split_stall(now, accounting);
        }
        accounting.begin_turn(self.stall, now);
    }

    /// Divides the stall that ends at `now` among the seconds that it was in.
    fn split_stall(&mut self, now: Moment, accounting: &mut RequestAccounting) {
        let mut from = self.planned;
        while self.next_interval <= now && matches!(self.phase, Phase::Running(_)) {
            let end = self.next_interval;
            accounting.stalled_in_interval(end.since(from));
            self.events.push(Event::Interval(Box::new(accounting.end_interval(end))));
            from = from.max(end);
            self.next_interval = end + INTERVAL;
        }
        accounting.stalled_in_interval(now.since(from));
    }

    /// The next thing that is due at `now`; to be called until there is none.
    pub(super) fn advance(
        &mut self,
        now: Moment,
        accounting: &mut RequestAccounting,
    ) -> Option<Step> {
        let run = match &mut self.phase {
            Phase::Running(run) if run.is_sending() => run,
            Phase::Starting(start) if *start <= now => return Some(Step::Begin(*start)),
            _ => return None,
        };
        if run.measuring == Measuring::NotYet && run.measured_from <= now {
            run.measuring = Measuring::Now;
            accounting.begin_measuring();
            self.events.push(Event::Measuring);
        }
        if let Some((at, every)) = run.next_storm.zip(self.plan.storm_every)
            && at <= now
            && now < run.end
            && run.stormed_at < now
        {
            run.stormed_at = now;
            // There is no storm after which not all could return before the end.
            run.next_storm = Some(at + every).filter(|&next| next + every <= run.end);
            return Some(Step::Storm(now.since(run.measured_from)));
        }
        if run.schedule.is_some()
            && let Some(slot) = run.next_due(now)
        {
            return Some(Step::Due(slot));
        }
        if run.end <= now {
            run.end_measuring(run.end, accounting, &mut self.events);
            if run.due.waiting() == 0 || run.end + GRACE_PERIOD <= now {
                run.stop_sending(Ending::TimeIsUp, &self.plan, accounting);
            }
        }
        None
    }

    /// Begins the run, which has started at `start`, with the slots that may have a connection.
    pub(super) fn begin(
        &mut self,
        start: Moment,
        active_slots: &[usize],
        accounting: &mut RequestAccounting,
    ) {
        let run = Run::new(&self.plan, self.worker, active_slots, start);
        self.phase = Phase::Running(Box::new(run));
        // The seconds of the run are counted from where it is measured; warm-up may begin in the
        // middle of one.
        let warmup = self.plan.warmup;
        let into_second = Duration::from_nanos((warmup.as_nanos() % INTERVAL.as_nanos()) as u64);
        let opening = accounting.end_interval(start);
        self.events.push(Event::Interval(Box::new(opening)));
        self.next_interval = start + if into_second.is_zero() { INTERVAL } else { into_second };
    }

    /// Takes a request that may be sent at `now` in this turn, and says for when it was intended. A
    /// closed loop intends it for now, or for when its connection began to connect for it.
    #[inline]
    pub(super) fn next_request(
        &mut self,
        turn: usize,
        connecting_since: Option<Moment>,
        now: Moment,
    ) -> Option<Moment> {
        let Phase::Running(run) = &mut self.phase else { return None };
        if !run.is_sending() {
            return None;
        }
        let Some(schedule) = &run.schedule else {
            let intended = connecting_since.unwrap_or(now);
            match &mut run.budget.left {
                Some(0) => return None,
                Some(left) if intended >= run.budget.counts_from => *left -= 1,
                _ => {}
            }
            return Some(intended);
        };
        let number = run.due.take(turn)?;
        Some(run.start + schedule.intended(number))
    }

    /// Whether [`Pacer::next_request`] would give this turn a request.
    pub(super) fn has_request_for(&self, turn: usize) -> bool {
        let Phase::Running(run) = &self.phase else { return false };
        run.is_sending()
            && match &run.schedule {
                None => run.budget.left != Some(0),
                Some(_) => run.due.has(turn),
            }
    }

    /// The slot of this turn stays empty: what was due on it will not be sent.
    pub(super) fn give_up(&mut self, turn: usize) {
        if let Phase::Running(run) = &mut self.phase {
            run.due.give_up(turn);
        }
    }

    /// An attempt to connect has succeeded.
    pub(super) fn connected(&mut self) {
        if let Phase::Running(run) = &mut self.phase {
            run.failed_since_connected = 0;
        }
    }

    /// An attempt to connect has failed.
    pub(super) fn connect_failed(&mut self) {
        if let Phase::Running(run) = &mut self.phase {
            run.failed_since_connected += 1;
        }
    }

    /// All work of the turn that began at `now` is done. Ends the run when there is nothing more to
    /// do in it, and tells of a second that has passed.
    pub(super) fn end_turn(
        &mut self,
        now: Moment,
        ended: Moment,
        open: OpenCounts,
        accounting: &mut RequestAccounting,
    ) {
        if let Phase::Running(run) = &mut self.phase {
            run.end_if_nothing_opens(now, open, &self.plan, accounting, &mut self.events);
            run.end_if_all_is_sent(now, &self.plan, accounting);
            if let Some(ending) = run.ending
                && accounting.in_flight() == 0
            {
                if ending == Ending::AllSent {
                    // A reply that never came was awaited until now.
                    let has_all = accounting.counters().requests.unanswered() == 0;
                    let until = if has_all { accounting.last_answer() } else { now };
                    let until = run.end_of_all(until);
                    run.end_measuring(until, accounting, &mut self.events);
                }
                self.phase = Phase::Over;
            }
        }
        // Answers after the measured part are no part of its last second.
        if let Phase::Running(run) = &mut self.phase
            && let Some(at) = run.measured_until.take()
            && at <= now
            && at < self.next_interval
        {
            let interval = accounting.end_interval(at);
            self.events.push(Event::Interval(Box::new(interval)));
        }
        if self.next_interval <= now {
            let mut boundary = self.next_interval;
            while boundary + INTERVAL <= now {
                boundary = boundary + INTERVAL;
            }
            let interval = accounting.end_interval(boundary);
            self.events.push(Event::Interval(Box::new(interval)));
            self.next_interval = boundary + INTERVAL;
        }
        if let Phase::Running(run) = &self.phase
            && run.is_sending()
        {
            // An event may have waited for all of it.
            accounting.turned(self.stall + ended.since(now));
            if run.due.waiting() == 0 {
                accounting.caught_up();
            }
        }
    }

    /// What the loop does after a turn that ended at `now`. `has_work` says that slots are queued,
    /// `wakeup` when the connections have to be seen to next.
    pub(super) fn next(
        &mut self,
        now: Moment,
        has_work: bool,
        wakeup: Option<Moment>,
    ) -> LoopControl {
        let own = match &self.phase {
            // Bytes that the server still sends do not keep a run from its end.
            Phase::Over => {
                self.planned = Moment::NEVER;
                return LoopControl::Stop;
            }
            Phase::Connecting | Phase::Ready => None,
            Phase::Starting(start) => Some(*start),
            Phase::Running(run) => run.next_wakeup().into_iter().chain([now + HEARTBEAT]).min(),
        };
        if has_work {
            self.planned = now;
            return LoopControl::Poll;
        }
        let earliest = [own, wakeup, Some(self.next_interval)].into_iter().flatten().min();
        self.planned = earliest.map_or(Moment::NEVER, |moment| moment.max(now));
        earliest.map_or(LoopControl::Wait, LoopControl::WaitUntil)
    }
}
