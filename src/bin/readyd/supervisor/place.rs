//! A shard's place: its listeners, which stay, and the process that serves them, which may change.
//!
//! Invariant: a shard that keeps ending is started ever more rarely, so that whatever is wrong with it
//! does not take the processor from the others.

use super::{Orders, refusal};
use crate::child::{Child, Ending, Start};
use crate::listening::Bound;
use crate::shard::{self, Order, VARIABLE};
use nix::sys::signal::Signal;
use readyd::clock::Moment;
use readyd::config::Config;
use readyd::config::listen::{self, Listen, Presence};
use readyd::inherited::{self, handover};
use readyd::stats::board::Board;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::process;
use std::time::Duration;

/// From the end of a shard to its successor's start: the first time at once, the second so long, then
/// twice as long each time.
const SHORTEST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// Who has served for so long was well, and is replaced at once.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// See the [module](self).
pub(super) struct Place {
    number: usize,
    listeners: Vec<Bound>,
    state: State,
    /// Until the next successor starts.
    delay: Duration,
    has_served: bool,
}

enum State {
    Waiting {
        until: Moment,
    },
    Running {
        child: Child,
        /// The other end is the shard's.
        control: UnixDatagram,
        since: Moment,
        /// What stood on the board when it started.
        turns_before: u64,
    },
    Ended,
}

impl Place {
    /// A place with these listeners, for a shard that starts now.
    pub(super) fn new(number: usize, listeners: Vec<Bound>, now: Moment) -> Place {
        let state = State::Waiting { until: now };
        Place { number, listeners, state, delay: Duration::ZERO, has_served: false }
    }

    pub(super) fn listeners(&self) -> &[Bound] {
        &self.listeners
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// When the next shard starts, if one has to.
    pub(super) fn starts_at(&self) -> Option<Moment> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Running { .. } | State::Ended => None,
        }
    }

    /// Starts a shard if one has to be started by now.
    pub(super) fn start_if_due(&mut self, orders: &Orders, now: Moment) -> io::Result<()> {
        if self.starts_at().is_some_and(|until| until <= now) {
            let turns_before = orders.board.read(self.number).turns;
            let (child, control) = self.start(orders)?;
            self.state = State::Running { child, control, since: now, turns_before };
        }
        Ok(())
    }

    fn start(&self, orders: &Orders) -> io::Result<(Child, UnixDatagram)> {
        let inherits = |(socket, listen): &Bound| -> io::Result<Listen> {
            let number = u16::try_from(socket.as_raw_fd())
                .map_err(|_| refusal("more sockets than --listen fd: has numbers for"))?;
            let place = listen::Place::Inherited(number);
            Ok(Listen { service: listen.service, place, presence: Presence::Required })
        };
        let listeners = self.listeners.iter().map(inherits).collect::<io::Result<_>>()?;
        let config = Config { listeners, ..orders.config.clone() };
        let (control, of_the_shard) = UnixDatagram::pair()?;
        let order = Order {
            number: self.number,
            shards: orders.shards,
            supervisor: process::id().cast_signed(),
            began: orders.began,
            board: orders.board.as_fd().as_raw_fd(),
            table: orders.table.memory.as_raw_fd(),
            control: of_the_shard.as_raw_fd(),
        };
        let mut arguments = vec!["readyd".into()];
        arguments.extend(config.to_args());
        let start = Start {
            // The program that runs, even if its file has been replaced by another version meanwhile.
            program: "/proc/self/exe",
            arguments,
            variable: (VARIABLE, order.to_string()),
            stderr: orders.log.as_ref().map(AsFd::as_fd),
        };
        let sockets = self.listeners.iter().map(|(socket, _)| socket.as_fd());
        let shared = [orders.board.as_fd(), orders.table.memory.as_fd(), of_the_shard.as_fd()];
        let left_open: Vec<BorrowedFd<'_>> = sockets.chain(shared).collect();
        let child = inherited::leave_open(&left_open, || start.start())?;
        Ok((child, control))
    }

    /// How the shard has ended, if it has just done so. What it had counted stays on the board.
    pub(super) fn take_ended(&mut self, board: &Board, now: Moment) -> Option<Ending> {
        let State::Running { child, since, turns_before, .. } = &mut self.state else {
            return None;
        };
        let ending = child.take_ending()?;
        let mut counted = board.read(self.number);
        self.has_served |= counted.turns > *turns_before;
        counted.end_all();
        board.write(self.number, &counted);
        if now.since(*since) >= HEALTHY_AFTER {
            self.delay = Duration::ZERO;
        }
        self.state = State::Ended;
        Some(ending)
    }

    /// Whether any shard that was here came as far as serving.
    pub(super) fn has_served(&self) -> bool {
        self.has_served
    }

    /// The shard has ended, or could not be started: another will be. Tells when.
    pub(super) fn wait_for_a_successor(&mut self, now: Moment) -> String {
        let delay = self.delay;
        self.state = State::Waiting { until: now + delay };
        self.delay = (delay * 2).clamp(SHORTEST_DELAY, LONGEST_DELAY);
        if delay.is_zero() { "at once".to_owned() } else { format!("in {delay:?}") }
    }

    /// Closes the listeners. Nobody is started here any more.
    pub(super) fn close(&mut self) {
        self.listeners.clear();
        if !self.is_running() {
            self.state = State::Ended;
        }
    }

    /// Gives the shard that runs here a note, and a descriptor with it.
    pub(super) fn tell(&self, note: u8, descriptor: Option<BorrowedFd<'_>>) {
        if let State::Running { control, .. } = &self.state
            && let Err(error) = handover::send(control, note, descriptor)
        {
            log::error!("{} has not got the table: {error}", shard::name(self.number));
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let State::Running { child, .. } = &self.state {
            child.signal(signal);
        }
    }
}
