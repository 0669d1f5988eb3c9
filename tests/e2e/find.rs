//! `readyc bench --find` and `--goal`, against servers whose limit is known.

use crate::support::bench::bench;
use crate::support::readyc::{self, nobody_listens};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Echoes frames of up to `most` connections at once, and closes every other one at once.
fn server_for(most: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let open = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if open.fetch_add(1, Ordering::SeqCst) >= most {
                open.fetch_sub(1, Ordering::SeqCst);
                continue;
            }
            let open = Arc::clone(&open);
            thread::spawn(move || {
                echo(stream);
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    address
}

fn echo(mut stream: TcpStream) -> Option<()> {
    loop {
        let mut header = [0; 64];
        stream.read_exact(&mut header).ok()?;
        let length: usize = std::str::from_utf8(&header).ok()?.trim_end().parse().ok()?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        let text = body.strip_prefix(b"ECHO ")?;
        let frame = [format!("{:<64}", text.len()).as_bytes(), text].concat();
        stream.write_all(&frame).ok()?;
    }
}

/// Searches, and returns the status, the ladder and what was said beside it.
fn find(address: &str, arguments: &str) -> (Option<i32>, Value, String) {
    let mut command = readyc::command(&["bench", "--json", "-"]);
    command.arg(address).args(arguments.split_whitespace());
    // A search takes longer than other commands. --find-time bounds it.
    let ended = command.args(["--find-time", "100s"]).output().expect("readyc starts");
    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    let ladder = serde_json::from_slice(&ended.stdout)
        .unwrap_or_else(|error| panic!("{ended:?}: {error}; {stderr}"));
    (ended.status.code(), ladder, stderr)
}

#[test]
fn the_connections_that_a_server_holds_are_found() {
    let server = server_for(5);
    let (status, ladder, stderr) =
        find(&server, "--find connections --goal p99<500ms -c 4 --no-reconnect");
    assert_eq!(status, Some(0), "{ladder:#} {stderr}");
    assert_eq!(ladder["schema"], "readyc.find/1");
    assert_eq!((&ladder["held"], &ladder["missed"]), (&5.into(), &6.into()), "{ladder:#}");
    assert_eq!(ladder["ending"], "confirmed");
    assert!(stderr.contains("result: 5 connections held"), "{stderr}");
    assert!(stderr.contains("readyc: trying 4 connections\n"), "{stderr}");
    let rungs = ladder["rungs"].as_array().expect("a list");
    let held = rungs.iter().filter(|rung| rung["load"] == 5 && rung["outcome"] == "held");
    assert_eq!(held.count(), 4, "three confirmations: {ladder:#}");
}

/// A try at one request per second needs hours to know the percentile.
#[test]
fn a_search_that_runs_out_of_time_says_so() {
    let server = server_for(100);
    let arguments = "--find rate --goal p99<500ms --rate 1 -c 2 --progress none";
    let (status, ladder, stderr) = find(&server, arguments);
    assert_eq!(status, Some(3), "{stderr}");
    assert!(!stderr.contains("trying"), "{stderr}");
    assert_eq!((&ladder["ending"], &ladder["held"]), (&"out_of_time".into(), &Value::Null));
    let ended = "ended: the first try takes 10,000 s, longer than --find-time 100 s";
    assert!(stderr.contains(ended), "{stderr}");
}

#[test]
fn field_load_13_a_server_that_refuses_its_connections_holds_no_rate() {
    let (_reserved, nobody) = nobody_listens();
    let arguments = format!("--find rate --goal p50<1h --rate 1000 -c 4 --find-time 5s {nobody}");
    let mut command = readyc::command(&["bench", "--json", "-", &server_for(100)]);
    let ended = readyc::run(command.args(arguments.split_whitespace()), b"");
    assert_eq!(ended.status, Some(3), "{}", ended.stderr);
    let ladder: Value = serde_json::from_str(&ended.stdout).expect("a ladder");
    assert_eq!((&ladder["held"], &ladder["rungs"][0]["outcome"]), (&Value::Null, &"missed".into()));
    assert!(ended.stderr.contains("2 of 4 connections were established: "), "{}", ended.stderr);
}

#[test]
fn a_search_needs_a_goal_and_a_server() {
    let ended = readyc::run(&mut readyc::command(&["bench", "--find", "rate"]), b"");
    assert_eq!(ended.status, Some(2));
    assert!(ended.stderr.contains("--goal 'p99<5ms'"), "{}", ended.stderr);
    let (_reserved, nobody) = nobody_listens();
    let nobody = nobody.to_string();
    let arguments = ["bench", "--find", "rate", "--goal", "p90<1s", "--rate", "500", &nobody];
    let ended = readyc::run(&mut readyc::command(&arguments), b"");
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("ECONNREFUSED"), "{}", ended.stderr);
}

#[test]
fn a_goal_alone_makes_a_run_pass_or_fail() {
    let server = server_for(100);
    let passed = bench(&[&server], "-c 2 -n 200 --goal p50<10s,max<10s");
    assert_eq!(passed.status, Some(0), "{:#}", passed.report);
    let failed = bench(&[&server], "-c 2 -n 200 --goal p50<1us");
    assert_eq!(failed.status, Some(3), "{:#}", failed.report);
    let shortfall = failed.report["shortfalls"][0].as_str().expect("a sentence");
    assert!(shortfall.starts_with("goal p50 < 1 µs: it was "), "{shortfall}");
    let unknown = readyc::run(&mut readyc::command(&["bench", "--goal", "p98<1s"]), b"");
    assert_eq!(unknown.status, Some(2));
    assert!(unknown.stderr.contains("there is no figure \"p98\""), "{}", unknown.stderr);
}
