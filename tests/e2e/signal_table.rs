//! Signals that no process of ours may end or stop by: those of resource limits, of what a parent
//! process left behind, and those that a user sends by mistake. The table is
//! `readyd::os::signals::TABLE`.

use crate::support::tools::{self, SHELL};
use crate::support::{Client, Launch, Scratch, Server, eventually};
use nix::libc;
use nix::pty::{OpenptyResult, openpty};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use readyd::io::event_loop::Wakeup;
use readyd::os::signals::{Action, Row, TABLE};
use std::fs;
use std::io::Read;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

/// Signals that do nothing by default, signal(7).
const HARMLESS: [Signal; 4] = [Signal::SIGCHLD, Signal::SIGCONT, Signal::SIGURG, Signal::SIGWINCH];

/// The numbers of all signals that must not end a process, if `action` is what it does with each.
fn numbers_of_survivable(action: impl Fn(&Row) -> Action) -> Vec<i32> {
    let is_survivable = |row: &&Row| match action(row) {
        Action::Ignored | Action::Watched(Wakeup::Reload | Wakeup::Report) => true,
        _ => HARMLESS.contains(&row.signal),
    };
    let named = TABLE.iter().filter(is_survivable).map(|row| row.signal as i32);
    named.chain(libc::SIGRTMIN()..=libc::SIGRTMAX()).collect()
}

/// Sends a signal by its number, as kill(1) does: real-time ones have no names.
fn send(pid: Pid, number: i32) {
    let script = format!("kill -{number} {pid}");
    let status = Command::new(SHELL).args(["-c", &script]).status().expect("a shell");
    assert!(status.success(), "{script}: {status}");
}

/// Sends a server's process every signal that it must survive.
pub(crate) fn send_all_survivable(pid: Pid) {
    let numbers = numbers_of_survivable(|row| row.server);
    assert!(numbers.len() > 40, "{numbers:?}");
    numbers.into_iter().for_each(|number| send(pid, number));
}

#[test]
fn field_server_01_no_signal_of_the_table_ends_a_server() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    for number in numbers_of_survivable(|row| row.server) {
        send(server.pid(), number);
        assert_eq!(client.ask("ECHO still here"), "still here", "after signal {number}");
    }
}

#[test]
fn field_server_01_sigquit_stops_a_server_at_once() {
    let patience = ["--drain-timeout", "1h", "--write-timeout", "1h"];
    let mut server = Launch::of(&["chargen"]).args(&patience).start();
    let _client = server.connect("chargen");
    server.wait_for_statistic("connections_open", 1);
    server.signal(Signal::SIGQUIT);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    server.wait_for_log("stopping at once");
}

/// The harness asks by SIGUSR1 whether the server serves, and ends it by SIGTERM.
#[test]
fn field_server_01_signals_that_the_parent_ignored_or_blocked_arrive() {
    let ignored = ["-c", "trap '' TERM HUP USR1 QUIT XCPU CHLD; exec \"$0\" \"$@\""];
    let env = tools::find("env").expect("coreutils, without which there is no shell to speak of");
    let env = env.to_str().expect("UTF-8");
    let blocked = ["--block-signal=TERM,HUP,USR1,INT", env];
    for wrapper in [[SHELL, ignored[0], ignored[1]], [env, blocked[0], blocked[1]]] {
        let mut server = Launch::of(&["framed"]).wrapper(&wrapper).start();
        server.signal(Signal::SIGHUP);
        server.wait_for_log("no table to reload");
        server.signal(Signal::SIGTERM);
        assert_eq!(server.wait_for_exit().code(), Some(0));
    }
}

/// Without job control, a shell starts a job in the background with SIGINT ignored: the keyboard's
/// interrupt is for the job in the foreground.
#[test]
fn field_server_01_an_interrupt_that_is_ignored_for_a_background_job_stays_ignored() {
    let script = "trap '' INT; exec \"$0\" \"$@\"";
    let server = Launch::of(&["framed"]).wrapper(&[SHELL, "-c", script]).start();
    server.signal(Signal::SIGINT);
    // Signals are taken in the order of their numbers, so SIGINT would have been first.
    server.signal(Signal::SIGHUP);
    server.wait_for_log("no table to reload");
    assert_eq!(server.connect("framed").ask("ECHO still here"), "still here");
    assert!(server.log().containing("draining").is_empty());
}

#[test]
fn field_server_01_a_terminal_that_stops_background_writers_does_not_stop_the_log() {
    let Some(setsid) = tools::find("setsid") else { return };
    let OpenptyResult { master: _keyboard, slave } = openpty(None, None).expect("a terminal");
    // The shell is in the foreground, and the server, by `set -m`, in the background.
    let script = "stty tostop; set -m; \"$0\" \"$@\" & wait $!";
    let words = [setsid.to_str().expect("UTF-8"), "-c", SHELL, "-c", script];
    let server = Launch::of(&["framed"])
        .wrapper(&words)
        .stdin(slave.try_clone().expect("a descriptor"))
        .stderr(slave)
        .start();
    // Logged, each of them.
    for _ in 0..3 {
        assert_eq!(server.connect("framed").ask("Hello"), "Message received successfully....");
    }
    // After the command: the state, the parent, the process group, the session, the terminal, and
    // the terminal's foreground process group; proc_pid_stat(5).
    let stat = server.proc_file("stat");
    let fields: Vec<&str> = stat.rsplit_once(") ").expect("a state").1.split(' ').collect();
    assert_ne!(fields[2], fields[5], "the server is not in the background: {stat}");
    assert_ne!(fields[4], "0", "the server has no terminal: {stat}");
}

