//! `readyc stats --watch`: rates, line by line, through restarts of the server.

use super::support::lines::Lines;
use super::support::readyc::{self, Ended};
use super::support::tools::Process;
use super::support::{Client, Launch, Server, eventually, frame};
use nix::sys::signal::Signal;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};

fn watch(server: SocketAddr, arguments: &[&str]) -> Ended {
    readyc::ask(server, &[&["stats", "--watch", "10ms"], arguments].concat())
}

fn cells(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn so_many_lines_on_one_connection_with_a_header_in_sight() {
    let server = Server::start(&["framed"]);
    let ended = watch(server.address("framed"), &["--count", "41"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let is_header = |line: &&str| cells(line)[..3] == ["open", "accept/s", "close/s"];
    let headers: Vec<usize> = (0..lines.len()).filter(|&line| is_header(&lines[line])).collect();
    assert_eq!((headers, lines.len()), (vec![0, 21, 42], 44));
    for line in lines.iter().filter(|line| !is_header(line)) {
        assert_eq!(cells(line).len(), 9, "{line}");
        assert_eq!(cells(line)[0], "1", "the one connection is the watcher's own: {line}");
    }
    assert_eq!(server.statistics().get("connections_accepted"), 1);
}

#[test]
fn json_is_an_object_a_line() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    client.ask("ECHO");
    let ended = watch(server.address("framed"), &["--count", "2", "--json"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    let line = |line| serde_json::from_str::<serde_json::Value>(line).expect("JSON");
    let lines: Vec<serde_json::Value> = ended.stdout.lines().map(line).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["connections_open"], 2.0);
    // The first line counts from the server's start on: two connections, two requests at least.
    let total = |name: &str| {
        lines[0][name].as_f64().expect(name) * lines[0]["uptime_seconds"].as_f64().expect("age")
    };
    assert_eq!(total("accepted_per_second").round(), 2.0);
    assert!(total("requests_per_second").round() >= 2.0);
}

/// A watcher that runs until it is dropped.
struct Watcher {
    process: Process,
    stdout: Lines,
    stderr: Lines,
}

impl Watcher {
    fn start(server: SocketAddr, arguments: &[&str]) -> Watcher {
        let server = server.to_string();
        let usual = ["--server", &server, "stats", "--watch", "10ms"];
        let mut command = readyc::command(&[&usual[..], arguments].concat());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        let stdout = Lines::of(process.child.stdout.take().expect("standard output is a pipe"));
        let stderr = Lines::of(process.child.stderr.take().expect("standard error is a pipe"));
        Watcher { process, stdout, stderr }
    }

    /// Waits for another line than those so far.
    fn wait_for_more(&self) {
        let before = self.stdout.all().len();
        self.stdout.wait("another line", |lines| (lines.len() > before).then_some(()));
    }
}

/// Stops the server, with the watcher still connected.
pub(crate) fn stop(server: &mut Server) {
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn a_restart_is_told_and_no_rate_is_negative() {
    let listener = format!("framed=127.0.0.1:{}", free_port());
    let mut server = Launch::of(&[&listener]).start();
    let address = server.address("framed");
    // Counters that the next start will not reach.
    let mut client = server.connect("framed");
    client.send(&frame("ECHO").repeat(2000));
    for _ in 0..2000 {
        client.read_frame();
    }
    let watcher = Watcher::start(address, &["--json"]);
    watcher.wait_for_more();
    drop(client);
    stop(&mut server);
    watcher.stderr.wait_for("; reconnecting");
    let mut server = Launch::of(&[&listener]).start();
    watcher.stderr.wait_for("readyc: the server was restarted");
    watcher.wait_for_more();
    let lines = watcher.stdout.all();
    assert!(lines.iter().all(|line| !line.contains(":-")), "{lines:?}");
    drop(watcher);
    // The watcher may have come before the descriptors were counted, so there is no baseline.
    stop(&mut server);
}

/// A port that no socket has now, and that the kernel gives to none: it is outside of the range of
/// local ports.
pub(crate) fn free_port() -> u16 {
    // Tests at the same time look at different ports.
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (NEXT.fetch_add(100, Ordering::Relaxed)..32_000).find(is_free).expect("a free port")
}

#[test]
fn a_server_that_does_not_come_back_is_given_up() {
    let mut server = Server::start(&["framed"]);
    let address = server.address("framed");
    let mut watcher = Watcher::start(address, &["--connect-timeout", "300ms"]);
    watcher.wait_for_more();
    stop(&mut server);
    assert_eq!(watcher.process.wait().code(), Some(1));
    let notes = watcher.stderr.wait_for_end();
    let [broken, gone] = &notes[..] else { panic!("{notes:?}") };
    assert!(broken.ends_with("; reconnecting"), "{broken}");
    let refused = format!("readyc: cannot connect to {address}: connection refused");
    assert!(gone.starts_with(&refused), "{gone}");
}

#[test]
fn a_server_that_never_was_there_is_not_waited_for() {
    let (_held, address) = readyc::nobody_listens();
    let ended = watch(address, &[]);
    let why = format!("cannot connect to {address}: connection refused (is readyd running?)");
    assert_eq!(ended, Ended::failed(1, &why));
}

#[test]
fn a_server_that_counts_nothing_is_told_apart() {
    for (answer, why) in [
        ("Error: no statistics here\n", "the server refused: \"no statistics here\\n\""),
        ("hello\n", "the answer to STATS has no counters: \"hello\\n\""),
    ] {
        let ended = watch(readyc::answers_with(frame(answer)), &["--count", "1"]);
        assert_eq!(ended, Ended::failed(1, why));
    }
}

/// A server that closes after each answer, as after too long a rest, is asked on a new connection.
#[test]
fn a_connection_that_was_closed_is_made_anew() {
    let server = readyc::stand_in(|mut client: Client| {
        client.read_frame();
        client.send_frame("uptime_seconds 5\nconnections_open 7\n");
    });
    let ended = watch(server, &["--count", "2"]);
    assert_eq!(ended.status, Some(0));
    let lines: Vec<Vec<&str>> = ended.stdout.lines().skip(1).map(cells).collect();
    let quiet = ["7", "-", "-", "-", "-", "-", "-", "-", "-"];
    assert_eq!(lines, [quiet, quiet]);
    assert!(ended.stderr.ends_with("; reconnecting\n"), "{}", ended.stderr);
}

#[test]
fn whoever_closes_the_output_ends_the_watch() {
    let server = Server::start(&["framed"]);
    let address = server.address("framed").to_string();
    let mut command = readyc::command(&["--server", &address, "stats", "--watch", "10ms"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::start(&mut command);
    let stderr = Lines::of(process.child.stderr.take().expect("standard error is a pipe"));
    drop(process.child.stdout.take());
    let status = eventually("the end of the watch", || {
        process.child.try_wait().expect("look after a process")
    });
    assert_eq!((status.code(), stderr.wait_for_end()), (Some(0), Vec::new()));
}
