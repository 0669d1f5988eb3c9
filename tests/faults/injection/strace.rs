//! strace(1), which has system calls of another process fail.

use crate::support::lines::Lines;
use crate::support::tools::{self, Process};
use crate::support::{Scratch, Server, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long strace may take to let a process go.
const DETACHING: Duration = Duration::from_secs(2);

/// The options that have `call` fail with `errno` at the times that `when` names, strace(1).
pub(crate) fn injection(call: &str, errno: &str, when: &str) -> [String; 4] {
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:error={errno}:when={when}");
    ["-e".to_owned(), trace, "-e".to_owned(), inject]
}

/// strace, attached to a server.
pub(crate) struct Attached {
    process: Process,
    trace: PathBuf,
    _scratch: Scratch,
}

impl Attached {
    /// Attaches with `options`; `None`, with a word on standard error, if that is not permitted.
    pub(crate) fn to(server: &Server, options: &[String]) -> Option<Attached> {
        Attached::with(server, &["-f"], options)
    }

    /// The same, but neither to other threads nor to processes that are started meanwhile.
    pub(crate) fn to_one_thread(server: &Server, options: &[String]) -> Option<Attached> {
        Attached::with(server, &[], options)
    }

    fn with(server: &Server, follow: &[&str], options: &[String]) -> Option<Attached> {
        let program = tools::find("strace")?;
        let scratch = Scratch::new();
        let trace = scratch.path("trace");
        let mut command = Command::new(program);
        command.args(follow).args(options).arg("-o").arg(&trace);
        command.args(["-p", &server.pid().to_string()]);
        let mut process = Process::start(command.stdin(Stdio::null()).stderr(Stdio::piped()));
        let said = Lines::of(process.child.stderr.take().expect("standard error is a pipe"));
        let mut is_attached = false;
        eventually("strace to attach", || {
            let refused = process.has_ended();
            is_attached = !said.containing(" attached").is_empty();
            (refused || is_attached).then_some(())
        });
        if !is_attached {
            tools::skip(&format!("strace may not attach to a process: {:?}", said.all()));
            return None;
        }
        Some(Attached { process, trace, _scratch: scratch })
    }

    /// Lets the server go, and returns what was traced.
    pub(crate) fn detach(self) -> String {
        let Attached { mut process, trace, _scratch } = self;
        let deadline = Instant::now() + DETACHING;
        // What fails to be signalled has just ended, with the server.
        let _ = kill(process.id(), Signal::SIGINT);
        while !process.has_ended() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        // Killed now, if a thread that died meanwhile has confused it: the kernel then detaches.
        drop(process);
        read_trace(&trace)
    }
}

/// What strace wrote so far.
pub(crate) fn read_trace(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// How many calls in `trace` were made to fail.
pub(crate) fn injected(trace: &str) -> usize {
    trace.lines().filter(|line| line.contains("(INJECTED)")).count()
}

/// How often each system call is made in `trace`. One that a line begins and another ends counts
/// once.
pub(crate) fn calls<'a>(trace: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for line in trace {
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        if let Some((name, _)) = call.split_once('(')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        {
            *calls.entry(name.to_owned()).or_default() += 1;
        }
    }
    calls
}

/// The process that strace runs for us, once it runs `program`.
pub(crate) fn traced_child(strace: Pid, program: &Path) -> Option<Pid> {
    let children = fs::read_to_string(format!("/proc/{strace}/task/{strace}/children")).ok()?;
    let pids = children.split_whitespace().filter_map(|word| word.parse().ok()).map(Pid::from_raw);
    pids.into_iter().find(|pid| {
        fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|executable| executable == program)
    })
}
