//! Faults between SIGTERM and the end: whatever fails, the server ends, with status 0, and no
//! client gets anything but the right answer.

use super::plan::{self, Row};
use super::strace::{self, Attached};
use super::work::{Conversation, converse};
use super::{Outcome, Subject, assert_covered, work_on};
use crate::support::{PATIENCE, tools};
use nix::sys::signal::Signal;

/// Clients that have just asked, when the server is told to stop.
const CLIENTS: usize = 5;

#[test]
fn every_call_while_stopping() {
    if tools::find("strace").is_none() {
        return;
    }
    let Some((trace, _)) = stop(&[], "no fault") else { return };
    assert_covered("while stopping", &strace::calls(trace.lines()), plan::STOPPING);
    work_on("faults while stopping", plan::STOPPING, try_while_stopping);
}

fn try_while_stopping(row: &Row) -> Outcome {
    let mut outcome = Outcome::default();
    for errno in row.errnos {
        for when in plan::when(row.call, errno) {
            let fault = format!("{} {errno} {when}", row.call);
            let options = strace::injection(row.call, errno, &when);
            let Some((trace, clients)) = stop(&options, &fault) else { return outcome };
            let failures = strace::injected(&trace);
            outcome.runs += 1;
            outcome.hit += usize::from(failures > 0);
            outcome.failures += failures;
            outcome.count(&clients);
        }
    }
    outcome
}

/// Stops a server that has just been asked for something, with strace attached to it. Returns what
/// was traced and what the clients came to.
fn stop(options: &[String], fault: &str) -> Option<(String, Vec<super::Fate>)> {
    let mut subject = Subject::start();
    let mut clients: Vec<Conversation> = (0..CLIENTS).map(|_| subject.resident()).collect();
    let strace = Attached::to(&subject.server, options)?;
    // All of it is there when the server goes on: questions of old clients, and a new one.
    subject.server.signal(Signal::SIGSTOP);
    clients.iter_mut().for_each(|client| client.echo("the last question"));
    clients.push(Conversation::echoing(subject.server.address("framed")));
    subject.server.signal(Signal::SIGTERM);
    subject.server.signal(Signal::SIGCONT);
    let fates = converse(&mut clients, PATIENCE);
    drop(clients);
    let status = subject.server.wait_for_exit();
    assert_eq!(status.code(), Some(0), "{fault}: {status}: {:?}", subject.server.log().all());
    assert!(subject.server.log().containing("panicked").is_empty(), "{fault}");
    Some((strace.detach(), fates))
}
