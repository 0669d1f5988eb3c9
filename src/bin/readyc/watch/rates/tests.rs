//! From counters to rates.

use super::{Rates, Sample, is_gauge, short};

fn sample(reply: &str) -> Sample {
    Sample::parse(reply.as_bytes()).unwrap()
}

/// A complete reply, all of whose counters are `count`.
fn of_all(uptime: f64, count: u64) -> Sample {
    let names = [
        "connections_open",
        "connections_accepted",
        "connections_closed",
        "requests",
        "bytes_in",
        "bytes_out",
        "refusals",
        "refused_denied",
        "refused_address_limit",
        "refused_address_rate",
        "closed_frame_timeout",
        "closed_idle_timeout",
        "closed_write_timeout",
        "closed_reset",
        "closed_shed",
        "closed_system_error",
        "accept_errors",
    ];
    let lines: String = names.iter().map(|name| format!("{name} {count}\n")).collect();
    sample(&format!("uptime_seconds {uptime}\n{lines}"))
}

fn cells(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn a_rate_is_what_a_counter_rises_by_a_second_of_the_server() {
    let rates = Rates::between(&of_all(10.0, 100), &of_all(14.0, 500));
    let each = ["500", "100", "100", "100", "100", "100", "400", "300", "400"];
    assert_eq!(cells(&rates.line(200)), each);
}

#[test]
fn the_first_line_is_the_average_since_the_start() {
    let rates = Rates::between(&Sample::before_start(), &of_all(50.0, 100));
    let each = ["100", "2", "2", "2", "2", "2", "8", "6", "8"];
    assert_eq!(cells(&rates.line(200)), each);
}

#[test]
fn what_a_server_does_not_count_is_a_dash() {
    let last = sample("uptime_seconds 1\nrequests 10\nclosed_reset 1\n");
    let now = sample("uptime_seconds 3\nrequests 20\nclosed_reset 5\nshoe_size 43\n");
    let rates = Rates::between(&last, &now);
    assert_eq!(cells(&rates.line(200)), ["-", "-", "-", "5", "-", "-", "-", "-", "2"]);
    let json: serde_json::Value = serde_json::from_str(&rates.json()).unwrap();
    assert_eq!(json["requests_per_second"], 5.0);
    assert!(json["bytes_in_per_second"].is_null());
    assert_eq!(json.as_object().unwrap().len(), 10);
}

/// Without the server's clock, or between two looks at the same moment, there is no rate.
#[test]
fn without_time_there_is_no_rate() {
    for (last, now) in [
        ("requests 1\nconnections_open 3\n", "requests 2\nconnections_open 3\n"),
        ("uptime_seconds 2\nrequests 1\n", "uptime_seconds 2\nrequests 2\nconnections_open 3\n"),
    ] {
        let line = Rates::between(&sample(last), &sample(now)).line(200);
        assert_eq!(cells(&line), ["3", "-", "-", "-", "-", "-", "-", "-", "-"]);
    }
}

#[test]
fn a_counter_that_goes_back_is_of_a_new_start() {
    let last = "uptime_seconds 9\nrequests 5\nconnections_open 7\ntable_keys 3\nbuffered_bytes 9\n";
    let last = sample(last);
    for (reply, is_new) in [
        ("uptime_seconds 10\nrequests 5\nconnections_open 7\n", false),
        ("uptime_seconds 10\nrequests 6\nconnections_open 1\ntable_keys 0\n", false),
        ("uptime_seconds 10\nrequests 5\nbuffered_bytes 0\n", false),
        ("uptime_seconds 10\nrequests 4\n", true),
        ("uptime_seconds 1\nrequests 6\n", true),
    ] {
        assert_eq!(sample(reply).is_of_new_start(&last), is_new, "{reply}");
    }
    assert!(!last.is_of_new_start(&Sample::before_start()));
}

#[test]
fn what_is_no_counter_is_left_out() {
    let reply = sample("requests 1\nno number\nnan nan\ninf inf\nless -1\n\nbytes_in 2");
    assert_eq!(reply, sample("bytes_in 2\nrequests 1\n"));
    for reply in [&b""[..], b"hello world", b"\xff\xfe 5x", b"inf inf"] {
        assert_eq!(Sample::parse(reply), None);
    }
}

#[test]
fn the_header_stands_over_the_columns() {
    let line = Rates::between(&Sample::before_start(), &of_all(1.0, 123_456_789_012)).line(200);
    let header = Rates::header(200);
    assert_eq!(header.len(), line.len());
    assert_eq!(cells(&header).len(), cells(&line).len());
    assert!(line.len() < 100, "fits a terminal: {line}");
}

#[test]
fn numbers_are_short() {
    for (number, text) in [
        (0.0, "0"),
        (0.25, "0.25"),
        (9.99, "9.99"),
        (9.999, "10"),
        (42.4, "42"),
        (99_999.0, "99999"),
        (100_000.0, "100k"),
        (1_234_567.0, "1.2M"),
        (9_960_000.0, "10M"),
        (2.5e10, "25G"),
        (7.0e12, "7.0T"),
    ] {
        assert_eq!(short(Some(number)), text, "{number}");
    }
    assert_eq!(short(None), "-");
}

#[test]
fn field_server_20_a_value_that_is_text_is_left_out() {
    assert_eq!(sample("version 0.1.0\nrequests 3\n"), sample("requests 3\n"));
    assert_eq!(Sample::parse(b"version 0.1.0\n"), None);
}

#[test]
fn field_server_20_another_process_is_a_new_start() {
    let first = sample("pid 10\nrequests 3\n");
    assert!(sample("pid 11\nrequests 5\n").is_of_new_start(&first));
    assert!(!sample("pid 10\nrequests 5\n").is_of_new_start(&first));
    // A server of an earlier version does not tell.
    assert!(!sample("requests 5\n").is_of_new_start(&first));
}

/// What the client takes for gauges are those of the server's documentation.
#[test]
fn field_server_20_gauges_are_those_that_are_documented() {
    let document = include_str!("../../../../../docs/statistics.md");
    let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() > 40, "{rows:?}");
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        // Text is left out before anybody asks.
        if cells[2] != "text" {
            assert_eq!(is_gauge(cells[1].trim_matches('`')), cells[3] == "gauge", "{row}");
        }
    }
}

#[test]
fn field_load_13_a_narrow_terminal_gets_the_columns_that_matter_most() {
    for width in 20..=300 {
        let header = Rates::header(width);
        assert!(header.len() <= width && header.contains("req/s"), "{width}: {header}");
    }
    assert_eq!(cells(&Rates::header(20)), ["open", "req/s"]);
    assert_eq!(cells(&Rates::header(89)).len(), 9);
}
