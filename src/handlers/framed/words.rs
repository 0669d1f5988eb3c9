//! Finds a command by its word, eight letters at a time.
//!
//! The plain way compares letter by letter, with each command of the table in turn. That was a
//! third of the work of a small request. Here the first eight bytes of the body are one integer,
//! and so is each word, so a comparison is two instructions.
//!
//! Invariant: [`find`] finds the command whose word, in any case, is the first word of the body.

use super::{COMMANDS, Command};

/// The first eight letters of a word in lower case, and which bytes they are.
#[derive(Clone, Copy)]
struct Front {
    letters: u64,
    mask: u64,
}

/// One for each row of [`COMMANDS`].
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would say so")]
static FRONTS: [Front; COMMANDS.len()] = {
    let mut fronts = [Front { letters: 0, mask: 0 }; COMMANDS.len()];
    let mut row = 0;
    while row < fronts.len() {
        fronts[row] = front_of_word(COMMANDS[row].word.as_bytes());
        row += 1;
    }
    fronts
};

/// A letter differs from itself in the other case in this one bit.
const CASE: u8 = b'a' ^ b'A';

const FRONT_LEN: usize = size_of::<u64>();

#[expect(clippy::indexing_slicing, reason = "called by the compiler alone, which would say so")]
const fn front_of_word(word: &[u8]) -> Front {
    let (mut letters, mut mask) = ([0; FRONT_LEN], [0; FRONT_LEN]);
    let mut place = 0;
    while place < word.len() && place < FRONT_LEN {
        assert!(word[place].is_ascii_alphabetic(), "a word has letters only");
        letters[place] = word[place] | CASE;
        mask[place] = u8::MAX;
        place += 1;
    }
    Front { letters: u64::from_le_bytes(letters), mask: u64::from_le_bytes(mask) }
}

/// The command that `body` begins with, and all that follows its word and one separator.
#[inline]
pub(super) fn find(body: &[u8]) -> Option<(&'static Command, &[u8])> {
    let front = front_of_body(body);
    for (command, word) in COMMANDS.iter().zip(&FRONTS) {
        if (front ^ word.letters) & word.mask == 0
            && let Some(text) = text_behind(command.word, body)
        {
            return Some((command, text));
        }
    }
    None
}

/// The first eight bytes with the case bit set, which makes letters, and nothing but letters, those
/// of a word; fewer if the body is shorter.
#[inline]
fn front_of_body(body: &[u8]) -> u64 {
    let bytes = match body.first_chunk() {
        Some(bytes) => *bytes,
        None => {
            let mut bytes = [0; FRONT_LEN];
            bytes.iter_mut().zip(body).for_each(|(to, from)| *to = *from);
            bytes
        }
    };
    u64::from_le_bytes(bytes) | u64::from_le_bytes([CASE; FRONT_LEN])
}

/// All that follows `word` and one separator in `body`, whose first eight bytes are those of the
/// word.
#[inline]
fn text_behind<'a>(word: &str, body: &'a [u8]) -> Option<&'a [u8]> {
    let (found, rest) = body.split_at_checked(word.len())?;
    if word.len() > FRONT_LEN && !found.eq_ignore_ascii_case(word.as_bytes()) {
        return None;
    }
    match rest {
        [] => Some(rest),
        [separator, text @ ..] if separator.is_ascii_whitespace() => Some(text),
        _ => None,
    }
}
