//! Whether an answer is the right one.

use crate::client_log::Escaped;
use crate::handlers::daytime::Format;

/// What is known of an answer beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// It is exactly this.
    Exactly(Vec<u8>),
    /// It is a date and time in this format.
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
        match self {
            Check::Exactly(expected) if answer == expected => Ok(()),
            _ if answer.starts_with(b"Error: ") => {
                let text = String::from_utf8_lossy(&answer[b"Error: ".len()..]);
                Err(format!("the server refused: {}", text.escape_debug()))
            }
            Check::Exactly(expected) => {
                Err(format!("the answer is {shown} and should be {}", Escaped(expected)))
            }
            Check::Date(format) if fits(answer, pattern(*format)) => Ok(()),
            Check::Date(format) => {
                Err(format!("the answer {shown} is not a date in the format {}", format.name()))
            }
            Check::Something if answer.is_empty() => Err("the answer is empty".to_owned()),
            Check::Something => Ok(()),
        }
    }
}

/// A format's shape: `a` a letter, `0` a digit, `_` a digit or space, `±` the start of a zone, whose
/// rest is not looked at, `*` more digits; anything else stands for itself.
fn pattern(format: Format) -> &'static str {
    match format {
        Format::Ctime => "aaa aaa _0 00:00:00 0000",
        Format::Dmy => "00/00/0000 00:00:00",
        Format::Rfc3339 => "0000-00-00T00:00:00±",
        Format::Rfc2822 => "aaa, 00 aaa 0000 00:00:00 ±",
        Format::Unix => "0*",
    }
}

fn fits(text: &[u8], pattern: &str) -> bool {
    let mut rest = text;
    for expected in pattern.chars() {
        match expected {
            '±' => return matches!(rest.first(), Some(b'+' | b'-' | b'Z')),
            '*' => return rest.iter().all(u8::is_ascii_digit),
            _ => {}
        }
        let Some((&byte, after)) = rest.split_first() else { return false };
        let matches = match expected {
            'a' => byte.is_ascii_alphabetic(),
            '0' => byte.is_ascii_digit(),
            '_' => byte.is_ascii_digit() || byte == b' ',
            itself => char::from(byte) == itself,
        };
        if !matches {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}
