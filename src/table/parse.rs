//! Parsing the text of a table: lines, then words.
//!
//! A [`Checker`] checks each line once, in full, while the text is read. After that, building the
//! index finds the keys without checks, and a lookup finds the ends of a key and of its value from
//! the offset of the key.
//!
//! Once a line has been checked, the only control characters in it are tabs and its line end. That
//! is why the standard library's "ASCII whitespace" can stand for "space or tab" here.

use super::ColumnOrder;
use super::error::{TableError, excerpt};

/// How much of a text has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// More may follow; the last line may be incomplete.
    Beginning,
    /// All of it.
    Whole,
}

/// Checks a text line by line while it is read.
///
/// Invariant: all lines before `line_start` are without fault.
pub(super) struct Checker {
    order: ColumnOrder,
    /// The start of the line that is checked next.
    line_start: usize,
    /// How far that line has been searched for its end. So a line in many pieces is searched once,
    /// not once for each piece.
    searched: usize,
    /// The number of lines checked.
    lines: usize,
    /// The number of them with an entry.
    entries: usize,
}

/// One line of a text, without its line end.
struct Line<'t> {
    /// Counted from 1.
    number: usize,
    bytes: &'t [u8],
}

/// The key of an entry.
pub(super) struct Key<'t> {
    pub(super) bytes: &'t [u8],
    /// Where in the text the key starts.
    pub(super) offset: u32,
}

impl Checker {
    pub(super) fn new(order: ColumnOrder) -> Checker {
        Checker { order, line_start: 0, searched: 0, lines: 0, entries: 0 }
    }

    /// Checks the lines of `text` that are complete, from where the last call stopped. `text`
    /// begins with all that earlier calls were given. Must not be called again after a fault.
    pub(super) fn check(&mut self, text: &[u8], extent: Extent) -> Result<(), TableError> {
        while let Some((line, next)) = self.next_line(text, extent)? {
            let has_entry = line.check(self.order)?;
            self.line_start = next;
            self.searched = next;
            self.lines += 1;
            self.entries += usize::from(has_entry);
        }
        Ok(())
    }

    /// The part of `text` that has been checked and has no fault.
    pub(super) fn checked<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(..self.line_start).unwrap_or_default()
    }

    /// The number of entries of that part.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// The next line if it is complete, and the start of the line after it.
    ///
    /// A line ends at its first control character other than tab, and that has to be a line end.
    ///
    /// A control character in a value could break the framing of a reply or a line of a log, and a
    /// NUL most often means that the file is UTF-16: so it is refused here, with its line and
    /// column.
    fn next_line<'t>(
        &mut self,
        text: &'t [u8],
        extent: Extent,
    ) -> Result<Option<(Line<'t>, usize)>, TableError> {
        let ends_line = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        let unsearched = text.get(self.searched..).unwrap_or_default();
        let more = unsearched.iter().position(ends_line).unwrap_or(unsearched.len());
        self.searched += more;
        let from_start = text.get(self.line_start..).unwrap_or_default();
        let length = self.searched - self.line_start;
        let (bytes, behind) = from_start.split_at_checked(length).unwrap_or_default();
        let line = Line { number: self.lines + 1, bytes };
        let line_end = match *behind {
            [] if bytes.is_empty() => return Ok(None),
            [] | [b'\r'] if extent == Extent::Beginning => return Ok(None),
            [] => 0,
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            [byte, ..] => {
                let (line, column) = (line.number, length + 1);
                return Err(TableError::ControlCharacter { line, column, byte });
            }
        };
        Ok(Some((line, self.searched + line_end)))
    }
}

impl Line<'_> {
    /// Whether the line has an entry, if it is without fault.
    fn check(&self, order: ColumnOrder) -> Result<bool, TableError> {
        let line = self.number;
        let from_first = content(self.bytes).trim_ascii();
        if from_first.is_empty() {
            return Ok(false);
        }
        let first = first_word(from_first);
        let from_second = after_word(from_first, first);
        match order {
            ColumnOrder::KeyValue if from_second.is_empty() => {
                Err(TableError::NoValue { line, key: excerpt(first) })
            }
            ColumnOrder::ValueKey if from_second.is_empty() => {
                Err(TableError::NoKey { line, value: excerpt(first) })
            }
            ColumnOrder::ValueKey if first_word(from_second).len() < from_second.len() => {
                Err(TableError::ExtraWords { line })
            }
            ColumnOrder::KeyValue | ColumnOrder::ValueKey => Ok(true),
        }
    }
}

/// The keys of all entries of `text`, first to last. The text has been checked.
pub(super) fn keys(text: &[u8], order: ColumnOrder) -> impl Iterator<Item = Key<'_>> {
    let mut line_end = 0;
    text.split_inclusive(|&byte| byte == b'\n').filter_map(move |line| {
        line_end += line.len();
        let from_first = line.trim_ascii_start();
        if from_first.first().is_none_or(|&byte| byte == b'#') {
            return None;
        }
        let from_key = match order {
            ColumnOrder::KeyValue => from_first,
            ColumnOrder::ValueKey => after_word(from_first, first_word(from_first)),
        };
        // Cannot truncate: no text is longer than `MAX_TEXT_BYTES`.
        let offset = (line_end - from_key.len()) as u32;
        Some(Key { bytes: first_word(from_key), offset })
    })
}

/// Whether the key that starts at `offset` is `key`, which must be a single word.
///
/// Compares as many bytes as `key` has. A search for the end of the word in the text would be a
/// loop whose length the processor learns only when the text has arrived from memory; until then it
/// could not begin the next lookup.
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

/// The text from an offset of the index on. The index only holds offsets into its own text.
fn from(text: &[u8], offset: u32) -> &[u8] {
    text.get(offset as usize..).unwrap_or_default()
}

fn up_to(text: &[u8], offset: u32) -> &[u8] {
    text.get(..offset as usize).unwrap_or_default()
}

/// The part of `text` after `word`, with which it begins, and after the whitespace that follows.
fn after_word<'t>(text: &'t [u8], word: &[u8]) -> &'t [u8] {
    text.get(word.len()..).unwrap_or_default().trim_ascii_start()
}

/// The bytes of `text` up to the first whitespace.
fn first_word(text: &[u8]) -> &[u8] {
    text.split(u8::is_ascii_whitespace).next().unwrap_or_default()
}
