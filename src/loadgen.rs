//! Load: many connections that make requests by a plan, and an honest account of what came of it.
//!
//! - [`plan`] is what is asked for, [`schedule`] when each request is due, [`wire`] what it looks
//!   like and what its reply has to be.
//! - [`Load`] drives the connections. It is shaped as the server and the fleet are: events are noted,
//!   all work is done in [`EventHandler::end_turn`], from one queue.
//! - [`tally`] is what comes out, and adds up over workers.
//!
//! A [`fleet`](crate::client::fleet) runs conversations to their end; here a *slot* outlives its
//! connections, because the schedule does: a request whose connection is lost is still due.
//!
//! Invariant: a request is sent because the schedule says so (open loop) or an answer has come
//! (closed loop), never because the server is ready for it; and each one that is sent is closed once
//! in the [`Tally`].

pub mod payload;
pub mod plan;
#[cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "rows and ports of its own making")
)]
pub mod preflight;
#[cfg_attr(
    not(test),
    expect(
        clippy::indexing_slicing,
        reason = "figures of its own making, or of a report that was checked when it was read"
    )
)]
pub mod report;
pub mod schedule;
pub mod tally;
pub mod wire;

mod book;
mod connecting;
mod running;
mod slot;
mod talk;
mod trickling;
mod visiting;

#[cfg(test)]
mod tests;

pub use plan::{Plan, Worker};
pub use tally::{Interval, Tally};

use crate::io::clock::Moment;
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::io::host::MonotonicClock;
use crate::io::net::{Connect, Token};
use crate::io::readiness::Readiness;
use crate::io::timer::Timers;
use crate::io::token::Generations;
use book::Book;
use connecting::Opener;
use running::{Ending, Run};
use slot::{Role, Slot};
use std::collections::VecDeque;
use std::time::Duration;
use talk::Talk;
use wire::Wire;

/// The size of the buffer that all connections share, and what one read takes at most.
const READ_BYTES: usize = 64 * 1024;

/// How often the run is told of.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// The loop turns at least this often, whatever happens: so it knows when it was kept from it.
const HEARTBEAT: Duration = Duration::from_millis(10);

/// What a load run tells its owner while it goes on.
#[derive(Debug)]
pub enum Event {
    /// Every connection has been opened, or could not be; [`Load::start_at`] may be called.
    Opened,
    /// The measured part begins.
    Measuring,
    /// A second has passed.
    Interval(Box<Interval>),
    /// The measured part is over; answers are still awaited.
    Measured,
}

/// How far the run has come.
#[derive(Debug)]
enum Phase {
    /// Connections are being opened.
    Opening,
    /// They are open; load begins when its owner says so.
    Ready,
    /// Load begins then.
    Starting(Moment),
    Running(Run),
    Over,
}

/// One worker's load, over any network.
pub struct Load<N: Connect> {
    net: N,
    plan: Plan,
    worker: Worker,
    wire: Wire,
    slots: Vec<Slot<N::Stream>>,
    generations: Generations,
    queue: VecDeque<u32>,
    timers: Timers,
    opener: Opener,
    phase: Phase,
    book: Book,
    /// The account of connections whose requests are no part of the result: slow ones, and idle ones
    /// that return from a storm.
    side_book: Book,
    /// When the loop was to turn again at the latest.
    planned: Moment,
    /// How long it was kept from that, since nothing waited to be sent.
    absence: Duration,
    /// Connections of active slots that are open.
    active_open: usize,
    next_interval: Moment,
    events: Vec<Event>,
    scratch: Box<[u8]>,
    out: Vec<u8>,
    /// Counts the numbers drawn by chance.
    draws: u64,
}

impl<N: Connect + MonotonicClock> Load<N> {
    /// The share of `plan` that is `worker`'s. It begins at once to open connections.
    ///
    /// # Panics
    ///
    /// If the plan names no destination, or the share is of more than 2³² connections.
    pub fn new(net: N, plan: Plan, worker: Worker, now: Moment) -> Load<N> {
        assert!(!plan.destinations.is_empty(), "load needs an address to connect to");
        let crowd = worker.share_of_crowd(plan.crowd);
        assert!(u32::try_from(crowd.total()).is_ok(), "slots are counted in 32 bits");
        let roles = [
            (Role::Active, crowd.active),
            (Role::Idle, crowd.idle),
            (Role::SlowReader, crowd.slow_readers),
            (Role::SlowWriter, crowd.slow_writers),
        ];
        let pipeline = plan.pipeline;
        let mut slots = Vec::with_capacity(crowd.total());
        for (role, count) in roles {
            for _ in 0..count {
                let speaks = role != Role::Idle;
                let number = worker.connection(slots.len());
                slots.push(Slot::new(role, speaks.then(|| Box::new(Talk::new(number, pipeline)))));
            }
        }
        Load {
            wire: Wire::new(&plan),
            book: Book::new(&plan),
            side_book: Book::new(&plan),
            opener: Opener::new(&plan, worker, now),
            slots,
            generations: Generations::default(),
            queue: VecDeque::new(),
            timers: Timers::new(now),
            phase: Phase::Opening,
            planned: Moment::NEVER,
            absence: Duration::ZERO,
            active_open: 0,
            next_interval: now + INTERVAL,
            events: Vec::new(),
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
            out: Vec::new(),
            draws: 0,
            net,
            plan,
            worker,
        }
    }

