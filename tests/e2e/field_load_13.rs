//! The files of a load run: opened before it, complete or untouched after it.

use crate::support::readyc::{self, Ended, nobody_listens};
use crate::support::tools::SHELL;
use crate::support::{Scratch, Server};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use readyd::os::signals::is_ignored;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

fn path_of(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

/// A short load of `target`.
fn bench(target: impl ToString, arguments: &[&str]) -> Ended {
    let target = target.to_string();
    let words = [&["bench", "-c", "2", "-n", "20"], arguments, &[&target]].concat();
    readyc::run(&mut readyc::command(&words), b"")
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

#[test]
fn field_load_13_a_file_that_cannot_be_written_is_told_before_the_run() {
    // Nobody listens: a run that began would complain about that.
    let (_holder, nobody) = nobody_listens();
    let scratch = Scratch::new();
    let folder = path_of(&scratch.path(".")).to_owned();
    for flag in ["--json", "--csv", "--hdr", "--html"] {
        for (path, why) in [
            ("/no/such/directory/a", "No such file or directory"),
            (folder.as_str(), "is a directory"),
            ("/dev/null/a", "Not a directory"),
        ] {
            let ended = bench(nobody, &[flag, path]);
            assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""), "{flag} {ended:?}");
            let line = ended.stderr.to_lowercase();
            assert!(line.starts_with(&format!("readyc: cannot write {path}: ")), "{ended:?}");
            assert!(line.contains(&why.to_lowercase()) && line.lines().count() == 1, "{ended:?}");
        }
    }
}

#[test]
fn field_load_13_two_outputs_to_one_file_are_refused() {
    let (_holder, nobody) = nobody_listens();
    let scratch = Scratch::new();
    let old = scratch.write("old", "old");
    let (new, link) = (scratch.path("new"), scratch.path("link"));
    std::os::unix::fs::symlink("new", &link).expect("a link");
    let fifo = scratch.path("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO");
    for (one, other) in [(&old, &old), (&new, &new), (&new, &link), (&fifo, &fifo)] {
        let ended = bench(nobody, &["--json", path_of(one), "--csv", path_of(other)]);
        let why = "--json and --csv go to the same file, ";
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(why), "{ended:?}");
    }
    let ended = bench(nobody, &["--json", "-", "--html", "/dev/stdout"]);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert_eq!(fs::read(&old).expect("the file"), b"old");
    assert_eq!(names(&scratch.path(".")), ["fifo", "link", "old"]);
}

#[test]
fn field_load_13_the_text_does_not_go_into_a_file_of_the_report() {
    let (_holder, nobody) = nobody_listens();
    let scratch = Scratch::new();
    for redirection in ["> \"$2\"", "2> \"$2\""] {
        let file = scratch.write("out", "");
        let script = format!("\"$0\" bench -n 20 --json \"$2\" \"$1\" {redirection}");
        let mut shell = Command::new(SHELL);
        shell.args(["-c", &script, readyc::READYC, &nobody.to_string()]).arg(&file);
        let ended = readyc::run(&mut shell, b"");
        assert_eq!(ended.status, Some(2), "{redirection} {ended:?}");
    }
}

#[test]
fn field_load_13_fifos_and_standard_streams_are_written_as_they_are() {
    let (server, scratch) = (Server::start(&["framed"]), Scratch::new());
    let fifo = scratch.path("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO");
    let reader = thread::spawn({
        let fifo = fifo.clone();
        move || fs::read_to_string(fifo).expect("a report")
    });
    let ended = bench(server.address("framed"), &["-q", "--json", path_of(&fifo)]);
    assert_eq!(ended, Ended::well(""));
    assert!(reader.join().expect("the reader").ends_with("}\n"));
    for path in ["-", "/dev/stdout", "/dev/fd/1"] {
        let ended = bench(server.address("framed"), &["-q", "--csv", path]);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{path} {ended:?}");
        assert!(ended.stdout.starts_with("t_s,"), "{path} {ended:?}");
    }
    // A file behind /dev/stdout is appended to, and not replaced.
    let log = scratch.write("log", "before\n");
    let script = "\"$0\" bench -q -n 20 --csv /dev/stdout \"$1\" >> \"$2\"";
    let mut shell = Command::new(SHELL);
    let target = server.address("framed").to_string();
    shell.args(["-c", script, readyc::READYC, &target]).arg(&log);
    assert_eq!(readyc::run(&mut shell, b""), Ended::well(""));
    let log = fs::read_to_string(&log).expect("the file");
    assert!(log.starts_with("before\nt_s,"), "{log}");
    assert_eq!(names(&scratch.path(".")), ["fifo", "log"]);
}

#[test]
fn field_load_13_a_fifo_that_nobody_reads_does_not_hold_up_the_rest() {
    let (server, scratch) = (Server::start(&["framed"]), Scratch::new());
    let fifo = scratch.path("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO");
    let csv = scratch.path("csv");
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        if is_ignored(signal).expect("this process's signals") {
            eprintln!("SKIPPED: {signal}, because this process was told to ignore it");
            continue;
        }
        let mut run = readyc::command(&["bench", "-c", "2", "-n", "20"]);
        run.arg(server.address("framed").to_string());
        run.arg("--json").arg(&fifo).arg("--csv").arg(&csv).stdout(Stdio::piped());
        let mut run = run.spawn().expect("start readyc");
        let text = BufReader::new(run.stdout.take().expect("a pipe"));
        let verdict = text.lines().map_while(Result::ok).find(|line| line.starts_with("verdict"));
        assert!(verdict.is_some_and(|line| line.contains("OK")));
        assert!(fs::read_to_string(&csv).expect("the file").starts_with("t_s,"));
        kill(Pid::from_raw(run.id().cast_signed()), signal).expect("it waits for a reader");
        let status = run.wait().expect("its end");
        assert_eq!(status.signal(), Some(signal as i32), "{status:?}");
    }
}

#[test]
fn field_load_13_quiet_prints_nothing_but_in_what_a_run_fell_short() {
    let server = Server::start(&["framed"]);
    assert_eq!(bench(server.address("framed"), &["-q"]), Ended::well(""));
    let silent = readyc::stand_in(|mut client| {
        client.read_frame();
    });
    let ended = bench(silent, &["-q", "--no-reconnect"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(3), ""), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(ended.stderr.starts_with("readyc: did not achieve what was asked for: "), "{ended:?}");
    assert!(ended.stderr.contains("never answered"), "{ended:?}");
}
