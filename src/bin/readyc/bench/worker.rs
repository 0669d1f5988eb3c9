//! A worker: one process with one thread of load. It reads commands from standard input.
//!
//! Invariant: a worker outlives neither its coordinator nor its run. When its input ends, so does
//! it.

use super::message::{Command, Job, Message, Outcome};
use crate::encryption::{self, ClientNet, Handshakes};
use crate::failure::Failure;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sysconf};
use readyd::io::clock::Moment;
use readyd::io::event_loop::{EventHandler, LoopControl, Wakeup};
use readyd::io::net::Token;
use readyd::io::readiness::Readiness;
use readyd::loadgen::{Event, LoadWorker};
use readyd::os::descriptors;
use readyd::reactor::{BusyWaited, Processor, Reactor};
use std::fs;
use std::io::{self, BufRead, ErrorKind, Read, StdinLock, Write};
use std::num::NonZero;
use std::thread;
use std::time::Duration;

/// Runs the job that it reads from standard input.
pub(crate) fn run() -> Result<(), Failure> {
    let mut input = io::stdin().lock();
    let mut line = String::new();
    input.read_line(&mut line).map_err(Failure::Input)?;
    let job: Job =
        serde_json::from_str(&line).map_err(|error| Failure::Input(io::Error::other(error)))?;
    work(job, input).map_err(|error| {
        send(&Message::Failed(error.to_string()));
        Failure::Reactor(error)
    })
}

fn work(job: Job, input: StdinLock<'static>) -> io::Result<()> {
    descriptors::raise_limit();
    let mut reactor = Reactor::new()?;
    // SIGINT from the keyboard reaches all processes. The coordinator decides what follows.
    reactor.watch_signals()?;
    reactor.watch_input(&input)?;
    let busy_waited = if job.plan.is_open_loop() {
        reactor.wait_exactly(job.plan.busy_wait.then(|| processor(job.worker.of)))?
    } else {
        BusyWaited::default()
    };
    let net = encryption::network(reactor.net()?, job.tls.as_ref()).map_err(io::Error::other)?;
    let load = LoadWorker::new(net, job.plan, job.worker, reactor.now());
    let mut handler = WorkerHandler {
        load: Some(load),
        handshakes: job.tls.map(|_| Handshakes::default()),
        input,
        unread: Vec::new(),
        clock_offset: monotonic_nanos().saturating_sub(reactor.now().as_nanos()),
        busy_waited,
        before: CpuTimes::default(),
        used: CpuTimes::default(),
        resident_bytes: 0,
    };
    reactor.run(&mut handler)
}

/// Whether a worker has a processor for itself: there is one more than workers, which is the
/// server's, or taskset(1) has set processors apart for the workers. A quota of processor time, as
/// containers have, sets none apart.
fn processor(workers: usize) -> Processor {
    let within_quota = thread::available_parallelism().map_or(1, NonZero::get);
    let all = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten().unwrap_or(1) as usize;
    let ours = sched_getaffinity(Pid::from_raw(0)).map_or(all, |set| {
        (0..CpuSet::count()).filter(|&number| set.is_set(number).unwrap_or(false)).count()
    });
    let are_set_apart = ours < all && workers <= ours.min(within_quota);
    if workers < within_quota || are_set_apart { Processor::Own } else { Processor::Shared }
}

/// The load, and the coordinator's commands to it.
struct WorkerHandler {
    /// `None` once the run is over.
    load: Option<LoadWorker<ClientNet>>,
    /// Of TLS, if connections are encrypted.
    handshakes: Option<Handshakes>,
    input: StdinLock<'static>,
    /// The beginning of a command whose line is not complete yet.
    unread: Vec<u8>,
    /// From the reactor's clock to the system's monotonic one, in nanoseconds.
    clock_offset: u64,
    busy_waited: BusyWaited,
    before: CpuTimes,
    used: CpuTimes,
    resident_bytes: u64,
}

