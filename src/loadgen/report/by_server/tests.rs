use super::*;
use crate::loadgen::report::sample::{eventful, sample};
use crate::loadgen::report::{Report, html, merge};

fn of_three() -> Report {
    let mut report = eventful();
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
    let table = errors_by_server(&report).expect("errors");
    let rows: Vec<Vec<&str>> =
        table.rows.iter().map(|row| row.cells.iter().map(String::as_str).collect()).collect();
    let refused = "connection refused (12 ×) [ECONNREFUSED]";
    assert_eq!(rows[0], ["10.0.0.1:9999", "12", "0", "0", "0", "0", refused]);
    assert_eq!(rows[1], ["10.0.0.2:9999", "0", "0", "0", "0", "3", ""]);
    assert_eq!(rows.len(), 2);
    assert_eq!(without_errors(&report).as_deref(), Some("1 server had no error"));
    let page = html(&report);
    assert!(page.contains("Errors by server") && page.contains("1 server had no error."));
    assert!(!html(&sample()).contains("Errors by server"));
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
