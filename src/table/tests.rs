use super::*;

mod faults;
mod files;
mod model;
mod sharing;

/// Parses a text that must be without fault.
fn parsed(text: impl AsRef<[u8]>, order: ColumnOrder) -> Table {
    let text = text.as_ref();
    Table::parse(text.to_vec(), order)
        .unwrap_or_else(|error| panic!("{}: {error}", text.escape_ascii()))
}

/// The value of `key` in the text `text` of the order `KEY VALUE`.
fn value(text: impl AsRef<[u8]>, key: &str) -> Option<String> {
    let table = parsed(text, ColumnOrder::KeyValue);
    table.get(key.as_bytes()).map(|value| String::from_utf8(value.to_vec()).unwrap())
}

fn some(value: &str) -> Option<String> {
    Some(value.to_string())
}

#[test]
fn the_embedded_table_has_its_two_entries() {
    let table = Table::embedded();
    assert_eq!(table.len(), 2);
    assert_eq!(table.get(b"165.165.80.80"), Some(&b"6A:08:AA:C2"[..]));
    assert_eq!(table.get(b"165.165.79.1"), Some(&b"8A:BC:E3:FA"[..]));
    assert_eq!(table.get(b"165.165.79.2"), None);
}

#[test]
fn the_first_word_is_the_key_and_the_rest_the_value() {
    assert_eq!(value("a b\n", "a"), some("b"));
    assert_eq!(value("a b c  d\n", "a"), some("b c  d"));
    assert_eq!(value(" \t a \t b\tc \t\n", "a"), some("b\tc"));
}

#[test]
fn keys_match_byte_by_byte_and_whole() {
    let table = parsed("abc x y\nABC z\n\u{E9} e-acute\n", ColumnOrder::KeyValue);
    assert_eq!(table.get(b"abc"), Some(&b"x y"[..]));
    assert_eq!(table.get(b"ABC"), Some(&b"z"[..]));
    assert_eq!(table.get(b"\xC3\xA9"), Some(&b"e-acute"[..]));
    assert_eq!(table.get(b"\xE9"), None);
    for absent in ["", " ", "ab", "abcd", "Abc", "abc ", " abc", "abc x", "abc x y", "x", "\n"] {
        assert_eq!(table.get(absent.as_bytes()), None, "{absent:?}");
    }
}

/// The index compares seven bits of the hash before it compares keys, so one text would not show a
/// wrong comparison; among two thousand, about fifteen would.
#[test]
fn no_part_of_a_line_passes_for_its_key() {
    for i in 0..2000 {
        let table = parsed(format!("key-{i} x y\n"), ColumnOrder::KeyValue);
        for part in ["", " x", " x y", " x y\n", "+"] {
            let key = format!("key-{i}{part}");
            assert_eq!(table.get(key.as_bytes()).is_some(), part.is_empty(), "{key:?}");
        }
        assert_eq!(
            table.get(format!("key-{i}").trim_end_matches(char::is_numeric).as_bytes()),
            None
        );
    }
}

#[test]
fn bytes_beyond_ascii_are_taken_as_they_are() {
    let table = parsed(b"\xFF\x80 \xFE\xC3\n", ColumnOrder::KeyValue);
    assert_eq!(table.get(b"\xFF\x80"), Some(&b"\xFE\xC3"[..]));
}

#[test]
fn a_value_may_come_first() {
    let text = "# ethers(5)\n 08:00:20:00:61:CA\tpal # a pal\r\n\n52:54:00:12:34:56  10.0.0.7";
    let table = parsed(text, ColumnOrder::ValueKey);
    assert_eq!(table.len(), 2);
    assert_eq!(table.get(b"pal"), Some(&b"08:00:20:00:61:CA"[..]));
    assert_eq!(table.get(b"10.0.0.7"), Some(&b"52:54:00:12:34:56"[..]));
    assert_eq!(table.get(b"08:00:20:00:61:CA"), None);
}

#[test]
fn a_value_may_stand_under_many_keys() {
    for (text, order) in
        [("a v\nb v\n", ColumnOrder::KeyValue), ("v a\nv b\n", ColumnOrder::ValueKey)]
    {
        let table = parsed(text, order);
        assert_eq!(table.get(b"a"), Some(&b"v"[..]));
        assert_eq!(table.get(b"b"), Some(&b"v"[..]));
    }
}

