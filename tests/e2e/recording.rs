//! `readyd --trace` and `readyc trace`: what is recorded, that it outlives the server, and that the
//! format's document is enough to read it.

use crate::support::readyc::{Ended, command, run};
use crate::support::tools::{self, Input, SHELL};
use crate::support::{Launch, Scratch, Server, eventually};
use nix::sys::signal::Signal;
use readyd::conn::{Deadline, Inbound, Outbound};
use readyd::io::readiness::Readiness;
use readyd::server::close::CloseReason;
use readyd::trace::decode::Entry;
use readyd::trace::event::*;
use readyd::trace::reader::Reader;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A server that records to a file.
pub(crate) fn recorded(scratch: &Scratch, arguments: &[&str]) -> (Server, PathBuf) {
    let path = scratch.path("trace");
    let value = format!("{},size=1MiB", path.display());
    let arguments = [&["--trace", &value], arguments].concat();
    (Launch::of(&["framed", "chargen"]).args(&arguments).start(), path)
}

pub(crate) fn trace(path: &Path, arguments: &[&str]) -> Ended {
    let path = path.to_str().expect("UTF-8");
    run(&mut command(&[&["trace", path], arguments].concat()), b"")
}

pub(crate) fn entries(path: &Path) -> Vec<Entry> {
    let mut reader = Reader::open(File::open(path).expect("a file")).expect("a trace");
    let mut entries = Vec::new();
    let read = reader.for_each(|_, entry| {
        entries.extend(entry);
        true
    });
    read.expect("a trace without damage");
    entries
}

