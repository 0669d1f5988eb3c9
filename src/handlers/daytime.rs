//! Daytime (RFC 867): the date and time as text, in five formats.
//!
//! Invariants: a format's text is made at most once a second, however many ask for it. Every time
//! has a text in every format, with a year of four digits.

use super::{Context, Options};
use crate::conn::{Outcome, Work};
use crate::io::clock::WallTime;
use crate::protocol::reply::ReplyWriter;
use crate::server::client_log::Escaped;
use crate::server::close::CloseReason;
use crate::zone::ZoneRules;
use log::Level;
use time::UtcDateTime;

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

    /// The time `wall` where clocks are `offset` seconds ahead of UTC.
    fn write(self, wall: WallTime, offset: i32) -> String {
        let (date, offset) = self.date_and_offset(wall, offset);
        let (year, month, day) = (date.year(), date.month(), date.day());
        let (hour, minute, second) = date.as_hms();
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
                zone(offset, ":", "Z")
            ),
            Format::Rfc2822 => format!(
                "{weekday}, {day:02} {month_name} {year:04} {hour:02}:{minute:02}:{second:02} {}",
                zone(offset, "", "+0000")
            ),
            Format::Unix => wall.seconds.to_string(),
        }
    }

    /// What clocks that are `offset` seconds ahead of UTC show, and their offset. If the format
    /// cannot write them, what clocks in UTC show; after the year 9999, its last second.
    fn date_and_offset(self, wall: WallTime, offset: i32) -> (UtcDateTime, i32) {
        if self.can_write(offset)
            && let Some(date) = date_at(wall, offset)
        {
            return (date, offset);
        }
        match self {
            // These have no offset: a time in UTC would be taken for local time.
            Format::Ctime | Format::Dmy | Format::Unix => (UtcDateTime::MAX, offset),
            Format::Rfc3339 | Format::Rfc2822 => (date_at(wall, 0).unwrap_or(UtcDateTime::MAX), 0),
        }
    }

    /// Whether the format can write an offset of `offset` seconds, or need not.
    fn can_write(self, offset: i32) -> bool {
        match self {
            Format::Ctime | Format::Dmy | Format::Unix => true,
            Format::Rfc3339 | Format::Rfc2822 => {
                offset % 60 == 0 && (-MAX_WRITABLE_OFFSET..=MAX_WRITABLE_OFFSET).contains(&offset)
            }
        }
    }
}

/// The time `wall` as HTTP writes it: `Fri, 07 May 2021 18:36:52 GMT`, RFC 9110 5.6.7.
#[cfg(feature = "ops")]
pub(super) fn http_date(wall: WallTime) -> String {
    Format::Rfc2822.write(wall, 0).replace("+0000", "GMT")
}

/// The longest offset that RFC 3339 can write, 23:59, in seconds. RFC 2822 could write more, which
/// few readers take.
const MAX_WRITABLE_OFFSET: i32 = 24 * 3600 - 60;

fn first_three(mut name: String) -> String {
    name.truncate(3);
    name
}

/// An offset as `+02:00` with `separator` between, or `utc` for none. The seconds are left out.
fn zone(offset: i32, separator: &str, utc: &str) -> String {
    if offset == 0 {
        return utc.to_owned();
    }
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.unsigned_abs() / 60;
    format!("{sign}{:02}{separator}{:02}", minutes / 60, minutes % 60)
}

/// The text of the current second in each format. Each is made when it is first asked for.
#[derive(Debug)]
pub struct DateCache {
    rules: ZoneRules,
    second: u64,
    texts: [String; Format::ALL.len()],
    /// Whether the log says that these rules have an offset which a format cannot write.
    has_warned: bool,
}

impl DateCache {
    /// A cache for the time zone with these rules.
    pub fn new(rules: ZoneRules) -> DateCache {
        DateCache { rules, second: 0, texts: Default::default(), has_warned: false }
    }

    /// A cache for UTC.
    pub fn utc() -> DateCache {
        DateCache::new(ZoneRules::utc())
    }

    /// The rules of the time zone.
    pub fn rules(&self) -> &ZoneRules {
        &self.rules
    }

    /// Uses these rules from the next text on. Returns whether they differ from the rules before.
    pub fn replace_rules(&mut self, rules: ZoneRules) -> bool {
        let is_changed = rules != self.rules;
        if is_changed {
            *self = DateCache::new(rules);
        }
        is_changed
    }

    /// The time `wall` in `format`, without a line end.
    #[expect(clippy::indexing_slicing, reason = "there is a text for each format")]
    pub fn text(&mut self, format: Format, wall: WallTime) -> &[u8] {
        if self.second != wall.seconds {
            self.second = wall.seconds;
            self.texts.iter_mut().for_each(String::clear);
        }
        if self.texts[format as usize].is_empty() {
            let offset = self.rules.offset_at(i64::try_from(wall.seconds).unwrap_or(i64::MAX));
            if !format.can_write(offset) {
                self.warn(offset);
            }
            self.texts[format as usize] = format.write(wall, offset);
        }
        self.texts[format as usize].as_bytes()
    }

    /// Logs, once for these rules, that a text is in UTC. Not through the log of what clients
    /// cause, which may leave lines out: there is one line, however many clients ask.
    fn warn(&mut self, offset: i32) {
        if !self.has_warned {
            self.has_warned = true;
            let (clock, seconds) = (zone(offset, ":", "+00:00"), offset.unsigned_abs() % 60);
            log::warn!(
                "the time zone is {clock}:{seconds:02} from UTC, which RFC 3339 and RFC 2822 \
                 cannot write: in these formats, times are in UTC"
            );
        }
    }
}

/// What clocks that are `offset` seconds ahead of UTC show, as if it were UTC. `None` after the
/// year 9999.
fn date_at(wall: WallTime, offset: i32) -> Option<UtcDateTime> {
    let seconds = i64::try_from(wall.seconds).ok()?.checked_add(offset.into())?;
    UtcDateTime::from_unix_timestamp(seconds).ok()
}

/// Sends the time. Finishes unless the client is to acknowledge it.
pub(super) fn greet(context: &mut Context<'_>, reply: &mut ReplyWriter<'_>) -> Outcome {
    let Options { format, ack } = context.options;
    reply.push(context.dates.text(format, context.system.wall_time()));
    if ack {
        return Outcome::Continue;
    }
    reply.push(b"\r\n");
    Outcome::Finish(CloseReason::Served)
}

/// Takes the client's acknowledgement: all that its first read brings.
pub(super) fn acknowledged(
    text: &[u8],
    context: &mut Context<'_>,
    _: &mut ReplyWriter<'_>,
    _: &mut Work,
) -> Outcome {
    let (peer, text) = (context.peer, Escaped(text));
    context.log.line(context.now, Level::Info, format_args!("{peer} acknowledged: {text}"));
    Outcome::Finish(CloseReason::Served)
}
