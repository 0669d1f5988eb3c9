//! The servers of `tests/classroom` serve the client, to the last character that both sides print.

use crate::support::lines::Lines;
use crate::support::readyc::{Ended, RECEIVED, ask, ask_with_input, assert_dated};
use crate::support::tools::{self, Process};
use nix::sys::signal::{Signal, kill};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

const CTIME: &str = "%a %b %e %H:%M:%S %Y";
const DMY: &str = "%d/%m/%Y %H:%M:%S";

/// A running `<name>_server.py`.
struct ClassroomServer {
    process: Process,
    address: SocketAddr,
    stdout: Lines,
    stderr: Lines,
}

impl ClassroomServer {
    /// Starts one; `None` without Python.
    fn start(name: &str) -> Option<ClassroomServer> {
        let python = tools::find("python3")?;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/classroom");
        let mut command = Command::new(python);
        command.arg(folder.join(format!("{name}_server.py"))).args(["127.0.0.1", "0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::start(command.env("TZ", "UTC0"));
        let stdout = Lines::of(process.child.stdout.take().expect("a pipe"));
        let stderr = Lines::of(process.child.stderr.take().expect("a pipe"));
        let line = stdout.wait_for("listening ");
        let port = line.strip_prefix("listening ").expect("this first").parse().expect("a port");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Some(ClassroomServer { process, address, stdout, stderr })
    }

    /// Ends it when it has printed `last`, and returns all that it printed but where it listens.
    fn end_after(mut self, last: &str) -> Vec<String> {
        self.stdout.wait_for(last);
        kill(self.process.id(), Signal::SIGTERM).expect("end a server");
        assert_eq!(self.process.wait().signal(), Some(Signal::SIGTERM as i32));
        assert_eq!(self.stderr.wait_for_end(), Vec::<String>::new());
        self.stdout.wait_for_end().split_off(1)
    }
}

/// The `('127.0.0.1', 12345)` in `text`.
fn python_address(text: &str) -> &str {
    let from = text.find("('127.0.0.1', ").expect("an address");
    let to = text[from..].find(')').expect("its end");
    &text[from..=from + to]
}

#[test]
fn chat() {
    let Some(server) = ClassroomServer::start("chat") else { return };
    let ended = ask(server.address, &["send", "Hello World!", "Grüße"]);
    assert_eq!(ended, Ended::well(RECEIVED.repeat(3)));
    // That server takes nothing but these very bytes for a goodbye.
    let ended = ask_with_input(server.address, &["send"], b"piped\r\nDisconnect !\nnever sent\n");
    assert_eq!(ended, Ended::well(RECEIVED.repeat(2)));
    let printed = server.end_after("] Disconnect !");
    let speakers: Vec<&str> = printed.iter().map(|line| python_address(line)).collect();
    let said = |n: usize, what: &str| format!("[{}] {what}", speakers[n]);
    let first = [said(0, "Hello World!"), said(0, "Grüße"), said(0, "Disconnect !")];
    assert_eq!(printed, [&first[..], &[said(3, "piped"), said(3, "Disconnect !")]].concat());
}

#[test]
fn arp() {
    let Some(server) = ClassroomServer::start("arp") else { return };
    let thanks = "MAC address received successfully.";
    let look_up = |key| ask(server.address, &["lookup", "--plain", key, "--ack", thanks]);
    assert_eq!(look_up("165.165.80.80"), Ended::well("6A:08:AA:C2\n"));
    assert_eq!(look_up("10.0.0.1"), Ended::well("Not Found\n"));
    // It serves one client at a time; the others wait for their turn.
    let crowd = ["lookup", "--plain", "165.165.79.1", "--ack", "done", "--sessions", "5"];
    let ended = ask(server.address, &crowd);
    let summary = "sessions:  5 asked, 5 established, 0 failed\n\
                   requests:  5 asked, 5 sent, 5 answered, 5 verified\n";
    assert!(ended.stdout.starts_with(summary) && ended.status == Some(0), "{ended:?}");
    server.stdout.wait("all", |lines| (lines.len() == 1 + 2 + 5).then_some(()));
    let printed = server.end_after("done");
    assert_eq!(printed, [&[thanks; 2][..], &["done"; 5]].concat());
}

#[test]
fn greeting() {
    let Some(server) = ClassroomServer::start("greeting") else { return };
    let ended = ask(server.address, &["whoami", "--plain"]);
    let address = python_address(&ended.stdout);
    assert_eq!(ended, Ended::well(format!("Hello! You are connected to {address}\n")));
    assert_eq!(server.end_after("listening "), Vec::<String>::new());
}

#[test]
fn exchange() {
    let Some(server) = ClassroomServer::start("exchange") else { return };
    let earliest = tools::now();
    let ended = ask(server.address, &["exchange"]);
    let address = python_address(&ended.stdout);
    assert_dated(&ended, earliest, DMY, |date| format!("{address}\n{date}\nNot Found\n"));
    assert_eq!(server.end_after("Client details: "), ["Client details: 127.0.0.1"]);
}

#[test]
fn daytime() {
    let Some(server) = ClassroomServer::start("daytime") else { return };
    let earliest = tools::now();
    let ended = ask(server.address, &["daytime", "--plain"]);
    assert_dated(&ended, earliest, CTIME, |date| format!("{date}\r\n"));
    let printed = server.end_after("('127.0.0.1', ");
    assert_eq!(printed, [python_address(&printed[0])]);
}

#[test]
fn date() {
    let Some(server) = ClassroomServer::start("date") else { return };
    let thanks = "Time received successfully.";
    let earliest = tools::now();
    let ended = ask(server.address, &["daytime", "--plain", "--ack", thanks]);
    assert_dated(&ended, earliest, DMY, |date| format!("{date}\n"));
    assert_eq!(server.end_after(thanks), [thanks]);
}
