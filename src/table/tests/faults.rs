//! Each fault a text can have, with its message.

use super::*;

/// What is said of a text that must be at fault.
fn fault(text: impl AsRef<[u8]>, order: ColumnOrder) -> String {
    Table::parse(text.as_ref().to_vec(), order).unwrap_err().to_string()
}

#[test]
fn a_key_without_a_value() {
    let expected = "line 2: key \"b\" has no value; write KEY VALUE, \
                    or put # at the start of the line";
    for line in ["b", " b\t", "b #", "b # c", "b\r"] {
        assert_eq!(
            fault(format!("a 1\n{line}\nc 3\n"), ColumnOrder::KeyValue),
            expected,
            "{line:?}"
        );
    }
}

#[test]
fn a_value_without_a_key() {
    let expected = "line 2: value \"b\" has no key; write VALUE KEY, \
                    or put # at the start of the line";
    for line in ["b", "b # c"] {
        assert_eq!(fault(format!("a 1\n{line}\n"), ColumnOrder::ValueKey), expected, "{line:?}");
    }
}

#[test]
fn extra_words_after_value_and_key() {
    let expected = "line 3: more than two words; write VALUE KEY and nothing more, \
                    or put # before the rest";
    assert_eq!(fault("# one\n\nb c d\n", ColumnOrder::ValueKey), expected);
    assert_eq!(fault("a b\n\nb\tc\td#e", ColumnOrder::ValueKey), expected);
}

#[test]
fn a_control_character_with_its_line_and_place() {
    for (text, place) in [
        (&b"a b\n\nc\x00d\n"[..], "line 3, byte 2: control character 0x00"),
        (b"\x07a b\n", "line 1, byte 1: control character 0x07"),
        (b"a b\x1B[31m\n", "line 1, byte 4: control character 0x1B"),
        (b"a b\x7F", "line 1, byte 4: control character 0x7F"),
        (b"a b # \x0C\n", "line 1, byte 7: control character 0x0C"),
        (b"# \x08\n", "line 1, byte 3: control character 0x08"),
        (b"a b\r\nc\rd\n", "line 2, byte 2: control character 0x0D"),
        (b"a b\r\r\n", "line 1, byte 4: control character 0x0D"),
        (b"a b\r", "line 1, byte 4: control character 0x0D"),
        (b"\xFF\xFEa\0 \0b\0\n\0", "line 1, byte 4: control character 0x00"),
    ] {
        let expected = format!("{place}; remove it, or save the file as plain UTF-8 text");
        for order in [ColumnOrder::KeyValue, ColumnOrder::ValueKey] {
            assert_eq!(fault(text, order), expected, "{}", text.escape_ascii());
        }
    }
}

#[test]
fn a_duplicate_key_with_both_its_lines() {
    let expected = "line 5: key \"b\" is already on line 2; remove one of the two lines";
    assert_eq!(fault("a 1\nb 2\n# c\n\n b  3\n", ColumnOrder::KeyValue), expected);
    assert_eq!(fault("a 1\r\nb 2\r\n# c\r\n\r\nb 2", ColumnOrder::KeyValue), expected);
    assert_eq!(fault("1 a\n 2 b\nb c\n\n3 b # d\n", ColumnOrder::ValueKey), expected);
}

#[test]
fn duplicates_however_far_apart() {
    for (distance, order) in
        [(1, ColumnOrder::KeyValue), (63, ColumnOrder::ValueKey), (5000, ColumnOrder::KeyValue)]
    {
        let between: String = (1..distance).map(|i| format!("k{i} v{i}\n")).collect();
        let line = distance + 1;
        let expected =
            format!("line {line}: key \"x\" is already on line 1; remove one of the two lines");
        assert_eq!(fault(format!("x x\n{between}x x\n"), order), expected);
    }
}

#[test]
fn the_first_fault_is_the_one_reported() {
    let duplicate = "line 2: key \"a\" is already on line 1; remove one of the two lines";
    assert_eq!(fault("a 1\na 2\nb\n", ColumnOrder::KeyValue), duplicate);
    assert_eq!(fault("a 1\na 2\nb\0\n", ColumnOrder::KeyValue), duplicate);

    let no_value = "line 2: key \"b\" has no value; write KEY VALUE, \
                    or put # at the start of the line";
    assert_eq!(fault("a 1\nb\na 2\n", ColumnOrder::KeyValue), no_value);
}

#[test]
fn a_key_is_shown_escaped_and_cut() {
    let no_value = |key: &str| {
        format!(
            "line 1: key \"{key}\" has no value; write KEY VALUE, \
             or put # at the start of the line"
        )
    };
    assert_eq!(fault(b"\xC3\"\\", ColumnOrder::KeyValue), no_value(r#"\xc3\"\\"#));
    let (exact, long) = ("k".repeat(64), "k".repeat(65));
    assert_eq!(fault(&exact, ColumnOrder::KeyValue), no_value(&exact));
    assert_eq!(fault(&long, ColumnOrder::KeyValue), no_value(&format!("{exact}...")));
    assert_eq!(fault("\u{85}".repeat(99), ColumnOrder::KeyValue), {
        no_value(&format!("{}...", r"\xc2\x85".repeat(32)))
    });
}

// A zeroed vector is address space only: the system gives it no memory until it is touched.
#[cfg(target_pointer_width = "64")]
#[test]
fn more_text_than_the_index_can_address() {
    let text = vec![0; MAX_TEXT_BYTES as usize + 1];
    assert_eq!(
        fault_of_owned(text),
        "4294967296 bytes of text, but a table holds at most 4294967295; shorten it"
    );
}

#[cfg(target_pointer_width = "64")]
fn fault_of_owned(text: Vec<u8>) -> String {
    Table::parse(text, ColumnOrder::KeyValue).unwrap_err().to_string()
}

#[test]
fn no_memory_for_the_index() {
    assert_eq!(
        TableError::OutOfMemory { entries: 7 }.to_string(),
        "not enough memory to index 7 entries; free some, or shorten the table"
    );
}
