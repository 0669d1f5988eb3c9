//! Every system call that the server makes is made to fail, with every error that is plausible for
//! it: the first time, the second, the third, and every time.
//!
//! What may happen is little. The server goes on, or, where there is no going on, ends with a line
//! that says why. A client is served whole, or dropped; it waits no longer than the fault lasts.
//! What it was sent is never wrong. When the fault is over, every client is served, and no
//! descriptor is lost.
//!
//! `FAULT_CALL=accept4 cargo test --test faults every_call` tries the errors of one call alone.
//!
//! The calls are not listed from memory: the same work is traced first, and a call that is neither
//! in [`plan`] nor excused there fails the test.

mod client;
#[cfg(feature = "tls")]
mod encrypted;
mod plan;
mod starting;
mod stopping;
pub(crate) mod strace;
mod supervising;
#[cfg(feature = "ops")]
mod upgrading;
mod work;

use crate::support::tools;
use crate::support::{Launch, PATIENCE, Scratch, Server, eventually, tzif};
use nix::sys::signal::Signal;
use plan::{Ending, Row};
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use strace::Attached;
use work::{Conversation, Fate, converse};

/// Rows that are worked on at the same time, each with a server of its own.
const AT_ONCE: usize = 3;

/// How long a fault is left to do its work, if clients do not come to an end before.
const HELD: Duration = Duration::from_millis(300);

/// More failures of one call than this, while a fault is held, are a loop that spins. A call that
/// is interrupted a hundred times is interrupted so in each of the threads that read a table or the
/// time zone.
const SPINNING: usize = 1000;

/// What came of the faults of one row.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    runs: usize,
    /// Runs in which the call was made often enough to fail.
    hit: usize,
    failures: usize,
    served: usize,
    dropped: usize,
    ended: usize,
}

impl Outcome {
    fn count(&mut self, fates: &[Fate]) {
        self.served += fates.iter().filter(|&&fate| fate == Fate::Served).count();
        self.dropped += fates.iter().filter(|&&fate| fate == Fate::Dropped).count();
    }
}

