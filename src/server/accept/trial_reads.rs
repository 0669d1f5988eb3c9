//! Reading a connection before an event tells that its request has come.

/// Whether a connection is read as soon as it is accepted, before an event tells that its request
/// has come. If it has, that saves an event and a turn; if not, it costs a recv(2) for nothing. So
/// it depends on how often it was worth it lately.
#[derive(Debug)]
pub(super) struct TrialReads {
    /// Goes up by one with a read that found bytes, down by one with one that did not.
    score: u8,
    skipped: u8,
}

impl TrialReads {
    const MOST: u8 = 16;
    /// At this score or above, each connection is read at once; below it, one of this many.
    const WORTH_IT: u8 = 8;

    pub(super) const NEW: TrialReads = TrialReads { score: Self::WORTH_IT, skipped: 0 };

    pub(super) fn is_worth_it(&mut self) -> bool {
        self.skipped = if self.score >= Self::WORTH_IT { 0 } else { self.skipped.wrapping_add(1) };
        self.skipped.is_multiple_of(Self::WORTH_IT)
    }

    pub(super) fn note(&mut self, has_found_bytes: bool) {
        self.score = match has_found_bytes {
            true => (self.score + 1).min(Self::MOST),
            false => self.score.saturating_sub(1),
        };
    }
}
