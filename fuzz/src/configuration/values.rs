//! Durations, counts, sizes, listeners, ranges of addresses: one value each.

use super::ranges;
use crate::printable::assert_harmless;
use readyd::config::listen::Listen;
use readyd::config::values;

const DURATIONS: [(&str, u128); 7] = [
    ("", 1_000_000_000),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];
const COUNTS: [(&str, u128); 5] =
    [("", 1), ("k", 1000), ("K", 1000), ("m", 1_000_000), ("M", 1_000_000)];
const SIZES: [(&str, u128); 8] = [
    ("", 1),
    ("b", 1),
    ("k", 1024),
    ("kib", 1024),
    ("m", 1_048_576),
    ("mib", 1_048_576),
    ("g", 1_073_741_824),
    ("gib", 1_073_741_824),
];

/// Most digits of a number that is looked at.
const MOST_DIGITS: usize = 21;

/// See the [module](self).
pub(super) fn check(text: &str) {
    let duration = values::duration(text);
    let nanos = duration.as_ref().ok().map(|duration| duration.as_nanos());
    assert_eq!(nanos, reference(text, &DURATIONS).map(|(whole, _)| whole), "{text:?}");

    let count = values::count(text);
    assert_eq!(count.as_ref().ok().copied().map(u128::from), whole(text, &COUNTS), "{text:?}");

    let size = values::size(text);
    let in_lower_case = text.to_ascii_lowercase();
    let expected = whole(&in_lower_case, &SIZES);
    assert_eq!(size.as_ref().ok().copied().map(u128::from), expected, "{text:?}");

    ranges::check_text(text);

    let listen = text.parse::<Listen>();
    if let Ok(listen) = &listen {
        check_listen(listen);
    }
    let errors = [
        duration.err().map(|error| error.to_string()),
        count.err().map(|error| error.to_string()),
        size.err().map(|error| error.to_string()),
        listen.err().map(|error| error.to_string()),
    ];
    errors.iter().flatten().for_each(|error| assert_harmless(error));
}

/// A listener that was understood is understood again when it is written out.
pub(super) fn check_listen(listen: &Listen) {
    let text = listen.to_string();
    assert_eq!(text.parse().as_ref(), Ok(listen), "{text}");
}

/// A value that is whole in its smallest unit.
fn whole(text: &str, units: &[(&str, u128)]) -> Option<u128> {
    reference(text, units).filter(|(_, rest)| *rest == 0).map(|(whole, _)| whole)
}

/// How many of the smallest unit `text` means, and what part of one is left over: worked out apart
/// for what stands before and behind the point.
fn reference(text: &str, units: &[(&str, u128)]) -> Option<(u128, u128)> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = text.strip_suffix(unit)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let mut parts = number.split('.');
    let (whole, fraction, more) = (parts.next()?, parts.next(), parts.next());
    let digits = fraction.unwrap_or_default();
    let is_number = !whole.is_empty() && fraction != Some("") && more.is_none();
    if !is_number || whole.len() + digits.len() > MOST_DIGITS {
        return None;
    }
    let scale = 10_u128.pow(digits.len() as u32);
    let behind = format!("0{digits}").parse::<u128>().ok()? * factor;
    let value = whole.parse::<u128>().ok()? * factor + behind / scale;
    (value <= u128::from(u64::MAX)).then_some((value, behind % scale))
}
