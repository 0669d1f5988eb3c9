//! The rules of a time zone: against a reader that splits a POSIX rule at commas and finds its
//! dates by counting days, and that looks through all transitions of a TZif file.
//!
//! Input: eight bytes for an instant; then the file or the rule.

use crate::printable::assert_plain;
use readyd::zone::{MAX_OFFSET, RulesError, ZoneRules};

/// Longest text of an error.
const MOST_TEXT: usize = 160;

/// Seconds in a day.
const DAY: i64 = 86_400;

/// Instants beyond this, in 2106, are not compared: counting days to them would take long.
const MOST_COMPARED: i64 = u32::MAX as i64;

/// See the [module](self).
pub fn check(data: &[u8]) {
    let Some((instant, bytes)) = data.split_first_chunk() else { return };
    let instant = i64::from_be_bytes(*instant);
    let near = instant.rem_euclid(MOST_COMPARED);
    let rules = ZoneRules::from_bytes(bytes);
    if bytes.starts_with(b"TZif") {
        if let Ok(rules) = &rules {
            assert_eq!(rules.offset_at(near), offset_by_file(bytes, near), "at {near}");
        }
    } else {
        let expected = Rule::read(bytes);
        assert_eq!(rules.is_ok(), expected.is_some(), "{}", bytes.escape_ascii());
        if let (Ok(rules), Some(expected)) = (&rules, expected) {
            assert_eq!(rules.offset_at(near), expected.offset_at(near), "at {near}");
        }
    }
    match rules {
        Ok(rules) => check_bounds(&rules, instant),
        Err(error) => {
            assert_plain(&error.to_string(), MOST_TEXT);
            assert!(error != RulesError::NoTzif, "that is a rule then");
        }
    }
}

/// At every instant there is an offset that a clock can have, and the bytes make the same rules
/// again.
fn check_bounds(rules: &ZoneRules, instant: i64) {
    for instant in [i64::MIN, instant, -instant.saturating_abs(), i64::MAX] {
        assert!(rules.offset_at(instant).abs() <= MAX_OFFSET, "at {instant}");
    }
    assert_eq!(ZoneRules::from_bytes(rules.as_bytes()).as_ref(), Ok(rules));
}

/// The offset by a file that is known to be whole.
fn offset_by_file(bytes: &[u8], instant: i64) -> i32 {
    let number =
        |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four")) as usize;
    let counts = |at: usize| [0, 4, 8, 12, 16, 20].map(|field| number(at + 20 + field));
    let size = |[ut, standard, leap, times, types, names]: [usize; 6], width: usize| {
        44 + times * (width + 1) + types * 6 + names + leap * (width + 4) + standard + ut
    };
    let (start, width) = match bytes[4] {
        0 => (0, 4),
        _ => (size(counts(0), 4), 8),
    };
    let [.., times, _, _] = counts(start);
    let (first_time, first_index) = (start + 44, start + 44 + times * width);
    let type_offset = |index: usize| number(first_index + times + index * 6) as u32 as i32;
    let time = |n: usize| match width {
        4 => i64::from(number(first_time + n * 4) as u32 as i32),
        _ => ((number(first_time + n * 8) << 32) | number(first_time + n * 8 + 4)) as i64,
    };
    let passed = (0..times).filter(|&n| time(n) <= instant).count();
    let footer = bytes.get(start + size(counts(start), width)..).unwrap_or_default();
    let rule = footer.split(|&byte| byte == b'\n').nth(1).and_then(Rule::read);
    match (passed, rule) {
        (passed, Some(rule)) if passed == times && width == 8 => rule.offset_at(instant),
        (0, _) => type_offset(0),
        (passed, _) => type_offset(bytes[first_index + passed - 1].into()),
    }
}

/// A POSIX rule.
struct Rule {
    standard: i32,
    /// The offset, and the text of the days on which it begins and ends.
    summer: Option<(i32, [String; 2])>,
}

