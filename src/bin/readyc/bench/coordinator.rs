//! The coordinator starts the workers, has them begin together, and adds up their results.
//!
//! Invariant: what was measured is kept. A worker that dies or hangs, an interrupt or a lost server
//! makes the result partial, and the report says why. None of them discards the result, and none
//! keeps the run from its end: a worker that hangs is named, woken, and at last killed.

use super::live::Live;
use super::message::{Command, Message, Outcome};
use super::seconds::Seconds;
use super::server_side::ServerWatch;
use super::watched_signals::WatchedSignals;
use super::worker::monotonic_nanos;
use super::worker_process::WorkerProcess;
use crate::encryption::{Handshakes, TlsTexts};
use crate::failure::Failure;
use nix::sys::signal::Signal;
use readyd::loadgen::report::PackedHistogram;
use readyd::loadgen::{Counters, Interval, Plan, Worker};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader};
use std::process::ChildStdout;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// From [`Command::Start`] until load begins: time for the command to reach every worker.
const START_DELAY: Duration = Duration::from_millis(20);

/// When a worker hangs, the others may await answers for this long, and then have to tell their
/// figures.
const ANSWERS_AWAITED: Duration = Duration::from_millis(400);

/// Workers that were told to end at once may take this long to tell their figures.
const FIGURES_AWAITED: Duration = Duration::from_millis(400);

/// If this process waited for so much longer than it meant to, it was stopped itself, and cannot
/// say that a worker was silent.
const OWN_STOP: Duration = Duration::from_millis(500);

/// The merged results of all workers.
#[derive(Debug, Default)]
pub(super) struct RunResult {
    pub(super) counters: Counters,
    /// Of each worker that sent its outcome.
    pub(super) workers: Vec<WorkerFigures>,
    /// Handshakes of TLS, if connections were encrypted.
    pub(super) handshakes: Option<Handshakes>,
    /// From the first connection to the last.
    pub(super) opening: Duration,
    /// For how long of the measured part a worker was stopped by a signal.
    pub(super) stopped: Duration,
    /// Seconds of the run, by their start in nanoseconds relative to the start of the measured
    /// part.
    pub(super) seconds: BTreeMap<i64, Interval<PackedHistogram>>,
}

/// What a worker used.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorkerFigures {
    pub(super) cpu: Duration,
    /// Of that, what it spent on waiting for intended times without sleeping.
    pub(super) cpu_busy_wait: Duration,
    /// The time in which it used `cpu`.
    pub(super) cpu_elapsed: Duration,
    pub(super) cpu_wait: Duration,
    pub(super) resident_bytes: u64,
}

impl WorkerFigures {
    /// Processor time without busy-waiting.
    pub(super) fn work(&self) -> Duration {
        self.cpu.saturating_sub(self.cpu_busy_wait)
    }

    /// The share of a processor that `used` is.
    pub(super) fn share(&self, used: Duration) -> f64 {
        let elapsed_s = self.cpu_elapsed.as_secs_f64();
        if elapsed_s > 0.0 { used.as_secs_f64() / elapsed_s } else { 0.0 }
    }
}

/// An event for the coordinator, from a thread that reads a worker's output or waits for signals.
pub(super) enum CoordinatorEvent {
    Message(usize, Message),
    /// The worker's output has ended, so the worker has exited.
    WorkerExited(usize),
    /// A worker was stopped, goes on, or has exited.
    WorkerChanged,
    Interrupted(Signal),
    /// The terminal has to be drawn again: its size has changed, or this process was stopped.
    Redraw,
}

/// Runs the plan with `count` workers.
pub(super) fn run(
    plan: &Plan,
    count: usize,
    tls: Option<&TlsTexts>,
    live: &mut Live,
    signals: &WatchedSignals,
    watch: &ServerWatch,
) -> Result<RunResult, Failure> {
    let (sender, events) = mpsc::channel();
    signals.forward_to(sender.clone());
    let workers = (0..count)
        .map(|index| start(plan, Worker { index, of: count }, tls, &sender))
        .collect::<io::Result<Vec<_>>>()
        .map_err(Failure::Worker)?;
    let coordinator = Coordinator {
        workers,
        live,
        connects_on_demand: plan.connects_on_demand(),
        warmup: plan.warmup,
        watch,
        established: 0,
        has_started: false,
        interrupts: 0,
        end_at: None,
        kill_at: None,
        seconds: Seconds::new(plan.warmup),
        result: RunResult::default(),
    };
    coordinator.coordinate(&events)
}

fn start(
    plan: &Plan,
    worker: Worker,
    tls: Option<&TlsTexts>,
    sender: &Sender<CoordinatorEvent>,
) -> io::Result<WorkerProcess> {
    let (process, output) = WorkerProcess::start(plan, worker, tls)?;
    let sender = sender.clone();
    thread::spawn(move || listen(worker.index, output, &sender));
    Ok(process)
}

