//! The slot of a shard: its listeners, which stay, and its processes, which change. One process
//! serves; others may still drain.
//!
//! Invariants: the delay doubles for a shard that keeps crashing, so that its restarts do not use
//! up the CPU. A process that drains has a successor at once, so that new clients need not wait.
//! Each process has its own slot on the scoreboard.

use super::process::{Process, StartFailure};
use super::sockets::OfAShard;
use super::watchdog::Look;
use super::{STOPPING_GRACE, SpawnTemplate};
use crate::child::Ending;
use crate::control::Answer;
use crate::listening::Bound;
use crate::recordings::Recordings;
use crate::shard;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use readyd::io::clock::Moment;
use readyd::server::stats::scoreboard::SLOTS_PER_SHARD;
use std::os::fd::AsFd;
use std::time::Duration;

/// Delay before the second restart of a shard that keeps crashing. The first is immediate, and each
/// further delay is twice as long.
const SHORTEST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// A shard that has served for this time counts as healthy, and its successor starts at once.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// See the [module](self).
pub(super) struct ShardSlot {
    number: usize,
    sockets: OfAShard,
    /// The files that the first process records to: no other gets them.
    recordings: Recordings,
    post: Post,
    /// Processes that drain.
    draining: Vec<Process>,
    /// Delay of the next restart.
    delay: Duration,
    has_served: bool,
}

/// Whether a process serves the listeners.
enum Post {
    /// None yet: one starts at this time, or when a draining process has left its scoreboard slot.
    Vacant {
        from: Moment,
    },
    Held(Process),
    /// None any more.
    Closed,
}

/// A process that has ended.
pub(super) enum Ended {
    /// The process that served.
    Server(Ending),
    /// A process that drained.
    Drained(Ending),
}

impl ShardSlot {
    /// A slot with these listeners, and files for the first process, of a shard that starts now.
    pub(super) fn new(number: usize, given: (OfAShard, Recordings), now: Moment) -> ShardSlot {
        let (sockets, recordings) = given;
        ShardSlot {
            number,
            sockets,
            recordings,
            post: Post::Vacant { from: now },
            draining: Vec::new(),
            delay: Duration::ZERO,
            has_served: false,
        }
    }

    /// The name of the shard in messages.
    pub(super) fn name(&self) -> String {
        shard::name(self.number)
    }

    /// The process that serves.
    pub(super) fn server(&self) -> Option<&Process> {
        match &self.post {
            Post::Held(process) => Some(process),
            Post::Vacant { .. } | Post::Closed => None,
        }
    }

    /// The process in that scoreboard slot is about to wait for clients.
    pub(super) fn serves(&mut self, scoreboard_slot: usize) {
        let mut processes = self.processes_mut();
        if let Some(process) = processes.find(|it| it.scoreboard_slot() == scoreboard_slot) {
            process.note_that_it_serves();
        }
    }

    /// Whether a process has said that it serves, and still does.
    pub(super) fn is_served(&self) -> bool {
        self.server().is_some_and(Process::serves)
    }

    /// All processes: the one that serves, and those that drain.
    pub(super) fn processes(&self) -> impl Iterator<Item = &Process> {
        self.server().into_iter().chain(&self.draining)
    }

    pub(super) fn processes_mut(&mut self) -> impl Iterator<Item = &mut Process> {
        let server = match &mut self.post {
            Post::Held(process) => Some(process),
            Post::Vacant { .. } | Post::Closed => None,
        };
        server.into_iter().chain(&mut self.draining)
    }

    /// Whether it has a process, or one is still to start.
    pub(super) fn is_in_use(&self) -> bool {
        !matches!(self.post, Post::Closed) || !self.draining.is_empty()
    }

    /// When the next process starts, if one is due and there is a scoreboard slot for it.
    pub(super) fn starts_at(&self) -> Option<Moment> {
        match self.post {
            Post::Vacant { from } => self.free_scoreboard_slot().map(|_| from),
            Post::Held(_) | Post::Closed => None,
        }
    }

    /// Starts a process if one is due. Returns whether it did.
    pub(super) fn start_if_due(
        &mut self,
        template: &SpawnTemplate,
        now: Moment,
    ) -> Result<bool, StartFailure> {
        let is_due = self.starts_at().is_some_and(|when| when <= now);
        let Some(scoreboard_slot) = self.free_scoreboard_slot().filter(|_| is_due) else {
            return Ok(false);
        };
        let given = (&self.sockets, std::mem::take(&mut self.recordings));
        let process = Process::start(template, self.number, scoreboard_slot, given, now)?;
        self.post = Post::Held(process);
        Ok(true)
    }

    fn free_scoreboard_slot(&self) -> Option<usize> {
        let first = self.number * SLOTS_PER_SHARD;
        let is_free = |scoreboard_slot: &usize| {
            self.processes().all(|process| process.scoreboard_slot() != *scoreboard_slot)
        };
        (first..first + SLOTS_PER_SHARD).find(is_free)
    }

