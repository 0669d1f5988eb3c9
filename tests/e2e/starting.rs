//! Signals to a server that does not serve yet: whatever its start does or waits for, it stops.

use crate::support::lines::Lines;
use crate::support::server::READYD;
use crate::support::tools::{self, Process, SHELL};
use crate::support::{Client, Scratch, eventually, loopback_of_ones_own};
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// A server that is being started, and the address on which it would serve.
struct Start {
    process: Process,
    stdout: Lines,
    stderr: Lines,
    address: SocketAddr,
}

/// An address on which no socket listens.
fn free_address() -> SocketAddr {
    static PORT: AtomicU16 = AtomicU16::new(10_000);
    SocketAddr::from((loopback_of_ones_own(), PORT.fetch_add(1, Ordering::Relaxed)))
}

impl Start {
    fn with(arguments: &[&str]) -> Start {
        Start::by(Command::new(READYD), arguments)
    }

    /// A server that `command` runs, which has everything on its command line but the server's
    /// flags.
    fn by(mut command: Command, arguments: &[&str]) -> Start {
        let address = free_address();
        command.args(["--listen", &format!("framed={address}"), "--print-addresses"]);
        command.args(arguments).env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        let stdout = Lines::of(process.child.stdout.take().expect("standard output is a pipe"));
        let stderr = Lines::of(process.child.stderr.take().expect("standard error is a pipe"));
        Start { process, stdout, stderr, address }
    }

    fn signal(&self, signal: Signal) {
        kill(self.process.id(), signal).expect("send a signal");
    }

    /// Waits until a thread of the server does what may take long.
    fn wait_until_it_works(&self) {
        let tasks = format!("/proc/{}/task", self.process.id());
        eventually("a thread beside the first", || {
            (fs::read_dir(&tasks).expect("a running process").count() == 2).then_some(())
        });
    }

    /// Checks that the server ends with this status and this last line, and that it has not
    /// listened.
    fn assert_stopped(mut self, status: i32, last: &str) {
        let ended = self.process.wait();
        let lines = self.stderr.wait_for_end();
        assert_eq!(ended.code(), Some(status), "{ended}: {lines:?}");
        assert!(lines.last().is_some_and(|line| line.ends_with(last)), "{lines:?}");
        assert_eq!(self.stdout.wait_for_end(), Vec::<String>::new());
        let listening = |line: &String| line.contains("listening") || line.contains("starting");
        assert!(!lines.iter().any(listening), "{lines:?}");
        TcpListener::bind(self.address).expect("a port that nobody has");
    }
}

fn as_str(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

fn fifo(scratch: &Scratch) -> PathBuf {
    let path = scratch.path("fifo");
    mkfifo(&path, Mode::S_IRWXU).expect("make a FIFO");
    path
}

/// Opens the FIFO at `path` for writing, once a process reads it.
fn writer_of(path: &Path) -> File {
    eventually("a reader of the FIFO", || {
        // Without O_NONBLOCK, this would wait for a reader for ever.
        let mut options = File::options();
        options.write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).ok()
    })
}

const STOPPED: &str = "stopped before serving";

const UNCHECKED: &str = "readyd: stopped by a signal before the check was complete";

/// What else a start is asked for, and how it ends when it is stopped.
const KINDS: [(&[&str], i32, &str); 3] =
    [(&[], 0, STOPPED), (&["--shards", "2"], 0, STOPPED), (&["--check-config"], 1, UNCHECKED)];

const SIGNALS: [Signal; 2] = [Signal::SIGTERM, Signal::SIGINT];

#[test]
fn field_server_06_stopped_while_a_fifo_has_no_writer() {
    let scratch = Scratch::new();
    let fifo = fifo(&scratch);
    for flag in ["--table", "--config"] {
        for (more, status, last) in KINDS {
            for signal in SIGNALS {
                let start = Start::with(&[more, &[flag, as_str(&fifo)]].concat());
                start.wait_until_it_works();
                start.signal(signal);
                start.assert_stopped(status, last);
            }
        }
    }
}

#[test]
fn field_server_06_stopped_while_a_writer_writes_nothing() {
    let scratch = Scratch::new();
    let fifo = fifo(&scratch);
    for flag in ["--table", "--config"] {
        for (more, status, last) in KINDS {
            for signal in SIGNALS {
                let start = Start::with(&[more, &[flag, as_str(&fifo)]].concat());
                let _writer = writer_of(&fifo);
                start.signal(signal);
                start.assert_stopped(status, last);
            }
        }
    }
}

/// Lines of a table that takes a while to load.
const MANY_LINES: usize = 2_000_000;

