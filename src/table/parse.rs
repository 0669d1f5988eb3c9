//! The text of a table, taken apart: lines, then words.
//!
//! Used twice: in full and with checks when a table is built, and, from the offset of a known key,
//! to find the ends of that key and of its value again when it is looked up.
//!
//! Once a line has passed [`Line::key`], the only control characters in it are tabs and its line
//! end. That is why the standard library's "ASCII whitespace" can stand for "space or tab" here.

use super::Order;
use super::error::{TableError, excerpt};

/// The keys of all entries of `text`, first to last. Not to be used beyond the first error.
pub(super) fn keys(text: &[u8], order: Order) -> impl Iterator<Item = Result<Key<'_>, TableError>> {
    let lines = Lines { text, offset: 0, number: 0 };
    lines.filter_map(move |line| line.and_then(|line| line.key(order)).transpose())
}

/// The lines of a text, first to last, up to the first that has a forbidden character.
struct Lines<'t> {
    text: &'t [u8],
    /// Where the next line starts.
    offset: usize,
    /// The number of the line before that one, counted from 1.
    number: usize,
}

/// One line of a text, without its line end.
struct Line<'t> {
    /// Counted from 1.
    number: usize,
    /// Where in the text the line starts.
    offset: usize,
    bytes: &'t [u8],
}

/// The key of an entry.
pub(super) struct Key<'t> {
    pub(super) bytes: &'t [u8],
    /// Where in the text the key starts.
    pub(super) offset: u32,
    /// The number of its line.
    pub(super) line: usize,
}

impl<'t> Iterator for Lines<'t> {
    type Item = Result<Line<'t>, TableError>;

    /// A line ends at its first control character other than tab, and that has to be a line end.
    ///
    /// A control character in a value could break the framing of a reply or a line of a log, and a
    /// NUL most often means that the file is UTF-16: better refused here, with its place.
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text.get(self.offset..).filter(|rest| !rest.is_empty())?;
        let ends_line = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        let length = rest.iter().position(ends_line).unwrap_or(rest.len());
        let (bytes, behind) = rest.split_at(length);
        let line = Line { number: self.number + 1, offset: self.offset, bytes };
        let line_end = match *behind {
            [] => 0,
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            [byte, ..] => {
                let (line, column) = (line.number, length + 1);
                return Some(Err(TableError::ControlCharacter { line, column, byte }));
            }
        };
        self.offset += length + line_end;
        self.number += 1;
        Some(Ok(line))
    }
}

impl<'t> Line<'t> {
    /// The key of the line's entry, or `None` if the line has no entry.
    fn key(&self, order: Order) -> Result<Option<Key<'t>>, TableError> {
        let line = self.number;
        let content = content(self.bytes).trim_ascii_end();
        let from_first = content.trim_ascii_start();
        if from_first.is_empty() {
            return Ok(None);
        }
        let first = first_word(from_first);
        let from_second = from_first.split_at(first.len()).1.trim_ascii_start();

        let (key, from_key) = match order {
            Order::KeyValue if from_second.is_empty() => {
                return Err(TableError::NoValue { line, key: excerpt(first) });
            }
            Order::ValueKey if from_second.is_empty() => {
                return Err(TableError::NoKey { line, value: excerpt(first) });
            }
            Order::KeyValue => (first, from_first),
            Order::ValueKey => (first_word(from_second), from_second),
        };
        if order == Order::ValueKey && key.len() < from_key.len() {
            return Err(TableError::ExtraWords { line });
        }
        let offset = self.offset + content.len() - from_key.len();
        // Cannot truncate: no text is longer than `MAX_TEXT_BYTES`.
        Ok(Some(Key { bytes: key, offset: offset as u32, line }))
    }
}

/// How many entries `text` has, if no line of it is at fault.
pub(super) fn count_entries(text: &[u8]) -> usize {
    let has_entry =
        |line: &&[u8]| line.trim_ascii_start().first().is_some_and(|&byte| byte != b'#');
    text.split(|&byte| byte == b'\n').filter(has_entry).count()
}

/// Whether the key that starts at `offset` is `key`, which must be a single word.
///
/// Compares by the length of `key`, which is at hand, rather than look for the end of the word in
/// the text: how often such a loop runs, the processor would learn only once the text has arrived
/// from memory, and until then it could not start on the next lookup.
pub(super) fn is_key_at(text: &[u8], offset: u32, key: &[u8]) -> bool {
    from(text, offset)
        .strip_prefix(key)
        .is_some_and(|after| after.first().is_none_or(u8::is_ascii_whitespace))
}

/// The value on the line of `key`, which starts at `offset`: all that follows the key.
pub(super) fn value_after_key<'t>(text: &'t [u8], offset: u32, key: &[u8]) -> &'t [u8] {
    let after_key = from(text, offset).get(key.len()..).unwrap_or_default();
    content(after_key).trim_ascii()
}

/// The value on the line of the key that starts at `offset`: the one word before the key.
pub(super) fn value_before_key(text: &[u8], offset: u32) -> &[u8] {
    let up_to_value = up_to(text, offset).trim_ascii_end();
    up_to_value.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default()
}

/// The number, from 1, of the line that holds the byte at `offset`.
pub(super) fn line_number_at(text: &[u8], offset: u32) -> usize {
    1 + count_line_ends(up_to(text, offset))
}

/// How many line ends `text` has.
pub(super) fn count_line_ends(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| byte == b'\n').count()
}

/// The bytes of `text` up to its first line end or comment. A comment starts at a `#` that is the
/// first of its line or follows a space or tab; elsewhere `#` is a character like any other.
fn content(text: &[u8]) -> &[u8] {
    let mut is_after_space = true;
    let ends_content = |&byte: &u8| {
        let ends = byte == b'\n' || (byte == b'#' && is_after_space);
        is_after_space = byte.is_ascii_whitespace();
        ends
    };
    let end = text.iter().position(ends_content).unwrap_or(text.len());
    text.split_at(end).0
}

/// What begins at an offset of the index. It only holds offsets into its own text.
fn from(text: &[u8], offset: u32) -> &[u8] {
    text.get(offset as usize..).unwrap_or_default()
}

fn up_to(text: &[u8], offset: u32) -> &[u8] {
    text.get(..offset as usize).unwrap_or_default()
}

/// The bytes of `text` up to the first whitespace.
fn first_word(text: &[u8]) -> &[u8] {
    text.split(u8::is_ascii_whitespace).next().unwrap_or_default()
}
