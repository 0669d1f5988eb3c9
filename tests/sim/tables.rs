//! The lookup table in its versions: every value tells which version it is of.

use readyd::table::{ColumnOrder, Table};

/// Keys that some version has.
pub(crate) const KEYS: usize = 8;

/// The value of `key` in that version; `None` if it has no such key.
pub(crate) fn value(version: usize, key: &[u8]) -> Option<Vec<u8>> {
    let number = (0..KEYS).find(|number| format!("key{number}").as_bytes() == key)?;
    has(version, number).then(|| format!("value {number} of version {version}").into_bytes())
}

/// In each version another quarter of the keys is missing.
fn has(version: usize, number: usize) -> bool {
    (version + number) % 4 != 3
}

/// The table of that version.
pub(crate) fn table(version: usize) -> Table {
    Table::parse(text(version).into_bytes(), ColumnOrder::KeyValue).expect("the text is a table")
}

/// Its text.
pub(crate) fn text(version: usize) -> String {
    let line = |number| format!("key{number} value {number} of version {version}\n");
    (0..KEYS).filter(|&number| has(version, number)).map(line).collect()
}

/// Tries to make a table of a text that is none.
pub(crate) fn is_broken_text_refused() -> bool {
    Table::parse(b"key0 value 0 of a broken table\nkey1\n".to_vec(), ColumnOrder::KeyValue).is_err()
}