/// Works on all rows, some at once, and prints what came of each.
fn work_on(title: &str, rows: &'static [Row], work: impl Fn(&'static Row) -> Outcome + Sync) {
    let only = env::var("FAULT_CALL").ok();
    let is_wanted = |row: &&Row| only.as_ref().is_none_or(|call| call == row.call);
    let waiting = Mutex::new(rows.iter().filter(is_wanted));
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no panic with this lock").next();
                    let Some(row) = next else { return };
                    let outcome = work(row);
                    outcomes.lock().expect("no panic with this lock").push((row, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().expect("no panic with this lock");
    outcomes.sort_by_key(|(row, _)| (row.call, row.ending == Ending::Explained));
    let mut text = format!(
        "\n{title}\n{:14} {:>5} {:>5} {:>9} {:>7} {:>8} {:>6}  errors\n",
        "call", "runs", "hit", "failures", "served", "dropped", "ended"
    );
    let mut line = |name: &str, outcome: &Outcome, errnos: &str| {
        let Outcome { runs, hit, failures, served, dropped, ended } = outcome;
        text += &format!(
            "{name:14} {runs:5} {hit:5} {failures:9} {served:7} {dropped:8} {ended:6}  {errnos}\n"
        );
    };
    let mut total = Outcome::default();
    for (row, outcome) in &outcomes {
        line(row.call, outcome, &row.errnos.join(" "));
        total.runs += outcome.runs;
        total.hit += outcome.hit;
        total.failures += outcome.failures;
        total.served += outcome.served;
        total.dropped += outcome.dropped;
        total.ended += outcome.ended;
    }
    line("all", &total, "");
    // Not `print!`: the test runner swallows what that prints when the test passes.
    let _ = io::stderr().write_all(text.as_bytes());
    for (row, outcome) in outcomes {
        assert!(outcome.hit > 0, "{title}: {} is never made, so nothing was shown", row.call);
    }
}

/// Checks that each call in `traced` is in one of the rows or excused.
fn assert_covered(title: &str, traced: &BTreeMap<String, usize>, rows: &[Row]) {
    let is_covered =
        |call: &str| rows.iter().any(|row| row.call == call) || plan::NOT_INJECTED.contains(&call);
    let forgotten: Vec<&String> = traced.keys().filter(|call| !is_covered(call)).collect();
    assert!(
        forgotten.is_empty(),
        "{title}: these calls are made and not in the plan: {forgotten:?}"
    );
}

/// A server with a table and a time zone, and the number of each that it was given.
struct Subject {
    server: Server,
    files: Scratch,
    tables: u32,
}

impl Subject {
    fn start() -> Subject {
        let files = Scratch::new();
        let table = files.write("table", "colour 0\n");
        let zone = files.write_bytes("zone", &tzif(&posix_rule(0)));
        let launch = Launch::of(&["framed", "lookup", "daytime"]).path("--table", &table);
        let server = launch.env("TZ", zone).env("RUST_BACKTRACE", "0").start();
        Subject { server, files, tables: 0 }
    }

    /// Puts another table and another time zone in place and has them loaded.
    fn reload(&mut self) {
        self.tables += 1;
        self.files.write("table", &format!("colour {}\n", self.tables));
        self.files.write_bytes("zone", &tzif(&posix_rule(self.tables)));
        self.server.signal(Signal::SIGHUP);
    }

    /// The values that may be answered: of every table so far, as loading may fail, and of those to
    /// come soon, for a client that the fault holds up until then.
    fn values(&self) -> Vec<String> {
        (0..=self.tables + 4).map(|number| number.to_string()).collect()
    }

    /// All that a server does: old clients and new ones, reloads, reports.
    fn work(&mut self, resident: Conversation) -> Vec<Conversation> {
        let mut clients = vec![resident];
        for round in 0..3 {
            self.reload();
            self.server.signal(Signal::SIGUSR1);
            clients[0].echo(&format!("round {round}"));
            clients.extend(Conversation::of_each_service(&self.server, &self.values()));
            converse(&mut clients, HELD);
        }
        clients
    }

    /// A connection that has been served once.
    fn resident(&self) -> Conversation {
        let mut resident = Conversation::silent(&self.server);
        resident.echo("before");
        let fates = converse(std::slice::from_mut(&mut resident), PATIENCE);
        assert_eq!(fates, [Fate::Served], "a client before the fault");
        resident
    }

    /// Checks that a client that comes now is served, and that a table and a time zone are loaded.
    fn assert_well(&mut self, when: &str) {
        self.reload();
        let newest = self.tables.to_string();
        let mut clients = Conversation::of_each_service(&self.server, &self.values());
        let fates = converse(&mut clients, PATIENCE);
        assert_eq!(fates, [Fate::Served; 3], "clients after {when}");
        let mut client = self.server.connect("framed");
        eventually(&format!("the new table, after {when}"), || {
            (client.ask("LOOKUP colour") == newest).then_some(())
        });
        let offset = format!("+00:{:02}", self.tables % 60);
        eventually(&format!("the new time zone, after {when}"), || {
            let told = client.ask("DAYTIME rfc3339").replace('Z', "+00:00");
            told.ends_with(&offset).then_some(())
        });
    }
}

/// The rule of a zone that is this number of minutes ahead of UTC.
fn posix_rule(minutes: u32) -> String {
    format!("AAA-0:{}", minutes % 60)
}

#[test]
fn every_call_while_serving() {
    if tools::find("strace").is_none() {
        return;
    }
    let mut subject = Subject::start();
    let resident = subject.resident();
    let Some(strace) = Attached::to(&subject.server, &[]) else { return };
    let mut clients = subject.work(resident);
    assert_eq!(converse(&mut clients, PATIENCE), [Fate::Served; 10]);
    drop(clients);
    subject.server.wait_for_statistic("connections_open", 0);
    let calls = strace::calls(strace.detach().lines());
    assert_covered("while serving", &calls, plan::SERVING);
    drop(subject);
    work_on("faults while serving", plan::SERVING, try_while_serving);
}

/// Injects the faults of one row into a server at work.
fn try_while_serving(row: &Row) -> Outcome {
    let mut outcome = Outcome::default();
    let mut subject = Some(Subject::start());
    for errno in row.errnos {
        for when in plan::when(row.call, errno) {
            let this = subject.take().unwrap_or_else(Subject::start);
            subject = inject_while_serving(this, row, errno, &when, &mut outcome);
        }
    }
    if let Some(subject) = subject {
        assert_idle(&subject.server, row.call);
    }
    outcome
}

/// Injects one fault. Returns the server if it is still alive.
fn inject_while_serving(
    mut subject: Subject,
    row: &Row,
    errno: &str,
    when: &str,
    outcome: &mut Outcome,
) -> Option<Subject> {
    let fault = format!("{} {errno} {when}", row.call);
    let descriptors = subject.server.descriptors();
    let resident = subject.resident();
    let mut options = strace::injection(row.call, errno, when).to_vec();
    if let Some(name) = row.file {
        let file = subject.files.path(name);
        options.extend(["-P".to_owned(), file.to_str().expect("a path of UTF-8").to_owned()]);
    }
    let strace = Attached::to(&subject.server, &options)?;
    let mut clients = subject.work(resident);
    converse(&mut clients, HELD);
    let failures = strace::injected(&strace.detach());
    outcome.runs += 1;
    outcome.hit += usize::from(failures > 0);
    outcome.failures += failures;
    assert!(failures < SPINNING, "{fault}: {failures} failures in a moment");
    let fates = converse(&mut clients, PATIENCE);
    if row.ending == Ending::Explained && is_dying(&subject.server, &fates) {
        eventually("the end of the server", || has_ended(&subject.server).then_some(()));
    }
    if has_ended(&subject.server) {
        outcome.ended += 1;
        assert_explained(&mut subject.server, row, &fault);
        return None;
    }
    assert!(!fates.contains(&Fate::Waiting), "{fault}: a client is left waiting: {fates:?}");
    outcome.count(&fates);
    drop(clients);
    subject.assert_well(&fault);
    // A close(2) that was not made has closed nothing.
    let leaked = if row.call == "close" { failures } else { 0 };
    eventually(&format!("all descriptors back after {fault}"), || {
        (subject.server.descriptors() == descriptors + leaked).then_some(())
    });
    if leaked == 0 {
        return Some(subject);
    }
    subject.server.signal(Signal::SIGTERM);
    assert_eq!(subject.server.wait_for_exit().code(), Some(0), "{fault}");
    None
}

/// Whether the process is there no more, or only for its status to be fetched.
fn has_ended(server: &Server) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.pid()));
    stat.map_or(true, |stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
}

