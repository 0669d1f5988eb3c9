//! `readyc trace --perfetto`: Perfetto's own classes find in it what happened.

use crate::recording::{entries, recorded, trace};
use crate::support::readyc::{command, run};
use crate::support::tools::{self, Input};
use crate::support::{Scratch, eventually};
use readyd::trace::event::Event;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python that has the package `perfetto`: the one that CI makes, or else the usual one.
fn python() -> Option<PathBuf> {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/perfetto/bin/python3");
    let python = if made.is_file() { made } else { tools::find("python3")? };
    let mut import = Command::new(&python);
    import.args(["-c", "import perfetto.protos.perfetto.trace.perfetto_trace_pb2"]);
    let has_it = tools::run(&mut import, Input::Whole(b"")).status.success();
    if !has_it {
        tools::skip("no package perfetto in Python: python3 -m venv target/tools/perfetto, pip");
    }
    has_it.then_some(python)
}

/// What is in a trace for Perfetto: counts by names.
fn counts(python: &Path, file: &Path) -> BTreeMap<String, u64> {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace/perfetto_reader.py");
    let output = tools::run(Command::new(python).arg(reader).arg(file), Input::Whole(b""));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    let count = |line: &str| {
        let (count, name) = line.split_once(' ').expect("a count and a name");
        (name.to_owned(), count.parse().expect("a count"))
    };
    lines.lines().map(count).collect()
}

#[test]
fn a_trace_is_the_same_in_perfetto() {
    let Some(python) = python() else { return };
    let scratch = Scratch::new();
    let (server, path) = recorded(&scratch, &[]);
    let mut client = server.connect("framed");
    for _ in 0..50 {
        assert_eq!(client.ask("ECHO again"), "again");
    }
    let slow = server.connect("chargen");
    server.wait_for_standstill();
    drop((slow, client));
    server.wait_for_statistic("connections_open", 0);
    eventually("both ends in the trace", || {
        let closed = |event: &Event| matches!(event, Event::Closed { .. });
        let entries = entries(&path);
        (entries.iter().filter(|entry| closed(&entry.event)).count() == 2).then_some(())
    });
    drop(server);
    let out = scratch.path("out.perfetto");
    let ended = trace(&path, &["--perfetto", &out.display().to_string()]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    let counts = counts(&python, &out);
    let sum = |begin: &str| -> u64 {
        let of_it = counts.iter().filter(|(name, _)| name.starts_with(begin));
        of_it.map(|(_, count)| count).sum()
    };
    let events: Vec<Event> = entries(&path).into_iter().map(|entry| entry.event).collect();
    let count = |is: fn(&Event) -> bool| events.iter().filter(|event| is(event)).count() as u64;
    assert_eq!(sum("turn"), count(|event| matches!(event, Event::TurnBegan { .. })));
    assert_eq!(sum("visit: "), count(|event| matches!(event, Event::Visit { .. })));
    assert_eq!(sum("recv: "), count(|event| matches!(event, Event::Received { .. })));
    assert_eq!(sum("send: "), count(|event| matches!(event, Event::Sent { .. })));
    assert_eq!(sum("accepted"), 2);
    let moved = events.iter().map(|event| match event {
        Event::Sent { moved, .. } => u64::from(*moved),
        _ => 0,
    });
    assert_eq!(counts["bytes of send"], moved.sum::<u64>());
    assert!(counts["arrows event > send > visit"] >= 49, "{counts:#?}");
    assert!(counts["producing"] >= 1, "{counts:#?}");
    assert!(sum("track bytes to send of #2 127.0.0.1:") == 1, "{counts:#?}");
}

#[test]
fn a_recording_of_strace_is_one_in_perfetto_too() {
    let Some(python) = python() else { return };
    let scratch = Scratch::new();
    let out = scratch.path("out.perfetto").display().to_string();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace/strace");
    for name in ["redis", "memcached", "nginx", "haproxy", "asyncio", "node", "poll", "select"] {
        let file = folder.join(format!("{name}.txt")).display().to_string();
        let ended = run(&mut command(&["trace", "import", &file, "--perfetto", &out]), b"");
        assert_eq!(ended.status, Some(0), "{name}: {ended:?}");
        let counts = counts(&python, Path::new(&out));
        assert!(counts.keys().any(|name| name.starts_with("track #1 ")), "{name}: {counts:#?}");
    }
}
