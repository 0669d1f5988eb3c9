//! Faults in the calls between exec and the first client: each call of each kind, one at a time,
//! and from each on every further one.

use super::plan::{self, Row};
use super::strace::{self, read_trace};
use super::work::{Conversation, Fate, converse};
use super::{Outcome, assert_covered, work_on};
use crate::support::lines::Lines;
use crate::support::server::READYD;
use crate::support::tools::{self, Process};
use crate::support::{Scratch, eventually, loopback_of_ones_own};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// The calls of a start without faults.
static CALLS: OnceLock<Calls> = OnceLock::new();

/// How often each call is made, by the dynamic loader and by the program itself.
pub(super) struct Calls {
    by_loader: BTreeMap<String, usize>,
    by_program: BTreeMap<String, usize>,
    /// Of those of the program, those of its first thread.
    by_first_thread: BTreeMap<String, usize>,
}

impl Calls {
    pub(super) fn of(trace: &str) -> Calls {
        // The first thing that Rust's runtime does is to ask whether the standard streams are open.
        // With the first client, it has started.
        let lines = trace.lines().take_while(|line| !line.contains(" accept4("));
        let lines: Vec<&str> = lines.collect();
        let first = lines.iter().position(|line| line.contains("poll([{fd=0"));
        let (before, after) = lines.split_at(first.expect("Rust's runtime begins with poll"));
        let calls = |lines: &[&str]| strace::calls(lines.iter().copied());
        let thread = |line: &&str| line.split(' ').next().map(str::to_owned);
        let first_thread = lines.first().and_then(thread);
        let is_of_first = |line: &&&str| thread(line) == first_thread;
        let by_first_thread = strace::calls(after.iter().filter(is_of_first).copied());
        Calls { by_loader: calls(before), by_program: calls(after), by_first_thread }
    }

    pub(super) fn by_program(&self) -> &BTreeMap<String, usize> {
        &self.by_program
    }

    /// The numbers of the program's own calls to `call`, as strace counts from 1 in each thread:
    /// those of its first thread.
    pub(super) fn numbers(&self, call: &str) -> Range<usize> {
        let of = |calls: &BTreeMap<String, usize>| calls.get(call).copied().unwrap_or_default();
        let first = 1 + of(&self.by_loader);
        first..first + of(&self.by_first_thread)
    }
}

/// One try to start a server.
struct Start {
    process: Process,
    stderr: Lines,
    address: SocketAddr,
    trace: PathBuf,
    _scratch: Scratch,
}

/// What a try came to.
enum Came {
    Listening(Pid),
    Ended(ExitStatus),
}

impl Start {
    /// A start under strace with these options; if a file is named, it looks at calls on that file
    /// alone.
    fn with(options: &[String], file: Option<&str>) -> Start {
        Start::with_files(Scratch::new(), "", options, file)
    }

    /// The same, in a folder that has some files already, and with a second listener for frames,
    /// which has these options if it has any.
    fn with_files(
        scratch: Scratch,
        listener: &str,
        options: &[String],
        file: Option<&str>,
    ) -> Start {
        let table = scratch.write("table", "colour red\n");
        let trace = scratch.path("trace");
        let mut command = Command::new(tools::find("strace").expect("strace was there"));
        if let Some(name) = file {
            command.arg("-P").arg(scratch.path(name));
        }
        command.arg("-f").args(options).arg("-o").arg(&trace).arg(READYD);
        // On an address of one's own any port is free, and known though nothing can be printed.
        static PORT: AtomicU16 = AtomicU16::new(20_000);
        let port = PORT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from((loopback_of_ones_own(), port));
        command.args(["--print-addresses", "--listen", &format!("framed={address}")]);
        if !listener.is_empty() {
            let ip = address.ip();
            command.args(["--listen", &format!("framed={ip}:{},{listener}", port + 10_000)]);
        }
        // What is left of a test that failed, strace killed before it, goes by itself.
        command.args(["--exit-on-idle", "60s"]);
        command.arg("--table").arg(table);
        command.env_remove("RUST_LOG").env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        let stderr = Lines::of(process.child.stderr.take().expect("standard error is a pipe"));
        Start { process, stderr, address, trace, _scratch: scratch }
    }

    /// Waits until the server listens, or has ended.
    fn wait(&mut self, fault: &str) -> Came {
        let program = fs::canonicalize(READYD).expect("the program under test");
        let strace = self.process.id();
        let came = eventually(&format!("a server that has started or ended, with {fault}"), || {
            if let Some(status) = self.process.child.try_wait().expect("look after a process") {
                return Some(Came::Ended(status));
            }
            TcpStream::connect(self.address).ok()?;
            Some(Came::Listening(strace::traced_child(strace, &program)?))
        });
        if let Came::Listening(pid) = came {
            self.process.also_kill(pid);
        }
        came
    }

    /// Has a client served and ends the server. A call that fails for ever may keep it from
    /// serving; then it has to end when told to.
    fn serve_and_stop(&mut self, pid: Pid, fault: &str) -> (Fate, ExitStatus) {
        let mut client = Conversation::echoing(self.address);
        let fate = converse(std::slice::from_mut(&mut client), Duration::from_secs(2))[0];
        drop(client);
        // What fails to be told has ended by itself.
        let _ = kill(pid, Signal::SIGTERM);
        let status = self.process.wait();
        self.stderr.wait_for_end();
        assert!(self.stderr.containing("panicked").is_empty(), "{fault}: {:?}", self.stderr.all());
        (fate, status)
    }

