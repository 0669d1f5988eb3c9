//! The coordinator starts the workers, has them begin together, and adds up their results.
//!
//! Invariant: what was measured is kept. A worker that dies, an interrupt or a lost server makes
//! the result partial, and the report says why. None of them discards the result.

use super::live::Live;
use super::message::{Command, Job, Message, Outcome};
use super::worker::monotonic_nanos;
use crate::failure::Failure;
use nix::sys::signal::{SigSet, Signal};
use readyd::loadgen::report::PackedHistogram;
use readyd::loadgen::{Counters, Interval, Plan, Worker};
use readyd::os::signals;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// From [`Command::Start`] until load begins: time for the command to reach every worker.
const START_DELAY: Duration = Duration::from_millis(20);

/// The merged results of all workers.
#[derive(Debug, Default)]
pub(super) struct RunResult {
    pub(super) counters: Counters,
    /// Of each worker that sent its outcome.
    pub(super) workers: Vec<WorkerFigures>,
    /// From the first connection to the last.
    pub(super) opening: Duration,
    /// Seconds of the run, by their start in nanoseconds relative to the start of the measured
    /// part.
    pub(super) seconds: BTreeMap<i64, Interval<PackedHistogram>>,
}

/// What a worker used.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorkerFigures {
    pub(super) cpu: Duration,
    pub(super) cpu_wait: Duration,
    pub(super) resident_bytes: u64,
}

/// An event for the coordinator, from a thread that reads a worker's output or waits for signals.
enum CoordinatorEvent {
    Message(usize, Message),
    /// The worker's output has ended, so the worker has exited.
    WorkerExited(usize),
    Interrupted,
}

struct WorkerProcess {
    child: Child,
    commands: Option<ChildStdin>,
    has_opened: bool,
    is_done: bool,
}

/// Runs the plan with `count` workers.
pub(super) fn run(plan: &Plan, count: usize, live: Live) -> Result<RunResult, Failure> {
    let (sender, events) = mpsc::channel();
    watch_interrupts(sender.clone()).map_err(Failure::Worker)?;
    let workers = (0..count)
        .map(|index| start(plan, Worker { index, of: count }, &sender))
        .collect::<io::Result<Vec<_>>>()
        .map_err(Failure::Worker)?;
    let coordinator = Coordinator {
        workers,
        live,
        warmup: plan.warmup,
        connects_on_demand: plan.connects_on_demand(),
        established: 0,
        started_at: None,
        interrupts: 0,
        opening: BTreeMap::new(),
        running: BTreeMap::new(),
        opening_began: monotonic_nanos(),
        result: RunResult::default(),
    };
    coordinator.coordinate(&events)
}

/// SIGINT, SIGTERM and SIGXCPU end the run, not the program: what was measured is still reported.
fn watch_interrupts(sender: Sender<CoordinatorEvent>) -> io::Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGXCPU] {
        // The kernel keeps a blocked signal pending even if a shell set it to SIG_IGN for a
        // background job, so those are left out.
        if !signals::is_ignored(signal)? {
            signals.add(signal);
        }
    }
    // Before any other thread is started: threads inherit the mask, so sigwait(3) gets the signals.
    signals.thread_block()?;
    thread::spawn(move || {
        while signals.wait().is_ok() && sender.send(CoordinatorEvent::Interrupted).is_ok() {}
    });
    Ok(())
}

fn start(
    plan: &Plan,
    worker: Worker,
    sender: &Sender<CoordinatorEvent>,
) -> io::Result<WorkerProcess> {
    let mut child = std::process::Command::new(std::env::current_exe()?)
        .arg(super::WORKER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (Some(mut commands), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("a worker without its pipes"));
    };
    let mut job = serde_json::to_vec(&Job { plan: plan.clone(), worker })?;
    job.push(b'\n');
    commands.write_all(&job)?;
    let sender = sender.clone();
    thread::spawn(move || listen(worker.index, output, &sender));
    Ok(WorkerProcess { child, commands: Some(commands), has_opened: false, is_done: false })
}

fn listen(index: usize, output: ChildStdout, sender: &Sender<CoordinatorEvent>) {
    for line in BufReader::new(output).lines() {
        let message = line.and_then(|line| Ok(serde_json::from_str(&line)?));
        let Ok(message) = message else { break };
        let _ = sender.send(CoordinatorEvent::Message(index, message));
    }
    let _ = sender.send(CoordinatorEvent::WorkerExited(index));
}

struct Coordinator {
    workers: Vec<WorkerProcess>,
    live: Live,
    warmup: Duration,
    connects_on_demand: bool,
    /// Connections that were established when load was to begin.
    established: u64,
    /// When load began, on the monotonic clock.
    started_at: Option<u64>,
    interrupts: u32,
    /// Seconds before load began, by number.
    opening: BTreeMap<u64, SharedSecond>,
    /// Seconds since, by their start relative to the start of the measured part.
    running: BTreeMap<i64, SharedSecond>,
    opening_began: u64,
    result: RunResult,
}

#[cfg_attr(not(test), expect(clippy::indexing_slicing, reason = "numbers of workers it started"))]
impl Coordinator {
    fn coordinate(mut self, events: &Receiver<CoordinatorEvent>) -> Result<RunResult, Failure> {
        while !self.workers.iter().all(|worker| worker.is_done) {
            match events.recv() {
                Ok(CoordinatorEvent::Message(index, message)) => self.on_message(index, message)?,
                Ok(CoordinatorEvent::WorkerExited(index)) => self.on_worker_exit(index),
                Ok(CoordinatorEvent::Interrupted) => self.interrupt()?,
                Err(_) => break,
            }
        }
        self.live.clear();
        for worker in &mut self.workers {
            worker.commands = None;
            let _ = worker.child.wait();
        }
        self.place_seconds();
        Ok(self.result)
    }

