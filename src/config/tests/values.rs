//! Durations, counts and sizes.

use crate::config::values::{ValueError, count, duration, size};
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;

#[test]
fn durations() {
    let cases = [
        ("0", 0),
        ("10", 10_000_000_000),
        ("10s", 10_000_000_000),
        ("500ms", 500_000_000),
        ("250us", 250_000),
        ("0.5us", 500),
        ("1.5m", 90_000_000_000),
        ("0.25h", 900_000_000_000),
        ("7d", 7 * 86_400_000_000_000),
        ("007s", 7_000_000_000),
        ("18446744073.709551615s", u64::MAX),
        // What is finer than a nanosecond is cut off.
        ("0.0000000019s", 1),
    ];
    for (text, nanos) in cases {
        assert_eq!(duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
    }
}

#[test]
fn counts() {
    let cases = [
        ("0", 0),
        ("1000", 1000),
        ("10k", 10_000),
        ("10K", 10_000),
        ("2m", 2_000_000),
        ("1.5M", 1_500_000),
        ("0.001k", 1),
        ("7.0", 7),
        ("18446744073709551615", u64::MAX),
    ];
    for (text, value) in cases {
        assert_eq!(count(text), Ok(value), "{text}");
    }
}

#[test]
fn sizes() {
    let cases = [
        ("512", 512),
        ("512b", 512),
        ("64KiB", 65_536),
        ("64kib", 65_536),
        ("64k", 65_536),
        ("1MiB", 1 << 20),
        ("1.5M", 3 << 19),
        ("4g", 4 << 30),
        ("0.5KiB", 512),
        ("64kB", 64_000),
        ("64KB", 64_000),
        ("1.5MB", 1_500_000),
        ("2gb", 2_000_000_000),
        ("18446744073709551615", u64::MAX),
    ];
    for (text, value) in cases {
        assert_eq!(size(text), Ok(value), "{text}");
    }
}

#[test]
fn what_is_no_number_is_not_taken_for_one() {
    let texts = [
        "", " ", "ten", ".5", "5.", "1..2", "1.2.3", ".", "-1", "+1", " 1", "s", "\u{0665}", "0.s",
    ];
    for text in texts {
        assert!(matches!(duration(text), Err(ValueError::NoNumber(_))), "{text:?}");
        assert!(matches!(count(text), Err(ValueError::NoNumber(_))), "{text:?}");
        assert!(matches!(size(text), Err(ValueError::NoNumber(_))), "{text:?}");
    }
}

#[test]
fn each_kind_has_its_own_units() {
    for text in ["1S", "1M", "1 s", "1e3", "1_000", "0x10", "1ns", "1w", "1sec", "1KiB", "1\0"] {
        assert!(matches!(duration(text), Err(ValueError::UnknownUnit(..))), "{text:?}");
    }
    for text in ["1s", "1ms", "1KiB", "1g", "1kk"] {
        assert!(matches!(count(text), Err(ValueError::UnknownUnit(..))), "{text:?}");
    }
    for text in ["1s", "1ms", "1kbit", "1t", "1 KiB"] {
        assert!(matches!(size(text), Err(ValueError::UnknownUnit(..))), "{text:?}");
    }
}

#[test]
fn what_does_not_fit_is_too_large_not_something_small() {
    let durations = ["18446744073.709551616s", "213504d", "6000000h", "99999999999999999999d"];
    for text in durations {
        assert_eq!(duration(text), Err(ValueError::TooLarge), "{text}");
    }
    for text in ["18446744073709551616", "18446744073709551615k", "999999999999999999999m"] {
        assert_eq!(count(text), Err(ValueError::TooLarge), "{text}");
    }
    for text in ["18446744073709551616", "17179869184g", "9999999999999999999999999999999999999999"]
    {
        assert_eq!(size(text), Err(ValueError::TooLarge), "{text}");
    }
}

#[test]
fn a_part_of_a_byte_or_of_a_connection_is_none() {
    for text in ["0.5", "1.5", "0.0005k", "1.0001k"] {
        assert_eq!(count(text), Err(ValueError::NotWhole), "{text}");
    }
    for text in ["0.5", "1.5b", "0.3KiB"] {
        assert_eq!(size(text), Err(ValueError::NotWhole), "{text}");
    }
}

proptest! {
    #[test]
    fn a_duration_written_out_reads_back(nanos: u64) {
        let text = format!("{}.{:09}s", nanos / 1_000_000_000, nanos % 1_000_000_000);
        prop_assert_eq!(duration(&text), Ok(Duration::from_nanos(nanos)));
        let text = format!("{}.{:03}us", nanos / 1000, nanos % 1000);
        prop_assert_eq!(duration(&text), Ok(Duration::from_nanos(nanos)));
    }

    #[test]
    fn counts_and_sizes_written_out_read_back(value: u64) {
        prop_assert_eq!(count(&value.to_string()), Ok(value));
        prop_assert_eq!(size(&value.to_string()), Ok(value));
        prop_assert_eq!(count(&format!("{}.{:03}k", value / 1000, value % 1000)), Ok(value));
    }

    #[test]
    fn a_unit_multiplies(
        number in 0..1_000_000u64,
        (unit, factor) in select(&[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1u64 << 30)][..]),
    ) {
        prop_assert_eq!(size(&format!("{number}{unit}")), Ok(number * factor));
    }

    #[test]
    fn no_text_is_a_panic(text in "[0-9.kmKMGibush\u{0}-\u{ff}]{0,30}") {
        let _ = (duration(&text), count(&text), size(&text));
    }
}

#[cfg(feature = "ops")]
#[test]
fn shards_auto_is_a_number_from_then_on() {
    let counted = super::config(&["--shards", "auto"]);
    assert_eq!((counted.counted_cpus, counted.shards), (Some(counted.shards), counted.shards));
    assert!(counted.shards >= 1);
    // Shards are told the number, and a reload finds the same.
    let words = counted.to_args();
    assert!(words.contains(&format!("--shards={}", counted.shards).into()));
    assert_eq!(super::config(&["--shards", "3"]).counted_cpus, None);
}
