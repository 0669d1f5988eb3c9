//! Load runs whose workers hang, and load runs that are told to end.

use crate::support::lines::Lines;
use crate::support::readyc;
use crate::support::tools::Process;
use crate::support::{Scratch, Server, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use readyd::os::signals::is_ignored;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

/// All promises of row 9 are of at most 3 s. The rest is for a busy machine.
const PROMISED: Duration = Duration::from_secs(8);

/// A load run under way.
struct Running {
    process: Process,
    stderr: Lines,
    workers: Vec<Pid>,
    report: PathBuf,
    _scratch: Scratch,
}

impl Running {
    /// Starts a run of two workers for `duration`, and waits until it makes requests.
    fn start(server: &Server, duration: &str) -> Running {
        Running::start_with(server, &["-d", duration])
    }

    fn start_with(server: &Server, arguments: &[&str]) -> Running {
        let requests = || server.statistics().get("requests");
        let (before, scratch) = (requests(), Scratch::new());
        let report = scratch.path("report.json");
        let target = server.address("framed").to_string();
        let words = ["bench", "-c", "4", "--workers", "2", &target];
        let mut command = readyc::command(&[&words[..], arguments, &["--json"]].concat());
        command.arg(&report).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        let stderr = Lines::of(process.child.stderr.take().expect("standard error is a pipe"));
        eventually("requests", || (requests() > before + 200).then_some(()));
        let id = process.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.expect("the kernel's list of children");
        let pid = |word: &str| Pid::from_raw(word.parse().expect("a pid"));
        let workers: Vec<Pid> = children.split_whitespace().map(pid).collect();
        assert_eq!(workers.len(), 2, "{children}");
        Running { process, stderr, workers, report, _scratch: scratch }
    }

    fn signal(&self, signal: Signal) {
        kill(self.process.id(), signal).expect("signal a load run");
    }

    /// Stops a worker, and returns when the kernel has.
    fn stop(&self, worker: usize) {
        let pid = self.workers[worker];
        kill(pid, Signal::SIGSTOP).expect("stop a worker");
        eventually("the worker to be stopped", || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
            stat.contains(") T ").then_some(())
        });
    }

    /// The exit status and the report, once the run has ended.
    fn end(&mut self) -> (Option<i32>, Value) {
        let status = self.process.wait();
        let report = fs::read(&self.report).expect("a report");
        (status.code(), serde_json::from_slice(&report).expect("JSON"))
    }
}

/// The sum of the stopped time over the seconds of a run.
fn stalled_in_series(report: &Value) -> f64 {
    let series = report["series"].as_array().expect("seconds");
    series.iter().map(|second| second["stalled_s"].as_f64().expect("a number")).sum()
}

#[test]
fn field_load_09_a_worker_that_hangs_is_named_and_the_run_still_reports() {
    let server = Server::start(&["framed"]);
    for worker in [0, 1] {
        let mut run = Running::start(&server, "1h");
        run.stop(worker);
        let stopped_at = Instant::now();
        let named =
            format!("worker {worker} (process {}) was stuck: no message for ", run.workers[worker]);
        let line = run.stderr.wait_for(&named);
        assert!(line.ends_with(" s, it is stopped by a signal"), "{line}");
        let (status, report) = run.end();
        assert!(stopped_at.elapsed() < PROMISED, "{:?}", stopped_at.elapsed());
        assert_eq!(status, Some(3));
        let partial = report["partial"].as_str().expect("a reason");
        assert!(partial.starts_with(&named), "{partial}");
        assert!(report["achieved"]["answered"].as_u64() > Some(100), "{}", report["achieved"]);
        // It said its last word up to a second before it was stopped.
        assert!(stalled_in_series(&report) > 0.9, "{:#}", report["series"]);
        assert!(report["client"]["stalled_s"].as_f64() > Some(0.9), "{:#}", report["client"]);
        let verdict = report["client"]["verdict"].as_str().expect("a verdict");
        assert!(verdict.contains("stopped"), "{verdict}");
    }
}

#[test]
fn field_load_09_a_second_interrupt_ends_a_run_whose_workers_hang() {
    let server = Server::start(&["framed"]);
    let mut run = Running::start(&server, "1h");
    run.stop(0);
    run.stop(1);
    run.signal(Signal::SIGINT);
    run.stderr.wait_for("interrupted: waiting for the requests in flight (again to end now)");
    run.signal(Signal::SIGINT);
    run.stderr.wait_for("interrupted again: ending now");
    let interrupted_at = Instant::now();
    let (status, report) = run.end();
    assert!(interrupted_at.elapsed() < PROMISED, "{:?}", interrupted_at.elapsed());
    assert_eq!(status, Some(3));
    assert_eq!(report["partial"], "interrupted");
    // They were woken, so that they could tell what they had measured.
    assert!(report["achieved"]["answered"].as_u64() > Some(100), "{}", report["achieved"]);
}