    fn on_message(&mut self, index: usize, message: Message) -> Result<(), Failure> {
        match message {
            Message::Opened { established, elapsed } => {
                self.established += established;
                self.workers[index].has_opened = true;
                self.result.opening = self.result.opening.max(elapsed);
                self.start_when_all_are_open();
            }
            Message::Interval(interval) => self.add_interval(index, *interval),
            Message::Done(outcome) => self.add_outcome(index, *outcome),
            Message::SpeaksFirst(what) => {
                self.live.clear();
                return Err(Failure::SpeaksFirst(what));
            }
            Message::Failed(why) => {
                return Err(Failure::Worker(io::Error::other(why)));
            }
        }
        Ok(())
    }

    fn start_when_all_are_open(&mut self) {
        let all_are_open = self.workers.iter().all(|worker| worker.has_opened || worker.is_done);
        if !all_are_open || self.started_at.is_some() {
            return;
        }
        if self.established == 0 && !self.connects_on_demand {
            let why = "not one connection could be established".to_owned();
            self.command(&Command::Stop { why });
        } else {
            let at_nanos = monotonic_nanos() + START_DELAY.as_nanos() as u64;
            self.started_at = Some(at_nanos);
            self.command(&Command::Start { at_nanos });
        }
    }

    fn command(&mut self, command: &Command) {
        let Ok(mut line) = serde_json::to_vec(command) else { return };
        line.push(b'\n');
        for worker in &mut self.workers {
            // If the worker has exited, its output ends too, and `on_worker_exit` notes it.
            if let Some(commands) = &mut worker.commands {
                let _ = commands.write_all(&line).and_then(|()| commands.flush());
            }
        }
    }

    fn add_interval(&mut self, worker: usize, interval: Interval) {
        // The last interval, after the end of the run, is mostly empty.
        if interval.is_empty() {
            return;
        }
        let count = self.workers.len();
        match self.started_at {
            Some(started_at) if interval.start >= started_at => {
                let measured_from = started_at + self.warmup.as_nanos() as u64;
                // If the warm-up is no whole number of seconds, its first second is shorter.
                let relative = interval.start as i64 - measured_from as i64;
                let second = self.running.entry(relative).or_default();
                let sum = second.add(worker, &interval);
                self.live.running(relative, &sum, count);
            }
            _ => {
                let number = interval.start.saturating_sub(self.opening_began) / SECOND;
                let second = self.opening.entry(number).or_default();
                second.add(worker, &interval);
                self.live.opening(second.open.values().sum());
            }
        }
    }

    fn add_outcome(&mut self, index: usize, outcome: Outcome) {
        self.workers[index].is_done = true;
        self.result.counters.merge(&outcome.counters);
        let Outcome { cpu, cpu_wait, resident_bytes, .. } = outcome;
        self.result.workers.push(WorkerFigures { cpu, cpu_wait, resident_bytes });
    }

    /// A worker has exited. If it had not sent its outcome, the result is partial.
    fn on_worker_exit(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        if worker.is_done {
            return;
        }
        worker.is_done = true;
        let status = worker.child.wait().map_or_else(|error| error.to_string(), |s| s.to_string());
        let why = format!("worker {index} ended unexpectedly ({status}); its figures are missing");
        self.result.counters.partial.get_or_insert(why);
        self.start_when_all_are_open();
    }

    fn interrupt(&mut self) -> Result<(), Failure> {
        self.interrupts += 1;
        self.live.clear();
        let said = match self.interrupts {
            1 => "interrupted: waiting for the answers that are under way (again to end now)",
            2 => "interrupted again: ending now",
            _ => return Err(Failure::Interrupted),
        };
        let _ = writeln!(io::stderr(), "readyc: {said}");
        self.command(&Command::Stop { why: "interrupted".to_owned() });
        Ok(())
    }

    /// Puts the seconds of all workers together, those before load began first.
    fn place_seconds(&mut self) {
        let measured_from = self
            .started_at
            .map_or(self.opening_began, |started_at| started_at + self.warmup.as_nanos() as u64);
        let mut seconds = std::mem::take(&mut self.running);
        for (number, second) in std::mem::take(&mut self.opening) {
            let start = self.opening_began + number * SECOND;
            seconds.insert(start as i64 - measured_from as i64, second);
        }
        let mut open = BTreeMap::new();
        for (start, mut second) in seconds {
            // A worker that sent no interval for this second still has its earlier connections.
            open.append(&mut second.open);
            second.sum.connections = open.values().sum();
            self.result.seconds.insert(start, second.sum);
        }
    }
}

/// One second of all workers. It is packed, since a run keeps one for each of its seconds.
#[derive(Debug, Default)]
struct SharedSecond {
    sum: Interval<PackedHistogram>,
    /// Connections open at its end, by worker.
    open: BTreeMap<usize, u64>,
}

impl SharedSecond {
    /// Adds a worker's interval, and returns the sum of all so far.
    fn add(&mut self, worker: usize, interval: &Interval) -> Interval {
        let mut sum = self.sum.unpack();
        sum.merge(interval);
        self.open.insert(worker, interval.connections);
        sum.connections = self.open.values().sum();
        self.sum = sum.pack();
        sum
    }
}
