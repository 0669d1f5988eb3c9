//! A line of text, and numbers in it.

/// Bytes of the longest line, and more.
const LONGEST: usize = 512;

/// All pairs of digits: a number is written two digits at a time.
const PAIRS: [[u8; 2]; 100] = pairs();

/// A line that is being written, within bounds that need no allocation.
#[derive(Debug)]
pub(super) struct Line {
    bytes: [u8; LONGEST],
    pub(super) used: usize,
}

impl Default for Line {
    fn default() -> Line {
        Line { bytes: [0; LONGEST], used: 0 }
    }
}

impl Line {
    pub(super) fn written(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }

    // Inlined, so that a text that is known costs a few moves and no call.
    #[inline(always)]
    pub(super) fn say(&mut self, text: &str) -> &mut Self {
        let end = self.used + text.len();
        if let Some(slot) = self.bytes.get_mut(self.used..end) {
            slot.copy_from_slice(text.as_bytes());
            self.used = end;
        }
        self
    }

    #[inline(always)]
    pub(super) fn byte(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.used) {
            *slot = byte;
            self.used += 1;
        }
    }

    #[inline]
    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        if number < 10 {
            self.byte(b'0' + number as u8);
            return self;
        }
        self.digits(number, number.ilog10() as usize + 1);
        self
    }

    /// The last digits of a number.
    #[inline]
    pub(super) fn digits(&mut self, mut number: u64, count: usize) {
        let end = self.used + count;
        let Some(slot) = self.bytes.get_mut(self.used..end) else { return };
        for pair in slot.rchunks_mut(2) {
            let [tens, ones] = PAIRS.get((number % 100) as usize).copied().unwrap_or_default();
            number /= 100;
            match pair {
                [first, second] => (*first, *second) = (tens, ones),
                [only] => *only = ones,
                _ => {}
            }
        }
        self.used = end;
    }

    /// A count and its noun, which takes an s.
    #[inline(always)]
    pub(super) fn counted(&mut self, count: impl Into<u64>, noun: &str) -> &mut Self {
        let count = count.into();
        self.number(count).say(" ").say(noun);
        if count != 1 {
            self.byte(b's');
        }
        self
    }

    /// Bytes of others, harmless for a terminal: what is not printable ASCII is escaped.
    pub(super) fn escaped(&mut self, bytes: &[u8]) -> &mut Self {
        bytes.escape_ascii().for_each(|byte| self.byte(byte));
        self
    }

    /// Seconds with nine decimals.
    pub(super) fn seconds(&mut self, nanos: u64) {
        const BILLION: u64 = 1_000_000_000;
        self.number(nanos / BILLION).say(".").digits(nanos % BILLION, 9);
    }

    #[cfg(feature = "client")]
    pub(super) fn into_text(self) -> String {
        String::from_utf8_lossy(self.written()).into_owned()
    }

    /// A duration with a unit that fits.
    pub(super) fn duration(&mut self, nanos: u64) -> &mut Self {
        let (unit, name) = match nanos {
            ..1_000 => return self.number(nanos).say(" ns"),
            1_000..1_000_000 => (1_000, " us"),
            1_000_000..1_000_000_000 => (1_000_000, " ms"),
            _ => (1_000_000_000, " s"),
        };
        self.number(nanos / unit).say(".").number(nanos % unit / (unit / 10)).say(name)
    }
}

#[allow(clippy::indexing_slicing, reason = "the numbers are below the length of the array")]
const fn pairs() -> [[u8; 2]; 100] {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + number as u8 / 10, b'0' + number as u8 % 10];
        number += 1;
    }
    pairs
}
