//! A worker: one process, one thread of load, told what to do on standard input.
//!
//! Invariant: a worker outlives neither its coordinator nor its run. When its input ends, so does it.

use super::message::{Command, Job, Message, Outcome};
use crate::failure::Failure;
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};
use readyd::clock::Moment;
use readyd::descriptors;
use readyd::load::{Event, Load};
use readyd::net::{Driver, Next, Notice, Readiness, Token};
use readyd::reactor::{MioNet, Reactor};
use std::fs;
use std::io::{self, BufRead, Write};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

/// Runs the job that comes on standard input.
pub(crate) fn run() -> Result<(), Failure> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(Failure::Input)?;
    let job: Job =
        serde_json::from_str(&line).map_err(|error| Failure::Input(io::Error::other(error)))?;
    match work(job) {
        Ok(()) => Ok(()),
        Err(error) => {
            say(&Message::Failed(error.to_string()));
            Err(Failure::Reactor(error))
        }
    }
}

fn work(job: Job) -> io::Result<()> {
    descriptors::raise_limit();
    let mut reactor = Reactor::new()?;
    // An interrupt from the keyboard reaches all processes; the coordinator says what it means.
    reactor.watch_signals()?;
    if job.plan.is_open_loop() {
        reactor.wait_exactly()?;
    }
    let load = Load::new(reactor.net()?, job.plan, job.worker, reactor.now());
    let mut steered = Steered {
        load: Some(load),
        commands: listen(&reactor),
        clock_offset: monotonic_nanos().saturating_sub(reactor.now().as_nanos()),
        cpu_before: Duration::ZERO,
        cpu_used: None,
        resident_bytes: 0,
    };
    reactor.run(&mut steered)
}

/// Reads commands on a thread of its own, which sleeps until there is one: standard input may be a
/// file or a terminal, which epoll does not take.
fn listen(reactor: &Reactor) -> Receiver<Command> {
    let (sender, commands) = mpsc::channel();
    let waker = reactor.waker();
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            let Ok(command) = serde_json::from_str(&line) else { break };
            let _ = sender.send(command);
            let _ = waker.wake();
        }
        drop(sender);
        let _ = waker.wake();
    });
    commands
}

/// Load, and who steers it.
struct Steered {
    /// Until it is over.
    load: Option<Load<MioNet>>,
    commands: Receiver<Command>,
    /// From the reactor's clock to the system's monotonic one, in nanoseconds.
    clock_offset: u64,
    cpu_before: Duration,
    cpu_used: Option<Duration>,
    resident_bytes: u64,
}

impl Steered {
    fn obey(&mut self, now: Moment) {
        let Some(load) = &mut self.load else { return };
        loop {
            match self.commands.try_recv() {
                Ok(Command::Start { at_nanos }) => {
                    load.start_at(Moment::from_nanos(at_nanos.saturating_sub(self.clock_offset)));
                }
                Ok(Command::Stop { why }) => load.stop(&why, now),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.load = None;
                    return;
                }
            }
        }
    }

    fn tell(&mut self, event: Event, now: Moment) {
        let Some(load) = &self.load else { return };
        match event {
            Event::Opened => say(&Message::Opened {
                established: load.tally().connections.established,
                elapsed: now.since(Moment::START),
            }),
            Event::Measuring => self.cpu_before = cpu_time(),
            Event::Measured => {
                self.cpu_used = Some(cpu_time().saturating_sub(self.cpu_before));
                self.resident_bytes = resident_bytes();
            }
            Event::Interval(mut interval) => {
                interval.start += self.clock_offset;
                say(&Message::Interval(interval));
            }
        }
    }

    fn finish(&mut self, load: Load<MioNet>, now: Moment) {
        let (tally, mut rest) = load.finish(now);
        rest.start += self.clock_offset;
        say(&Message::Interval(Box::new(rest)));
        say(&Message::Done(Box::new(Outcome {
            tally,
            cpu: self.cpu_used.unwrap_or_default(),
            resident_bytes: self.resident_bytes,
        })));
    }
}

impl Driver for Steered {
    fn ready(&mut self, token: Token, readiness: Readiness) {
        if let Some(load) = &mut self.load {
            load.ready(token, readiness);
        }
    }

    fn notice(&mut self, notice: Notice, now: Moment) {
        if notice == Notice::Woken {
            self.obey(now);
        }
    }

    fn end_turn(&mut self, now: Moment) -> Next {
        let Some(load) = &mut self.load else { return Next::Stop };
        let next = load.end_turn(now);
        for event in load.take_events() {
            self.tell(event, now);
        }
        if next == Next::Stop
            && let Some(load) = self.load.take()
        {
            self.finish(load, now);
        }
        next
    }
}

/// Without a reader there is nobody left to tell, and the end of input is about to say so.
fn say(message: &Message) {
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
