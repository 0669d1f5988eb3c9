use super::*;
use crate::loadgen::report::sample::{eventful, sample};
use crate::loadgen::report::units::columns;
use crate::loadgen::report::{Report, TextOptions, html, merge, text};

fn of_three() -> Report {
    let mut report = eventful();
    report.asked.targets = [1, 2, 3].map(|server| format!("10.0.0.{server}:9999")).into();
    let refused = Errors {
        connect: 12,
        by_errno: [("ECONNREFUSED".to_owned(), 12)].into(),
        connect_by_errno: [("ECONNREFUSED".to_owned(), 12)].into(),
        ..Errors::default()
    };
    let servers = [
        ("10.0.0.1:9999", ServerErrors { errors: refused, mismatched: 0 }),
        ("10.0.0.2:9999", ServerErrors { mismatched: 3, ..ServerErrors::default() }),
        ("10.0.0.3:9999", ServerErrors::default()),
    ];
    report.errors_by_server = servers.map(|(name, errors)| (name.to_owned(), errors)).into();
    report
}

#[test]
fn the_servers_that_failed_are_told_one_by_one_and_the_others_counted() {
    let report = of_three();
    let table = errors_by_server(&report, 10).expect("errors");
    let rows: Vec<Vec<&str>> =
        table.rows.iter().map(|row| row.cells.iter().map(String::as_str).collect()).collect();
    let refused = "connection refused (12 ×) [ECONNREFUSED]";
    // No server had errors of the other kinds.
    assert_eq!(table.head, ["server", "connect", "mismatch", ""]);
    assert_eq!(rows[0], ["10.0.0.1:9999", "12", "0", refused]);
    assert_eq!(rows[1], ["10.0.0.2:9999", "0", "3", ""]);
    assert_eq!(rows.len(), 2);
    assert_eq!(others(&report, 10).as_deref(), Some("1 server had no error"));
    let page = html(&report);
    assert!(page.contains("Errors by server") && page.contains("1 server had no error."));
    assert!(!html(&sample()).contains("Errors by server"));
}

#[test]
fn field_load_13_the_text_tells_the_errors_of_several_servers_above_the_summary() {
    let report = of_three();
    let shown = text(&report, TextOptions::default());
    let expected = "\
Errors by server
  server         connect  mismatch
  10.0.0.1:9999       12         0  connection refused (12 ×) [ECONNREFUSED]
  10.0.0.2:9999        0         3
  1 server had no error

";
    let at = shown.find(expected).unwrap_or_else(|| panic!("{shown}"));
    assert!(at > shown.find("connect: ").expect("facts"), "{shown}");
    assert!(at < shown.find("throughput  ").expect("a summary"), "{shown}");
    // Of a single server they are told once.
    let mut single = report;
    single.errors_by_server.retain(|name, _| name == "10.0.0.1:9999");
    let shown = text(&single, TextOptions::default());
    assert!(!shown.contains("Errors by server") && shown.contains("\nErrors"), "{shown}");
    assert!(!text(&sample(), TextOptions::default()).contains("rrors by server"));
}

#[test]
fn field_load_13_of_many_servers_with_errors_the_text_shows_the_worst() {
    let mut report = of_three();
    for number in 4..=30 {
        let errors = Errors { timeout: number, ..Errors::default() };
        let of_server = ServerErrors { errors, mismatched: 0 };
        report.errors_by_server.insert(format!("10.0.0.{number}:9999"), of_server);
    }
    let shown = text(&report, TextOptions::default());
    assert_eq!(shown.matches("\n  10.0.0.").count(), 10, "{shown}");
    assert!(shown.contains("\n  19 more servers had errors, 1 server had no error\n"), "{shown}");
    assert!(shown.contains("10.0.0.21:9999") && !shown.contains("10.0.0.20:9999"), "{shown}");
    let all = text(&report, TextOptions { detail: true, ..TextOptions::default() });
    assert_eq!(all.matches("\n  10.0.0.").count(), 29, "{all}");
    // It fits terminals of all widths, without cutting a number.
    for width in (20..=110).chain([200, 300]) {
        let shown = text(&report, TextOptions { width, ..TextOptions::default() });
        let widest = shown.lines().map(columns).max();
        assert!(widest <= Some(width), "{width}: {shown}");
        assert!(shown.contains("21"), "{width}: {shown}");
    }
}

#[test]
fn it_is_stored_where_there_are_several_and_merged_by_name() {
    assert!(!sample().to_json().contains("errors_by_server"));
    let (mut one, mut other) = (of_three(), of_three());
    (one.id, other.id) = ("1".to_owned(), "2".to_owned());
    one.merged.clear();
    other.merged.clear();
    let stored = Report::from_json(one.to_json().as_bytes()).expect("a report");
    assert_eq!(stored.errors_by_server, one.errors_by_server);
    other.errors_by_server.remove("10.0.0.2:9999");
    let merged = merge(&[one, other]).expect("they fit").errors_by_server;
    assert_eq!(merged["10.0.0.1:9999"].errors.connect, 24);
    assert_eq!(merged["10.0.0.1:9999"].errors.by_errno["ECONNREFUSED"], 24);
    assert_eq!(merged["10.0.0.2:9999"].mismatched, 3);
    assert_eq!(merged.len(), 3);
}

#[test]
fn field_load_13_runs_that_had_a_server_each_are_merged_by_server() {
    let of = |server: &str| {
        let mut report = eventful();
        report.id = server.to_owned();
        report.merged.clear();
        report.errors_by_server.clear();
        report.asked.targets = vec![server.to_owned()];
        report
    };
    let merged =
        |servers: [&str; 2]| merge(&servers.map(of)).map(|report| report.errors_by_server).ok();
    let both = merged(["10.0.0.1:9999", "10.0.0.2:9999"]).expect("they fit");
    assert_eq!(both.len(), 2);
    assert_eq!(both["10.0.0.2:9999"].errors, eventful().errors);
    assert_eq!(both["10.0.0.1:9999"].mismatched, eventful().achieved.mismatched);
    let (mut one, mut other) = (of("10.0.0.1:9999"), of("10.0.0.1:9999"));
    (one.id, other.id) = ("1".to_owned(), "2".to_owned());
    assert!(merge(&[one, other]).expect("they fit").errors_by_server.is_empty());
}
