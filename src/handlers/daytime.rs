//! Daytime (RFC 867): the date and time as text, in five formats.
//!
//! Invariant: a format's text is made at most once a second, however many ask for it.

use super::Context;
use crate::client_log::Escaped;
use crate::clock::WallTime;
use crate::close::CloseReason;
use crate::conn::Outcome;
use crate::net::WallClock;
use crate::reply::Reply;
use log::Level;
use time::{OffsetDateTime, UtcOffset};

#[cfg(test)]
mod tests;

/// How a date and time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `Fri May  7 20:36:52 2021`, as ctime(3).
    Ctime,
    /// `07/05/2021 20:36:52`.
    Dmy,
    /// `2021-05-07T20:36:52+02:00`, RFC 3339.
    Rfc3339,
    /// `Fri, 07 May 2021 20:36:52 +0200`, RFC 2822.
    Rfc2822,
    /// `1620412612`, seconds since 1970.
    Unix,
}

impl Format {
    /// Every format's name, in the order of declaration.
    pub const NAMES: [&'static str; 5] = ["ctime", "dmy", "rfc3339", "rfc2822", "unix"];

    const ALL: [Format; 5] =
        [Format::Ctime, Format::Dmy, Format::Rfc3339, Format::Rfc2822, Format::Unix];

    /// The format called `name`, in any case.
    pub fn from_name(name: &str) -> Option<Format> {
        let index = Self::NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        Self::ALL.get(index).copied()
    }

    /// The format's name.
    #[expect(clippy::indexing_slicing, reason = "there is a name for each format")]
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    fn write(self, date: OffsetDateTime) -> String {
        let (year, month, day) = (date.year(), date.month(), date.day());
        let (hour, minute, second) = date.to_hms();
        let weekday = first_three(date.weekday().to_string());
        let month_name = first_three(month.to_string());
        match self {
            Format::Ctime => format!(
                "{weekday} {month_name} {day:>2} {hour:02}:{minute:02}:{second:02} {year:04}"
            ),
            Format::Dmy => format!(
                "{day:02}/{:02}/{year:04} {hour:02}:{minute:02}:{second:02}",
                u8::from(month)
            ),
            Format::Rfc3339 => format!(
                "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{}",
                u8::from(month),
                zone(date.offset(), ":", "Z")
            ),
            Format::Rfc2822 => format!(
                "{weekday}, {day:02} {month_name} {year:04} {hour:02}:{minute:02}:{second:02} {}",
                zone(date.offset(), "", "+0000")
            ),
            Format::Unix => date.unix_timestamp().to_string(),
        }
    }
}

fn first_three(mut name: String) -> String {
    name.truncate(3);
    name
}

/// An offset as `+02:00` with `separator` between, or `utc` for none.
fn zone(offset: UtcOffset, separator: &str, utc: &str) -> String {
    if offset.is_utc() {
        return utc.to_owned();
    }
    let (hours, minutes, _) = offset.as_hms();
    let sign = if offset.is_negative() { '-' } else { '+' };
    format!("{sign}{:02}{separator}{:02}", hours.unsigned_abs(), minutes.unsigned_abs())
}

/// Whose time of day is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// Coordinated universal time.
    Utc,
    /// The machine's time zone, summer time included.
    Local,
}

/// The text of the current second in each format, made when first asked for.
#[derive(Debug)]
pub struct Calendar {
    zone: Zone,
    second: u64,
    texts: [String; Format::ALL.len()],
}

impl Calendar {
    /// A calendar for `zone`.
    pub fn new(zone: Zone) -> Calendar {
        Calendar { zone, second: 0, texts: Default::default() }
    }

    /// The time `wall` in `format`, without a line end.
    #[expect(clippy::indexing_slicing, reason = "there is a text for each format")]
    pub fn text(&mut self, format: Format, wall: WallTime) -> &[u8] {
        if self.second != wall.seconds {
            self.second = wall.seconds;
            self.texts.iter_mut().for_each(String::clear);
        }
        let text = &mut self.texts[format as usize];
        if text.is_empty() {
            *text = format.write(date_in(self.zone, wall.seconds));
        }
        text.as_bytes()
    }
}

/// The date of a second since 1970; a clock set beyond the year 9999 reads as 1970.
fn date_in(zone: Zone, seconds: u64) -> OffsetDateTime {
    let utc = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    match zone {
        Zone::Utc => utc,
        Zone::Local => match UtcOffset::local_offset_at(utc) {
            Ok(offset) => utc.to_offset(offset),
            Err(_) => utc,
        },
    }
}

/// Tells the time; finishes unless the client is to acknowledge it.
pub(super) fn greet<W: WallClock>(
    format: Format,
    ack: bool,
    context: &mut Context<'_, W>,
    reply: &mut Reply<'_>,
) -> Outcome {
    reply.push(context.calendar.text(format, context.wall_clock.wall_time()));
    if ack {
        return Outcome::Continue;
    }
    reply.push(b"\r\n");
    Outcome::Finish(CloseReason::Served)
}

/// Takes the client's acknowledgement: whatever its first read brings.
pub(super) fn acknowledged<W>(text: &[u8], context: &mut Context<'_, W>) -> Outcome {
    let (peer, text) = (context.peer, Escaped(text));
    context.log.line(context.now, Level::Info, format_args!("{peer} acknowledged: {text}"));
    Outcome::Finish(CloseReason::Served)
}
