//! The table of names in docs/statistics.md, and what the program has.

use super::*;

const DOCUMENT: &str = include_str!("../../../../docs/statistics.md");

/// A row of the table: what it says without the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Documented<'a> {
    name: &'a str,
    unit: &'a str,
    kind: &'a str,
    shards: &'a str,
}

fn documented() -> Vec<Documented<'static>> {
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, unit, kind, shards, meaning, _] = cells[..] else {
            panic!("another number of columns: {line}");
        };
        assert!(!meaning.is_empty(), "{line}");
        Documented { name: name.trim_matches('`'), unit, kind, shards }
    };
    DOCUMENT.lines().filter(|line| line.starts_with("| `")).map(row).collect()
}

const SHARDS: Shards = Shards { count: 2, answering: 2, with_newest_table: 2 };

fn names(report: &str) -> Vec<&str> {
    report.lines().map(|line| line.split_once(' ').expect("a name and a value").0).collect()
}

#[test]
fn field_server_20_every_name_is_documented_and_nothing_else_is() {
    let all: Vec<&str> = documented().iter().map(|row| row.name).collect();
    let uptime = Duration::from_secs(1);
    let of_shards = Stats::default().report_of_shards(SHARDS, uptime, 1).to_string();
    assert_eq!(names(&of_shards), all);
    let alone = Stats::default().report(uptime, 1).to_string();
    let without_shards: Vec<&str> =
        all.into_iter().filter(|name| !name.starts_with("shards")).collect();
    assert_eq!(names(&alone), without_shards);
}

#[test]
fn field_server_20_the_units_and_kinds_are_words_of_the_document() {
    for row in documented() {
        assert!(["counter", "gauge"].contains(&row.kind), "{row:?}");
        let unit = if row.name.ends_with("_bytes") || row.name.starts_with("bytes_") {
            "bytes"
        } else if row.name.ends_with("_microseconds") {
            "microseconds"
        } else {
            continue;
        };
        assert_eq!(row.unit, unit, "{row:?}");
    }
}

#[test]
fn field_server_20_shards_are_put_together_as_documented() {
    let uptime = Duration::from_secs(35);
    let of = |number: u64| {
        let mut stats = all(number);
        stats.buffered = 3 * number;
        stats.longest_turn = LongestTurn::default();
        stats.longest_turn.note(Duration::from_micros(number), uptime);
        stats
    };
    let (one, other) = (of(300), of(4000));
    let mut both = one.clone();
    both.add(&other);
    let reports =
        [one, other, both].map(|stats| stats.report_of_shards(SHARDS, uptime, 1).to_string());
    for row in documented() {
        let value = |report: &String| -> String {
            let line =
                report.lines().find_map(|line| line.strip_prefix(row.name)?.strip_prefix(' '));
            line.expect("every name is in the report").to_owned()
        };
        let [one, other, both] = reports.each_ref().map(value);
        let number = |text: &str| text.parse::<u64>().expect("a number");
        match row.shards {
            "sum" => assert_eq!(number(&both), number(&one) + number(&other), "{row:?}"),
            "largest" => assert_eq!(number(&both), number(&one).max(number(&other)), "{row:?}"),
            "one" => assert!(one == other && other == both, "{row:?}"),
            _ => panic!("{row:?} is put together in another way"),
        }
    }
}