    /// A process of this slot that has just ended. Call it until it returns `None`.
    pub(super) fn take_ended(&mut self, template: &SpawnTemplate, now: Moment) -> Option<Ended> {
        for index in 0..self.draining.len() {
            let Some(process) = self.draining.get_mut(index) else { break };
            if let Some(ending) = process.take_ending(&template.scoreboard) {
                self.draining.swap_remove(index);
                return Some(Ended::Drained(ending));
            }
        }
        let Post::Held(process) = &mut self.post else { return None };
        let ending = process.take_ending(&template.scoreboard)?;
        self.has_served |= process.has_served(&template.scoreboard);
        if process.age(now) >= HEALTHY_AFTER {
            self.delay = Duration::ZERO;
        }
        self.post = Post::Closed;
        Some(Ended::Server(ending))
    }

    /// Whether any process of this slot has ever served.
    pub(super) fn has_served(&self) -> bool {
        self.has_served
    }

    /// Schedules a successor after a process has ended or could not be started. Returns when it
    /// starts, as text.
    pub(super) fn wait_for_a_successor(&mut self, now: Moment) -> String {
        let delay = self.delay;
        self.post = Post::Vacant { from: now + delay };
        self.delay = (delay * 2).clamp(SHORTEST_DELAY, LONGEST_DELAY);
        if delay.is_zero() { "at once".to_owned() } else { format!("in {delay:?}") }
    }

    /// The messages of the processes.
    pub(super) fn take_answers(&self) -> Vec<(usize, Answer)> {
        let mut said = Vec::new();
        for process in self.processes() {
            while let Some(answer) = process.line().answer() {
                said.push((process.scoreboard_slot(), answer));
            }
        }
        said
    }

    /// Handles [`Answer::Drains`]: the process in that scoreboard slot drains, and a successor is
    /// due. Returns whether it was the process that served.
    pub(super) fn drains(
        &mut self,
        scoreboard_slot: usize,
        template: &SpawnTemplate,
        now: Moment,
    ) -> bool {
        match std::mem::replace(&mut self.post, Post::Closed) {
            Post::Held(mut process) if process.scoreboard_slot() == scoreboard_slot => {
                self.has_served |= process.has_served(&template.scoreboard);
                process.line().leave_backlog();
                process.must_end_by(now + template.config.limits.drain_timeout + STOPPING_GRACE);
                self.draining.push(process);
                self.post = Post::Vacant { from: now };
                true
            }
            other => {
                self.post = other;
                false
            }
        }
    }

    /// Tells all processes to exit by `deadline`. No process is started any more, except one that
    /// serves the clients in the backlog.
    pub(super) fn stop(&mut self, now: Moment, deadline: Moment) {
        self.post = match std::mem::replace(&mut self.post, Post::Closed) {
            Post::Vacant { .. } if self.has_waiting_clients() => Post::Vacant { from: now },
            Post::Vacant { .. } => Post::Closed,
            other => other,
        };
        if !matches!(self.post, Post::Vacant { .. }) {
            self.close();
        }
        for process in self.processes_mut() {
            process.line().serve_backlog();
            process.signal(Signal::SIGTERM);
            process.must_end_by(deadline);
        }
    }

    /// Another supervisor serves the listeners: the processes leave them and serve their clients,
    /// until `deadline` at the latest. No process is started any more.
    pub(super) fn hand_over(&mut self, deadline: Moment) {
        self.give_up_starting();
        self.sockets.listeners.iter().for_each(|(socket, _)| socket.leave_file());
        self.close();
        for process in self.processes_mut() {
            process.line().hand_over();
            process.must_end_by(deadline);
        }
    }

    /// The listeners.
    pub(super) fn listeners(&self) -> &[Bound] {
        &self.sockets.listeners
    }

    /// Closes the listeners in the supervisor; the processes have their own descriptors of them.
    pub(super) fn close(&mut self) {
        self.sockets.listeners.clear();
    }

    /// No process is started in this slot any more.
    pub(super) fn give_up_starting(&mut self) {
        if matches!(self.post, Post::Vacant { .. }) {
            self.post = Post::Closed;
        }
    }

    /// Whether a client waits in the backlog.
    fn has_waiting_clients(&self) -> bool {
        let listeners = self.sockets.listeners.iter();
        let of_clients = listeners.filter(|(_, listen)| !listen.service.is_for_operators());
        let sockets = of_clients.map(|(socket, _)| socket.as_fd());
        let mut sockets: Vec<_> = sockets.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        poll(&mut sockets, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Kills the processes that are past their deadline. Returns their pids.
    pub(super) fn kill_overdue(&mut self, now: Moment) -> Vec<Pid> {
        self.kill_those(|process| process.ends_by().is_some_and(|when| when <= now))
    }

    /// Checks whether the processes' loops turn, and kills those that are stuck. Returns their
    /// pids.
    pub(super) fn kill_stuck(&mut self, template: &SpawnTemplate, look: Look) -> Vec<Pid> {
        self.kill_those(|process| process.is_stuck(&template.scoreboard, look))
    }

    fn kill_those(&mut self, mut is_meant: impl FnMut(&mut Process) -> bool) -> Vec<Pid> {
        let mut killed = Vec::new();
        for process in self.processes_mut() {
            if is_meant(process) {
                process.kill();
                killed.push(process.pid());
            }
        }
        killed
    }
}
