//! Whether an answer is the right one.

use crate::handlers::daytime::Format;
use crate::server::client_log::Escaped;

/// What is known of an answer beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// It is exactly this.
    Exactly(Vec<u8>),
    /// It has the shape of a date and time in this format.
    Date(Format),
    /// It is not an error, and not empty.
    Something,
}

impl Check {
    /// Checks `answer`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn verify(&self, answer: &[u8]) -> Result<(), String> {
        let shown = Escaped(answer);
        let refusal = answer.strip_prefix(b"Error: ");
        match (self, refusal) {
            (Check::Exactly(expected), _) if answer == expected => Ok(()),
            (_, Some(why)) => Err(format!("the server refused: {}", Escaped(why))),
            (Check::Exactly(expected), None) => {
                Err(format!("the answer is {shown} and should be {}", Escaped(expected)))
            }
            (Check::Date(format), None) if has_shape_of(answer, *format) => Ok(()),
            (Check::Date(format), None) => {
                Err(format!("the answer {shown} is not a date in the format {}", format.name()))
            }
            (Check::Something, None) if answer.is_empty() => Err("the answer is empty".to_owned()),
            (Check::Something, None) => Ok(()),
        }
    }
}

fn has_shape_of(text: &[u8], format: Format) -> bool {
    patterns(format).iter().any(|pattern| fits(text, pattern))
}

/// A format's possible shapes: `a` a letter, `0` a digit, `_` a digit or space, `±` a sign, `*` any
/// number of digits; anything else stands for itself.
fn patterns(format: Format) -> &'static [&'static str] {
    match format {
        Format::Ctime => &["aaa aaa _0 00:00:00 0000"],
        Format::Dmy => &["00/00/0000 00:00:00"],
        Format::Rfc3339 => &["0000-00-00T00:00:00Z", "0000-00-00T00:00:00±00:00"],
        Format::Rfc2822 => &["aaa, 00 aaa 0000 00:00:00 ±0000"],
        Format::Unix => &["0*"],
    }
}

fn fits(text: &[u8], pattern: &str) -> bool {
    let mut rest = text;
    for expected in pattern.chars() {
        if expected == '*' {
            return rest.iter().all(u8::is_ascii_digit);
        }
        let Some((&byte, after)) = rest.split_first() else { return false };
        let matches = match expected {
            'a' => byte.is_ascii_alphabetic(),
            '0' => byte.is_ascii_digit(),
            '_' => byte.is_ascii_digit() || byte == b' ',
            '±' => byte == b'+' || byte == b'-',
            itself => char::from(byte) == itself,
        };
        if !matches {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}
