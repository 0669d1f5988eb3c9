//! What a load run leaves: text, JSON, CSV, HDR and HTML, on paper that may be full.

use crate::support::readyc::{self, Ended};
use crate::support::tools::SHELL;
use crate::support::{Scratch, Server};
use serde_json::Value;
use std::fs;
use std::path::Path;

const REQUESTS: u64 = 300;

/// Runs a load of [`REQUESTS`] with these further arguments.
fn run(server: &Server, arguments: &[&str]) -> Ended {
    let target = server.address("framed").to_string();
    let words = [&["bench", "-c", "4", "-n", "300"], arguments, &[&target]].concat();
    readyc::run(&mut readyc::command(&words), b"")
}

fn path_of(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

#[test]
fn text_for_people() {
    let server = Server::start(&["framed"]);
    let ended = run(&server, &["--latency"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    for said in ["300", "99.9", "100", "client"] {
        assert!(ended.stdout.contains(said), "{said:?} is not in {}", ended.stdout);
    }
    // Without a terminal there is no live line, and nothing to complain about.
    assert_eq!(ended.stderr, "");
}

#[test]
fn json_on_standard_output_is_alone_there() {
    let server = Server::start(&["framed"]);
    for arguments in [&["--json", "-"][..], &["--json"], &["--json", "-", "--quiet"]] {
        // The flag's value is optional: the target must not be taken for it.
        let ended = run(&server, &[arguments, &["--seed", "1"]].concat());
        assert_eq!(ended.status, Some(0), "{arguments:?} {ended:?}");
        assert_eq!(parse(&ended.stdout)["achieved"]["verified"], REQUESTS, "{arguments:?}");
        assert_eq!(ended.stderr.is_empty(), arguments.contains(&"--quiet"), "{arguments:?}");
    }
}

#[test]
fn every_file_tells_the_same_run() {
    let (server, scratch) = (Server::start(&["framed"]), Scratch::new());
    let [json, csv, hdr, html] = ["a.json", "a.csv", "a.hdr", "a.html"].map(|n| scratch.path(n));
    let files = [("--json", &json), ("--csv", &csv), ("--hdr", &hdr), ("--html", &html)];
    let arguments: Vec<&str> =
        files.iter().flat_map(|(flag, path)| [flag, path_of(path)]).collect();
    let ended = run(&server, &arguments);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("300"), "{ended:?}");
    let text = |path| fs::read_to_string(path).expect("a file that was asked for");
    assert_eq!(parse(&text(&json))["achieved"]["verified"], REQUESTS);
    assert_is_csv(&text(&csv));
    assert_is_hdr(&text(&hdr));
    assert_is_html(&text(&html));
}

/// A header and rows, all with as many columns (RFC 4180); no value in it needs quotes.
fn assert_is_csv(csv: &str) {
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert!(rows.len() >= 2, "{csv}");
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{csv}");
    let answered = rows[0].iter().position(|&name| name == "answered").expect("a column");
    let total: u64 = rows[1..].iter().map(|row| row[answered].parse::<u64>().expect(csv)).sum();
    assert_eq!(total, REQUESTS, "{csv}");
}

/// The percentile text of HdrHistogram: value, percentile, how many up to there, 1/(1-percentile).
fn assert_is_hdr(hdr: &str) {
    let is_row = |line: &&str| line.trim_start().starts_with(|c: char| c.is_ascii_digit());
    let row = |line: &str| -> Vec<f64> {
        line.split_whitespace().map(|word| word.parse().expect(hdr)).collect()
    };
    let rows: Vec<Vec<f64>> = hdr.lines().filter(is_row).map(row).collect();
    let last = rows.last().expect("a row");
    assert_eq!((last[1], last[2]), (1.0, REQUESTS as f64), "{hdr}");
    assert!(rows.iter().all(|row| row.len() == 3 || row.len() == 4), "{hdr}");
    assert!(rows.is_sorted_by(|a, b| a[0] <= b[0] && a[1] <= b[1] && a[2] <= b[2]), "{hdr}");
}

/// A page that needs nothing from elsewhere, so that it can be sent by mail and read in ten years.
fn assert_is_html(html: &str) {
    assert!(html.starts_with("<!DOCTYPE html>") || html.starts_with("<!doctype html>"), "{html}");
    assert!(html.trim_end().ends_with("</html>"), "{html}");
    for elsewhere in ["src=\"http", "href=\"http", "@import", "url(http"] {
        assert!(!html.contains(elsewhere), "{elsewhere}");
    }
    for tag in ["html", "head", "body", "table", "svg"] {
        let (opened, closed) = (format!("<{tag}"), format!("</{tag}>"));
        let is_tag = |at: &usize| !html[at + opened.len()..].starts_with(char::is_alphanumeric);
        let opened = html.match_indices(&opened).map(|(at, _)| at).filter(is_tag).count();
        // An element without content may close itself, but these have some.
        assert_eq!(opened, html.matches(&closed).count(), "<{tag}>");
    }
    assert!(html.contains("300"), "{html}");
}

#[test]
fn a_full_disk_does_not_cost_the_result() {
    let server = Server::start(&["framed"]);
    for flag in ["--json", "--csv", "--hdr", "--html"] {
        let ended = run(&server, &[flag, "/dev/full"]);
        assert_eq!(ended.status, Some(1), "{flag} {ended:?}");
        assert!(ended.stderr.contains("/dev/full"), "{flag} {ended:?}");
        assert!(ended.stderr.to_lowercase().contains("no space left"), "{flag} {ended:?}");
        assert!(ended.stdout.contains("300"), "{flag} {ended:?}");
    }
}

#[test]
fn a_directory_that_is_not_there() {
    let server = Server::start(&["framed"]);
    let ended = run(&server, &["--json", "/no/such/directory/a.json"]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("/no/such/directory"), "{ended:?}");
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let server = Server::start(&["framed"]);
    let target = server.address("framed").to_string();
    let script = "\"$0\" bench -c 4 -n 300 --latency \"$1\" | :";
    let mut shell = std::process::Command::new(SHELL);
    shell.args(["-c", script, readyc::READYC, &target]);
    let ended = readyc::run(&mut shell, b"");
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
}
