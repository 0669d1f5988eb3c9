//! The table against a model of it: a `BTreeMap`, and a parser that cares for nothing but clarity.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::super::draft::BYTE_ORDER_MARK;
use super::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// What `text` means, or the first fault in it.
fn model_of(text: &[u8], order: ColumnOrder) -> Result<Model, TableError> {
    let mut model = Model::new();
    let mut lines_of_keys = BTreeMap::new();
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    for (i, &line) in lines.iter().enumerate() {
        let (number, is_last) = (i + 1, i + 1 == lines.len());
        let mut line = line.to_vec();
        if !is_last && line.last() == Some(&b'\r') {
            line.pop();
        }
        for (at, &byte) in line.iter().enumerate() {
            if byte != b'\t' && (byte < b' ' || byte == 0x7F) {
                return Err(TableError::ControlCharacter { line: number, column: at + 1, byte });
            }
        }
        let Some((key, value)) = entry_of(&line, number, order)? else { continue };
        if let Some(&earlier_line) = lines_of_keys.get(&key) {
            let key = key.escape_ascii().to_string();
            return Err(TableError::DuplicateKey { line: number, earlier_line, key });
        }
        lines_of_keys.insert(key.clone(), number);
        model.insert(key, value);
    }
    Ok(model)
}

type Entry = (Vec<u8>, Vec<u8>);

/// The key and the value on a line that has no control character but tabs.
fn entry_of(line: &[u8], number: usize, order: ColumnOrder) -> Result<Option<Entry>, TableError> {
    let mut words: Vec<Vec<u8>> = vec![Vec::new()];
    let mut rest_of_line = Vec::new();
    let mut previous = b' ';
    for &byte in line {
        let was_blank = previous == b' ' || previous == b'\t';
        if byte == b'#' && was_blank {
            break;
        }
        if words.len() > 1 {
            rest_of_line.push(byte);
        }
        match byte {
            b' ' | b'\t' if was_blank => {}
            b' ' | b'\t' => words.push(Vec::new()),
            _ => words.last_mut().unwrap().push(byte),
        }
        previous = byte;
    }
    words.retain(|word| !word.is_empty());
    let shown = |word: &[u8]| word.escape_ascii().to_string();
    match (order, words.as_slice()) {
        (_, []) => Ok(None),
        (ColumnOrder::KeyValue, [key]) => {
            Err(TableError::NoValue { line: number, key: shown(key) })
        }
        (ColumnOrder::ValueKey, [value]) => {
            Err(TableError::NoKey { line: number, value: shown(value) })
        }
        (ColumnOrder::KeyValue, [key, ..]) => {
            Ok(Some((key.clone(), rest_of_line.trim_ascii().to_vec())))
        }
        (ColumnOrder::ValueKey, [value, key]) => Ok(Some((key.clone(), value.clone()))),
        (ColumnOrder::ValueKey, _) => Err(TableError::ExtraWords { line: number }),
    }
}

/// Asserts that `table` answers as `model` does, also to keys that are near those it has.
fn assert_same(table: &Table, model: &Model) {
    assert_eq!(table.len(), model.len());
    let expect = |key: &[u8]| assert_eq!(table.get(key), model.get(key).map(Vec::as_slice));
    for (key, value) in model {
        expect(key);
        expect(value);
        expect(&key[1..]);
        expect(&key[..key.len() - 1]);
        expect(&[key.as_slice(), b" ", value].concat());
        expect(&[key.as_slice(), b"#"].concat());
    }
}

fn orders() -> impl Strategy<Value = ColumnOrder> {
    select(vec![ColumnOrder::KeyValue, ColumnOrder::ValueKey])
}

/// Few enough different bytes that every rule of the format is met often, and enough lines without
/// fault that many texts are.
fn any_text() -> impl Strategy<Value = Vec<u8>> {
    let faultless = ["a b\n", "\tba c # d\r\n", "#\n", "\n", "cc ##\n", "d  a#b\n", "ab c"];
    let common = select(b"aabbccdd    \t\n##".to_vec());
    let rare = select(b"\r\0\x7F\xEF\xBB\xBF\"".to_vec());
    let piece = prop_oneof![
        60 => select(faultless.to_vec()).prop_map(Vec::from),
        20 => common.prop_map(|byte| vec![byte]),
        1 => rare.prop_map(|byte| vec![byte]),
    ];
    (any::<bool>(), vec(piece, 0..12)).prop_map(|(marked, pieces)| {
        let mark = if marked { BYTE_ORDER_MARK } else { b"" };
        [mark, &pieces.concat()].concat()
    })
}

fn word() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![b'!'..=b'~', 0x80..=0xFFu8];
    vec(byte, 1..20).prop_filter("starts a comment", |word| word[0] != b'#')
}

fn blanks(least: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(select(b" \t".to_vec()), least..4)
}

/// How one line is written: what stands before, between and after its words, and what follows it.
fn layout() -> impl Strategy<Value = [Vec<u8>; 4]> {
    let afters = ["", " ", "\t# x y z", " #"];
    let ends = ["\n", "\r\n", "\n\n \t\r\n", "\n# a comment\n", "\r\n  #\n"];
    (blanks(0), blanks(1), select(afters.to_vec()), select(ends.to_vec()))
        .prop_map(|(before, between, after, end)| [before, between, after.into(), end.into()])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_text_means_what_the_model_says(text in any_text(), order in orders()) {
        match (Table::parse(text.clone(), order), model_of(&text, order)) {
            (Ok(table), Ok(model)) => assert_same(&table, &model),
            (Err(error), Err(expected)) => prop_assert_eq!(error, expected),
            (table, model) => prop_assert!(false, "{:?}, but the model: {:?}", table, model),
        }
    }
}

/// The result for a text that is checked in pieces of these lengths, and then its rest.
fn in_pieces(text: &[u8], lengths: &[usize], order: ColumnOrder) -> Result<Table, TableError> {
    let mut draft = Draft::new(Vec::new(), order);
    let mut rest = text;
    for &length in lengths {
        let (piece, others) = rest.split_at(length.min(rest.len()));
        draft.text.extend_from_slice(piece);
        draft.check(Extent::Beginning)?;
        rest = others;
    }
    draft.text.extend_from_slice(rest);
    draft.check(Extent::Whole)?;
    assert_eq!(draft.bytes_read(), text.len());
    draft.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_text_in_pieces_means_the_same(
        text in any_text(),
        order in orders(),
        lengths in vec(0..9usize, 0..9),
    ) {
        match (in_pieces(&text, &lengths, order), model_of(&text, order)) {
            (Ok(table), Ok(model)) => assert_same(&table, &model),
            (Err(error), Err(expected)) => prop_assert_eq!(error, expected),
            (table, model) => prop_assert!(false, "{:?}, but the model: {:?}", table, model),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn entries_come_back_however_they_are_written(
        lines in btree_map(word(), (word(), layout()), 0..150),
        order in orders(),
    ) {
        let mut text = b"# so that no key stands at the very start, like a mark\n".to_vec();
        for (key, (value, [before, between, after, end])) in &lines {
            let (first, second) = match order {
                ColumnOrder::KeyValue => (key, value),
                ColumnOrder::ValueKey => (value, key),
            };
            for piece in [before, first, between, second, after, end] {
                text.extend_from_slice(piece);
            }
        }
        let model = lines.into_iter().map(|(key, (value, _))| (key, value)).collect();
        assert_same(&parsed(&text, order), &model);
    }
}
