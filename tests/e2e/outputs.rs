//! What was asked for and cannot be written is a failure: a script that reads the status must not
//! take a full disk for success. An output that its reader has closed is none.

use crate::support::server::READYD;
use crate::support::tools::{Process, SHELL};
use crate::support::{Client, lines::Lines};
use nix::sys::signal::{Signal, kill};
use std::fs::{File, OpenOptions};
use std::io;
use std::process::{Command, ExitStatus, Stdio};

/// A device on which every write fails with ENOSPC, full(4).
fn full_disk() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("a device that is full")
}

/// The writing end of a pipe that no process reads.
fn closed_pipe() -> io::PipeWriter {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    writer
}

/// Runs a command with this standard output; returns its status and what it says on standard error.
fn run(command: &mut Command, stdout: impl Into<Stdio>) -> (ExitStatus, String) {
    command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
    let mut process = Process::start(command);
    let stderr = Lines::of(process.child.stderr.take().expect("standard error is a pipe"));
    (process.wait(), stderr.wait_for_end().join("\n"))
}

fn readyd(arguments: &[&str], stdout: impl Into<Stdio>) -> (ExitStatus, String) {
    run(Command::new(READYD).args(arguments), stdout)
}

const DISK_IS_FULL: &str = "cannot write to standard output: No space left on device";