/// The lines of a connection, without their times.
fn lines_of(path: &Path, connection: u32) -> Vec<String> {
    let ended = trace(path, &["--connection", &connection.to_string()]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    ended.stdout.lines().map(|line| line.split_once(' ').expect("a time").1.to_owned()).collect()
}

/// Signal 40, as kill(1) sends it.
fn toggle(server: &Server) {
    let script = format!("kill -40 {}", server.pid());
    assert!(Command::new(SHELL).args(["-c", &script]).status().expect("a shell").success());
}

#[test]
fn a_request_is_told_from_its_event_to_its_send() {
    let scratch = Scratch::new();
    let (server, path) = recorded(&scratch, &[]);
    let mut client = server.connect("framed");
    assert_eq!(client.ask("ECHO once"), "once");
    assert_eq!(client.ask("ECHO twice"), "twice");
    drop(client);
    server.wait_for_statistic("connections_open", 0);
    let lines = lines_of(&path, 1);
    let recv = lines.iter().rposition(|line| line.contains("recv 74 of 65536")).expect("a recv");
    let number = lines[recv - 2].split(['t', ':']).nth(1).expect("event N:").trim().to_owned();
    let of_event = format!("of event {number}");
    assert_eq!(lines[recv - 1], "  #1 visit: it is ready");
    assert!(lines[recv].ends_with("bytes: short, no more is there"), "{lines:#?}");
    assert!(lines[recv + 1].contains("served 1 request (the last is 2)"), "{lines:#?}");
    assert!(lines[recv + 1].ends_with(&of_event), "{lines:#?}");
    assert!(lines[recv + 2].contains("send 69 of 69 bytes: all taken; request 2"), "{lines:#?}");
    assert!(lines[recv + 2].ends_with(&format!("event {number}")), "{lines:#?}");
    assert!(lines.last().expect("a line").ends_with("closed: peer_closed"), "{lines:#?}");
    let why = trace(&path, &["--why-closed"]);
    assert!(why.stdout.contains("#1 closed: peer_closed"), "{why:?}");
    let summary = trace(&path, &["--summary"]).stdout;
    assert!(summary.contains("\n2 requests answered\n"), "{summary}");
    assert!(summary.contains("\n1 connection accepted, 1 closed\n"), "{summary}");
}

#[test]
fn a_trace_outlives_the_server_and_the_next_server_leaves_it() {
    let scratch = Scratch::new();
    let (mut server, path) = recorded(&scratch, &[]);
    let mut client = server.connect("framed");
    assert_eq!(client.ask("ECHO last words"), "last words");
    let is_answer = |line: &String| line.contains("all taken; request 1, event");
    // The client has the answer before the server has written down that it was sent.
    eventually("the send in the trace", || lines_of(&path, 1).iter().any(is_answer).then_some(()));
    server.signal(Signal::SIGKILL);
    assert_eq!(server.wait_for_exit().code(), None);
    assert!(lines_of(&path, 1).iter().any(is_answer), "{:#?}", lines_of(&path, 1));
    let (next, _) = recorded(&scratch, &[]);
    let old = scratch.path("trace.old");
    assert!(lines_of(&old, 1).iter().any(is_answer), "{:#?}", lines_of(&old, 1));
    assert_eq!(lines_of(&path, 1), Vec::<String>::new());
    drop(next);
}

#[test]
fn signal_40_ends_and_begins_it_and_a_paused_one_waits_for_it() {
    let scratch = Scratch::new();
    let (server, path) = recorded(&scratch, &[]);
    toggle(&server);
    server.wait_for_log("recording ends (signal 40)");
    let mut client = server.connect("framed");
    assert_eq!(client.ask("ECHO unseen"), "unseen");
    toggle(&server);
    server.wait_for_log("recording begins (signal 40)");
    assert_eq!(client.ask("ECHO seen"), "seen");
    let served = || {
        let events = entries(&path).into_iter().map(|entry| entry.event);
        events.filter(|event| matches!(event, Event::Served { count: 1, .. })).count()
    };
    eventually("a request in the trace", || (served() == 1).then_some(()));
    let events: Vec<Event> = entries(&path).into_iter().map(|entry| entry.event).collect();
    assert_eq!(events.iter().filter(|event| **event == Event::Recording).count(), 2);

    let paused = format!("{},paused", scratch.path("paused").display());
    let server = Launch::of(&["framed"]).args(&["--trace", &paused]).start();
    assert_eq!(server.connect("framed").ask("ECHO unseen"), "unseen");
    assert_eq!(entries(&scratch.path("paused")), []);
    toggle(&server);
    server.wait_for_log("recording begins (signal 40)");
}

#[test]
fn signal_40_without_a_trace_ends_nothing() {
    let server = Server::start(&["framed"]);
    toggle(&server);
    server.wait_for_log(
        "nothing is recorded: signal 40 needs --trace FILE or --log trace at the start",
    );
    assert_eq!(server.connect("framed").ask("ECHO here"), "here");
}

#[test]
fn the_log_tells_whole_turns_and_how_many_it_leaves_out() {
    let scratch = Scratch::new();
    let path = scratch.path("log");
    let arguments = ["--log", "trace", "--log-rate", "100"];
    let launch = Launch::of(&["framed"]).args(&arguments);
    let server = launch.stderr(File::create(&path).expect("a file")).start();
    let mut client = server.connect("framed");
    assert_eq!(client.ask("ECHO hello"), "hello");
    let told = || fs::read_to_string(&path).expect("the log");
    for words in
        [" of 65536 bytes: short, no more is there", "served 1 request", "send 69 of 69 bytes: all"]
    {
        eventually(words, || told().contains(words).then_some(()));
    }
    // Far more turns than there is room for, until a later second has room.
    let until = Instant::now() + Duration::from_secs(30);
    while !told().contains(" left out (--log-rate 100)") {
        assert!(Instant::now() < until, "{}", told());
        assert_eq!(client.ask("ECHO again"), "again");
    }
    drop((client, server));
    let log = told();
    let (mut is_in_turn, mut turns) = (false, 0);
    for line in log.lines().filter(|line| line.contains(" TRACE ")) {
        match (line.contains(" turn: "), line.contains(" turn ends: ")) {
            (true, _) => {
                assert!(!is_in_turn, "{line}");
                (is_in_turn, turns) = (true, turns + 1);
            }
            (_, true) => is_in_turn = false,
            _ => assert!(is_in_turn || line.contains(" left out ") || turns == 0, "{line}"),
        }
    }
    assert!(turns > 2, "{log}");
}

#[test]
fn each_shard_has_a_trace_and_a_process_number_finds_it() {
    let scratch = Scratch::new();
    let path = scratch.path("trace");
    let value = format!("{},size=1MiB", path.display());
    let arguments = ["--shards", "2", "--trace", &value];
    let server = Launch::of(&["framed"]).args(&arguments).start();
    assert_eq!(server.connect("framed").ask("ECHO shard"), "shard");
    let shards = [1, 2].map(|number| scratch.path(&format!("trace.{number}")));
    // One shard may serve before the other has begun.
    eventually("both traces", || {
        let has_begun = |path: &PathBuf| {
            File::open(path).is_ok_and(|file| Reader::open(file).is_ok_and(|it| it.blocks() > 0))
        };
        shards.iter().all(has_begun).then_some(())
    });
    let answered = shards.iter().filter(|path| {
        entries(path).iter().any(|entry| matches!(entry.event, Event::Served { count: 1, .. }))
    });
    assert_eq!(answered.count(), 1);
    for (number, path) in (1..).zip(&shards) {
        let mut reader = Reader::open(File::open(path).expect("a file")).expect("a trace");
        let header = reader.first_header().expect("a trace").expect("a block");
        assert_eq!(header.shard, number);
        let pid = header.pid.to_string();
        let by_pid = run(&mut command(&["trace", "--pid", &pid, "--summary"]), b"");
        assert_eq!(by_pid.status, Some(0), "{by_pid:?}");
    }
    let supervisor = run(&mut command(&["trace", "--pid", &server.pid().to_string()]), b"");
    assert_eq!(supervisor.status, Some(2), "{supervisor:?}");
}

#[test]
fn what_is_looked_out_for_keeps_a_copy() {
    let scratch = Scratch::new();
    let (server, path) =
        recorded(&scratch, &["--trace-on", "close=disconnect,turn>1h", "--trace-addresses=hash"]);
    let mut client = server.connect("framed");
    assert_eq!(client.ask("ECHO kept"), "kept");
    let _ = client.ask("Disconnect !");
    server.wait_for_log("close=disconnect: the trace so far is in ");
    let mut name = path.into_os_string();
    name.push(".kept-1");
    let kept = lines_of(Path::new(&name), 1);
    assert!(kept.iter().any(|line| line.contains("closed: disconnect")), "{kept:#?}");
    assert!(kept.iter().any(|line| line.contains(": client ")), "{kept:#?}");
    assert!(!kept.iter().any(|line| line.contains("127.0.0.1")), "{kept:#?}");
}

/// As after an upgrade: the next server has the same file.
#[test]
fn copies_that_an_earlier_server_has_kept_stay() {
    let scratch = Scratch::new();
    let closes = |text: &str| {
        let (server, path) = recorded(&scratch, &["--trace-on", "close=disconnect"]);
        let mut client = server.connect("framed");
        assert_eq!(client.ask(text), text.strip_prefix("ECHO ").expect("an ECHO"));
        let _ = client.ask("Disconnect !");
        server.wait_for_log("close=disconnect: the trace so far is in ");
        let copies = (1..=5).map(|number| format!("{}.kept-{number}", path.display()));
        copies.map(|copy| fs::read(copy).unwrap_or_default()).collect::<Vec<_>>()
    };
    let [first, second] = ["ECHO first", "ECHO second"].map(closes);
    let used = |copies: &[Vec<u8>]| copies.iter().take_while(|copy| !copy.is_empty()).count();
    assert_eq!((used(&first), used(&second)), (1, 2));
    assert!(first[0] == second[0]);
    let [_, _, fifth] = ["ECHO 3", "ECHO 4", "ECHO 5"].map(closes);
    assert_eq!(used(&fifth), 4);
    assert!(fifth[0] != first[0] && fifth[1] == second[1], "the oldest makes room");
}

#[test]
fn what_is_no_trace_is_refused_in_a_sentence() {
    let scratch = Scratch::new();
    let files = [
        ("empty", "", "this is no trace of readyd (docs/trace-format.md)"),
        ("foreign", "hello", "this is no trace of readyd (docs/trace-format.md)"),
    ];
    for (name, content, why) in files {
        let path = scratch.write(name, content);
        let why = format!("cannot read the trace {}: {why}", path.display());
        assert_eq!(trace(&path, &[]), Ended::failed(1, &why));
    }
    let mut block = vec![0; 4096];
    block[..16].copy_from_slice(b"rdytrace\x09\x00\x40\x00\x00\x00\x00\x00");
    let newer = scratch.write_bytes("newer", &block);
    let ended = trace(&newer, &[]);
    assert_eq!(ended.status, Some(1));
    assert!(ended.stderr.contains("version 9 of the format"), "{ended:?}");
    // An event of a kind that there is not.
    block[8] = 1;
    block[12..17].copy_from_slice(&[1, 0, 0, 0, 1]);
    block[64] = 63;
    let ended = trace(&scratch.write_bytes("damaged", &block), &[]);
    assert_eq!(ended.status, Some(1));
    let damage = "the trace is damaged: there is no event of kind 63, in the block at byte 0";
    assert!(ended.stderr.contains(damage), "{ended:?}");
}

#[test]
fn a_reader_that_was_written_from_the_document_finds_the_same_numbers() {
    let Some(python) = tools::find("python3") else { return };
    let scratch = Scratch::new();
    let (mut server, path) = recorded(&scratch, &["--max-connections", "3"]);
    let mut client = server.connect("framed");
    for _ in 0..300 {
        assert_eq!(client.ask("ECHO again"), "again");
    }
    let slow = server.connect("chargen");
    server.wait_for_standstill();
    drop(slow);
    let address: SocketAddr = server.address("framed");
    let many: Vec<_> = (0..4).map(|_| std::net::TcpStream::connect(address)).collect();
    assert_eq!(client.ask("ECHO end"), "end");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    drop(many);
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace/reader.py");
    let output = tools::run(Command::new(python).arg(reader).arg(&path), Input::Whole(b""));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs = String::from_utf8(output.stdout).expect("ASCII");
    let ours: Vec<String> = entries(&path).iter().map(numbers).collect();
    assert!(ours.len() > 2_000, "{}", ours.len());
    for (line, (ours, theirs)) in (1..).zip(ours.iter().zip(theirs.lines())) {
        assert_eq!(ours, theirs, "line {line}");
    }
    assert_eq!(ours.len(), theirs.lines().count());
    fs::metadata(&path).expect("it stays");
}

/// An event as the other reader prints it.
fn numbers(entry: &Entry) -> String {
    let (kind, fields) = kind_and_fields(&entry.event);
    let connection = entry.event.connection().unwrap_or(0);
    let mut line = format!("{} {kind} {connection}", entry.time.as_nanos());
    fields.iter().for_each(|field| line += &format!(" {field}"));
    line
}

fn kind_and_fields(event: &Event) -> (u8, Vec<u64>) {
    match *event {
        Event::TurnBegan { events, waited } => (1, vec![events.into(), waited]),
        Event::Ready { bits, is_stale, .. } => (2, vec![readiness(bits) + 8 * u64::from(is_stale)]),
        Event::ListenerReady { listener } => (3, vec![listener.into()]),
        Event::Woken { by } => (4, vec![by as u64]),
        Event::Visit { cause, .. } => (5, vec![cause as u64]),
        Event::Received { asked, moved, end, .. } => (6, received(asked, moved, end)),
        Event::Served { count, last, left, reply, cause, .. } => {
            (7, vec![count.into(), last, left.into(), reply.into(), cause])
        }
        Event::Sent { moved, left, end, request, cause, .. } => {
            let mut fields = sent(moved, left, end);
            fields.extend([request, cause]);
            (8, fields)
        }
        Event::Settled { inbound, outbound, ready, queued, unparsed, unsent, work, .. } => {
            let mut fields = states(inbound, outbound);
            let rest = [unparsed, unsent, work].map(u64::from);
            fields.push(readiness(ready) + 8 * queued as u64);
            fields.extend(rest);
            (9, fields)
        }
        Event::Stalled { why, unsent, .. } => (10, vec![why as u64, unsent.into()]),
        Event::Resumed { unsent, .. } => (11, vec![unsent.into()]),
        Event::TimerArmed { deadline, after, .. } => (12, vec![deadline_code(deadline), after]),
        Event::TimerFired { deadline, .. } => (13, vec![deadline_code(deadline)]),
        Event::TimersMoved { count } => (14, vec![count.into()]),
        Event::Accepted {
            listener, peer: TracedPeer::Inet(SocketAddr::V4(peer)), active, ..
        } => {
            let mut fields = vec![listener.into(), active.into(), 4];
            fields.extend(peer.ip().octets().map(u64::from));
            fields.extend(peer.port().to_be_bytes().map(u64::from));
            (15, fields)
        }
        Event::NotAccepted { listener, why } => (16, vec![listener.into(), why as u64]),
        Event::FinSent { .. } => (19, vec![]),
        Event::Closed { reason, is_reset, lost, .. } => {
            (20, vec![reason_code(reason), is_reset.into(), lost.into()])
        }
        Event::Drain { step } => (24, vec![step as u64]),
        Event::TurnEnded { visits, queued, next } => {
            let mut fields = vec![visits.into(), queued.into()];
            match next {
                Next::Poll => fields.push(0),
                Next::WaitFor(nanos) => fields.extend([1, nanos]),
                Next::Wait => fields.push(2),
                Next::Stop => fields.push(3),
            }
            (25, fields)
        }
        Event::Recording => (26, vec![]),
        _ => panic!("not expected here: {event:?}"),
    }
}

fn received(asked: u32, moved: u32, end: RecvEnd) -> Vec<u64> {
    let (code, errno) = match end {
        RecvEnd::Short => (0, None),
        RecvEnd::Full => (1, None),
        RecvEnd::WouldBlock => (2, None),
        RecvEnd::Interrupted => (3, None),
        RecvEnd::Eof => (4, None),
        RecvEnd::Error(errno) => (5, Some(errno)),
    };
    [code, moved, asked].into_iter().chain(errno).map(u64::from).collect()
}

fn sent(moved: u32, left: u32, end: SendEnd) -> Vec<u64> {
    let (code, errno) = match end {
        SendEnd::All => (0, None),
        SendEnd::WouldBlock => (1, None),
        SendEnd::Budget => (2, None),
        SendEnd::Interrupted => (3, None),
        SendEnd::Error(errno) => (4, Some(errno)),
    };
    [code, moved, left].into_iter().chain(errno).map(u64::from).collect()
}

fn readiness(bits: Readiness) -> u64 {
    u64::from(bits.read) + 2 * u64::from(bits.write) + 4 * u64::from(bits.read_until_would_block)
}

fn reason_code(reason: CloseReason) -> u64 {
    CloseReason::ALL.iter().position(|it| *it == reason).expect("a reason") as u64
}

fn deadline_code(deadline: Deadline) -> u64 {
    deadline as u64
}

fn states(inbound: Inbound, outbound: Outbound) -> Vec<u64> {
    let (kind, reason) = match outbound {
        Outbound::Open => (0, None),
        Outbound::Producing => (1, None),
        Outbound::Closing(reason) => (2, Some(reason)),
        Outbound::FinSent(reason) => (3, Some(reason)),
        Outbound::Aborting(reason) => (4, Some(reason)),
        Outbound::Failed(reason) => (5, Some(reason)),
    };
    let mut fields = vec![inbound as u64 + 4 * kind];
    fields.extend(reason.map(reason_code));
    fields
}

#[test]
fn a_page_has_the_events_that_were_asked_for() {
    let scratch = Scratch::new();
    let (mut server, path) = recorded(&scratch, &[]);
    assert_eq!(server.connect("framed").ask("ECHO seen"), "seen");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    let count = entries(&path).len();
    let page = scratch.path("loop.html");
    let page = page.to_str().expect("UTF-8");
    let ended = trace(&path, &["--html", page]);
    assert_eq!((ended.status, ended.stdout), (Some(0), format!("the page has {count} events\n")));
    let written = fs::read_to_string(page).expect("the page");
    assert!(written.starts_with("<!doctype html>"), "{written:.200}");
    assert!(written.contains(&format!("\"rows\":{count},")), "not {count} rows");
    // To standard output goes the page alone.
    let ended = trace(&path, &["--html", "-", "--between", "1000..1001"]);
    assert_eq!((ended.status, ended.stderr), (Some(0), "the page has 0 events\n".to_owned()));
    assert!(ended.stdout.contains("\"rows\":0,"));
    let ended = trace(&path, &["--html", "/no/such/folder/loop.html"]);
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("/no/such/folder/loop.html"), "{}", ended.stderr);
    assert_eq!(trace(&path, &["--html", page, "--summary"]).status, Some(2));
}
