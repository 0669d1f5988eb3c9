//! An answer that has begun and whose bytes are not kept: how many there were, and the first of
//! them, to be shown if it never ends.

use super::other_replies::SHOWN;

/// What has come of an answer and is not kept any more.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    len: u64,
    first: Vec<u8>,
}

impl Unfinished {
    /// Bytes of whole replies have come, and behind them a part of one that has not ended.
    #[inline]
    pub(super) fn follow(&mut self, whole: usize, part: &[u8]) {
        if whole > 0 {
            self.len = 0;
            self.first.clear();
        }
        if !part.is_empty() {
            self.add(part);
        }
    }

    fn add(&mut self, part: &[u8]) {
        let room = SHOWN - self.first.len();
        self.first.extend(part.iter().take(room));
        self.len += part.len() as u64;
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The first bytes, of those that were not kept and of the `rest` behind them.
    pub(super) fn shown(&self, rest: &[u8]) -> Vec<u8> {
        self.first.iter().chain(rest).take(SHOWN).copied().collect()
    }
}
