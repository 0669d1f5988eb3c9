//! `readyd --capture` and `readyc replay`: the same server again, what ends a capture, and what is
//! said of files that are none.

use crate::support::readyc::{Ended, command, run};
use crate::support::tools::SHELL;
use crate::support::{Launch, Scratch, Server, eventually};
use nix::sys::signal::{Signal, kill};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A server that is captured.
fn captured(scratch: &Scratch, arguments: &[&str]) -> (Server, PathBuf) {
    let path = scratch.path("capture");
    let value = path.to_str().expect("UTF-8");
    let services = ["framed", "lookup", "chargen", "daytime"];
    let arguments = [&["--capture", value], arguments].concat();
    (Launch::of(&services).args(&arguments).start(), path)
}

fn replay(path: &Path, arguments: &[&str]) -> Ended {
    let path = path.to_str().expect("UTF-8");
    run(&mut command(&[&["replay", path], arguments].concat()), b"")
}

/// The first line of a replay that found no difference.
fn same(path: &Path, arguments: &[&str]) -> String {
    let ended = replay(path, arguments);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    ended.stdout.lines().next().expect("a line").to_owned()
}

/// Some of each service, a reload and a report.
fn use_all(server: &Server) {
    let mut client = server.connect("framed");
    for request in ["ECHO hello", "LOOKUP 165.165.80.80", "TIME", "WHOAMI", "DAYTIME", "STATS"] {
        client.ask(request);
    }
    server.signal(Signal::SIGHUP);
    let large = "x".repeat(300_000);
    assert_eq!(client.ask(&format!("ECHO {large}")), large);
    let mut lookup = server.connect("lookup");
    lookup.send(b"165.165.79.1\n");
    lookup.expect("8A:BC:E3:FA");
    server.connect("daytime").read_to_end();
    let mut chargen = server.connect("chargen");
    chargen.read(200_000);
    chargen.reset();
    client.send(b"no frame");
    client.finish_sending();
    client.read_to_end();
    drop(lookup);
    server.wait_for_statistic("connections_open", 0);
}

#[test]
fn a_captured_server_runs_again_call_by_call() {
    let scratch = Scratch::new();
    let (mut server, path) = captured(&scratch, &[]);
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    use_all(&server);
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    let line = same(&path, &[]);
    assert!(line.starts_with("the same: ") && line.contains("; 4 connections, "), "{line}");
    assert!(line.ends_with("; then the server stopped"), "{line}");
    assert_eq!(same(&path, &["--level", "exact"]), line);
    same(&path, &["--level", "outcome"]);
    let trace = scratch.path("trace");
    let trace = trace.to_str().expect("UTF-8");
    same(&path, &["--trace", trace]);
    let summary = run(&mut command(&["trace", trace, "--summary"]), b"").stdout;
    assert!(summary.contains("\n4 connections accepted, 4 closed\n"), "{summary}");
}