impl Rule {
    fn read(text: &[u8]) -> Option<Rule> {
        let text = std::str::from_utf8(text).ok()?;
        let parts: Vec<&str> = text.split(',').collect();
        let rest = after_name(parts[0])?;
        let (offset, summer) =
            rest.split_at(rest.find(|c: char| !is_of_time(c)).unwrap_or(rest.len()));
        let standard = -seconds(offset, 24)?;
        if summer.is_empty() {
            return (parts.len() == 1).then_some(Rule { standard, summer: None });
        }
        let offset = match after_name(summer)? {
            "" => standard + 3600,
            offset => -seconds(offset, 24)?,
        };
        let days = match parts[1..] {
            [] => ["M3.2.0", "M11.1.0"],
            [start, end] => [start, end],
            _ => return None,
        };
        // Whether there is such a day does not depend on the year.
        days.iter().try_for_each(|day| seconds_since_1970(day, 2000).map(drop))?;
        Some(Rule { standard, summer: Some((offset, days.map(str::to_owned))) })
    }

    fn offset_at(&self, instant: i64) -> i32 {
        let Some((offset, [start, end])) = &self.summer else { return self.standard };
        let at = |day: &str, year, offset: i32| {
            seconds_since_1970(day, year).expect("a day that was tried") - i64::from(offset)
        };
        let is_summer = |year: i64| {
            let (start, end_of_year) = (at(start, year, self.standard), at(end, year, *offset));
            let end = if end_of_year < start { at(end, year + 1, *offset) } else { end_of_year };
            start <= instant && instant < end
        };
        if (1960..2115).any(is_summer) { *offset } else { self.standard }
    }
}

/// What follows the name at the beginning of `text`.
fn after_name(text: &str) -> Option<&str> {
    let (name, rest) = match text.strip_prefix('<') {
        Some(text) => text.split_once('>')?,
        None => text.split_at(text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len())),
    };
    let is_quoted = text.starts_with('<');
    let belongs = |c: char| {
        c.is_ascii_alphabetic() || (is_quoted && (c.is_ascii_digit() || "+-".contains(c)))
    };
    (name.len() >= 3 && name.chars().all(belongs)).then_some(rest)
}

fn is_of_time(c: char) -> bool {
    c.is_ascii_digit() || "+-:".contains(c)
}

/// The seconds of `[+-]hh[:mm[:ss]]`.
fn seconds(text: &str, most_hours: i32) -> Option<i32> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let fields: Vec<i32> =
        unsigned.split(':').map(|field| number(field, 0, 167)).collect::<Option<_>>()?;
    let (hours, smaller) = fields.split_first()?;
    let is_wrong =
        *hours > most_hours || smaller.len() > 2 || smaller.iter().any(|&field| field > 59);
    let total =
        hours * 3600 + smaller.iter().zip([60, 1]).map(|(field, unit)| field * unit).sum::<i32>();
    (!is_wrong).then_some(if text.starts_with('-') { -total } else { total })
}

fn number(text: &str, least: i32, most: i32) -> Option<i32> {
    let is_number = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        .then(|| text.parse().expect("digits"))
        .filter(|number| (least..=most).contains(number))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The clock's reading when a change such as `M3.5.0/2` is due in `year`.
fn seconds_since_1970(change: &str, year: i64) -> Option<i64> {
    let (day, time) = match change.split_once('/') {
        Some((day, time)) => (day, seconds(time, 167)?),
        None => (change, 7200),
    };
    let length = |year| if is_leap(year) { 366 } else { 365 };
    let new_year: i64 = match year {
        1970.. => (1970..year).map(length).sum(),
        _ => -(year..1970).map(length).sum::<i64>(),
    };
    let months = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let day = if let Some(day) = day.strip_prefix('J') {
        let day = i64::from(number(day, 1, 365)?);
        day - 1 + i64::from(is_leap(year) && day > 59)
    } else if let Some(day) = day.strip_prefix('M') {
        let [month, week, weekday] = day.split('.').collect::<Vec<_>>().try_into().ok()?;
        let (month, week) = (number(month, 1, 12)? as usize, number(week, 1, 5)? as usize);
        let weekday = i64::from(number(weekday, 0, 6)?);
        let first: i64 = months[..month - 1].iter().sum();
        // The 1st of January 1970 was a Thursday.
        let is_it = |day: &i64| (new_year + day + 4).rem_euclid(7) == weekday;
        let days: Vec<i64> = (first..first + months[month - 1]).filter(is_it).collect();
        *days.get(week - 1).or(days.last())?
    } else {
        number(day, 0, 365)?.into()
    };
    Some((new_year + day) * DAY + i64::from(time))
}