/// Whether a server that may end is about to.
fn is_dying(server: &Server, fates: &[Fate]) -> bool {
    let says_so = |line: &String| line.contains("aborting") || line.starts_with("readyd: cannot");
    fates.contains(&Fate::Dropped) || server.log().all().iter().any(says_so)
}

/// Checks that a server that has ended was allowed to, and said why.
fn assert_explained(server: &mut Server, row: &Row, fault: &str) {
    let status = server.wait_for_exit();
    let mut lines = server.log().all();
    lines.retain(|line| !line.contains(" INFO  "));
    assert_eq!(row.ending, Ending::Explained, "{fault}: {status}: {lines:?}");
    let explains = |line: &String| line.starts_with("readyd: ") || line.contains("memory");
    assert!(!status.success() && lines.iter().any(explains), "{fault}: {status}: {lines:?}");
}

/// Checks that nothing is going on in a server without clients.
fn assert_idle(server: &Server, call: &str) {
    const WATCHED: Duration = Duration::from_millis(500);
    server.wait_for_statistic("connections_open", 0);
    let before = server.processor_time();
    // Not to wait for something: this is how long the server is watched.
    thread::sleep(WATCHED);
    let used = server.processor_time() - before;
    assert!(used < WATCHED / 4, "{used:?} of {WATCHED:?} spent on nothing, after faults in {call}");
}
