//! `readyc trace import`: recordings that strace made of other servers.

use crate::support::Scratch;
use crate::support::readyc::{Ended, command, run};
use std::path::PathBuf;

/// A recording that is kept with the tests.
fn recording(name: &str) -> String {
    let path = format!("tests/trace/strace/{name}.txt");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path).display().to_string()
}

fn import(arguments: &[&str]) -> Ended {
    run(&mut command(&[&["trace", "import"], arguments].concat()), b"")
}

#[test]
fn a_short_write_of_another_server_is_told() {
    let ended = import(&[&recording("node"), "--connection", "2", "--between", "1.8..2.2"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let short = "#2 send 4096000 of 8000001 bytes: would block, the peer has no room; event 15\n";
    assert!(ended.stdout.contains(short), "{}", ended.stdout);
    assert!(ended.stdout.contains("#2 event 21: writable\n"), "{}", ended.stdout);
}

#[test]
fn each_thread_that_waits_is_a_loop() {
    let file = recording("memcached");
    let ended = import(&[&file, "--summary"]);
    let note = "note: 3 threads wait for events, each is a loop; all are shown: thread 7032: ";
    assert!(ended.stderr.starts_with(note), "{ended:?}");
    assert_eq!(ended.stdout.matches("\nlongest turn ").count(), 3, "{}", ended.stdout);
    let one = import(&[&file, "--summary", "--thread", "7034"]);
    assert!(one.stdout.contains("send: 16, 4 ended because the peer had no room"), "{one:?}");
    let none = import(&[&file, "--thread", "1"]);
    let why = "thread 1 waits for no events in this recording; these do: 7032, 7034, 7035";
    assert_eq!(none, Ended::failed(2, why));
}

#[test]
fn what_is_no_recording_is_refused_in_a_sentence() {
    let scratch = Scratch::new();
    let refused = |content: &str| {
        let path = scratch.write("recording", content);
        let ended = import(&[&path.display().to_string()]);
        assert_eq!(ended.status, Some(1), "{ended:?}");
        let begin = format!("readyc: cannot read the recording {}: ", path.display());
        let why = ended.stderr.strip_prefix(&begin).expect("why").to_owned();
        (ended.stdout, why)
    };
    let (_, why) = refused("hello\n");
    assert!(why.starts_with("this is no recording of strace with times (strace -f "), "{why}");
    let (_, why) = refused("1.5 read(0, \"\", 1) = 0\n");
    assert!(why.starts_with("no thread waits for events with epoll_wait, poll or select"), "{why}");
    let wait = "1.5 epoll_wait(3, [], 1, 0) = 0\n";
    let (told, why) = refused(&format!("{wait}printed by the program\n"));
    assert_eq!(told, "0.000000000 turn: 0 events after 0 ns\n");
    assert!(why.starts_with("line 2 was not written by strace"), "{why}");
    let (told, why) = refused(&format!("{wait}1.6 epoll_wait(3, ["));
    assert_eq!(told, "0.000000000 turn: 0 events after 0 ns\n");
    assert!(why.starts_with("the last line is cut off"), "{why}");
}

#[test]
fn a_page_of_another_server_has_its_loops() {
    let scratch = Scratch::new();
    let page = scratch.path("page.html");
    let out = page.display().to_string();
    let ended = import(&[&recording("nginx"), "--html", &out]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("the page has "), "{ended:?}");
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.contains("thread 8471: 7 turns, 2 connections"));
    assert!(page.contains("fd 7, 127.0.0.1:54844"));
}
