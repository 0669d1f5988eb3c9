//! Parsing durations, counts and sizes.
//!
//! | kind | units | example |
//! |---|---|---|
//! | duration | `us ms s m h d`, fractions allowed; a bare number is seconds | `1.5m` |
//! | count | `k m` for thousand and million | `10k` |
//! | size | `KiB MiB GiB`, also `k m g`: powers of 1024; `kB MB GB`: of 1000; else bytes | `1MiB` |

use std::fmt;
use std::time::Duration;

/// Why a value cannot be used; the user's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// There is no number where one is needed.
    NoNumber(&'static str),
    /// The number is followed by something that is not a unit of its kind.
    UnknownUnit(String, &'static str),
    /// The value does not fit into 64 bits.
    TooLarge,
    /// Counts and sizes are whole once their unit is applied.
    NotWhole,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueError::NoNumber(example) => write!(f, "not a number (write it as {example})"),
            ValueError::UnknownUnit(unit, units) => {
                write!(f, "unknown unit {unit:?} (use {units})")
            }
            ValueError::TooLarge => f.write_str("too large"),
            ValueError::NotWhole => f.write_str("not a whole number"),
        }
    }
}

impl std::error::Error for ValueError {}

/// A duration, such as `500ms`, `10s`, `1.5m`, `2h`, `7d`; a bare number is seconds.
///
/// # Errors
///
/// [`ValueError`] if it is not one, or lasts more than 580 years.
pub fn duration(text: &str) -> Result<Duration, ValueError> {
    let (number, unit) = split_unit(text, "10s or 500ms")?;
    let nanos_per_unit: u64 = match unit {
        "us" => 1_000,
        "ms" => 1_000_000,
        "" | "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3600 * 1_000_000_000,
        "d" => 86_400 * 1_000_000_000,
        _ => return Err(ValueError::UnknownUnit(unit.to_owned(), "us, ms, s, m, h or d")),
    };
    Ok(Duration::from_nanos(number.times(nanos_per_unit)?.whole_part()))
}

/// A count, such as `64`, `10k`, `1m`.
///
/// # Errors
///
/// [`ValueError`] if it is not a whole number of at most 64 bits.
pub fn count(text: &str) -> Result<u64, ValueError> {
    let (number, unit) = split_unit(text, "1000 or 10k")?;
    let unit = match unit {
        "" => 1,
        "k" | "K" => 1_000,
        "m" | "M" => 1_000_000,
        _ => return Err(ValueError::UnknownUnit(unit.to_owned(), "k or m")),
    };
    number.times(unit)?.whole()
}

/// The most usual units of sizes, for messages: powers of 1024, and powers of 1000.
const SIZE_UNITS: &str = "KiB, MiB or kB, MB";

/// A size in bytes, such as `512`, `64KiB` (65,536) or `64kB` (64,000).
///
/// # Errors
///
/// [`ValueError`] if it is not a whole number of at most 64 bits.
pub fn size(text: &str) -> Result<u64, ValueError> {
    let (number, unit) = split_unit(text, "65536 or 64KiB")?;
    let unit = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(ValueError::UnknownUnit(unit.to_owned(), SIZE_UNITS)),
    };
    number.times(unit)?.whole()
}

/// An exact decimal number: `digits` divided by ten to the power of `decimals`.
struct Decimal {
    digits: u128,
    decimals: u32,
}

impl Decimal {
    fn times(self, unit: u64) -> Result<Decimal, ValueError> {
        let digits = self.digits.checked_mul(u128::from(unit)).ok_or(ValueError::TooLarge)?;
        let product = Decimal { digits, ..self };
        match u64::try_from(product.digits / product.divisor()) {
            Ok(_) => Ok(product),
            Err(_) => Err(ValueError::TooLarge),
        }
    }

    fn divisor(&self) -> u128 {
        10u128.pow(self.decimals)
    }

    fn whole_part(&self) -> u64 {
        u64::try_from(self.digits / self.divisor()).unwrap_or(u64::MAX)
    }

    fn whole(&self) -> Result<u64, ValueError> {
        match self.digits % self.divisor() {
            0 => Ok(self.whole_part()),
            _ => Err(ValueError::NotWhole),
        }
    }
}

/// The most digits of a number: with any unit it still fits into a `u128`.
const MAX_DIGITS: usize = 21;

fn split_unit<'a>(text: &'a str, example: &'static str) -> Result<(Decimal, &'a str), ValueError> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || number.ends_with('.') || fraction.contains('.') {
        return Err(ValueError::NoNumber(example));
    }
    if whole.len() + fraction.len() > MAX_DIGITS {
        return Err(ValueError::TooLarge);
    }
    let digits = [whole, fraction].concat().parse().map_err(|_| ValueError::NoNumber(example))?;
    Ok((Decimal { digits, decimals: fraction.len() as u32 }, unit))
}