    /// Lets load begin at `start`, once [`Event::Opened`] has been told.
    pub fn start_at(&mut self, start: Moment) {
        if let Phase::Ready = self.phase {
            self.phase = Phase::Starting(start);
        }
    }

    /// Ends the run before its time, for the reason `why`. Answers that are under way are awaited,
    /// unless it is said again.
    pub fn stop(&mut self, why: &str, now: Moment) {
        match &self.phase {
            Phase::Running(run) if run.is_sending() => {
                self.book.tally.partial.get_or_insert_with(|| why.to_owned());
                self.stop_sending(now, Ending::Early);
            }
            // Whoever says it twice does not want to wait.
            Phase::Running(_) => {
                self.hang_up_all();
                self.phase = Phase::Over;
            }
            Phase::Over => {}
            Phase::Opening | Phase::Ready | Phase::Starting(_) => {
                self.book.tally.partial = Some(why.to_owned());
                self.phase = Phase::Over;
            }
        }
    }

    /// What has happened since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What was counted so far.
    pub fn tally(&self) -> &Tally {
        &self.book.tally
    }

    /// Whether every answer has come, or is no longer awaited.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Ends the run: closes all connections, and hands over what was counted and its last,
    /// unfinished interval.
    pub fn finish(mut self, now: Moment) -> (Tally, Interval) {
        self.hang_up_all();
        let interval = self.book.end_interval(now);
        let mut tally = self.book.tally;
        tally.slow.answered = self.side_book.tally.requests.answered;
        if !self.plan.is_open_loop() {
            tally.service = tally.latency.clone();
        }
        (tally, interval)
    }

    /// A random part of `longest`.
    fn part_of(&mut self, longest: Duration) -> Duration {
        self.draws += 1;
        let drawn = payload::mix(self.plan.seed ^ self.worker.index as u64, self.draws);
        longest.mul_f64(drawn as f64 / u64::MAX as f64)
    }

    fn work(&mut self, now: Moment) {
        for _ in 0..self.queue.len() {
            let Some(index) = self.queue.pop_front() else { break };
            let Some(slot) = self.slots.get_mut(index as usize) else { continue };
            slot.is_queued = false;
            self.visit(index as usize, now);
        }
        while let Some(index) = self.timers.pop_due(now) {
            self.expire(index, now);
        }
        self.open_more(now);
    }

    fn tell_of_interval(&mut self, now: Moment) {
        if now < self.next_interval {
            return;
        }
        let mut boundary = self.next_interval;
        while boundary + INTERVAL <= now {
            boundary = boundary + INTERVAL;
        }
        let interval = self.book.end_interval(boundary);
        self.events.push(Event::Interval(Box::new(interval)));
        self.next_interval = boundary + INTERVAL;
    }

    /// How long the loop was kept from turning: the process was stopped, or others had its processor.
    fn absence_until(&mut self, now: Moment) -> Duration {
        let absence = now.since(self.planned);
        if absence <= self.tolerated_absence() {
            return Duration::ZERO;
        }
        self.absence += absence;
        self.book.absent(absence);
        absence
    }

    /// In a closed loop, waits are counted in milliseconds, and rounded up.
    fn tolerated_absence(&self) -> Duration {
        if self.plan.is_open_loop() { tally::LATE } else { 2 * tally::LATE }
    }

    fn next(&self, now: Moment) -> LoopControl {
        // Whatever a server still sends does not keep a run from its end.
        if self.is_over() {
            return LoopControl::Stop;
        }
        if !self.queue.is_empty() {
            return LoopControl::Poll;
        }
        let own = match &self.phase {
            Phase::Over => None,
            Phase::Opening => self.opener.next_wakeup(),
            Phase::Ready => None,
            Phase::Starting(start) => Some(*start),
            Phase::Running(run) => run.next_wakeup(),
        };
        let heartbeat = matches!(self.phase, Phase::Running(_)).then_some(now + HEARTBEAT);
        let wakeups = [own, self.timers.next_wakeup(), Some(self.next_interval), heartbeat];
        wakeups.into_iter().flatten().min().map_or(LoopControl::Wait, LoopControl::WaitUntil)
    }
}

impl<N: Connect + MonotonicClock> EventHandler for Load<N> {
    fn on_ready(&mut self, token: Token, readiness: Readiness) {
        if let Some(slot) = self.slots.get_mut(token.index())
            && slot.generation == token.generation()
        {
            slot.ready.merge(readiness);
            slot.enqueue(token.index(), &mut self.queue);
        }
    }

    fn end_turn(&mut self, now: Moment) -> LoopControl {
        let absence = self.absence_until(now);
        self.keep_schedule(now);
        self.work(now);
        self.move_on(now);
        self.tell_of_interval(now);
        let ended = self.net.now();
        if let Phase::Running(run) = &self.phase
            && run.is_sending()
        {
            // An event may have waited for all of it.
            self.book.tally.loop_lag.record(absence + ended.since(now));
            if run.waiting == 0 {
                self.absence = Duration::ZERO;
            }
        }
        let next = self.next(ended);
        self.planned = match next {
            LoopControl::Poll => ended,
            LoopControl::WaitUntil(moment) => moment.max(ended),
            LoopControl::Wait | LoopControl::Stop => Moment::NEVER,
        };
        next
    }
}