#[test]
fn field_server_17_what_the_server_cannot_print_is_a_failure() {
    for arguments in [["--help"], ["-h"], ["--version"], ["-V"], ["--check-config"]] {
        let (status, stderr) = readyd(&arguments, full_disk());
        assert_eq!(status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with(&format!("readyd: {DISK_IS_FULL}")), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        // As in `readyd --help | head -1`.
        let (status, stderr) = readyd(&arguments, closed_pipe());
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

/// Runs a program whose standard output is closed, or open for reading only.
fn without_output(how: &str, program: &str, arguments: &[&str]) -> (ExitStatus, String) {
    let script = format!("exec \"$0\" \"$@\" {how}");
    run(Command::new(SHELL).args(["-c", &script, program]).args(arguments), Stdio::null())
}

const NO_OUTPUT: [(&str, &str); 2] =
    [(">&-", "it is closed"), ("1</dev/null", "it is open for reading only")];

#[test]
fn field_server_17_a_standard_output_that_is_closed_is_a_failure_like_a_full_one() {
    let addresses: &[&str] = &["--listen", "echo=127.0.0.1:0", "--print-addresses"];
    for (how, why) in NO_OUTPUT {
        for arguments in [
            &["--help"] as &[&str],
            &["--version"],
            &["--check-config"],
            addresses,
            &[addresses, &["--shards", "2"]].concat(),
        ] {
            let (status, stderr) = without_output(how, READYD, arguments);
            assert_eq!(status.code(), Some(1), "{arguments:?} {how}: {stderr}");
            let complaint = format!("readyd: cannot write to standard output: {why} (redirect it");
            let last = stderr.lines().last().expect("a complaint");
            assert!(last.starts_with(&complaint), "{arguments:?}: {stderr}");
        }
    }
}

/// Some parent processes open it with O_RDWR, as the standard library does for one that is closed.
#[test]
fn field_server_17_dev_null_is_a_standard_output_like_any_other() {
    for how in [">/dev/null", "1<>/dev/null", ">>/dev/null"] {
        for flag in ["--help", "--version", "--check-config"] {
            let (status, stderr) = without_output(how, READYD, &[flag]);
            assert_eq!((status.code(), stderr.as_str()), (Some(0), ""), "{flag} {how}");
        }
    }
    // One that prints nothing needs none.
    let arguments = ["--listen", "echo=127.0.0.1:0", "--exit-on-idle", "10ms"];
    for how in [">&-", ">&- <&-"] {
        let (status, stderr) = without_output(how, READYD, &arguments);
        assert_eq!(status.code(), Some(0), "{stderr}");
    }
}

#[test]
fn field_server_17_addresses_that_cannot_be_printed_end_the_server_before_it_serves() {
    for shards in ["1", "2"] {
        let arguments = ["--listen", "echo=127.0.0.1:0", "--print-addresses", "--shards", shards];
        let (status, stderr) = readyd(&arguments, full_disk());
        assert_eq!(status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(DISK_IS_FULL), "{stderr}");
        assert!(!stderr.contains(" connected ("), "{stderr}");
        // The script that was to read them has ended.
        let (status, stderr) = readyd(&arguments, closed_pipe());
        assert_eq!(status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("cannot write to standard output: Broken pipe"), "{stderr}");
    }
}

#[test]
fn field_server_17_a_server_that_prints_nothing_needs_no_standard_output() {
    let mut command = Command::new(READYD);
    command.args(["--listen", "framed=127.0.0.1:0"]).env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(full_disk()).stderr(Stdio::piped());
    let mut server = Process::start(&mut command);
    let log = Lines::of(server.child.stderr.take().expect("a pipe"));
    let listening = log.wait_for("listening framed ");
    let (_, address) = listening.rsplit_once(' ').expect("an address");
    let mut client = Client::connect(address.parse().expect("IP:PORT"));
    assert_eq!(client.ask("ECHO still here"), "still here");
    drop(client);
    kill(server.id(), Signal::SIGTERM).expect("send a signal");
    assert_eq!(server.wait().code(), Some(0));
}

#[cfg(feature = "client")]
mod client {
    use super::*;
    use crate::support::readyc;
    use crate::support::{Scratch, Server};

    fn run_all(server: &str, report: &str, stdout: impl Fn() -> Stdio) -> Vec<(String, Outcome)> {
        run_each(server, report, |words| run(&mut readyc::command(words), stdout()))
    }

    fn run_each(
        server: &str,
        report: &str,
        run: impl Fn(&[&str]) -> Outcome,
    ) -> Vec<(String, Outcome)> {
        let commands = [
            "--help",
            "--version",
            "bench --help",
            "echo hello",
            "echo hello --sessions 2",
            "daytime",
            "lookup 165.165.80.80",
            "whoami",
            "stats",
            "stats --watch 1ms",
            "stats --watch 1ms --json",
            "send hello",
            "sync",
            "doctor -c 1",
            "doctor -c 1 --json",
            "bench -n 10 -c 1",
            "bench -n 10 -c 1 --json -",
            "bench -n 10 -c 1 --csv -",
            "bench -n 10 -c 1 --hdr -",
            "bench -n 10 -c 1 --html -",
            "compare REPORT REPORT",
            "merge REPORT",
        ];
        let run_one = |line: &str| {
            let words = about_the_server(line, server).into_iter().chain(line.split(' '));
            let words: Vec<&str> =
                words.map(|word| if word == "REPORT" { report } else { word }).collect();
            (line.to_owned(), run(&words))
        };
        commands.into_iter().map(run_one).collect()
    }

    type Outcome = (ExitStatus, String);

    /// What stands before a command that has a server.
    fn about_the_server<'a>(command: &str, server: &'a str) -> Vec<&'a str> {
        match command.split(' ').next() {
            Some("compare" | "merge") => Vec::new(),
            _ => vec!["--server", server],
        }
    }

    #[test]
    fn field_server_17_what_the_client_cannot_print_is_a_failure() {
        let scratch = Scratch::new();
        let report = scratch.write("report.json", include_str!("report.json"));
        let report = report.to_str().expect("UTF-8");
        let server = Server::start(&["framed"]);
        let address = server.address("framed").to_string();
        for (command, (status, stderr)) in run_all(&address, report, || full_disk().into()) {
            assert_eq!(status.code(), Some(1), "{command}: {stderr}");
            // A load run whose report could not be stored prints it beside that.
            let last = stderr.lines().last().expect("a complaint");
            assert!(
                last.starts_with("readyc: cannot write to standard output"),
                "{command}: {stderr}"
            );
            assert!(last.contains("No space left on device"), "{command}: {stderr}");
        }
        for (command, (status, stderr)) in run_all(&address, report, || closed_pipe().into()) {
            assert_eq!(status.code(), Some(0), "{command}: {stderr}");
            assert!(!stderr.contains("Broken pipe"), "{command}: {stderr}");
        }
    }

    #[test]
    fn field_server_17_what_the_client_would_print_to_a_closed_output_is_a_failure() {
        let scratch = Scratch::new();
        let report = scratch.write("report.json", include_str!("report.json"));
        let report = report.to_str().expect("UTF-8");
        let server = Server::start(&["framed"]);
        let address = server.address("framed").to_string();
        for (how, why) in NO_OUTPUT {
            let run = |words: &[&str]| without_output(how, readyc::READYC, words);
            for (command, (status, stderr)) in run_each(&address, report, run) {
                assert_eq!(status.code(), Some(1), "{command} {how}: {stderr}");
                let complaint = format!("readyc: cannot write to standard output: {why} (redirect");
                let last = stderr.lines().last().expect("a complaint");
                assert!(last.starts_with(&complaint), "{command} {how}: {stderr}");
            }
            // What prints nothing needs none; and a wrong command line is told elsewhere.
            let merged = scratch.path("merged.json");
            let merged = merged.to_str().expect("UTF-8");
            assert_eq!(run(&["merge", report, "-o", merged]).0.code(), Some(0));
            assert_eq!(run(&["nonsense"]).0.code(), Some(2));
        }
    }

    #[test]
    fn field_server_17_a_file_that_cannot_be_written_is_a_failure_that_names_it() {
        let scratch = Scratch::new();
        let report = scratch.write("report.json", include_str!("report.json"));
        let report = report.to_str().expect("UTF-8");
        let server = Server::start(&["framed"]);
        let address = server.address("framed").to_string();
        let bench = |option| ["bench", "-n", "10", "-c", "1", option, "/dev/full"].to_vec();
        let commands = [
            bench("--json"),
            bench("--csv"),
            bench("--hdr"),
            bench("--html"),
            vec!["compare", report, report, "--html", "/dev/full"],
            vec!["merge", report, "-o", "/dev/full"],
        ];
        for command in commands {
            let words = [about_the_server(command[0], &address), command].concat();
            let (status, stderr) = run(&mut readyc::command(&words), Stdio::null());
            assert_eq!(status.code(), Some(1), "{words:?}: {stderr}");
            let complaint = "readyc: cannot write to /dev/full: No space left on device";
            assert!(stderr.contains(complaint), "{words:?}: {stderr}");
        }
    }
}