impl WorkerHandler {
    /// Reads the commands that have arrived and carries them out.
    fn on_command(&mut self, now: Moment) {
        let mut chunk = [0; 4096];
        loop {
            match self.input.read(&mut chunk) {
                Ok(0) => return self.load = None,
                Ok(count) => self.unread.extend(chunk.iter().take(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.load = None,
            }
        }
        while let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let (Some(load), Ok(command)) = (&mut self.load, serde_json::from_slice(&line)) else {
                return self.load = None;
            };
            match command {
                Command::Start { at_nanos } => {
                    load.start_at(Moment::from_nanos(at_nanos.saturating_sub(self.clock_offset)));
                }
                Command::Stop { why } => load.stop(&why, now),
            }
        }
    }

    fn on_event(&mut self, event: Event, now: Moment) {
        let Some(load) = &self.load else { return };
        match event {
            Event::Opened => send(&Message::Opened {
                established: load.counters().connections.established,
                elapsed: load.opened_at().unwrap_or(now).since(Moment::START),
            }),
            Event::Measuring => {
                self.before = CpuTimes::now(&self.busy_waited);
                let (before, _) = encryption::handshakes(load.network());
                self.handshakes.iter_mut().for_each(|all| all.measured = before);
            }
            Event::Measured => {
                self.used = CpuTimes::now(&self.busy_waited).since(self.before);
                let (by_now, _) = encryption::handshakes(load.network());
                self.handshakes.iter_mut().for_each(|all| all.measured = by_now - all.measured);
                self.resident_bytes = resident_bytes();
                send(&Message::Measured);
            }
            Event::SpeaksFirst(what) => {
                send(&Message::SpeaksFirst(what));
                self.load = None;
            }
            Event::Interval(mut interval) => {
                interval.start += self.clock_offset;
                send(&Message::Interval(interval));
            }
        }
    }

    fn finish(&mut self, load: LoadWorker<ClientNet>, now: Moment) {
        if let Some(counted) = &mut self.handshakes {
            (counted.all, counted.resumed) = encryption::handshakes(load.network());
        }
        let (counters, mut rest) = load.finish(now);
        rest.start += self.clock_offset;
        send(&Message::Interval(Box::new(rest)));
        send(&Message::Done(Box::new(Outcome {
            counters,
            cpu: self.used.running,
            cpu_elapsed: self.used.elapsed,
            cpu_busy_wait: self.used.busy_waiting,
            cpu_wait: self.used.waiting,
            resident_bytes: self.resident_bytes,
            handshakes: self.handshakes,
        })));
    }
}

impl EventHandler for WorkerHandler {
    fn on_ready(&mut self, token: Token, readiness: Readiness) {
        if let Some(load) = &mut self.load {
            load.on_ready(token, readiness);
        }
    }

    fn on_wakeup(&mut self, wakeup: Wakeup, now: Moment) {
        match wakeup {
            Wakeup::Message => self.on_command(now),
            Wakeup::CpuTimeLimit => {
                if let Some(load) = &mut self.load {
                    load.stop("the CPU time limit was reached (ulimit -t)", now);
                }
            }
            // A terminal or a service manager signals all processes. The coordinator acts on it.
            Wakeup::Terminate
            | Wakeup::StopAtOnce
            | Wakeup::ChildEnded
            | Wakeup::Reload
            | Wakeup::Report
            | Wakeup::Upgrade
            | Wakeup::ToggleTrace => {}
        }
    }

    fn end_turn(&mut self, now: Moment) -> LoopControl {
        let Some(load) = &mut self.load else { return LoopControl::Stop };
        let next = load.end_turn(now);
        for event in load.take_events() {
            self.on_event(event, now);
        }
        if next == LoopControl::Stop
            && let Some(load) = self.load.take()
        {
            self.finish(load, now);
        }
        next
    }
}

/// Writes a message for the coordinator. An error means that the coordinator is gone: the end of
/// input then ends this worker.
fn send(message: &Message) {
    if let Ok(mut line) = serde_json::to_vec(message) {
        line.push(b'\n');
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
    }
}

/// The time of the clock that [`std::time::Instant`] reads, the same in all processes.
pub(super) fn monotonic_nanos() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    now.as_nanos() as u64
}

/// Processor time and waiting time of this process, so far or of a part of the run.
#[derive(Clone, Copy, Default)]
struct CpuTimes {
    /// On the system's monotonic clock.
    elapsed: Duration,
    running: Duration,
    /// Of that, time spent on waiting for intended times.
    busy_waiting: Duration,
    /// Ready to run while other processes had the processor.
    waiting: Duration,
}

impl CpuTimes {
    fn now(busy_waited: &BusyWaited) -> CpuTimes {
        // The second number is the time spent on run queues, in nanoseconds
        // (proc_pid_schedstat(5)).
        let waiting = fs::read_to_string("/proc/self/schedstat")
            .ok()
            .and_then(|times| times.split(' ').nth(1)?.parse().ok())
            .map_or(Duration::ZERO, Duration::from_nanos);
        let elapsed = Duration::from_nanos(monotonic_nanos());
        CpuTimes { elapsed, running: cpu_time(), busy_waiting: busy_waited.so_far(), waiting }
    }

    fn since(self, earlier: CpuTimes) -> CpuTimes {
        let running = self.running.saturating_sub(earlier.running);
        // It is counted on another clock, so it could be more.
        let busy_waiting = self.busy_waiting.saturating_sub(earlier.busy_waiting).min(running);
        let waiting = self.waiting.saturating_sub(earlier.waiting);
        let elapsed = self.elapsed.saturating_sub(earlier.elapsed);
        CpuTimes { elapsed, running, busy_waiting, waiting }
    }
}

fn cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| Duration::from_micros(time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64))
        .sum()
}

/// proc_pid_status(5): `VmRSS` is in kB.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = resident.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}