#[test]
fn a_trace_of_a_replay_has_payload_if_it_is_asked_for() {
    let scratch = Scratch::new();
    let (mut server, path) = captured(&scratch, &[]);
    let mut client = server.connect("framed");
    let long = "x".repeat(200);
    assert_eq!(client.ask(&format!("ECHO \u{1b}[31m{long}")), format!("\u{1b}[31m{long}"));
    drop(client);
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    for level in ["exact", "outcome"] {
        let trace = scratch.path(level);
        let plain = trace.to_str().expect("UTF-8");
        same(&path, &["--level", level, "--trace", plain]);
        let told = run(&mut command(&["trace", plain]), b"").stdout;
        assert!(!told.contains("received \""), "{told}");
        same(&path, &["--level", level, "--trace", &format!("{plain},payload")]);
        let told = run(&mut command(&["trace", plain]), b"").stdout;
        // The header of 64 bytes and the begin of the body, and no more; nothing steers a terminal.
        assert!(told.contains("received \"ECHO \\x1b[31mxxx"), "{told}");
        assert!(!told.contains('\u{1b}') && told.contains("sent \"\\x1b[31mxxx"), "{told}");
        assert_eq!(told.matches(" received \"").count(), 4, "{told}");
        let page = run(&mut command(&["trace", plain, "--html", "-"]), b"").stdout;
        assert!(page.contains(r"ECHO \\x1b[31mxxx"), "the text of the call");
        // It is as private as the capture.
        let mode = fs::metadata(&trace).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_server_that_was_killed_runs_again_up_to_there() {
    let scratch = Scratch::new();
    let (mut server, path) = captured(&scratch, &[]);
    let mut client = server.connect("framed");
    assert_eq!(client.ask("ECHO last words"), "last words");
    let is_written = || {
        let line = same(&path, &[]);
        (line.contains("1 connection, 79 bytes in, ")).then_some(line)
    };
    let line = eventually("the request in the capture", is_written);
    assert!(line.ends_with("; then the capture is cut off"), "{line}");
    server.signal(Signal::SIGKILL);
    server.wait_for_exit();
    // What was captured before any byte of it was lost.
    let whole = fs::read(&path).expect("a file");
    for end in (0..whole.len()).step_by(whole.len() / 10) {
        let cut = scratch.write_bytes("cut", &whole[..end]);
        let ended = replay(&cut, &[]);
        let is_one_line = ended.stderr.lines().count() == usize::from(ended.status != Some(0));
        assert!(matches!(ended.status, Some(0 | 1)) && is_one_line, "{end}: {ended:?}");
    }
}

#[test]
fn a_capture_ends_at_its_size_and_the_server_serves_on() {
    let scratch = Scratch::new();
    let path = scratch.path("capture");
    let value = format!("{},size=64KiB", path.display());
    let mut server = Launch::of(&["framed"]).args(&["--capture", &value]).start();
    let mut client = server.connect("framed");
    let text = "y".repeat(10_000);
    for _ in 0..20 {
        assert_eq!(client.ask(&format!("ECHO {text}")), text);
    }
    let line = server.wait_for_log("ends here: its size is reached");
    assert!(line.contains(" WARN ") && line.contains(path.to_str().expect("UTF-8")), "{line}");
    drop(client);
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    assert!(fs::metadata(&path).expect("a file").len() <= 64 << 10);
    let line = same(&path, &[]);
    assert!(line.ends_with("; then the capture had reached its size"), "{line}");
}

#[test]
fn a_capture_ends_with_the_disk_and_the_server_serves_on() {
    // No file may have more than 8 blocks of 512 bytes: as when the disk is full.
    let scratch = Scratch::new();
    let path = scratch.path("capture");
    let script = "ulimit -f 8; exec \"$0\" \"$@\"";
    let launch = Launch::of(&["framed"]).wrapper(&[SHELL, "-c", script]);
    let mut server = launch.path("--capture", &path).start();
    let mut client = server.connect("framed");
    let text = "z".repeat(3000);
    eventually("the end of the capture", || {
        assert_eq!(client.ask(&format!("ECHO {text}")), text);
        let is_told = |lines: &[String]| lines.iter().any(|line| line.contains("ends here: "));
        is_told(&server.log().all()).then_some(())
    });
    drop(client);
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    let line = same(&path, &[]);
    assert!(line.ends_with("; then the capture is cut off"), "{line}");
}

#[test]
fn each_shard_has_a_capture_and_the_environment_asks_for_one_as_well() {
    let scratch = Scratch::new();
    let value = scratch.path("capture-%p");
    let launch = Launch::of(&["framed"]).env("READYD_CAPTURE", &value);
    let mut server = launch.args(&["--shards", "2"]).start();
    for _ in 0..4 {
        let mut client = server.connect("framed");
        assert!(client.ask("STATS").contains("shards 2"));
    }
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    let folder = value.parent().expect("a folder");
    let files =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort_by_key(|path| path.extension().map(ToOwned::to_owned));
    let extensions: Vec<_> = files.iter().map(|path| path.extension().expect("a shard")).collect();
    assert_eq!(extensions, ["1", "2"]);
    for path in &files {
        assert!(same(path, &[]).ends_with("; then the server stopped"));
        same(path, &["--level", "outcome"]);
    }
}

/// Its supervisor would start one after the other otherwise.
#[test]
fn a_successor_that_cannot_be_captured_serves() {
    let scratch = Scratch::new();
    let table = scratch.write("table", "colour red\n");
    let path = scratch.path("capture");
    let value = format!("{},size=64KiB", path.display());
    let launch = Launch::of(&["framed"]).path("--table", &table);
    let server = launch.args(&["--shards", "2", "--capture", &value]).start();
    let shards = eventually("shards", || Some(server.shards()).filter(|all| all.len() == 2));
    scratch.write("table", &format!("colour {}\n", "blue".repeat(1 << 16)));
    server.signal(Signal::SIGHUP);
    server.wait_for_log("table reloaded: 1 key");
    kill(shards[0], Signal::SIGKILL).expect("signal a shard");
    server.wait_for_log(&format!("serving without --capture {}.", path.display()));
    eventually("a successor", || {
        let now = server.shards();
        (now.len() == 2 && !now.contains(&shards[0])).then_some(())
    });
    assert!(server.connect("framed").ask("LOOKUP colour").starts_with("blueblue"));
    assert_eq!(server.log().containing("restarting").len(), 1);
}

#[test]
fn what_is_no_capture_or_of_another_build_gets_a_sentence() {
    let scratch = Scratch::new();
    let (mut server, path) = captured(&scratch, &[]);
    use_all(&server);
    server.signal(Signal::SIGTERM);
    server.wait_for_exit();
    let says = |path: &Path, what: &str| {
        let ended = replay(path, &[]);
        let why = format!("readyc: {}: {what}", path.display());
        assert_eq!(ended.status, Some(1));
        assert!(ended.stderr.starts_with(&why), "{ended:?}");
        assert_eq!((ended.stdout.as_str(), ended.stderr.lines().count()), ("", 1));
    };
    says(&scratch.write("none", "GET / HTTP/1.1"), "this is no capture of readyd");
    says(&scratch.write("empty", ""), "this is no capture of readyd");
    says(&scratch.path("missing"), "No such file");
    let file = File::options().write(true).open(&path).expect("a file");
    // The number of the build.
    file.write_all_at(&[1; 8], 16).expect("room");
    says(&path, "captured by another build of readyd (0.1.0)");
    same(&path, &["--level", "outcome"]);
    same(&path, &["--level", "exact"]);
    file.write_all_at(&[9], 8).expect("room");
    says(&path, "a capture of version 9 of the format");
}

#[test]
fn both_processes_of_an_upgrade_run_again() {
    let scratch = Scratch::new();
    let mut server = Launch::of(&["framed"]).path("--capture", &scratch.path("capture-%p")).start();
    let mut early = server.connect("framed");
    early.ask("STATS");
    let old = server.upgrade();
    let mut late = server.connect("framed");
    for client in [&mut early, &mut late] {
        let large = "x".repeat(300_000);
        assert_eq!(client.ask(&format!("ECHO {large}")), large);
        client.ask("STATS");
    }
    drop(early);
    server.wait_for_log("the old process has served its last client");
    late.ask("STATS");
    drop(late);
    let new = server.pid();
    server.signal(Signal::SIGTERM);
    server.wait_for_exit();
    for process in [old, new] {
        same(&scratch.path(&format!("capture-{process}")), &[]);
    }
}
