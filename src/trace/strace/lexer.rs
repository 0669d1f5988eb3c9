//! Lines of strace(1), taken apart: who, when, and a call with its arguments and its outcome.
//!
//! Invariant: each byte of a line is looked at a bounded number of times, whatever is in it.

use memchr::{memchr, memmem, memrchr};

/// The longest text in angle brackets behind a descriptor. Longer ones end a line's reading.
const LONGEST_DECORATION: usize = 4096;

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The thread. 0 if the recording does not tell it.
    pub(super) thread: u32,
    /// When the line began, in nanoseconds.
    pub(super) time: u64,
    pub(super) what: What<'a>,
    /// The line without thread and time.
    pub(super) text: &'a [u8],
}

/// What a line tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What<'a> {
    /// A whole call: `read(3, ""..., 5) = 5 <0.000012>`.
    Call(&'a [u8]),
    /// The beginning of a call, up to `<unfinished ...>`.
    Unfinished(&'a [u8]),
    /// The end of a call, behind `<... read resumed>`.
    Resumed(&'a [u8]),
    /// `--- SIGTERM {...} ---`, its name.
    Signal(&'a [u8]),
    /// `+++ exited with 0 +++`, `+++ killed by SIGKILL +++`.
    Ended,
    /// Something that does not matter here.
    Other,
}

/// A call, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call<'a> {
    pub(super) name: &'a [u8],
    pub(super) arguments: &'a [u8],
    pub(super) result: Outcome<'a>,
    /// What is behind the result: `(in [3], left {...})`.
    pub(super) remark: &'a [u8],
    /// Nanoseconds. `None` without `strace -T`.
    pub(super) took: Option<u64>,
}

/// What a call returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome<'a> {
    /// A number, and the text in angle brackets if it is a descriptor.
    Done(i64, &'a [u8]),
    /// -1, and the name of the errno.
    Failed(&'a [u8]),
    /// `?`: the call never returned, or is made again.
    Unknown,
}

/// Takes a line apart. `None` if strace(1) did not write it.
pub(super) fn line(text: &[u8]) -> Option<Line<'_>> {
    let (thread, rest) = thread(text);
    let (time, rest) = time(rest)?;
    let rest = rest.trim_ascii_start();
    let what = match rest.first()? {
        b'-' => {
            let name = rest.strip_prefix(b"--- ")?;
            What::Signal(name.get(..memchr(b' ', name)?)?)
        }
        b'+' if rest.starts_with(b"+++ superseded") => What::Other,
        b'+' => rest.strip_prefix(b"+++ ").map(|_| What::Ended)?,
        b'<' => {
            let name = rest.strip_prefix(b"<... ")?;
            let end = memmem::find(name, b" resumed>")?;
            What::Resumed(name.get(end + b" resumed>".len()..)?)
        }
        _ => {
            let open = memchr(b'(', rest)?;
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_?".contains(byte);
            if open == 0 || !rest.get(..open)?.iter().all(is_name) {
                return None;
            }
            match rest.strip_suffix(b"<unfinished ...>") {
                Some(begun) => What::Unfinished(begun),
                None => What::Call(rest),
            }
        }
    };
    Some(Line { thread, time, what, text: rest })
}

/// `1234 ` or `[pid 1234] `.
fn thread(text: &[u8]) -> (u32, &[u8]) {
    if let Some(rest) = text.strip_prefix(b"[pid ")
        && let Some((number, rest)) = digits(rest.trim_ascii_start())
        && let Some(rest) = rest.strip_prefix(b"]")
    {
        return (u32::try_from(number).unwrap_or(0), rest.trim_ascii_start());
    }
    match digits(text) {
        Some((number, rest)) if rest.first() == Some(&b' ') => {
            (u32::try_from(number).unwrap_or(0), rest.trim_ascii_start())
        }
        _ => (0, text),
    }
}

/// `1795763854.561180`, of `-ttt`, or `07:17:34.561180`, of `-tt`.
fn time(text: &[u8]) -> Option<(u64, &[u8])> {
    let (mut seconds, mut rest) = digits(text)?;
    while let Some(minutes) = rest.strip_prefix(b":") {
        let (number, behind) = digits(minutes)?;
        (seconds, rest) = (seconds.checked_mul(60)?.checked_add(number)?, behind);
    }
    let (nanos, rest) = fraction(rest.strip_prefix(b".")?)?;
    if rest.first() != Some(&b' ') {
        return None;
    }
    Some((seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?, rest))
}

/// Digits behind a decimal point, in nanoseconds of a second.
fn fraction(text: &[u8]) -> Option<(u64, &[u8])> {
    let (_, rest) = digits(text)?;
    let count = text.len() - rest.len();
    let mut nanos = 0;
    for at in 0..9 {
        let digit = if at < count { text.get(at).map_or(0, |byte| byte - b'0') } else { 0 };
        nanos = nanos * 10 + u64::from(digit);
    }
    Some((nanos, rest))
}

/// A number of at most 19 digits.
pub(super) fn digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 || count > 19 {
        return None;
    }
    let (digits, rest) = text.split_at_checked(count)?;
    Some((digits.iter().fold(0, |number, byte| number * 10 + u64::from(byte - b'0')), rest))
}

/// The name of a call that is whole or begins.
pub(super) fn name(text: &[u8]) -> &[u8] {
    memchr(b'(', text).and_then(|open| text.get(..open)).unwrap_or_default()
}

/// Takes a call apart.
pub(super) fn call(text: &[u8]) -> Option<Call<'_>> {
    let name = name(text);
    let inside = text.get(name.len() + 1..)?;
    let close = end_of_group(inside)?;
    let arguments = inside.get(..close)?;
    let behind = inside.get(close + 1..)?.trim_ascii_start().strip_prefix(b"= ")?;
    let (behind, took) = duration(behind.trim_ascii_end());
    let (result, remark) = outcome(behind)?;
    Some(Call { name, arguments, result, remark, took })
}

