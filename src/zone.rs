//! The rules of a time zone: how far local time is from UTC at each instant.
//!
//! Invariant: rules are parsed once and never change. No bytes make the parser or
//! [`ZoneRules::offset_at`] panic, and an offset is never beyond [`MAX_OFFSET`] on either side of
//! UTC. Only [`source`] reads a file, and nothing in here reads the environment or a clock.

mod posix;
#[cfg(unix)]
pub mod source;
mod tzif;

#[cfg(test)]
mod tests;

use posix::PosixZone;
use std::fmt;

/// The largest offset from UTC, in seconds: 25:59:59. It is the largest that a POSIX rule can
/// express (24:59:59 and an hour of summer time); RFC 9636 needs no larger one.
pub const MAX_OFFSET: i32 = 26 * 3600 - 1;

/// The largest zone file that is read, in bytes. The largest of the tz database has less than 4
/// KiB.
pub const MAX_SIZE: usize = 1 << 20;

/// The first bytes of a TZif file, RFC 9636.
const TZIF_MAGIC: &[u8] = b"TZif";

/// Which time of day the server shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// Coordinated universal time.
    Utc,
    /// The machine's time zone, summer time included.
    Local,
}

/// The offset of local time from UTC at each instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneRules {
    /// The bytes that the rules were parsed from, for [`ZoneRules::as_bytes`].
    bytes: Box<[u8]>,
    /// Sorted by time.
    transitions: Box<[Transition]>,
    /// The offset before the first transition.
    before: i32,
    /// The rule after the last transition; without one, the last transition's offset stays.
    after: Option<PosixZone>,
}

/// An instant at which the offset changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Transition {
    /// Seconds since 1970-01-01T00:00:00Z.
    at: i64,
    /// Seconds east of UTC.
    offset: i32,
}

impl ZoneRules {
    /// The rules of UTC: the offset is always 0.
    pub fn utc() -> ZoneRules {
        ZoneRules {
            bytes: (*b"UTC0").into(),
            transitions: Box::default(),
            before: 0,
            after: Some(PosixZone::UTC),
        }
    }

    /// Rules from the content of a TZif file: RFC 9636, versions 1 to 4.
    ///
    /// # Errors
    ///
    /// The first fault of `bytes`.
    pub fn from_tzif(bytes: &[u8]) -> Result<ZoneRules, RulesError> {
        if bytes.len() > MAX_SIZE {
            return Err(RulesError::TooLarge);
        }
        let (transitions, before, after) = tzif::parse(bytes)?;
        Ok(ZoneRules { bytes: bytes.into(), transitions: transitions.into(), before, after })
    }

    /// Rules from a POSIX rule such as `CET-1CEST,M3.5.0,M10.5.0/3`: POSIX.1, "Environment
    /// Variables", `TZ`; and `tzset(3)`.
    ///
    /// # Errors
    ///
    /// [`RulesError::NoRule`].
    pub fn from_posix(rule: &[u8]) -> Result<ZoneRules, RulesError> {
        let after = PosixZone::parse(rule).ok_or(RulesError::NoRule)?;
        let transitions = Box::default();
        Ok(ZoneRules { bytes: rule.into(), transitions, before: 0, after: Some(after) })
    }

    /// The rules that [`ZoneRules::as_bytes`] gave, perhaps in another process.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with `bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Result<ZoneRules, RulesError> {
        if bytes.starts_with(TZIF_MAGIC) {
            ZoneRules::from_tzif(bytes)
        } else {
            ZoneRules::from_posix(bytes)
        }
    }

    /// The bytes that the rules were parsed from: [`ZoneRules::from_bytes`] makes the same rules
    /// from them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The seconds that local time is ahead of UTC at the Unix time `seconds`; negative west of
    /// Greenwich. Between -[`MAX_OFFSET`] and [`MAX_OFFSET`].
    pub fn offset_at(&self, seconds: i64) -> i32 {
        let passed = self.transitions.partition_point(|transition| transition.at <= seconds);
        if passed == self.transitions.len()
            && let Some(rule) = &self.after
        {
            return rule.offset_at(seconds);
        }
        let last = passed.checked_sub(1).and_then(|last| self.transitions.get(last));
        last.map_or(self.before, |transition| transition.offset)
    }
}

/// What is wrong with the bytes of a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RulesError {
    /// More than [`MAX_SIZE`] bytes.
    TooLarge,
    /// No POSIX rule.
    NoRule,
    /// A file of another kind.
    NoTzif,
    /// A TZif file of a version that does not exist.
    Version(u8),
    /// A TZif file that is shorter than its header says.
    CutOff,
    /// A TZif file without a type of local time, or with more than 256: an index of a type is one
    /// byte.
    Types(u32),
    /// A TZif file in which a transition leads to a type that does not exist.
    TypeMissing(u8),
    /// A TZif file whose transitions are not in the order of time.
    Order,
    /// An offset beyond [`MAX_OFFSET`].
    Offset(i32),
    /// A TZif file that counts leap seconds, which our clock does not.
    LeapSeconds,
    /// A TZif file whose last line is no POSIX rule.
    Footer,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RulesError::TooLarge => write!(f, "it has more than {MAX_SIZE} bytes"),
            RulesError::NoRule => {
                f.write_str("it is no POSIX rule such as CET-1CEST,M3.5.0,M10.5.0/3")
            }
            RulesError::NoTzif => f.write_str("it is not a TZif file"),
            RulesError::Version(version) => {
                write!(f, "its TZif version \"{}\" does not exist", version.escape_ascii())
            }
            RulesError::CutOff => f.write_str("the TZif file is shorter than its header says"),
            RulesError::Types(count) => {
                write!(f, "it has {count} types of local time, and 1 to 256 are possible")
            }
            RulesError::TypeMissing(index) => {
                write!(f, "a transition leads to the type {index} of local time, which is missing")
            }
            RulesError::Order => f.write_str("its transitions are not in the order of time"),
            RulesError::Offset(offset) => {
                write!(f, "an offset of {offset} seconds is more than {MAX_OFFSET}")
            }
            RulesError::LeapSeconds => f.write_str(
                "it counts leap seconds, and the system's clock does not; choose the zone without \
                 right/",
            ),
            RulesError::Footer => f.write_str("its last line is no POSIX rule"),
        }
    }
}

impl std::error::Error for RulesError {}
