//! Formatting numbers: thousands separated, three significant digits, a fitting unit.

#[cfg(test)]
mod tests;

/// A count, its thousands apart: `20,000`.
pub(crate) fn count(count: u64) -> String {
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
pub(crate) fn rate(per_second: f64) -> String {
    format!("{}/s", number(per_second))
}

/// In place of a figure that is not known.
pub(crate) fn unknown() -> String {
    "–".to_owned()
}

/// A number of any size, three significant digits at least: `20,000`, `12.5`, `0.123`.
pub(crate) fn number(number: f64) -> String {
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
pub(crate) fn micros(micros: f64) -> String {
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
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        0.0 => "0 s".to_owned(),
        _ if seconds < 0.0 => format!("-{}", micros(-seconds * 1e6)),
        _ => micros(seconds * 1e6),
    }
}

/// A duration of the configuration, without needless decimals: `10 s`, `1.5 s`, `100 ms`.
pub(crate) fn span(seconds: f64) -> String {
    if seconds > 0.0 && seconds < 1.0 {
        return format!("{} ms", number(seconds * 1e3));
    }
    format!("{} s", number(seconds))
}

/// Bytes: `64 B`, `1.50 KiB`, `12.3 MiB`.
pub(crate) fn bytes(bytes: f64) -> String {
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
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", number(share * 100.0))
}

/// A share that is nearly all, with as many digits as it takes to tell it from all, rounded down:
/// `99.94 %`.
pub(crate) fn nearly_all(share: f64) -> String {
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
pub(crate) fn change(share: f64) -> String {
    let percent = share * 100.0;
    match percent.abs() {
        size if size < 0.05 => "±0 %".to_owned(),
        size if size < 99.95 => format!("{percent:+.1} %"),
        _ => format!("{}{} %", if percent < 0.0 { "-" } else { "+" }, number(percent.abs())),
    }
}

/// One thing or several: `1 connection`, `64 connections`.
pub(crate) fn counted(number: u64, one: &str) -> String {
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

/// `text` in lines of at most `width` columns, broken between words. A longer word has a line of
/// its own.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}
