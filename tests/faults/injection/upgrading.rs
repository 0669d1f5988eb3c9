//! Faults in the calls of a server that is to be upgraded: another process serves then, or this one
//! does and says why.

use super::plan::{self, Row};
use super::strace::{self, Attached};
use super::{Outcome, assert_covered, work_on};
use crate::support::{Launch, eventually, tools};
use nix::sys::signal::Signal;

/// How an upgrade may come out.
const ENDS: [&str; 3] =
    ["serves from now on", "the upgrade has failed", "cannot share the statistics"];

#[test]
fn every_call_while_upgrading() {
    if tools::find("strace").is_none() {
        return;
    }
    let Some(trace) = upgrade(&[], "no fault") else { return };
    // The calls of the loop and of the log are made while serving, too.
    let rows: Vec<Row> = plan::UPGRADING.iter().chain(plan::SERVING).copied().collect();
    assert_covered("while upgrading", &strace::calls(trace.lines()), &rows);
    work_on("faults while upgrading", plan::UPGRADING, try_while_upgrading);
}

fn try_while_upgrading(row: &Row) -> Outcome {
    let mut outcome = Outcome::default();
    for errno in row.errnos {
        for when in plan::when(row.call, errno) {
            let fault = format!("{} {errno} {when}", row.call);
            let options = strace::injection(row.call, errno, &when);
            let Some(trace) = upgrade(&options, &fault) else { return outcome };
            let failures = strace::injected(&trace);
            outcome.runs += 1;
            outcome.hit += usize::from(failures > 0);
            outcome.failures += failures;
            outcome.served += 1;
        }
    }
    outcome
}

/// Has a server upgraded with strace attached to it, and once more without. Returns the trace.
fn upgrade(options: &[String], fault: &str) -> Option<String> {
    // Without a launcher: the calls that start the program are the server's.
    let mut server = Launch::of(&["framed"]).args(&["--sandbox", "off"]).start();
    let mut client = server.connect("framed");
    client.ask("ECHO a");
    let strace = Attached::to_one_thread(&server, options)?;
    server.signal(Signal::SIGUSR2);
    let line = eventually(&format!("an end of the upgrade, with {fault}"), || {
        server.log().all().into_iter().find(|line| ENDS.iter().any(|end| line.contains(end)))
    });
    let trace = strace.detach();
    assert_eq!(client.ask("ECHO b"), "b", "{fault}");
    if line.contains(ENDS[0]) {
        server.follow(&line);
    }
    assert_eq!(server.connect("framed").ask("ECHO c"), "c", "{fault}: {line}");
    drop(client);
    server.upgrade();
    assert_eq!(server.connect("framed").ask("ECHO d"), "d", "{fault}: {line}");
    assert!(server.log().containing("panicked").is_empty(), "{fault}");
    Some(trace)
}
