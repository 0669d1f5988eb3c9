//! The rule of a time zone in one line, such as `CET-1CEST,M3.5.0,M10.5.0/3`: POSIX.1, "Environment
//! Variables", `TZ`, with the times of -167 to 167 hours that RFC 9636 adds.
//!
//! Invariant: the rule is the same in each year, and the calendar repeats after 400 years. So each
//! instant is first mapped into the 400 years from 1970, where no sum can overflow.

use time::{Date, Month, OffsetDateTime};

#[cfg(test)]
mod tests;

/// Seconds in a day.
const DAY: i64 = 86_400;

/// Seconds in 400 years: after them, dates have the same days of the week again.
const CALENDAR_PERIOD: i64 = 146_097 * DAY;

/// The Julian day of 1970-01-01.
const JULIAN_DAY_OF_1970: i64 = 2_440_588;

/// The hours of the largest offset that POSIX can write; minutes and seconds are added.
const MAX_OFFSET_HOURS: i32 = 24;

/// The most hours before or after midnight at which clocks can change, RFC 9636.
const MAX_TIME_HOURS: i32 = 167;

/// Standard time, and summer time if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PosixZone {
    /// Seconds east of UTC.
    standard: i32,
    summer: Option<Summer>,
}

/// Summer time; in Ireland winter time, because its law calls summer time the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Summer {
    /// Seconds east of UTC.
    offset: i32,
    start: Change,
    end: Change,
}

/// When clocks are put forward or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    day: Day,
    /// Seconds after the day's midnight, on clocks that have not been changed yet.
    time: i32,
}

/// A day of each year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// `J1` to `J365`: the 29th of February does not count, and cannot be named.
    Julian(u16),
    /// `0` to `365`: the 29th of February counts.
    SinceNewYear(u16),
    /// `M3.5.0`: the last Sunday in March. The week is 1 to 5, the day of the week 0 (Sunday) to 6.
    OfWeek { month: Month, week: u8, weekday: u8 },
}

impl PosixZone {
    /// UTC.
    pub(super) const UTC: PosixZone = PosixZone { standard: 0, summer: None };

    /// The rule that `text` holds, all of it, if it is one.
    pub(super) fn parse(text: &[u8]) -> Option<PosixZone> {
        let mut text = Text(text);
        text.name()?;
        let standard = text.offset()?;
        if text.is_empty() {
            return Some(PosixZone { standard, summer: None });
        }
        text.name()?;
        let offset =
            if text.is_empty() || text.is_next(b',') { standard + 3600 } else { text.offset()? };
        let (start, end) = if text.is_empty() {
            // What glibc takes where the changes are missing: the rule of the United States.
            (Change::on_sunday(Month::March, 2), Change::on_sunday(Month::November, 1))
        } else {
            (text.change()?, text.change()?)
        };
        text.is_empty()
            .then_some(PosixZone { standard, summer: Some(Summer { offset, start, end }) })
    }

    /// Seconds that local time is ahead of UTC, `seconds` after 1970.
    pub(super) fn offset_at(&self, seconds: i64) -> i32 {
        let Some(summer) = self.summer else { return self.standard };
        let seconds = seconds.rem_euclid(CALENDAR_PERIOD);
        let Ok(date) = OffsetDateTime::from_unix_timestamp(seconds) else { return self.standard };
        // A change can be a week before or after its day, and summer can last over New Year.
        let mut years = date.year() - 2..=date.year() + 1;
        let is_summer = years.any(|year| summer.lasts_at(seconds, year, self.standard));
        if is_summer { summer.offset } else { self.standard }
    }
}

impl Summer {
    /// Whether the summer time that starts in `year` has started and not ended.
    fn lasts_at(&self, seconds: i64, year: i32, standard: i32) -> bool {
        let end_in = |year| self.end.instant(year, self.offset);
        let (Some(start), Some(end)) = (self.start.instant(year, standard), end_in(year)) else {
            return false;
        };
        // South of the equator it ends in the next year.
        let end = if end < start { end_in(year + 1) } else { Some(end) };
        end.is_some_and(|end| (start..end).contains(&seconds))
    }
}

impl Change {
    /// At two o'clock on a Sunday: of the month's first week, or the second.
    const fn on_sunday(month: Month, week: u8) -> Change {
        Change { day: Day::OfWeek { month, week, weekday: 0 }, time: 2 * 3600 }
    }

