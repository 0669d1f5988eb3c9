//! The protocols once more, as naive as can be and from PROTOCOL.md alone: what the programs under
//! test are compared with shares no code with them.

use readyd::io::clock::WallTime;
use std::sync::OnceLock;

/// A frame around `body`.
pub(crate) fn frame(body: &[u8]) -> Vec<u8> {
    [format!("{:<64}", body.len()).as_bytes(), body].concat()
}

/// What bytes begin with, where frames are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Unfinished,
    /// A frame that ends there.
    Frame(usize),
    NotAFrame,
    TooLong,
}

pub(crate) fn start_of(bytes: &[u8], longest: usize) -> Start {
    let header = &bytes[..bytes.len().min(64)];
    let digits = header.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(header.len());
    let is_padded = header[digits..].iter().all(|&byte| byte == b' ');
    if !header.is_empty() && (digits == 0 || !is_padded) {
        return Start::NotAFrame;
    }
    if header.len() < 64 {
        return Start::Unfinished;
    }
    let text: String = header[..digits].iter().map(|&byte| char::from(byte)).collect();
    let significant = text.trim_start_matches('0');
    if significant.len() > 18 {
        return Start::TooLong;
    }
    let length: usize = if significant.is_empty() { 0 } else { significant.parse().unwrap() };
    match length {
        _ if length > longest => Start::TooLong,
        _ if bytes.len() < 64 + length => Start::Unfinished,
        _ => Start::Frame(64 + length),
    }
}

/// The first word in capitals, and what follows the one white space behind it.
pub(crate) fn first_word(body: &[u8]) -> (Vec<u8>, &[u8]) {
    let is_space = |byte: &u8| b" \t\n\x0c\r".contains(byte);
    let start = body.iter().position(|byte| !is_space(byte)).unwrap_or(body.len());
    let body = &body[start..];
    let end = body.iter().position(is_space).unwrap_or(body.len());
    (body[..end].to_ascii_uppercase(), body.get(end + 1..).unwrap_or(&[]))
}

pub(crate) fn trimmed(mut text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| b" \t\n\x0c\r".contains(byte);
    while text.first().is_some_and(is_space) {
        text = &text[1..];
    }
    while text.last().is_some_and(is_space) {
        text = &text[..text.len() - 1];
    }
    text
}

/// A date and time of UTC.
struct Date {
    year: u64,
    month: usize,
    day: u64,
    weekday: usize,
    clock: String,
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Counts days one year and one month at a time.
fn date(seconds: u64) -> Date {
    let days = seconds / 86_400;
    let (mut year, mut rest) = (1970, days);
    let divides = |number, year: u64| year.is_multiple_of(number);
    let is_leap = |year| divides(4, year) && (!divides(100, year) || divides(400, year));
    while rest >= 365 + u64::from(is_leap(year)) {
        rest -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while rest >= lengths[month] {
        rest -= lengths[month];
        month += 1;
    }
    let second = seconds % 86_400;
    let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    Date { year, month, day: rest + 1, weekday: (days % 7) as usize, clock }
}

/// The time of day in the format of that name.
pub(crate) fn daytime(format: &str, wall: WallTime) -> Option<String> {
    let Date { year, month, day, weekday, clock } = date(wall.seconds);
    let (weekday, name, number) = (WEEKDAYS[weekday], MONTHS[month], month + 1);
    Some(match format {
        "ctime" => format!("{weekday} {name} {day:2} {clock} {year}"),
        "dmy" => format!("{day:02}/{number:02}/{year} {clock}"),
        "rfc3339" => format!("{year}-{number:02}-{day:02}T{clock}Z"),
        "rfc2822" => format!("{weekday}, {day:02} {name} {year} {clock} +0000"),
        "unix" => wall.seconds.to_string(),
        _ => return None,
    })
}

/// Seconds since 1900 in four bytes: RFC 868.
pub(crate) fn seconds_since_1900(wall: WallTime) -> [u8; 4] {
    ((u128::from(wall.seconds) + 2_208_988_800) % (1 << 32)).to_be_bytes()[12..].try_into().unwrap()
}

/// RFC 864's endless pattern from `position` on, up to where it repeats.
pub(crate) fn chargen(position: u64) -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    let pattern = PATTERN.get_or_init(|| (0..95 * 74).map(chargen_byte).collect());
    &pattern[position as usize % pattern.len()..]
}

fn chargen_byte(position: usize) -> u8 {
    let (line, column) = (position / 74, position % 74);
    match column {
        72 => b'\r',
        73 => b'\n',
        _ => b' ' + ((line + column) % 95) as u8,
    }
}
