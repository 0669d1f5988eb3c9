//! A worker as its coordinator sees it: a child process that listens, speaks, and may hang.
//!
//! Invariant: no call waits for the worker. What it is told goes through a thread of its own, so
//! that a full pipe stops nobody; and a worker is killed when its owner lets go of it.

use super::message::Job;
use super::worker::monotonic_nanos;
use crate::encryption::TlsTexts;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use readyd::loadgen::{Plan, Worker};
use std::fs;
use std::io::{self, Write};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// A worker tells of each second. After this long without a word it is looked at.
pub(super) const SILENCE_LIMIT: Duration = Duration::from_secs(2);

/// A worker that uses or waits for a processor is given this long: to close a million connections
/// takes a while.
const BUSY_LIMIT: Duration = Duration::from_secs(10);

/// Processor time that a worker in [`SILENCE_LIMIT`] must have used to count as busy, in ticks of
/// proc_pid_stat(5), mostly of 10 ms.
const BUSY_TICKS: u64 = 10;

/// A worker process.
pub(super) struct WorkerProcess {
    child: Child,
    /// The lines for its standard input, which is closed when this is dropped.
    commands: Option<Sender<Vec<u8>>>,
    pub(super) has_opened: bool,
    /// Its measured part is over.
    pub(super) has_measured: bool,
    /// It has told its figures, or they are not awaited any more.
    pub(super) is_done: bool,
    pub(super) has_exited: bool,
    last_word: Instant,
    /// Processor time that it had used then, in ticks.
    used_then: u64,
    /// Since when it is stopped, on the monotonic clock.
    stopped_since: Option<u64>,
    /// When it was stopped, and when it went on, on the monotonic clock.
    stops: Vec<(u64, u64)>,
}

impl WorkerProcess {
    /// Starts a worker and gives it its job. Its output is for the caller to read.
    pub(super) fn start(
        plan: &Plan,
        worker: Worker,
        tls: Option<&TlsTexts>,
    ) -> io::Result<(WorkerProcess, ChildStdout)> {
        let mut child = std::process::Command::new(std::env::current_exe()?)
            .arg(super::WORKER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a worker without its pipes"));
        };
        let (commands, lines) = mpsc::channel::<Vec<u8>>();
        // If the worker has exited, its output ends too, and that is noted.
        thread::spawn(move || {
            lines.iter().try_for_each(|line| input.write_all(&line).and_then(|()| input.flush()))
        });
        let mut job = serde_json::to_vec(&Job { plan: plan.clone(), worker, tls: tls.cloned() })?;
        job.push(b'\n');
        let _ = commands.send(job);
        let process = WorkerProcess {
            child,
            commands: Some(commands),
            has_opened: false,
            has_measured: false,
            is_done: false,
            has_exited: false,
            last_word: Instant::now(),
            used_then: 0,
            stopped_since: None,
            stops: Vec::new(),
        };
        Ok((process, output))
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Gives it a line to read.
    pub(super) fn tell(&self, line: &[u8]) {
        if let Some(commands) = &self.commands {
            let _ = commands.send(line.to_owned());
        }
    }

    /// Its input ends, which ends the worker.
    pub(super) fn dismiss(&mut self) {
        self.commands = None;
    }

    /// It has said something.
    pub(super) fn on_word(&mut self) {
        self.last_word = Instant::now();
        self.used_then = stat(self.id()).map_or(0, |(_, used)| used);
    }

    /// When it has to be looked at, unless it says something before.
    pub(super) fn look_at(&self, now: Instant) -> Instant {
        // A worker that was looked at and is busy is looked at again soon.
        (self.last_word + SILENCE_LIMIT).max(now + SILENCE_LIMIT / 10)
    }

    /// Why it has said nothing for too long, if that is so.
    pub(super) fn hangs(&self, now: Instant) -> Option<String> {
        let silence = now.saturating_duration_since(self.last_word);
        if silence < SILENCE_LIMIT {
            return None;
        }
        let (state, used) = stat(self.id())?;
        let is_busy = state == 'R' || used >= self.used_then + BUSY_TICKS;
        let what = match state {
            // It has exited; its output ends at any moment.
            'Z' | 'X' => return None,
            'T' | 't' => "it is stopped by a signal",
            _ if is_busy && silence < BUSY_LIMIT => return None,
            _ if is_busy => "it is busy or waits for a processor",
            'D' => "it waits in the kernel (state D)",
            _ => "it does nothing",
        };
        Some(format!("no message for {} s, {what}", silence.as_secs()))
    }

    /// Has it go on if it was stopped by a signal, so that it can tell its figures.
    pub(super) fn wake(&self) {
        self.signal(Signal::SIGCONT);
    }

    pub(super) fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    fn signal(&self, signal: Signal) {
        // While it was not waited for, the number is not given to another process. An error means
        // that it has just exited.
        let _ = kill(Pid::from_raw(self.child.id() as i32), signal);
    }

    /// Notes whether it was stopped or goes on, once SIGCHLD has said that something changed.
    pub(super) fn note_stops(&mut self) {
        let id = Pid::from_raw(self.child.id() as i32);
        let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WCONTINUED | WaitPidFlag::WNOHANG;
        while let Ok(status) = waitid(Id::Pid(id), flags) {
            match status {
                WaitStatus::Stopped(..) => self.stopped_since = Some(monotonic_nanos()),
                WaitStatus::Continued(_) => self.note_end_of_stop(),
                _ => break,
            }
        }
    }

    /// If it is stopped, the time until now counts.
    pub(super) fn note_end_of_stop(&mut self) {
        if let Some(since) = self.stopped_since.take() {
            self.stops.push((since, monotonic_nanos()));
        }
    }

    /// When it was stopped by a signal and when it went on, on the monotonic clock.
    pub(super) fn stops(&self) -> &[(u64, u64)] {
        &self.stops
    }

    /// Waits for it after its output has ended, and says how it has ended.
    pub(super) fn wait(&mut self) -> String {
        self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            // It is not waited for: it could hang in the kernel. init(1) does that.
            self.kill();
        }
    }
}

/// The state of a process and the processor time that it has used, in ticks: proc_pid_stat(5).
fn stat(id: u32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field, its name in parentheses, may hold spaces and parentheses.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let state = fields.first()?.chars().next()?;
    // utime and stime are the fields 14 and 15; the state is field 3.
    let used = fields.get(11..13)?.iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Some((state, used))
}