/// Takes what chargen sends, for as long as it sends, and keeps nothing of it.
pub(crate) struct Reader {
    bytes: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Reader {
    pub(crate) fn start(mut client: Client) -> Reader {
        let bytes = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&bytes);
        let read = move || {
            let mut chunk = vec![0; 1 << 18];
            while let Ok(count @ 1..) = client.stream.read(&mut chunk) {
                counter.fetch_add(count as u64, Ordering::Relaxed);
            }
        };
        Reader { bytes, thread: thread::spawn(read) }
    }

    /// Waits for a log line. A second of processor time takes long on a busy machine; so what has a
    /// deadline is that more is read, which ends when the kernel has killed the server.
    pub(crate) fn wait_for_log(&self, server: &Server, text: &str) {
        let bytes = || self.bytes.load(Ordering::Relaxed);
        while server.log().containing(text).is_empty() {
            let before = bytes();
            eventually(&format!("{text:?} in the log, or more to read"), || {
                let is_over = bytes() > before || !server.log().containing(text).is_empty();
                is_over.then_some(())
            });
        }
    }

    /// Waits for the end of the stream.
    pub(crate) fn finish(self) {
        self.thread.join().expect("the reading thread");
    }
}

#[test]
fn field_server_01_a_server_at_its_limit_of_processor_time_drains() {
    let script = "ulimit -t 2; exec \"$0\" \"$@\"";
    let mut server = Launch::of(&["chargen", "framed"]).wrapper(&[SHELL, "-c", script]).start();
    let reader = Reader::start(server.connect("chargen"));
    reader.wait_for_log(&server, "the CPU time limit is nearly reached");
    reader.finish();
    assert_eq!(server.wait_for_exit().code(), Some(0));
    server.wait_for_log("stopped: 1 connection");
}

#[cfg(feature = "client")]
mod client {
    use super::*;
    use crate::support::lines::Lines;
    use crate::support::readyc::{self, READYC};
    use crate::support::tools::{Input, Process};
    use std::process::Stdio;

    #[test]
    fn field_server_01_no_signal_of_the_table_ends_a_client() {
        let server = Server::start(&["framed"]);
        let address = server.address("framed").to_string();
        let mut command = readyc::command(&["--server", &address, "stats", "--watch", "1ms"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::start(&mut command);
        let lines = Lines::of(process.child.stdout.take().expect("standard output is a pipe"));
        // Until it has reached `main`, it has what it has inherited.
        lines.wait("the first line", |lines| (!lines.is_empty()).then_some(()));
        for number in numbers_of_survivable(|row| row.client) {
            let before = lines.all().len();
            send(process.id(), number);
            let what = format!("a line after signal {number}");
            lines.wait(&what, |lines| (lines.len() > before + 1).then_some(()));
        }
        assert!(!process.has_ended());
    }

    #[test]
    fn field_server_01_a_report_over_the_limit_of_file_sizes_is_an_error_that_names_it() {
        let scratch = Scratch::new();
        let report = scratch.write("report.json", include_str!("report.json"));
        let merged = scratch.path("merged.json");
        let mut command = Command::new(SHELL);
        command.args(["-c", "ulimit -f 1; exec \"$0\" \"$@\"", READYC, "merge"]);
        command.arg(&report).arg("-o").arg(&merged);
        let output = tools::run(&mut command, Input::Whole(b""));
        let stderr = String::from_utf8_lossy(&output.stderr);
        let complaint = format!("readyc: cannot write {}: File too large", merged.display());
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.starts_with(&complaint), "{stderr}");
        assert!(fs::metadata(&merged).is_err(), "half a report was left");
    }

    #[test]
    fn field_server_01_a_load_run_in_the_background_of_a_script_is_not_interrupted() {
        let server = Server::start(&["framed"]);
        let mut command = Command::new(SHELL);
        command.args([
            "-c",
            "trap '' INT; exec \"$0\" \"$@\"",
            READYC,
            "bench",
            "-d",
            "1s",
            "-c",
            "2",
        ]);
        command.arg(server.address("framed").to_string()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::start(&mut command);
        let report = Lines::of(process.child.stdout.take().expect("standard output is a pipe"));
        server.wait_for_statistic("connections_open", 2);
        send(process.id(), Signal::SIGINT as i32);
        let status = process.wait();
        let report = report.wait_for_end().join("\n");
        assert!(!report.contains("interrupted"), "{status}: {report}");
    }

    #[test]
    fn field_server_01_a_load_run_at_its_limit_of_processor_time_still_reports() {
        let server = Server::start(&["framed"]);
        let mut command = Command::new(SHELL);
        command.args(["-c", "ulimit -t 2; exec \"$0\" \"$@\"", READYC, "bench", "-d", "1h"]);
        command.arg(server.address("framed").to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::start(&mut command);
        let report = Lines::of(process.child.stdout.take().expect("standard output is a pipe"));
        // As of a server: what has a deadline is that it goes on.
        while !process.has_ended() {
            let before = server.statistics().get("requests");
            eventually("the end, or more requests", || {
                let is_over = process.has_ended() || server.statistics().get("requests") > before;
                is_over.then_some(())
            });
        }
        let report = report.wait_for_end().join("\n");
        assert_eq!(process.wait().code(), Some(3), "{report}");
        assert!(report.contains("the CPU time limit was reached"), "{report}");
    }
}
