//! Programs from elsewhere: other people's clients, and tools that watch or disturb a server.

use super::eventually;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use readyd::os::sockets::{self, State};
use std::env;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

/// POSIX's shell, at the place where every Linux machine has it: no search path is needed.
pub(crate) const SHELL: &str = "/bin/sh";

/// Where the program called `name` is; if it is nowhere, says that the test is skipped. Servers are
/// found too, though they are not on every user's search path.
///
/// # Panics
///
/// If it is nowhere and the environment has `READYD_REQUIRE_TOOLS=1`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        skip(&format!("no {name}"));
    }
    found
}

/// Says that the running test, or a part of it, cannot be run on this machine.
///
/// # Panics
///
/// If the environment has `READYD_REQUIRE_TOOLS=1`.
pub(crate) fn skip(why: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("test");
    let required = env::var_os("READYD_REQUIRE_TOOLS").is_some_and(|value| value == *"1");
    assert!(!required, "{why}, and READYD_REQUIRE_TOOLS=1");
    // Not `eprintln!`: the test runner swallows what that prints when the test passes.
    let _ = writeln!(io::stderr(), "SKIPPED {test}: {why}");
}

/// A child process that does not outlive its owner.
pub(crate) struct Process {
    pub(crate) child: Child,
    descendant: Option<Pid>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Process {
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Process { child, descendant: None }
    }

    pub(crate) fn id(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Names a process that the child runs: what strace runs lives on when strace is killed.
    pub(crate) fn also_kill(&mut self, descendant: Pid) {
        self.descendant = Some(descendant);
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("look after a process").is_some()
    }

    /// Waits until somebody listens at `address`, which is the process's. The kernel's list is
    /// read: a connection would make the process do work, and sometimes later than the test.
    pub(crate) fn wait_to_listen(&mut self, address: SocketAddr) {
        eventually(&format!("a listener at {address}"), || {
            assert!(!self.has_ended(), "the process that is to listen at {address} has ended");
            let mut rows = sockets::list(sockets::LISTS[0]).expect("the kernel's list of sockets");
            rows.any(|row| row.state == State::Listen && row.local == address).then_some(())
        });
    }

    /// Waits until the process has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        eventually("the end of a process", || self.child.try_wait().expect("wait for a process"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Once it was waited for, its number may be another's.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            // What fails to be killed has just ended by itself.
            let _ = self.descendant.map(|pid| kill(pid, Signal::SIGKILL));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What a program gets on its standard input.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input<'a> {
    /// These bytes and then the end.
    Whole(&'a [u8]),
    /// Nothing, but no end either, as at a terminal: some programs end with their input.
    Silent,
}

/// Runs `command` to its end.
///
/// # Panics
///
/// If it takes longer than [`PATIENCE`](super::PATIENCE).
pub(crate) fn run(command: &mut Command, input: Input<'_>) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::start(command);
    let mut stdin = process.child.stdin.take().expect("standard input is a pipe");
    let stdout = process.child.stdout.take().expect("standard output is a pipe");
    let stderr = process.child.stderr.take().expect("standard error is a pipe");
    let (stdout, stderr) = (collect(stdout), collect(stderr));
    let status = match input {
        Input::Whole(bytes) => {
            let bytes = bytes.to_vec();
            // A program that ends early closes its input; what it leaves unread is not missed.
            let writer = thread::spawn(move || drop(stdin.write_all(&bytes)));
            let status = process.wait();
            writer.join().expect("the writing thread");
            status
        }
        Input::Silent => {
            let status = process.wait();
            drop(stdin);
            status
        }
    };
    Output {
        status,
        stdout: stdout.join().expect("the reading thread"),
        stderr: stderr.join().expect("the reading thread"),
    }
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is what there is.
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

/// The seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

/// What `date` makes of every second from `earliest` until now, in the time zone `zone` (as in the
/// variable `TZ`). An oracle that shares nothing with the server; `None` on a machine without it.
pub(crate) fn dates_since(earliest: u64, format: &str, zone: &str) -> Option<Vec<String>> {
    let date = find("date")?;
    let text_of = |second: u64| {
        let mut command = Command::new(&date);
        command.args(["-d", &format!("@{second}"), &format!("+{format}")]);
        let output = run(command.env("TZ", zone).env("LC_ALL", "C"), Input::Whole(b""));
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).expect("ASCII").trim_end_matches('\n').to_owned()
    };
    Some((earliest..=now()).map(text_of).collect())
}