#[test]
fn lines_end_in_lf_or_crlf_and_the_last_may_lack_its_end() {
    for text in ["a b\nc d\n", "a b\r\nc d\r\n", "a b\r\nc d\n", "a b\nc d", "\r\na b \r\n\nc d"] {
        let table = parsed(text, ColumnOrder::KeyValue);
        assert_eq!(table.len(), 2, "{text:?}");
        assert_eq!(table.get(b"a"), Some(&b"b"[..]), "{text:?}");
        assert_eq!(table.get(b"c"), Some(&b"d"[..]), "{text:?}");

        let reversed = parsed(text, ColumnOrder::ValueKey);
        assert_eq!(reversed.get(b"b"), Some(&b"a"[..]), "{text:?}");
        assert_eq!(reversed.get(b"d"), Some(&b"c"[..]), "{text:?}");
    }
}

#[test]
fn a_byte_order_mark_is_skipped_at_the_start_alone() {
    assert_eq!(value("\u{FEFF}a b\n", "a"), some("b"));
    assert_eq!(value("\u{FEFF}# comment\na b\n", "a"), some("b"));
    assert_eq!(value("a b\n\u{FEFF}c d\n", "\u{FEFF}c"), some("d"));
    let reversed = parsed("\u{FEFF}a b\n", ColumnOrder::ValueKey);
    assert_eq!(reversed.get(b"b"), Some(&b"a"[..]));
    assert!(parsed("\u{FEFF}", ColumnOrder::KeyValue).is_empty());
}

#[test]
fn a_comment_starts_at_the_line_start_or_after_a_space_or_tab() {
    assert_eq!(value("#a b\na c\n", "a"), some("c"));
    assert_eq!(value("  # a b\na c\n", "a"), some("c"));
    assert_eq!(value("a b # c\n", "a"), some("b"));
    assert_eq!(value("a b\t#c\n", "a"), some("b"));
    assert_eq!(value("a b c#d # e # f\n", "a"), some("b c#d"));
    assert_eq!(value("a# b#\n", "a#"), some("b#"));
    assert_eq!(value("a b##\n", "a"), some("b##"));
    assert_eq!(value("a b #", "a"), some("b"));
}

#[test]
fn a_text_without_entries_is_an_empty_table() {
    for text in ["", "\n", "\r\n", " \t\n", "# a b\n", "\n\n#\n \t# c"] {
        for order in [ColumnOrder::KeyValue, ColumnOrder::ValueKey] {
            let table = parsed(text, order);
            assert_eq!(table.len(), 0, "{text:?}");
            assert!(table.is_empty(), "{text:?}");
            assert_eq!(table.get(b"a"), None, "{text:?}");
            assert_eq!(table.get(b""), None, "{text:?}");
        }
    }
}

/// `entries` lines; line `i` maps `key-i` to `value-i`.
fn numbered(entries: usize) -> String {
    (0..entries).map(|i| format!("key-{i} value-{i}\n")).collect()
}

#[test]
fn every_one_of_many_entries_is_found() {
    const ENTRIES: usize = 20_000;
    let table = parsed(numbered(ENTRIES), ColumnOrder::KeyValue);
    assert_eq!(table.len(), ENTRIES);
    for i in 0..ENTRIES {
        let value = format!("value-{i}");
        assert_eq!(table.get(format!("key-{i}").as_bytes()), Some(value.as_bytes()));
    }
    assert_eq!(table.get(format!("key-{ENTRIES}").as_bytes()), None);
}

#[test]
fn memory_is_the_text_and_a_few_bytes_an_entry() {
    const ENTRIES: usize = 20_000;
    let text = numbered(ENTRIES);
    let index_memory = parsed(&text, ColumnOrder::KeyValue).memory() - text.len();
    // Ten entries in 64 bytes.
    assert_eq!(index_memory, ENTRIES / 10 * 64);
}

#[test]
fn comments_and_spare_capacity_cost_no_index() {
    let comments = "# nothing here\n".repeat(1000);
    let mut text = Vec::with_capacity(10 * comments.len());
    text.extend_from_slice(comments.as_bytes());
    let table = Table::parse(text, ColumnOrder::KeyValue).unwrap();
    assert_eq!(table.memory(), comments.len());
}

#[test]
fn debug_output_does_not_show_the_contents() {
    let shown = format!("{:?}", parsed("secret-key secret-value\n", ColumnOrder::ValueKey));
    assert!(shown.starts_with("Table { order: ValueKey, len: 1, memory: "), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn a_table_can_be_shared_between_threads() {
    fn is_shareable<T: Send + Sync>(_: &T) {}
    is_shareable(&Table::embedded());
}
