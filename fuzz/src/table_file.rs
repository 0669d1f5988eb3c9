//! The lookup table: against a reference that splits lines into words, and from a file with a
//! limit.
//!
//! Input: a byte for the order, two for the limit; then the text.

use crate::printable::{assert_harmless, assert_plain};
use crate::scratch_file::ScratchFile;
use readyd::table::{ColumnOrder, LoadError, Table, TableError};
use std::collections::BTreeMap;

/// Longest text of an error: one escaped key of 64 bytes, and the words around it.
const MOST_TEXT: usize = 64 * 4 + 160;

/// Bytes of a key that an error shows.
const SHOWN: usize = 64;

thread_local! {
    static FILE: ScratchFile = ScratchFile::new();
}

/// See the [module](self).
pub fn check(data: &[u8]) {
    let Some(([order, low, high], text)) = data.split_first_chunk() else { return };
    let order = if order % 2 == 0 { ColumnOrder::KeyValue } else { ColumnOrder::ValueKey };
    let parsed = Table::parse(text.to_vec(), order);
    match (&parsed, reference(text, order)) {
        (Ok(table), Ok(entries)) => assert_same(table, &entries),
        (Err(error), Err(expected)) => {
            assert_eq!(*error, expected);
            assert_plain(&error.to_string(), MOST_TEXT);
            assert!(error.to_string().contains("line "), "it does not name the line: {error}");
        }
        (parsed, expected) => panic!("{parsed:?} instead of {expected:?}"),
    }
    // The file system is slow: one input in four.
    if order == ColumnOrder::KeyValue && low % 2 == 0 {
        let limit = u64::from(u16::from_le_bytes([*low, *high]) % 512);
        check_file(text, limit, parsed);
    }
}

/// A file loads as its text parses, unless it is too long.
fn check_file(text: &[u8], limit: u64, parsed: Result<Table, TableError>) {
    let loaded = FILE.with(|file| Table::load(file.write(text), ColumnOrder::KeyValue, limit));
    if let Err(error) = &loaded {
        assert_harmless(&error.to_string());
    }
    match (loaded, parsed) {
        (Err(LoadError::OverLimit { line, limit: told, .. }), _) => {
            assert!(text.len() as u64 > limit);
            assert_eq!(told, limit);
            let before = String::from_utf8_lossy(&text[..limit as usize]);
            assert_eq!(line, before.split('\n').count());
        }
        (Ok(loaded), Ok(parsed)) => {
            assert!(text.len() as u64 <= limit);
            assert_eq!(loaded.len(), parsed.len());
        }
        (Err(LoadError::Content { error, .. }), Err(expected)) => assert_eq!(error, expected),
        (loaded, parsed) => panic!("{loaded:?} from the file, {parsed:?} from its text"),
    }
}

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// What `text` means, or the first fault in it.
fn reference(text: &[u8], order: ColumnOrder) -> Result<Entries, TableError> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let mut entries = Entries::new();
    let mut keys: Vec<(Vec<u8>, usize)> = Vec::new();
    // A character a byte, so that a text's methods can be used on any bytes.
    let text: String = text.iter().copied().map(char::from).collect();
    for (index, ended) in text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        let line = ended.strip_suffix("\r\n").or(ended.strip_suffix('\n')).unwrap_or(ended);
        let is_forbidden = |c: char| c != '\t' && c.is_ascii_control();
        if let Some(at) = line.find(is_forbidden) {
            let (column, byte) = (line[..at].chars().count() + 1, line.as_bytes()[at]);
            return Err(TableError::ControlCharacter { line: number, column, byte });
        }
        let Some((key, value)) = entry(line, number, order)? else { continue };
        if let Some((_, earlier_line)) = keys.iter().find(|(known, _)| *known == key) {
            let (line, earlier_line) = (number, *earlier_line);
            return Err(TableError::DuplicateKey { line, earlier_line, key: excerpt(&key) });
        }
        keys.push((key.clone(), number));
        entries.insert(key, value);
    }
    Ok(entries)
}

type Entry = (Vec<u8>, Vec<u8>);

fn entry(line: &str, number: usize, order: ColumnOrder) -> Result<Option<Entry>, TableError> {
    let blank = [' ', '\t'];
    // A comment is a `#` with nothing or a blank before it.
    let comment = line
        .char_indices()
        .find(|&(at, c)| c == '#' && (at == 0 || line[..at].ends_with(blank)))
        .map_or(line.len(), |(at, _)| at);
    let content = line[..comment].trim_matches(blank);
    let words: Vec<&str> = content.split(blank).filter(|word| !word.is_empty()).collect();
    let shown = |word| excerpt(&bytes(word));
    match (order, words.as_slice()) {
        (_, []) => Ok(None),
        (ColumnOrder::KeyValue, [key]) => {
            Err(TableError::NoValue { line: number, key: shown(key) })
        }
        (ColumnOrder::ValueKey, [value]) => {
            Err(TableError::NoKey { line: number, value: shown(value) })
        }
        (ColumnOrder::KeyValue, [key, ..]) => {
            Ok(Some((bytes(key), bytes(content[key.len()..].trim_matches(blank)))))
        }
        (ColumnOrder::ValueKey, [value, key]) => Ok(Some((bytes(key), bytes(value)))),
        (ColumnOrder::ValueKey, _) => Err(TableError::ExtraWords { line: number }),
    }
}

/// The bytes that the characters stand for.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).expect("a character is a byte")).collect()
}

fn excerpt(word: &[u8]) -> String {
    let dots = if word.len() > SHOWN { "..." } else { "" };
    let escaped = |&byte: &u8| byte.escape_ascii().to_string();
    word.iter().take(SHOWN).map(escaped).collect::<String>() + dots
}

/// Asserts that `table` has these entries and no other, as far as keys near them tell.
fn assert_same(table: &Table, entries: &Entries) {
    assert_eq!(table.len(), entries.len());
    assert_eq!(table.is_empty(), entries.is_empty());
    let expect = |key: &[u8]| {
        assert_eq!(table.get(key), entries.get(key).map(Vec::as_slice), "{}", key.escape_ascii());
    };
    expect(b"");
    for (key, value) in entries {
        expect(key);
        expect(value);
        expect(&key[1..]);
        expect(&key[..key.len() - 1]);
        expect(&[key, &b" "[..], value].concat());
        expect(&[key, &b"\n"[..]].concat());
    }
}