fn listen(index: usize, output: ChildStdout, sender: &Sender<CoordinatorEvent>) {
    for line in BufReader::new(output).lines() {
        let message = line.and_then(|line| Ok(serde_json::from_str(&line)?));
        let Ok(message) = message else { break };
        let _ = sender.send(CoordinatorEvent::Message(index, message));
    }
    let _ = sender.send(CoordinatorEvent::WorkerExited(index));
}

struct Coordinator<'a> {
    workers: Vec<WorkerProcess>,
    live: &'a mut Live,
    connects_on_demand: bool,
    warmup: Duration,
    watch: &'a ServerWatch,
    /// Connections that were established when load was to begin.
    established: u64,
    /// Whether the workers were told when load begins.
    has_started: bool,
    interrupts: u32,
    /// When all workers are told to end at once.
    end_at: Option<Instant>,
    /// When those that have not told their figures are killed.
    kill_at: Option<Instant>,
    seconds: Seconds,
    result: RunResult,
}

#[cfg_attr(not(test), expect(clippy::indexing_slicing, reason = "numbers of workers it started"))]
impl Coordinator<'_> {
    fn coordinate(mut self, events: &Receiver<CoordinatorEvent>) -> Result<RunResult, Failure> {
        while !self.workers.iter().all(|worker| worker.is_done) {
            let asked_at = Instant::now();
            let wait = self.next_check(asked_at).saturating_duration_since(asked_at);
            let event = events.recv_timeout(wait);
            if asked_at.elapsed() > wait + OWN_STOP {
                self.workers.iter_mut().for_each(WorkerProcess::on_word);
            }
            match event {
                Ok(CoordinatorEvent::Message(index, message)) => self.on_message(index, message)?,
                Ok(CoordinatorEvent::WorkerExited(index)) => self.on_worker_exit(index),
                Ok(CoordinatorEvent::WorkerChanged) => {
                    self.workers.iter_mut().for_each(WorkerProcess::note_stops);
                }
                Ok(CoordinatorEvent::Interrupted(signal)) => self.interrupt(signal),
                Ok(CoordinatorEvent::Redraw) => self.live.redraw(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.check(Instant::now());
        }
        self.workers.iter_mut().for_each(WorkerProcess::note_end_of_stop);
        let stops: Vec<&[(u64, u64)]> = self.workers.iter().map(WorkerProcess::stops).collect();
        let (seconds, stopped) = std::mem::take(&mut self.seconds).placed(&stops);
        self.result.seconds = seconds;
        self.result.stopped = stopped;
        self.result.counters.stalled = self.result.counters.stalled.max(stopped);
        self.dismiss_workers(events);
        if self.result.workers.is_empty() {
            return Err(Failure::NoFigures(self.result.counters.partial.unwrap_or_default()));
        }
        Ok(self.result)
    }

    /// The workers exit by themselves when their input ends. One that does not is killed.
    fn dismiss_workers(&mut self, events: &Receiver<CoordinatorEvent>) {
        self.workers.iter_mut().for_each(WorkerProcess::dismiss);
        let until = Instant::now() + FIGURES_AWAITED;
        let mut running = self.workers.iter().filter(|worker| !worker.has_exited).count();
        while running > 0
            && let Ok(event) = events.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            if let CoordinatorEvent::WorkerExited(_) = event {
                running -= 1;
            }
        }
    }

    /// When [`Coordinator::check`] has something to do, if nothing happens before.
    fn next_check(&self, now: Instant) -> Instant {
        let silent = self.workers.iter().filter(|worker| !worker.is_done);
        let silent = silent.map(|worker| worker.look_at(now));
        silent.chain(self.end_at).chain(self.kill_at).min().unwrap_or(now)
    }

    /// Sees to workers that hang, and to the ends that were set.
    fn check(&mut self, now: Instant) {
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            for index in 0..self.workers.len() {
                self.kill_if_not_done(index);
            }
        }
        if self.end_at.is_some_and(|at| at <= now) {
            self.end_at = None;
            self.stop("ended");
            self.workers.iter().for_each(WorkerProcess::wake);
            self.kill_at.get_or_insert(now + FIGURES_AWAITED);
        }
        if self.kill_at.is_some() || self.end_at.is_some() {
            return;
        }
        let hangs = |worker: &WorkerProcess| worker.hangs(now).filter(|_| !worker.is_done);
        let found = self.workers.iter().enumerate();
        let Some((index, how)) = found.filter_map(|(at, worker)| Some((at, hangs(worker)?))).next()
        else {
            return;
        };
        let why = format!("worker {index} (process {}) was stuck: {how}", self.workers[index].id());
        self.say(&why);
        self.add_reason(&why);
        self.stop(&why);
        self.workers.iter().for_each(WorkerProcess::wake);
        self.end_at = Some(now + ANSWERS_AWAITED);
    }

    fn kill_if_not_done(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        if !worker.is_done {
            worker.is_done = true;
            worker.kill();
            self.add_reason(&format!("the results of worker {index} are missing"));
        }
    }

    /// One more reason why the result is partial.
    fn add_reason(&mut self, why: &str) {
        let partial = &mut self.result.counters.partial;
        *partial = Some(match partial.take() {
            None => why.to_owned(),
            Some(earlier) => format!("{earlier}; {why}"),
        });
    }

    /// Stops the run: once, and answers are still awaited; again, and they are not.
    fn stop(&mut self, why: &str) {
        self.command(&Command::Stop { why: why.to_owned() });
    }

    fn say(&mut self, what: &str) {
        self.live.say(what);
    }

    fn on_message(&mut self, index: usize, message: Message) -> Result<(), Failure> {
        self.workers[index].on_word();
        match message {
            Message::Opened { established, elapsed } => {
                self.established += established;
                self.workers[index].has_opened = true;
                self.result.opening = self.result.opening.max(elapsed);
                self.start_when_all_are_open();
            }
            Message::Measured => {
                self.workers[index].has_measured = true;
                self.tell_watch_when_measured();
            }
            Message::Interval(interval) => self.add_interval(index, *interval),
            Message::Done(outcome) => self.add_outcome(index, *outcome),
            Message::SpeaksFirst(what) => {
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
        if !all_are_open || self.has_started {
            return;
        }
        if self.established == 0 && !self.connects_on_demand {
            let why = "no connection could be established".to_owned();
            self.command(&Command::Stop { why });
        } else {
            self.watch.load_begins(self.warmup);
            // While the servers were asked, no worker could be heard.
            self.workers.iter_mut().for_each(WorkerProcess::on_word);
            let at_nanos = monotonic_nanos() + START_DELAY.as_nanos() as u64;
            self.has_started = true;
            self.seconds.begin(at_nanos);
            self.command(&Command::Start { at_nanos });
        }
    }

    fn tell_watch_when_measured(&self) {
        let is_over = |worker: &WorkerProcess| worker.has_measured || worker.is_done;
        if self.has_started && self.workers.iter().all(is_over) {
            self.watch.measured();
        }
    }

    fn command(&mut self, command: &Command) {
        let Ok(mut line) = serde_json::to_vec(command) else { return };
        line.push(b'\n');
        self.workers.iter().for_each(|worker| worker.tell(&line));
    }

    fn add_interval(&mut self, worker: usize, interval: Interval) {
        // The last interval, after the end of the run, is mostly empty.
        if !interval.is_empty() {
            self.seconds.add(worker, self.workers.len(), &interval, self.live);
        }
    }

    fn add_outcome(&mut self, index: usize, outcome: Outcome) {
        self.workers[index].is_done = true;
        self.result.counters.merge(&outcome.counters);
        let all = self.result.handshakes.into_iter().chain(outcome.handshakes);
        self.result.handshakes = all.reduce(Handshakes::plus);
        self.result.workers.push(WorkerFigures {
            cpu: outcome.cpu,
            cpu_elapsed: outcome.cpu_elapsed,
            cpu_busy_wait: outcome.cpu_busy_wait,
            cpu_wait: outcome.cpu_wait,
            resident_bytes: outcome.resident_bytes,
        });
    }

    /// A worker has exited. If it had not sent its outcome, the result is partial.
    fn on_worker_exit(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        worker.has_exited = true;
        if worker.is_done {
            return;
        }
        worker.is_done = true;
        let status = worker.wait();
        self.add_reason(&format!(
            "worker {index} ended unexpectedly ({status}); its results are missing"
        ));
        self.start_when_all_are_open();
        self.tell_watch_when_measured();
    }

    /// The first signal ends the run in order, the second at once, and a third kills the workers.
    fn interrupt(&mut self, signal: Signal) {
        self.interrupts += 1;
        let by = match signal {
            Signal::SIGINT => "interrupted".to_owned(),
            Signal::SIGXCPU => "the CPU time limit was reached (ulimit -t)".to_owned(),
            other => format!("interrupted by {other}"),
        };
        let now = Instant::now();
        match self.interrupts {
            1 => {
                self.say(&format!("{by}: waiting for the requests in flight (again to end now)"));
                self.stop(&by);
            }
            2 => {
                self.say(&format!("{by} again: ending now"));
                self.end_at = Some(now);
            }
            _ => self.kill_at = Some(now),
        }
    }
}
