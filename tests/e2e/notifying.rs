//! What the service manager is told: datagrams to NOTIFY_SOCKET, sd_notify(3), and `--ready-fd`.

use crate::command_line::{as_str, ended};
use crate::support::server::READYD;
use crate::support::tools::SHELL;
use crate::support::{Launch, PATIENCE, Scratch, Server, eventually};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// A service manager, which reads what it is told.
struct Manager {
    _scratch: Scratch,
    path: PathBuf,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Manager {
        let scratch = Scratch::new();
        let path = scratch.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
        Manager { _scratch: scratch, path, socket }
    }

    fn of(&self, launch: Launch) -> Launch {
        launch.env("NOTIFY_SOCKET", &self.path)
    }

    /// The next message.
    fn next(&self) -> String {
        let mut bytes = [0; 1000];
        let length = self.socket.recv(&mut bytes).expect("a message in time");
        String::from_utf8(bytes[..length].to_vec()).expect("text")
    }

    /// The next message with this line, or with a line that begins so.
    fn wait_for(&self, line: &str) -> String {
        loop {
            let message = self.next();
            if message.lines().any(|told| told.starts_with(line)) {
                return message;
            }
        }
    }
}

fn shards(server: &Server) -> Vec<Pid> {
    let children = server.proc_file(&format!("task/{}/children", server.pid()));
    children.split_whitespace().map(|pid| Pid::from_raw(pid.parse().expect("a number"))).collect()
}

#[test]
fn a_start_a_reload_and_a_stop_are_told() {
    for count in ["1", "2"] {
        let manager = Manager::new();
        let scratch = Scratch::new();
        let table = scratch.write("table", "colour red\n");
        let launch = Launch::of(&["framed"]).path("--table", &table).args(&["--shards", count]);
        let mut server = manager.of(launch).start();
        assert!(manager.next().starts_with("EXTEND_TIMEOUT_USEC="));
        let ready = manager.wait_for("READY=1");
        assert!(ready.contains("STATUS=Serving 0 connections; 0 requests so far"), "{ready}");
        scratch.write("table", "colour blue\n");
        server.signal(Signal::SIGHUP);
        let reloading = manager.next();
        assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
        assert_eq!(manager.next(), "READY=1");
        assert_eq!(server.connect("framed").ask("LOOKUP colour"), "blue");
        // A table with an error ends the reload, too: the old one stays.
        scratch.write("table", "colour\n");
        server.signal(Signal::SIGHUP);
        manager.wait_for("RELOADING=1");
        manager.wait_for("READY=1");
        server.signal(Signal::SIGTERM);
        manager.wait_for("STOPPING=1");
        assert_eq!(server.wait_for_exit().code(), Some(0));
    }
}

#[test]
fn ready_is_told_when_clients_are_served_and_the_time_of_loading_is_extended() {
    let manager = Manager::new();
    let scratch = Scratch::new();
    let fifo = scratch.path("table");
    mkfifo(&fifo, Mode::S_IRWXU).expect("a pipe with a name");
    let launch = manager.of(Launch::of(&["framed"]).path("--table", &fifo));
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2 {
                let told = manager.next();
                assert!(told.starts_with("EXTEND_TIMEOUT_USEC=30000000\n"), "{told}");
            }
            fs::write(&fifo, "colour red\n").expect("write the table");
            manager.wait_for("READY=1");
        });
        let server = launch.start();
        assert_eq!(server.connect("framed").ask("LOOKUP colour"), "red");
    });
}

