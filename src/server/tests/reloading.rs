//! Another table, or another time zone, while the server runs.

use super::bench::{Bench, FRAMED, LOOKUP, frame};
use crate::table::{ColumnOrder, Table};
use crate::zone::ZoneRules;

fn table(text: &str) -> Table {
    Table::parse(text.into(), ColumnOrder::KeyValue).expect("a text without fault")
}

#[test]
fn the_next_request_is_answered_from_the_new_table_and_the_old_one_is_handed_back() {
    let mut bench = Bench::new();
    let (framed, lines) = (bench.connected(FRAMED), bench.connected(LOOKUP));
    assert_eq!(bench.ask(lines, b"motd\n"), b"Not Found\n");

    let old = bench.server.replace_table(table("motd one\nkey value\nlast 3\n"));
    assert_eq!(old.get(b"165.165.80.80"), Some(&b"6A:08:AA:C2"[..]));
    assert_eq!(bench.ask(lines, b"motd\n165.165.80.80\n"), b"one\nNot Found\n");
    assert_eq!(bench.ask(framed, &frame(b"LOOKUP motd")), frame(b"one"));

    drop(bench.server.replace_table(table("motd two")));
    assert_eq!(bench.ask(framed, &frame(b"LOOKUP motd")), frame(b"two"));
    let stats = bench.server.stats();
    assert_eq!((stats.table_reloads, stats.table_failures, stats.table_keys), (2, 0, 1));
}

#[test]
fn a_table_that_could_not_be_loaded_is_counted_and_changes_nothing() {
    let mut bench = Bench::new();
    let client = bench.connected(LOOKUP);
    bench.server.keep_table();
    assert_eq!(bench.ask(client, b"165.165.80.80\n"), b"6A:08:AA:C2\n");
    let stats = bench.server.stats();
    assert_eq!((stats.table_reloads, stats.table_failures, stats.table_keys), (0, 1, 2));
}

#[test]
fn field_server_11_the_next_text_is_made_by_the_new_rules_of_the_zone() {
    let mut bench = Bench::new();
    let client = bench.connected(FRAMED);
    let rules = |rule: &[u8]| ZoneRules::from_posix(rule).expect("a rule");
    let told = |bench: &mut Bench| bench.ask(client, &frame(b"DAYTIME rfc3339"));
    assert!(told(&mut bench).ends_with(b"Z"));
    assert!(bench.server.replace_zone(rules(b"<+0545>-5:45")), "other rules");
    assert!(told(&mut bench).ends_with(b"+05:45"));
    assert!(!bench.server.replace_zone(rules(b"<+0545>-5:45")), "the same rules");
    assert!(told(&mut bench).ends_with(b"+05:45"));
}