    /// When it is in `year`, in seconds since 1970, if clocks are `offset` seconds ahead of UTC
    /// until then.
    fn instant(&self, year: i32, offset: i32) -> Option<i64> {
        Some(self.day.in_year(year)? * DAY + i64::from(self.time) - i64::from(offset))
    }
}

impl Day {
    /// Days from 1970-01-01 to this day in `year`. `None` if the calendar does not have the year.
    fn in_year(self, year: i32) -> Option<i64> {
        let first = |month| {
            let date = Date::from_calendar_date(year, month, 1).ok()?;
            Some((date, i64::from(date.to_julian_day()) - JULIAN_DAY_OF_1970))
        };
        Some(match self {
            Day::SinceNewYear(days) => first(Month::January)?.1 + i64::from(days),
            // Day 60 is the 1st of March. The days from there on are counted from there: behind the
            // leap day.
            Day::Julian(day @ ..60) => first(Month::January)?.1 + i64::from(day) - 1,
            Day::Julian(day) => first(Month::March)?.1 + i64::from(day) - 60,
            Day::OfWeek { month, week, weekday } => {
                let (date, first) = first(month)?;
                let ahead = (7 + weekday - date.weekday().number_days_from_sunday()) % 7;
                let day = ahead + 7 * (week - 1);
                // The fifth week means the last.
                let is_beyond = day >= month.length(year);
                first + i64::from(if is_beyond { day - 7 } else { day })
            }
        })
    }
}

/// What is still to be read of a rule.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn is_next(&self, byte: u8) -> bool {
        self.0.first() == Some(&byte)
    }

    /// Takes `byte` if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        let rest = self.0.strip_prefix(&[byte]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Takes the bytes that `belong`, and returns them.
    fn take_while(&mut self, belong: impl Fn(&u8) -> bool) -> &[u8] {
        let end = self.0.iter().position(|byte| !belong(byte)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at_checked(end).unwrap_or_default();
        self.0 = rest;
        taken
    }

    /// Takes a name of at least three bytes: letters; or letters, digits and signs in angle
    /// brackets.
    fn name(&mut self) -> Option<()> {
        let length = if self.take(b'<') {
            let is_quoted = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-".contains(byte);
            let length = self.take_while(is_quoted).len();
            self.take(b'>').then_some(length)?
        } else {
            self.take_while(u8::is_ascii_alphabetic).len()
        };
        (length >= 3).then_some(())
    }

    /// Takes a number of one to three digits that is in `range`.
    fn number(&mut self, range: std::ops::RangeInclusive<i32>) -> Option<i32> {
        let digits = self.take_while(u8::is_ascii_digit);
        if !(1..=3).contains(&digits.len()) {
            return None;
        }
        let number = digits.iter().fold(0, |number, digit| number * 10 + i32::from(digit - b'0'));
        range.contains(&number).then_some(number)
    }

    /// Takes `[+-]hh[:mm[:ss]]`, and returns the seconds.
    fn time(&mut self, max_hours: i32) -> Option<i32> {
        let is_negative = self.take(b'-');
        if !is_negative {
            self.take(b'+');
        }
        let mut seconds = self.number(0..=max_hours)? * 3600;
        if self.take(b':') {
            seconds += self.number(0..=59)? * 60;
            if self.take(b':') {
                seconds += self.number(0..=59)?;
            }
        }
        Some(if is_negative { -seconds } else { seconds })
    }

    /// Takes an offset. POSIX counts to the west.
    fn offset(&mut self) -> Option<i32> {
        self.time(MAX_OFFSET_HOURS).map(|west| -west)
    }

    /// Takes `,day` or `,day/time`.
    fn change(&mut self) -> Option<Change> {
        if !self.take(b',') {
            return None;
        }
        let day = self.day()?;
        let time = if self.take(b'/') { self.time(MAX_TIME_HOURS)? } else { 2 * 3600 };
        Some(Change { day, time })
    }

    fn day(&mut self) -> Option<Day> {
        if self.take(b'J') {
            return Some(Day::Julian(self.number(1..=365)?.try_into().ok()?));
        }
        if !self.take(b'M') {
            return Some(Day::SinceNewYear(self.number(0..=365)?.try_into().ok()?));
        }
        let mut small = |range| u8::try_from(self.number(range)?).ok();
        let month = Month::try_from(small(1..=12)?).ok()?;
        let mut after_dot = |range| if self.take(b'.') { self.number(range) } else { None };
        let week = after_dot(1..=5)?.try_into().ok()?;
        let weekday = after_dot(0..=6)?.try_into().ok()?;
        Some(Day::OfWeek { month, week, weekday })
    }
}