#[test]
fn the_watchdog_is_fed_while_a_stuck_shard_is_replaced() {
    let manager = Manager::new();
    let launch = Launch::of(&["framed"]).args(&["--shards", "2"]).env("WATCHDOG_USEC", "3000000");
    let server = manager.of(launch).start();
    manager.wait_for("READY=1");
    // By the second, the supervisor has seen each shard turn: before, a shard has 30 s.
    for _ in 0..2 {
        manager.wait_for("WATCHDOG=1");
    }
    let before = shards(&server);
    kill(before[0], Signal::SIGSTOP).expect("stop a shard");
    // The default timeout is lowered to a third of the watchdog's time.
    server.wait_for_log("its event loop has not run for 1s (--shard-timeout); killed");
    eventually("a successor", || {
        let now = shards(&server);
        (now.len() == 2 && !now.contains(&before[0])).then_some(())
    });
    manager.wait_for("WATCHDOG=1");
    for pid in shards(&server) {
        // Between fork(2) and execve(2) it has the supervisor's.
        let environment = eventually("a shard with an environment of its own", || {
            let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
            let environment = String::from_utf8_lossy(&environment).into_owned();
            environment.contains("READYD_SHARD=").then_some(environment)
        });
        assert!(!environment.contains("NOTIFY_SOCKET"), "{environment}");
        assert!(!environment.contains("WATCHDOG_USEC"), "{environment}");
    }
}

#[test]
fn a_single_server_feeds_the_watchdog_and_tells_what_it_does() {
    let manager = Manager::new();
    let launch = Launch::of(&["framed"]).env("WATCHDOG_USEC", "300000");
    let server = manager.of(launch).start();
    let mut client = server.connect("framed");
    client.ask("ECHO");
    manager.wait_for("STATUS=Serving 1 connection; 1 request so far");
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    // systemd looks whether SIGHUP has a handler.
    let status = server.proc_file("status");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask");
    let caught = u64::from_str_radix(caught.trim(), 16).expect("a number");
    assert_eq!(caught & 1 << (Signal::SIGHUP as i32 - 1), 1);
}

#[test]
fn a_shard_timeout_that_is_too_long_for_the_watchdog_is_refused() {
    let mut command = Command::new(READYD);
    command.args(["--listen", "framed=127.0.0.1:0", "--shards", "2", "--shard-timeout", "2s"]);
    let ended = ended(command.env("WATCHDOG_USEC", "3000000"));
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("--shard-timeout must be from 1s to 1s"), "{}", ended.stderr);
}

#[test]
fn a_manager_that_cannot_be_told_harms_nothing() {
    for (value, complaint) in [
        ("/no/such/socket", "cannot notify the service manager (NOTIFY_SOCKET): No such file"),
        ("relative", "NOTIFY_SOCKET=\"relative\" in the environment is not /PATH or @NAME"),
    ] {
        let launch = Launch::of(&["framed"]).env("NOTIFY_SOCKET", value);
        let server = launch.env("WATCHDOG_USEC", "soon").start();
        server.wait_for_log(complaint);
        server.wait_for_log("WATCHDOG_USEC=\"soon\" in the environment is not a positive number");
        assert_eq!(server.connect("framed").ask("ECHO"), "");
    }
}

fn with_ready_fd(path: &Path, shards: &str) -> Server {
    let script = format!("exec \"$0\" \"$@\" 7>'{}'", as_str(path));
    let launch = Launch::of(&["framed"]).args(&["--ready-fd", "7", "--shards", shards]);
    launch.wrapper(&[SHELL, "-c", &script]).start()
}

#[test]
fn a_newline_is_written_when_clients_are_served() {
    for shards in ["1", "2"] {
        let scratch = Scratch::new();
        let path = scratch.path("ready");
        let mut server = with_ready_fd(&path, shards);
        eventually("a newline", || (fs::read(&path).ok()? == b"\n").then_some(()));
        let is_open = || {
            let folder = fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("a server");
            folder.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|to| to == path))
        };
        eventually("a closed descriptor", || (!is_open()).then_some(()));
        server.set_baseline();
    }
}

#[test]
fn a_descriptor_that_was_not_inherited_is_refused() {
    let mut command = Command::new(READYD);
    command.args(["--listen", "framed=127.0.0.1:0", "--ready-fd", "77"]);
    let ended = ended(&mut command);
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("--ready-fd: descriptor 77 is not open"), "{}", ended.stderr);
}