/// Takes `<0.000012>` from the end.
fn duration(text: &[u8]) -> (&[u8], Option<u64>) {
    let found = text.strip_suffix(b">").and_then(|text| {
        let open = memrchr(b'<', text)?;
        let (seconds, rest) = digits(text.get(open + 1..)?)?;
        let (nanos, rest) = fraction(rest.strip_prefix(b".")?)?;
        let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?;
        rest.is_empty().then_some((text.get(..open)?.trim_ascii_end(), nanos))
    });
    found.map_or((text, None), |(text, nanos)| (text, Some(nanos)))
}

fn outcome(text: &[u8]) -> Option<(Outcome<'_>, &[u8])> {
    if let Some(rest) = text.strip_prefix(b"?") {
        return Some((Outcome::Unknown, rest));
    }
    if let Some(rest) = text.strip_prefix(b"-1 ") {
        let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric());
        let (name, rest) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        return Some((Outcome::Failed(name), rest));
    }
    if let Some(rest) = text.strip_prefix(b"0x") {
        return Some((Outcome::Done(0, &[]), rest));
    }
    let (is_negative, number) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (number, rest) = digits(number)?;
    let number = i64::try_from(number).ok()?;
    let (decoration, rest) = decoration(rest);
    Some((Outcome::Done(if is_negative { -number } else { number }, decoration), rest))
}

/// The text in angle brackets at the beginning, and what is behind it.
pub(super) fn decoration(text: &[u8]) -> (&[u8], &[u8]) {
    let found = text.strip_prefix(b"<").and_then(|inside| {
        let end = end_of_decoration(inside)?;
        Some((inside.get(..end)?, inside.get(end + 1..)?))
    });
    found.unwrap_or((&[], text))
}

/// Where the `>` is that ends a decoration. In `TCP:[127.0.0.1:80->127.0.0.1:5555]` there is
/// another before it, and in `/dev/null<char 1:3>` there are inner ones. In a path it is escaped.
fn end_of_decoration(inside: &[u8]) -> Option<usize> {
    let inside = inside.get(..inside.len().min(LONGEST_DECORATION))?;
    let is_bracketed = memmem::find(inside.get(..inside.len().min(16))?, b":[").is_some();
    if is_bracketed
        && !inside.starts_with(b"/")
        && let Some(at) = memmem::find(inside, b"]>")
    {
        return Some(at + 1);
    }
    let mut depth = 0_u32;
    for (at, byte) in inside.iter().enumerate() {
        match byte {
            b'<' => depth += 1,
            b'>' if depth == 0 => return Some(at),
            b'>' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Where the bracket is that closes the group whose inside begins here.
fn end_of_group(text: &[u8]) -> Option<usize> {
    let mut depth = 0_u32;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth == 0 => return Some(at),
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        at = skip(text, at)?;
    }
    None
}

/// Where the next token begins: strings, decorations and comments are one token each.
fn skip(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    match rest.first()? {
        b'"' => {
            let mut inside = at + 1;
            loop {
                match text.get(inside)? {
                    b'\\' => inside += 2,
                    b'"' => return Some(inside + 1),
                    _ => inside += 1,
                }
            }
        }
        b'<' if rest.get(1) != Some(&b'<') && is_name_before(text, at) => {
            let (_, behind) = decoration(rest);
            Some(text.len() - behind.len()).filter(|&end| end > at)
        }
        b'/' if rest.get(1) == Some(&b'*') => {
            let end = memmem::find(rest.get(2..)?, b"*/")?;
            Some(at + 2 + end + 2)
        }
        _ => Some(at + 1),
    }
}

fn is_name_before(text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| text.get(at));
    before.is_some_and(u8::is_ascii_alphanumeric)
}

/// The parts of a text between commas, those within brackets not counted.
#[derive(Clone, Debug)]
pub(super) struct Items<'a>(Option<&'a [u8]>);

/// The items of a list or of arguments, without the brackets around them.
pub(super) fn items(text: &[u8]) -> Items<'_> {
    Items(Some(text).filter(|text| !text.is_empty()))
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.0.take()?;
        let (mut depth, mut at) = (0_u32, 0);
        while let Some(byte) = text.get(at) {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                b',' if depth == 0 => {
                    self.0 = text.get(at + 1..);
                    return text.get(..at).map(<[u8]>::trim_ascii);
                }
                _ => {}
            }
            // Text that has no end is one item.
            at = skip(text, at).unwrap_or(text.len());
        }
        Some(text.trim_ascii())
    }
}

/// The inside of brackets: of `[...]`, `{...}` or `(...)`. What follows them is left out.
pub(super) fn inside(text: &[u8]) -> Option<&[u8]> {
    let inside = match text.first()? {
        b'[' | b'{' | b'(' => text.get(1..)?,
        _ => return None,
    };
    inside.get(..end_of_group(inside)?)
}

/// The value of a field `name=value` of a structure.
pub(super) fn field<'a>(structure: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    items(structure).find_map(|item| item.strip_prefix(name)?.strip_prefix(b"="))
}
