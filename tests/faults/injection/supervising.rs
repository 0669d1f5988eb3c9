//! Faults in the calls of a supervisor that has shards to replace and a table to hand over.

use super::plan::{self, Row};
use super::strace::{self, Attached};
use super::{Outcome, assert_covered, assert_explained, has_ended, work_on};
use crate::support::tools::{self, SHELL};
use crate::support::{Launch, Scratch, Server, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::time::Duration;

const SHARDS: usize = 2;

/// How long a fault is left to do its work.
const HELD: Duration = Duration::from_millis(250);

/// A server of shards with a table, and the number of tables that it was given.
struct Supervised {
    server: Server,
    table: Scratch,
    tables: u32,
}

impl Supervised {
    fn start() -> Supervised {
        let files = Scratch::new();
        let (path, ready) = (files.write("table", "colour 0\n"), files.path("ready"));
        // A shard that ends before it has said that it serves is one that could not start.
        let script = format!("exec \"$0\" \"$@\" 7>'{}'", ready.display());
        let launch = Launch::of(&["framed"]).wrapper(&[SHELL, "-c", &script]);
        let launch = launch.args(&["--shards", "2", "--shard-timeout", "1s", "--ready-fd", "7"]);
        let mut server = launch.path("--table", &path).env("RUST_BACKTRACE", "0").start();
        eventually("all shards to serve", || (fs::read(&ready).ok()? == b"\n").then_some(()));
        eventually("the descriptor of --ready-fd to be closed", || {
            let file = fs::read_link(format!("/proc/{}/fd/7", server.pid()));
            (!file.is_ok_and(|file| file == ready)).then_some(())
        });
        server.set_baseline();
        let supervised = Supervised { server, table: files, tables: 0 };
        supervised.wait_until_all_answer();
        supervised
    }

    fn shards(&self) -> Vec<Pid> {
        let supervisor = self.server.pid();
        let children = self.server.proc_file(&format!("task/{supervisor}/children"));
        children
            .split_whitespace()
            .filter_map(|pid| Some(Pid::from_raw(pid.parse().ok()?)))
            .collect()
    }

    fn wait_until_all_answer(&self) {
        eventually("all shards to answer", || {
            let stats = self.server.statistics();
            let shards = stats.get("shards_answering") == SHARDS as u64;
            (shards && self.shards().len() == SHARDS).then_some(())
        });
    }

    /// All that a supervisor does: a shard that is killed, one that drains, a new table, a report.
    fn work(&mut self) {
        let shards = self.shards();
        self.tables += 1;
        self.table.write("table", &format!("colour {}\n", self.tables));
        self.server.signal(Signal::SIGHUP);
        // Of the shards that a fault keeps from starting there may be none.
        if let [first, rest @ ..] = shards.as_slice() {
            let _ = kill(*first, Signal::SIGKILL);
            let _ = rest.first().map(|second| kill(*second, Signal::SIGTERM));
        }
        self.server.signal(Signal::SIGUSR1);
    }

    /// Checks that all shards serve, with the newest table.
    fn assert_well(&mut self, when: &str) {
        self.tables += 1;
        let newest = self.tables.to_string();
        self.table.write("table", &format!("colour {newest}\n"));
        self.server.signal(Signal::SIGHUP);
        eventually(&format!("both shards with the newest table, after {when}"), || {
            let mut client = self.server.connect("framed");
            let stats = crate::support::server::Statistics::from_reply(&client.ask("STATS"));
            let all = [stats.get("shards_answering"), stats.get("shards_with_newest_table")];
            (client.ask("LOOKUP colour") == newest && all == [SHARDS as u64; 2]).then_some(())
        });
    }
}

#[test]
fn every_call_of_a_supervisor() {
    if tools::find("strace").is_none() {
        return;
    }
    let mut subject = Supervised::start();
    let Some(strace) = Attached::to_one_thread(&subject.server, &[]) else { return };
    subject.work();
    subject.server.wait_for_log("restarting at once");
    subject.server.wait_for_log("its replacement starts at once");
    subject.server.wait_for_log("table reloaded");
    subject.assert_well("no fault");
    let mut calls = strace::calls(strace.detach().lines());
    // Whether the allocator asks for memory differs from run to run. `every_call_while_serving` has
    // it fail.
    calls.retain(|call, _| !["mmap", "mprotect", "munmap", "madvise"].contains(&call.as_str()));
    assert_covered("while supervising", &calls, plan::SUPERVISING);
    drop(subject);
    work_on("faults while supervising", plan::SUPERVISING, try_while_supervising);
}

fn try_while_supervising(row: &Row) -> Outcome {
    let mut outcome = Outcome::default();
    for errno in row.errnos {
        // A shard that keeps ending is started ever more rarely: so not one supervisor for all
        // faults.
        let mut subject = Supervised::start();
        for when in plan::when(row.call, errno) {
            inject_while_supervising(&mut subject, row, errno, &when, &mut outcome);
        }
    }
    outcome
}

fn inject_while_supervising(
    subject: &mut Supervised,
    row: &Row,
    errno: &str,
    when: &str,
    outcome: &mut Outcome,
) {
    let fault = format!("{} {errno} {when}", row.call);
    let descriptors = subject.server.descriptors();
    let options = strace::injection(row.call, errno, when);
    let Some(strace) = Attached::to_one_thread(&subject.server, &options) else { return };
    subject.work();
    // Not to wait for something: this is how long the fault lasts.
    std::thread::sleep(HELD);
    let failures = strace::injected(&strace.detach());
    outcome.runs += 1;
    outcome.hit += usize::from(failures > 0);
    outcome.failures += failures;
    if has_ended(&subject.server) {
        outcome.ended += 1;
        assert_explained(&mut subject.server, row, &fault);
        *subject = Supervised::start();
        return;
    }
    subject.assert_well(&fault);
    let leaked = if row.call == "close" { failures } else { 0 };
    eventually(&format!("all descriptors back after {fault}"), || {
        (subject.server.descriptors() <= descriptors + leaked).then_some(())
    });
    outcome.served += 1;
    // A close(2) that was not made has closed nothing.
    if leaked > 0 {
        subject.server.signal(Signal::SIGTERM);
        assert_eq!(subject.server.wait_for_exit().code(), Some(0), "{fault}");
        *subject = Supervised::start();
    }
}
