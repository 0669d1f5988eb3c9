//! A log that cannot be written: the server goes on serving, and what was lost is counted.

use crate::support::lines::Lines;
use crate::support::server::READYD;
use crate::support::tools::{Process, SHELL};
use crate::support::{Client, Launch, Scratch, frame};
use nix::sys::signal::{Signal, kill};
use std::fs::{self, OpenOptions};
use std::process::{Command, Stdio};

/// More than any buffer between the server and its log takes.
const MESSAGES: usize = 3000;

#[test]
fn fault_06_a_full_disk_under_the_log_stops_nothing() {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("a device that is full");
    let server = Launch::of(&["framed"]).args(&["--log-rate", "1m"]).stderr(full).start();
    let mut client = server.connect("framed");
    for _ in 0..MESSAGES / 100 {
        client.send(&frame("Hello").repeat(100));
        client.expect(frame("Message received successfully....").repeat(100));
    }
}

#[test]
fn fault_06_a_log_file_over_its_size_limit_stops_nothing_and_the_loss_is_told() {
    let scratch = Scratch::new();
    let path = scratch.path("log");
    let log = OpenOptions::new().create(true).append(true).open(&path).expect("a log file");
    // 64 KiB for each file, in the shell's units of 512 bytes. SIGXFSZ would end the process; it is
    // ignored, and write(2) then says EFBIG, as on a full disk.
    let script = "ulimit -f 128; exec \"$0\" \"$@\"";
    let server = Launch::of(&["framed"])
        .wrapper(&[SHELL, "-c", script])
        .args(&["--log-rate", "1m"])
        .stderr(log)
        .start();
    let mut client = server.connect("framed");
    for _ in 0..MESSAGES / 100 {
        client.send(&frame([b'x'; 100]).repeat(100));
        client.expect(frame("Message received successfully....").repeat(100));
    }
    assert!(fs::metadata(&path).expect("the log").len() <= 64 << 10);
    // The operator makes room: the next line is preceded by the number of those that were lost.
    OpenOptions::new().write(true).open(&path).and_then(|log| log.set_len(0)).expect("make room");
    client.send_frame("there is room again");
    client.read_frame();
    drop(client);
    drop(server);
    let log = fs::read_to_string(&path).expect("the log");
    let first = log.lines().next().expect("a line");
    assert!(first.contains(" lost: standard error was full"), "{first}");
    assert!(log.contains("there is room again"), "{log}");
}

/// A server that is not asked for its addresses has nothing to say on standard output.
#[test]
fn fault_06_a_closed_standard_output_stops_nothing() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(READYD);
    command.args(["--listen", "framed=127.0.0.1:0"]).env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    let mut server = Process::start(&mut command);
    let log = Lines::of(server.child.stderr.take().expect("a pipe"));
    let listening = log.wait_for("listening framed ");
    let (_, address) = listening.rsplit_once(' ').expect("an address");
    let mut client = Client::connect(address.parse().expect("IP:PORT"));
    assert_eq!(client.ask("ECHO still here"), "still here");
    kill(server.id(), Signal::SIGTERM).expect("send a signal");
    drop(client);
    assert_eq!(server.wait().code(), Some(0));
}
