//! `readyc trace diff`: where two runs of the same work part.

use crate::recording::recorded;
use crate::support::Scratch;
use crate::support::readyc::{Ended, command, run};
use std::path::{Path, PathBuf};

/// The trace of a server that is asked twice and then left alone or not.
fn trace(scratch: &Scratch, arguments: &[&str], is_patient: bool) -> PathBuf {
    let (server, path) = recorded(scratch, arguments);
    let mut client = server.connect("framed");
    assert_eq!(client.ask("ECHO once"), "once");
    assert_eq!(client.ask("ECHO twice"), "twice");
    if is_patient {
        server.wait_for_statistic("closed_idle_timeout", 1);
    } else {
        drop(client);
        server.wait_for_statistic("closed_peer_closed", 1);
    }
    drop(server);
    path
}

fn diff(arguments: &[&Path]) -> Ended {
    let arguments: Vec<&str> = arguments.iter().map(|it| it.to_str().expect("UTF-8")).collect();
    run(&mut command(&[&["trace", "diff"], &arguments[..]].concat()), b"")
}

#[test]
fn two_runs_part_where_one_has_a_timeout() {
    let scratches = [Scratch::new(), Scratch::new()];
    let a = trace(&scratches[0], &[], false);
    let b = trace(&scratches[1], &["--idle-timeout", "300ms"], true);
    let ended = diff(&[&a, &b]);
    assert_eq!(ended.status, Some(3), "{ended:?}");
    assert_eq!(ended.stderr, "readyc: the traces are not the same\n");
    let text = ended.stdout;
    assert!(text.contains("first divergence: connection 1, after "), "{text}");
    let line = |begin: &str| text.lines().find(|line| line.starts_with(begin)).expect("a line");
    assert!(line("> A ").contains("#1 event") && line("> A ").contains("readable, FIN"), "{text}");
    assert!(line("> B ").ends_with("the idle timeout has passed"), "{text}");
    let end = "in the end, A: 2 requests, ";
    assert!(line("in the end").starts_with(end), "{text}");
    let page = scratches[0].path("page.html");
    let arguments = ["trace", "diff", a.to_str().expect("UTF-8"), b.to_str().expect("UTF-8")];
    let html = ["--html", page.to_str().expect("UTF-8")];
    let ended = run(&mut command(&[&arguments[..], &html].concat()), b"");
    assert_eq!(ended.status, Some(3), "{ended:?}");
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.contains("the first divergence: #1 event"));
}

#[test]
fn a_trace_is_the_same_as_itself() {
    let scratch = Scratch::new();
    let a = trace(&scratch, &[], false);
    let ended = diff(&[&a, &a]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.stdout.contains("\n1 connection compared: "), "{ended:?}");
    let strace = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace/strace/node.txt");
    let ended = diff(&[&strace, &strace]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let foreign = scratch.write("foreign", "hello\n");
    let why = "this is no trace of readyd (docs/trace-format.md)";
    let why = format!("cannot read the trace {}: {why}", foreign.display());
    assert_eq!(diff(&[&a, &foreign]), Ended::failed(1, &why));
}