fn big_table() -> String {
    (0..MANY_LINES).map(|n| format!("{n} v\n")).collect()
}

#[test]
fn field_server_06_stopped_while_a_big_table_is_loaded() {
    let scratch = Scratch::new();
    let table = scratch.write("table", &big_table());
    for (more, status, last) in KINDS {
        let start = Start::with(&[more, &["--table", as_str(&table)]].concat());
        start.wait_until_it_works();
        start.signal(Signal::SIGTERM);
        start.assert_stopped(status, last);
    }
}

/// A shell has what runs in its background ignore SIGINT, and a parent may have ignored SIGTERM:
/// both are inherited. What stops a server that serves stops one that starts.
#[test]
fn field_server_06_signals_that_were_ignored_when_it_was_started_do_what_they_do_later() {
    let scratch = Scratch::new();
    let fifo = fifo(&scratch);
    let mut command = Command::new(SHELL);
    command.args(["-c", "trap '' TERM INT HUP; exec \"$0\" \"$@\"", READYD]);
    let start = Start::by(command, &["--table", as_str(&fifo)]);
    let _writer = writer_of(&fifo);
    // What the keyboard sends is not for a job in the background.
    start.signal(Signal::SIGINT);
    start.signal(Signal::SIGTERM);
    start.assert_stopped(0, STOPPED);
}

#[test]
fn field_server_06_what_is_asked_for_during_the_start_is_done_after_it() {
    let scratch = Scratch::new();
    let fifo = fifo(&scratch);
    for more in [&[][..], &["--shards", "2"]] {
        let start = Start::with(&[more, &["--table", as_str(&fifo)]].concat());
        let writer = writer_of(&fifo);
        start.signal(Signal::SIGHUP);
        start.signal(Signal::SIGUSR1);
        drop(writer);
        start.stderr.wait_for("has 0 keys");
        // Of a pipe, that is an error; but the order was not lost.
        start.stderr.wait_for("keeping the old table: ");
        start.stderr.wait_for("statistics: ");
        TcpStream::connect(start.address).expect("a server that serves");
        stop(start);
    }
}

/// Stops a server that serves.
fn stop(mut start: Start) {
    start.signal(Signal::SIGTERM);
    assert_eq!(start.process.wait().code(), Some(0), "{:?}", start.stderr.all());
}

/// A signal that comes in the middle of a reload does not wait for it.
#[test]
fn field_server_06_stopped_while_a_table_is_loaded_again() {
    let scratch = Scratch::new();
    let table = scratch.write("table", "colour red\n");
    for more in [&[][..], &["--shards", "2"]] {
        let start = Start::with(&[more, &["--table", as_str(&table)]].concat());
        start.stdout.wait_for("framed ");
        scratch.write("table", &big_table());
        // Both are there when it goes on, and the lower number comes first, signal(7).
        start.signal(Signal::SIGSTOP);
        start.signal(Signal::SIGHUP);
        start.signal(Signal::SIGTERM);
        start.signal(Signal::SIGCONT);
        let stderr = start.stderr.clone();
        stop(start);
        let lines = stderr.wait_for_end();
        let position = |text| lines.iter().position(|line| line.contains(text));
        let reload = lines.iter().rposition(|line| line.contains("loading table"));
        assert!(reload > position("listening") && reload < position("stop"), "{lines:?}");
        scratch.write("table", "colour red\n");
    }
}

/// Starts as with no signal: a table and a configuration from pipes.
#[test]
fn field_server_09_a_table_and_a_configuration_from_pipes() {
    let scratch = Scratch::new();
    let table = scratch.write("table", "colour red\n");
    let config = scratch.write("config", "max-frame 20\n");
    // Process substitution is none of POSIX's shell.
    let Some(bash) = tools::find("bash") else { return };
    let script = "exec \"$0\" --table <(cat \"$1\") --config <(cat \"$2\") \"${@:3}\"";
    let mut command = Command::new(bash);
    command.args(["-c", script, READYD, as_str(&table), as_str(&config)]);
    let start = Start::by(command, &[]);
    start.stdout.wait_for("framed ");
    let mut client = Client::connect(start.address);
    assert_eq!(client.ask("LOOKUP colour"), "red");
    client.send_frame("ECHO 21 bytes is more");
    assert_eq!(client.read_frame(), b"Error: a body of 21 bytes is over the limit of 20");
    start.signal(Signal::SIGHUP);
    let line = start.stderr.wait_for("keeping the old table: ");
    assert!(line.contains("was a pipe at the start"), "{line}");
    assert_eq!(Client::connect(start.address).ask("LOOKUP colour"), "red");
    stop(start);
}
