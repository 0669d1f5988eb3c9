//! Numbers with their nouns in English: `1 key`, `2 keys`.

use std::fmt;

#[cfg(test)]
mod tests;

/// A number and the noun of what is counted.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    count: u64,
    noun: &'a str,
}

/// A number and its noun, which is given in the singular. Its plural is made with an `s`, or with
/// `es` after an `s`: `processes`. A number that does not fit into 64 bits becomes `u64::MAX`.
pub fn counted(count: impl TryInto<u64>, noun: &str) -> Counted<'_> {
    Counted { count: count.try_into().unwrap_or(u64::MAX), noun }
}

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counted { count, noun } = self;
        let ending = match count {
            1 => "",
            _ if noun.ends_with('s') => "es",
            _ => "s",
        };
        write!(f, "{count} {noun}{ending}")
    }
}