    /// Checks that a server that did not start says why, in one line. One that is mute, since no
    /// write succeeds, tells by its status alone.
    fn assert_explained(&self, status: ExitStatus, is_mute: bool, fault: &str) {
        let mut lines = self.stderr.wait_for_end();
        lines.retain(|line| !line.contains(" INFO  ") && !line.contains(" WARN  "));
        match status.signal() {
            // Before main, and without memory, Rust's runtime knows no other way.
            Some(signal) => {
                let by_runtime = lines.iter().any(|line| {
                    line.contains("fatal runtime error") || line.contains("memory allocation of")
                });
                assert!(
                    by_runtime && signal == Signal::SIGABRT as i32,
                    "{fault}: {status} {lines:?}"
                );
            }
            None => {
                let is_one_line = lines.len() == 1 && lines[0].starts_with("readyd: ");
                let is_told = is_one_line || (is_mute && lines.is_empty());
                assert!(is_told && status.code() == Some(1), "{fault}: {status} {lines:?}");
            }
        }
    }
}

#[test]
fn every_call_while_starting() {
    if tools::find("strace").is_none() {
        return;
    }
    let mut start = Start::with(&[], None);
    let Came::Listening(pid) = start.wait("no fault") else { panic!("{:?}", start.stderr.all()) };
    let (fate, status) = start.serve_and_stop(pid, "no fault");
    let calls = Calls::of(&read_trace(&start.trace));
    assert_eq!((fate, status.code()), (Fate::Served, Some(0)));
    assert_covered("while starting", calls.by_program(), plan::STARTING);
    assert!(CALLS.set(calls).is_ok(), "set once");
    work_on("faults while starting", plan::STARTING, try_while_starting);
}

fn try_while_starting(row: &Row) -> Outcome {
    let mut outcome = Outcome::default();
    let calls = CALLS.get().expect("set before");
    for errno in row.errnos {
        for when in whens(row, errno, calls) {
            inject(Start::with, row, errno, &when, &mut outcome);
        }
    }
    outcome
}

/// Which of the calls fail, one after the other.
fn whens(row: &Row, errno: &str, calls: &Calls) -> Vec<String> {
    if row.file.is_some() {
        return plan::when(row.call, errno).into();
    }
    let numbers = calls.numbers(row.call);
    let mut whens: Vec<String> = numbers.clone().map(|number| number.to_string()).collect();
    // One of all reads is the one from the signalfd, and signalfd(2) has no error but EINTR.
    if row.call != "read" || errno == "EINTR" {
        whens.push(plan::from_on(row.call, errno, numbers.start));
    }
    whens
}

fn inject(
    start: impl Fn(&[String], Option<&str>) -> Start,
    row: &Row,
    errno: &str,
    when: &str,
    outcome: &mut Outcome,
) {
    let fault = format!("{} {errno} {when}", row.call);
    let mut start = start(&strace::injection(row.call, errno, when), row.file);
    outcome.runs += 1;
    let is_once = when.parse::<usize>().is_ok();
    let is_mute = row.call == "write" && !is_once;
    match start.wait(&fault) {
        Came::Ended(status) => {
            outcome.ended += 1;
            start.assert_explained(status, is_mute, &fault);
        }
        Came::Listening(pid) => {
            let (fate, status) = start.serve_and_stop(pid, &fault);
            let is_told = is_mute || !start.stderr.containing("readyd: ").is_empty();
            let explained = status.code() == Some(1) && is_told;
            assert!(
                status.code() == Some(0) || explained,
                "{fault}: {status}: {:?}",
                start.stderr.all()
            );
            assert!(fate == Fate::Served || !is_once || explained, "{fault}: {fate:?}");
            outcome.served += usize::from(fate == Fate::Served);
            outcome.dropped += usize::from(fate == Fate::Dropped);
            outcome.ended += usize::from(explained);
        }
    }
    let failures = strace::injected(&read_trace(&start.trace));
    outcome.hit += usize::from(failures > 0);
    outcome.failures += failures;
}

#[cfg(feature = "tls")]
mod encrypted {
    use super::super::encrypted::{Certificates, options_in};
    use super::*;

    static CALLS: OnceLock<Calls> = OnceLock::new();

    fn start(options: &[String], file: Option<&str>) -> Start {
        let Certificates { files, .. } = Certificates::new();
        let listener = options_in(&files);
        Start::with_files(files, &listener, options, file)
    }

    #[test]
    fn encrypted_every_call_while_starting() {
        if tools::find("strace").is_none() {
            return;
        }
        let mut start = start(&[], None);
        let Came::Listening(pid) = start.wait("no fault") else {
            panic!("{:?}", start.stderr.all())
        };
        let (fate, status) = start.serve_and_stop(pid, "no fault");
        let calls = Calls::of(&read_trace(&start.trace));
        assert_eq!((fate, status.code()), (Fate::Served, Some(0)));
        let rows = [plan::STARTING, plan::STARTING_ENCRYPTED].concat();
        assert_covered("while starting, encrypted", calls.by_program(), &rows);
        assert!(CALLS.set(calls).is_ok(), "set once");
        work_on("faults while starting, encrypted", plan::STARTING_ENCRYPTED, try_encrypted);
    }

    fn try_encrypted(row: &Row) -> Outcome {
        let mut outcome = Outcome::default();
        let calls = CALLS.get().expect("set before");
        for errno in row.errnos {
            for when in whens(row, errno, calls) {
                inject(start, row, errno, &when, &mut outcome);
            }
        }
        outcome
    }
}
