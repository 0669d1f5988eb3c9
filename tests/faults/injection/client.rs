//! Faults in every call that the client makes for one echo: it prints the right answer and ends
//! with status 0, or says in one line what went wrong.

use super::plan::{self, Row};
use super::starting::Calls;
use super::strace::{self, read_trace};
use super::{Outcome, assert_covered, work_on};
use crate::support::readyc::READYC;
use crate::support::tools::{self, Input};
use crate::support::{Launch, Scratch, Server};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// What is asked for, and the answer.
const TEXT: &str = "hello there";

struct Known {
    server: Server,
    calls: Calls,
}

/// A server without faults, and the calls of a client without faults.
static KNOWN: OnceLock<Known> = OnceLock::new();

/// Runs the client under strace with these options. What came of it, and what was traced.
fn ask(server: &Server, options: &[String]) -> (Output, String) {
    let scratch = Scratch::new();
    let trace = scratch.path("trace");
    let mut command = Command::new(tools::find("strace").expect("strace was there"));
    command.arg("-f").args(options).arg("-o").arg(&trace).arg(READYC);
    command.args(["--server", &server.address("framed").to_string(), "--timeout", "2s"]);
    command.args(["echo", TEXT]).env_remove("READYC_SERVER").env("RUST_BACKTRACE", "0");
    let output = tools::run(&mut command, Input::Whole(b""));
    (output, read_trace(&trace))
}

#[test]
fn every_call_of_the_client() {
    if tools::find("strace").is_none() {
        return;
    }
    // A static is not dropped: after a test that failed, the server goes by itself.
    let server = Launch::of(&["framed"]).args(&["--exit-on-idle", "60s"]).start();
    let (output, trace) = ask(&server, &[]);
    assert!(output.status.success() && output.stdout == answer(), "{output:?}");
    let calls = Calls::of(&trace);
    assert_covered("of the client", calls.by_program(), plan::CLIENT);
    assert!(KNOWN.set(Known { server, calls }).is_ok(), "set once");
    work_on("faults of the client", plan::CLIENT, try_client);
    let server = &KNOWN.get().expect("set above").server;
    server.wait_for_statistic("connections_open", 0);
    assert_eq!(server.statistics().get("closed_bad_frame"), 0);
    server.signal(nix::sys::signal::Signal::SIGTERM);
    server.wait_for_log("stopped: ");
}

fn answer() -> Vec<u8> {
    format!("{TEXT}\n").into_bytes()
}

fn try_client(row: &Row) -> Outcome {
    let known = KNOWN.get().expect("set before");
    let mut outcome = Outcome::default();
    let numbers = known.calls.numbers(row.call);
    for errno in row.errnos {
        let once = numbers.clone().map(|number| number.to_string());
        // Whose every write fails cannot say so.
        let can_complain = row.call != "write";
        let sticky = can_complain.then(|| plan::from_on(row.call, errno, numbers.start));
        for when in once.chain(sticky) {
            let fault = format!("{} {errno} {when}", row.call);
            let (output, trace) = ask(&known.server, &strace::injection(row.call, errno, &when));
            let failures = strace::injected(&trace);
            outcome.runs += 1;
            outcome.hit += usize::from(failures > 0);
            outcome.failures += failures;
            if output.status.success() && output.stdout == answer() {
                outcome.served += 1;
            } else {
                outcome.ended += 1;
                assert_explained(&output, &fault);
            }
        }
    }
    outcome
}

/// Checks that a client that could not do what it was asked says so, and nothing wrong.
fn assert_explained(output: &Output, fault: &str) {
    assert!(answer().starts_with(&output.stdout), "{fault}: a wrong answer: {output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    match output.status.code() {
        Some(code) => {
            let is_one_line = lines.len() == 1 && lines[0].starts_with("readyc: ");
            assert!(is_one_line && (code == 1 || code == 3), "{fault}: {output:?}");
        }
        // Before main, and without memory, Rust's runtime knows no other way.
        None => {
            let by_runtime = |line: &&str| {
                line.contains("fatal runtime error") || line.contains("memory allocation of")
            };
            assert!(lines.iter().any(by_runtime), "{fault}: {output:?}");
        }
    }
}
