//! Formatting numbers: thousands separated, three significant digits, a fitting unit.

use unicode_width::UnicodeWidthStr;

#[cfg(test)]
mod tests;

/// A count, its thousands apart: `20,000`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Something a second: `20,000/s`, `12.5/s`.
pub fn rate(per_second: f64) -> String {
    format!("{}/s", number(per_second))
}

/// In place of a figure that is not known.
pub(crate) fn unknown() -> String {
    "–".to_owned()
}

/// A number of any size, three significant digits at least: `20,000`, `12.5`, `0.123`.
pub fn number(number: f64) -> String {
    if number.abs() < 99.95 {
        let text = significant(number);
        return if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        };
    }
    let sign = if number < 0.0 { "-" } else { "" };
    format!("{sign}{}", count(number.abs().round() as u64))
}

/// A time given in microseconds: `850 ns`, `45.2 µs`, `1.20 ms`, `3.40 s`.
pub fn micros(micros: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e6, "s"), (1e3, "ms"), (1.0, "µs")];
    if micros == 0.0 {
        return "0 µs".to_owned();
    }
    for (size, unit) in UNITS {
        // What would be rounded up to a thousand of a unit is one of the next.
        if micros >= size * 0.9995 {
            return format!("{} {unit}", significant(micros / size));
        }
    }
    format!("{} ns", significant(micros * 1e3))
}

/// A time given in seconds, at any size in a unit that fits.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        0.0 => "0 s".to_owned(),
        _ if seconds < 0.0 => format!("-{}", micros(-seconds * 1e6)),
        _ => micros(seconds * 1e6),
    }
}

/// A duration of the configuration, without needless decimals: `10 s`, `1.5 s`, `100 ms`, `5 µs`.
pub fn span(seconds: f64) -> String {
    if seconds > 0.0 && seconds < 1e-3 {
        return format!("{} µs", number(seconds * 1e6));
    }
    if seconds > 0.0 && seconds < 1.0 {
        return format!("{} ms", number(seconds * 1e3));
    }
    format!("{} s", number(seconds))
}

/// Bytes: `64 B`, `1.50 KiB`, `12.3 MiB`.
pub fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024.0 {
        return format!("{} B", number(bytes));
    }
    let mut size = bytes;
    let mut name = "B";
    for unit in UNITS {
        if size < 1023.5 {
            break;
        }
        size /= 1024.0;
        name = unit;
    }
    format!("{} {name}", significant(size))
}

/// A share of 1 in percent: `12.5 %`.
pub fn percent(share: f64) -> String {
    format!("{} %", number(share * 100.0))
}

/// A share that is nearly all, with as many digits as it takes to tell it from all, rounded down:
/// `99.94 %`.
pub fn nearly_all(share: f64) -> String {
    for decimals in 0..=6 {
        let scale = 10f64.powi(decimals);
        let percent = (share * 100.0 * scale).floor() / scale;
        let is_told_apart = (100.0 - percent) * scale >= 10.0;
        if is_told_apart || decimals == 6 {
            return format!("{percent:.*} %", decimals as usize);
        }
    }
    percent(share)
}

/// A change as a share of what was: `+12.5 %`.
pub fn change(share: f64) -> String {
    let percent = share * 100.0;
    match percent.abs() {
        size if size < 0.05 => "±0 %".to_owned(),
        size if size < 99.95 => format!("{percent:+.1} %"),
        _ => format!("{}{} %", if percent < 0.0 { "-" } else { "+" }, number(percent.abs())),
    }
}

/// One thing or several: `1 connection`, `64 connections`.
pub fn counted(number: u64, one: &str) -> String {
    format!("{} {one}{}", count(number), if number == 1 { "" } else { "s" })
}

fn significant(number: f64) -> String {
    let decimals = match number.abs() {
        size if size >= 99.95 || size == 0.0 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 => 2,
        _ => 3,
    };
    format!("{number:.decimals$}")
}

/// Columns that `text` takes on a terminal.
pub fn columns(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// A space at which [`wrapped`] breaks a line only where there is no other way.
pub const NO_BREAK: char = '\u{a0}';

/// Units that stay on the line of their number.
const GLUED: [&str; 15] =
    ["ns", "µs", "ms", "s", "m", "h", "%", "B", "KiB", "MiB", "GiB", "TiB", "×", "KiB/s", "MiB/s"];

/// `text` in lines of at most `width` columns, broken between words, but not between a number and
/// its unit. Only a word that is longer than a line is broken itself.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for piece in pieces(text) {
        let gap = usize::from(!line.is_empty());
        if columns(&line) + gap + columns(&piece) <= width {
            line.extend((gap > 0).then_some(' '));
            line.push_str(&piece);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for word in piece.split(' ') {
            let gap = usize::from(!line.is_empty());
            if columns(&line) + gap + columns(word) <= width {
                line.extend((gap > 0).then_some(' '));
                line.push_str(word);
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            let mut parts = chopped(word, width);
            line = parts.pop().unwrap_or_default();
            lines.append(&mut parts);
        }
    }
    lines.push(line);
    lines
}

/// The words of a text; those that stay together in one piece, with a space between.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for word in text.split([' ', '\n', '\t']).filter(|word| !word.is_empty()) {
        let word = word.replace(NO_BREAK, " ");
        let unit = word.trim_end_matches([',', ';', '.', ':', ')', '?', '*']);
        match pieces.last_mut() {
            Some(last) if last.ends_with(|c: char| c.is_ascii_digit()) && GLUED.contains(&unit) => {
                last.push(' ');
                last.push_str(&word);
            }
            _ => pieces.push(word),
        }
    }
    pieces
}

/// A word in parts of at most `width` columns, broken behind a punctuation mark if there is one in
/// the second half of the part.
fn chopped(word: &str, width: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    for c in word.chars() {
        if !part.is_empty() && columns(&part) + columns(c.encode_utf8(&mut [0; 4])) > width {
            let marks = ['/', ':', ';', '=', '-', '_', '?', '&', '.'];
            let end = part.rfind(marks).map(|at| at + 1).filter(|end| *end > part.len() / 2);
            let rest = part.split_off(end.unwrap_or(part.len()));
            parts.push(std::mem::replace(&mut part, rest));
        }
        part.push(c);
    }
    parts.push(part);
    parts
}