#[test]
fn field_load_09_a_worker_that_cannot_be_woken_is_killed() {
    let server = Server::start(&["framed"]);
    let mut run = Running::start(&server, "1h");
    let victim = run.workers[1];
    // It is stopped again as often as it is woken, until it is no more.
    let stopper = thread::spawn(move || {
        let is_alive = || {
            let stat = fs::read_to_string(format!("/proc/{victim}/stat"));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        while is_alive() && kill(victim, Signal::SIGSTOP).is_ok() {
            thread::yield_now();
        }
    });
    let line = run.stderr.wait_for("worker 1 (process ");
    assert!(line.contains("was stuck"), "{line}");
    let named_at = Instant::now();
    let (status, report) = run.end();
    assert!(named_at.elapsed() < PROMISED, "{:?}", named_at.elapsed());
    assert_eq!(status, Some(3));
    let partial = report["partial"].as_str().expect("a reason");
    assert!(partial.ends_with("; the results of worker 1 are missing"), "{partial}");
    assert!(report["achieved"]["answered"].as_u64() > Some(0), "{}", report["achieved"]);
    stopper.join().expect("the stopping thread");
}

#[test]
fn field_load_09_every_signal_to_end_leaves_a_report() {
    let server = Server::start(&["framed"]);
    for (signal, why) in [
        (Signal::SIGINT, "interrupted"),
        (Signal::SIGTERM, "interrupted by SIGTERM"),
        (Signal::SIGHUP, "interrupted by SIGHUP"),
    ] {
        // nohup(1) has the programs that it starts ignore SIGHUP, and readyc leaves that so.
        if is_ignored(signal).expect("this process's signals") {
            eprintln!(
                "SKIPPED: {signal} to a load run, because this process was told to ignore it"
            );
            continue;
        }
        let mut run = Running::start(&server, "1h");
        run.signal(signal);
        let (status, report) = run.end();
        assert_eq!((status, &report["partial"]), (Some(3), &Value::from(why)));
        assert!(report["achieved"]["answered"].as_u64() > Some(0), "{}", report["achieved"]);
    }
}

#[test]
fn field_load_09_stopped_time_is_in_the_series_and_the_verdict() {
    let server = Server::start(&["framed"]);
    let mut run = Running::start(&server, "3s");
    run.stop(1);
    thread::sleep(Duration::from_millis(600));
    kill(run.workers[1], Signal::SIGCONT).expect("a stopped worker");
    let (_, report) = run.end();
    assert_eq!(report["partial"], Value::Null);
    assert!(stalled_in_series(&report) >= 0.6, "{:#}", report["series"]);
    assert!(report["client"]["stalled_s"].as_f64() >= Some(0.6), "{:#}", report["client"]);
    let verdict = report["client"]["verdict"].as_str().expect("a verdict");
    assert!(verdict.contains("stopped"), "{verdict}");
}

/// Of 2,000 requests, the fifth that fell due meanwhile was delayed by the client: half of what one
/// of two workers sends in 800 ms of 2 s.
#[test]
fn field_load_10_percentiles_that_a_stop_decides_are_in_doubt() {
    let server = Server::start(&["framed"]);
    let mut run = Running::start_with(&server, &["-R", "1000", "-d", "2s"]);
    run.stop(0);
    thread::sleep(Duration::from_millis(800));
    kill(run.workers[0], Signal::SIGCONT).expect("a stopped worker");
    let (_, report) = run.end();
    let client = &report["client"];
    assert_eq!((&client["validity"], &client["bottleneck"]), (&"invalid".into(), &true.into()));
    let doubtful = client["in_doubt"].as_array().expect("names of percentiles");
    assert!(doubtful.contains(&"90 %".into()), "{client:#}");
    let verdict = client["verdict"].as_str().expect("a verdict");
    assert!(verdict.contains("a worker was stopped by a signal for "), "{verdict}");
    assert!(!verdict.contains("--workers"), "{verdict}");
    // The client knows by how much: of each request, its time while it was stopped.
    let count = |path: &str| report.pointer(path).and_then(Value::as_u64).expect("a count");
    assert_eq!(count("/client/delay_us/count"), count("/latency_us/count"));
    assert!(client["delay_us"]["max"].as_f64() > Some(700_000.0), "{client:#}");
}
