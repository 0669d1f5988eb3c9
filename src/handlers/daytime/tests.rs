use super::*;
use crate::zone::MAX_OFFSET;
use proptest::prelude::*;

/// Each second's text in all formats, in the order of declaration.
const KNOWN: [(u64, [&str; 5]); 9] = [
    (
        0,
        [
            "Thu Jan  1 00:00:00 1970",
            "01/01/1970 00:00:00",
            "1970-01-01T00:00:00Z",
            "Thu, 01 Jan 1970 00:00:00 +0000",
            "0",
        ],
    ),
    (
        946_684_799,
        [
            "Fri Dec 31 23:59:59 1999",
            "31/12/1999 23:59:59",
            "1999-12-31T23:59:59Z",
            "Fri, 31 Dec 1999 23:59:59 +0000",
            "946684799",
        ],
    ),
    (
        946_684_800,
        [
            "Sat Jan  1 00:00:00 2000",
            "01/01/2000 00:00:00",
            "2000-01-01T00:00:00Z",
            "Sat, 01 Jan 2000 00:00:00 +0000",
            "946684800",
        ],
    ),
    (
        951_782_400,
        [
            "Tue Feb 29 00:00:00 2000",
            "29/02/2000 00:00:00",
            "2000-02-29T00:00:00Z",
            "Tue, 29 Feb 2000 00:00:00 +0000",
            "951782400",
        ],
    ),
    (
        1_620_419_812,
        [
            "Fri May  7 20:36:52 2021",
            "07/05/2021 20:36:52",
            "2021-05-07T20:36:52Z",
            "Fri, 07 May 2021 20:36:52 +0000",
            "1620419812",
        ],
    ),
    (
        1_709_208_000,
        [
            "Thu Feb 29 12:00:00 2024",
            "29/02/2024 12:00:00",
            "2024-02-29T12:00:00Z",
            "Thu, 29 Feb 2024 12:00:00 +0000",
            "1709208000",
        ],
    ),
    (
        2_147_483_648,
        [
            "Tue Jan 19 03:14:08 2038",
            "19/01/2038 03:14:08",
            "2038-01-19T03:14:08Z",
            "Tue, 19 Jan 2038 03:14:08 +0000",
            "2147483648",
        ],
    ),
    (
        4_107_542_400,
        [
            "Mon Mar  1 00:00:00 2100",
            "01/03/2100 00:00:00",
            "2100-03-01T00:00:00Z",
            "Mon, 01 Mar 2100 00:00:00 +0000",
            "4107542400",
        ],
    ),
    (
        253_402_300_799,
        [
            "Fri Dec 31 23:59:59 9999",
            "31/12/9999 23:59:59",
            "9999-12-31T23:59:59Z",
            "Fri, 31 Dec 9999 23:59:59 +0000",
            "253402300799",
        ],
    ),
];

fn text(dates: &mut DateCache, format: Format, seconds: u64, nanos: u32) -> String {
    let text = dates.text(format, WallTime { seconds, nanos });
    String::from_utf8(text.to_vec()).expect("ASCII")
}

#[test]
fn known_seconds_in_every_format() {
    for (seconds, texts) in KNOWN {
        for (format, expected) in Format::ALL.into_iter().zip(texts) {
            assert_eq!(text(&mut DateCache::utc(), format, seconds, 0), expected);
        }
    }
}

#[test]
fn a_text_holds_for_its_second_and_not_for_the_next_or_the_one_before() {
    let mut dates = DateCache::utc();
    // The clock may be set back.
    for seconds in [10, 11, 10, 0, 10] {
        for nanos in [0, 999_999_999] {
            let unix = text(&mut dates, Format::Unix, seconds, nanos);
            assert_eq!(unix, seconds.to_string());
            let ctime = text(&mut dates, Format::Ctime, seconds, nanos);
            assert_eq!(ctime, format!("Thu Jan  1 00:00:{seconds:02} 1970"));
        }
    }
}

/// A cache for the zone with this POSIX rule.
fn dates(rule: &str) -> DateCache {
    DateCache::new(ZoneRules::from_bytes(rule.as_bytes()).expect("a rule"))
}

/// The second's text in all formats, in the order of declaration.
fn texts(dates: &mut DateCache, seconds: u64) -> [String; 5] {
    Format::ALL.map(|format| text(dates, format, seconds, 0))
}

#[test]
fn field_server_10_the_last_second_of_9999_stands_for_all_that_come_after() {
    // To the west, the year ends up to 25 hours later.
    for seconds in [253_402_300_800 + 25 * 3600, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        let expected = [
            "Fri Dec 31 23:59:59 9999",
            "31/12/9999 23:59:59",
            "9999-12-31T23:59:59Z",
            "Fri, 31 Dec 9999 23:59:59 +0000",
            &seconds.to_string(),
        ];
        for rule in ["UTC0", "JST-9", "EST5EDT", "AAA24:59"] {
            let mut dates = dates(rule);
            assert_eq!(texts(&mut dates, seconds), expected, "{rule}");
        }
    }
}

#[test]
fn field_server_10_the_year_9999_ends_earlier_in_the_east() {
    let in_tokyo = texts(&mut dates("JST-9"), 253_402_293_597);
    assert_eq!(
        in_tokyo,
        [
            "Fri Dec 31 23:59:59 9999",
            "31/12/9999 23:59:59",
            "9999-12-31T21:59:57Z",
            "Fri, 31 Dec 9999 21:59:57 +0000",
            "253402293597",
        ]
    );
    let in_honolulu = texts(&mut dates("HST10"), 253_402_300_800 + 36_000 - 1);
    assert_eq!(
        in_honolulu[..4],
        [
            "Fri Dec 31 23:59:59 9999",
            "31/12/9999 23:59:59",
            "9999-12-31T23:59:59-10:00",
            "Fri, 31 Dec 9999 23:59:59 -1000",
        ]
    );
}

#[test]
fn local_time_is_the_same_instant() {
    assert_eq!(texts(&mut dates("AAA-24:59:59"), 1_620_419_812)[4], "1620419812");
}

#[test]
fn offsets_are_written_where_the_format_has_them() {
    let cases = [
        ("AAA-2", "+02:00", "+0200"),
        ("AAA5", "-05:00", "-0500"),
        ("AAA-5:45", "+05:45", "+0545"),
        ("AAA3:30", "-03:30", "-0330"),
        ("AAA0:30", "-00:30", "-0030"),
        ("AAA-14", "+14:00", "+1400"),
        ("AAA-23:59", "+23:59", "+2359"),
        ("AAA23:59", "-23:59", "-2359"),
    ];
    for (rule, rfc3339, rfc2822) in cases {
        let [ctime, _, in_3339, in_2822, _] = texts(&mut dates(rule), 1_620_419_812);
        assert!(in_3339.ends_with(rfc3339), "{rule}: {in_3339}");
        assert!(in_2822.ends_with(rfc2822), "{rule}: {in_2822}");
        let clock = &ctime[11..19];
        assert!(in_3339.contains(clock) && in_2822.contains(clock), "{rule}: {ctime}, {in_3339}");
    }
}

#[test]
fn field_server_10_offsets_that_the_rfcs_cannot_write_become_utc_there_and_nowhere_else() {
    let cases = [
        ("AAA-24:59", "Sat May  8 21:35:52 2021", "08/05/2021 21:35:52"),
        ("AAA24", "Thu May  6 20:36:52 2021", "06/05/2021 20:36:52"),
        ("AAA-9:18:59", "Sat May  8 05:55:51 2021", "08/05/2021 05:55:51"),
        ("AAA0:00:30", "Fri May  7 20:36:22 2021", "07/05/2021 20:36:22"),
    ];
    for (rule, ctime, dmy) in cases {
        assert_eq!(
            texts(&mut dates(rule), 1_620_419_812),
            [ctime, dmy, "2021-05-07T20:36:52Z", "Fri, 07 May 2021 20:36:52 +0000", "1620419812"],
            "{rule}"
        );
    }
}

#[test]
fn other_rules_hold_from_the_next_text_on_even_in_the_same_second() {
    let mut dates = dates("UTC0");
    let rules = |rule: &[u8]| ZoneRules::from_bytes(rule).expect("a rule");
    assert_eq!(text(&mut dates, Format::Dmy, 0, 0), "01/01/1970 00:00:00");
    assert!(!dates.replace_rules(rules(b"UTC0")), "the same rules");
    assert!(dates.replace_rules(rules(b"CET-1")), "others");
    assert_eq!(text(&mut dates, Format::Dmy, 0, 0), "01/01/1970 01:00:00");
    assert_eq!(text(&mut dates, Format::Rfc3339, 0, 0), "1970-01-01T01:00:00+01:00");
}

/// Any reading of the clock; more often one about the end of the year 9999, or one of our time.
fn any_second() -> impl Strategy<Value = u64> {
    const END: u64 = 253_402_300_799;
    let span = MAX_OFFSET as u64 + 2;
    prop_oneof![any::<u64>(), END - span..=END + span, 0..=4_102_444_800u64, 0..=span]
}

/// Any offset; more often one that many zones have or that a format can just write or just not.
fn any_offset() -> impl Strategy<Value = i32> {
    let edges = vec![0, -30, 30, 59, -59, 60, -60, 86_340, -86_340, 86_341, 86_400, -86_400];
    prop_oneof![
        -MAX_OFFSET..=MAX_OFFSET,
        (-103i32..=103).prop_map(|quarters| quarters * 900),
        prop::sample::select(edges),
    ]
}

/// The instant that a text with an offset means.
fn instant(format: Format, text: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| -> i64 { text[range].parse().expect("digits") };
    let month = |name: &str| {
        1 + "JanFebMarAprMayJunJulAugSepOctNovDec".find(name).expect("a month") as i64 / 3
    };
    let (year, month, day, clock, zone) = match format {
        Format::Rfc3339 => {
            (number(0..4), number(5..7), number(8..10), 11, text[19..].replace(':', ""))
        }
        _ => (number(12..16), month(&text[8..11]), number(5..7), 17, text[26..].to_owned()),
    };
    let seconds = number(clock..clock + 2) * 3600
        + number(clock + 3..clock + 5) * 60
        + number(clock + 6..clock + 8);
    let offset = match zone.as_str() {
        "Z" => 0,
        zone => {
            let (hours, minutes): (i64, i64) =
                (zone[1..3].parse().unwrap(), zone[3..].parse().unwrap());
            assert!(hours <= 23 && minutes <= 59, "{text}");
            assert!(
                !zone.starts_with('-') || hours + minutes > 0,
                "{text} means that the zone is unknown"
            );
            (hours * 3600 + minutes * 60) * if zone.starts_with('-') { -1 } else { 1 }
        }
    };
    // Days since 1970 by counting years and months, so that not the code under test is asked.
    let leap_days = |year: i64| year / 4 - year / 100 + year / 400;
    let is_leap = leap_days(year) > leap_days(year - 1);
    let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: i64 = lengths[..month as usize - 1].iter().sum();
    let days = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969) + months + day - 1;
    days * 86_400 + seconds - offset
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// The clients' own check of shapes, over all formats, is in `client::conversations`.
    #[test]
    fn field_server_10_every_time_has_a_text_at_every_offset(
        seconds in any_second(),
        offset in any_offset(),
    ) {
        let wall = WallTime { seconds, nanos: 0 };
        for format in Format::ALL {
            let text = format.write(wall, offset);
            let shape: String =
                text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
            let letters: String =
                shape.chars().map(|c| if c.is_ascii_alphabetic() { 'a' } else { c }).collect();
            match format {
                Format::Ctime => {
                    prop_assert_eq!(letters.replace("  9", " 99"), "aaa aaa 99 99:99:99 9999");
                }
                Format::Dmy => prop_assert_eq!(shape, "99/99/9999 99:99:99"),
                Format::Rfc3339 | Format::Rfc2822 => {
                    let expected = i64::try_from(seconds).unwrap_or(i64::MAX).min(253_402_300_799);
                    let after_9999 = seconds > 253_402_300_799;
                    let told = instant(format, &text);
                    // Beyond 9999 in UTC, a zone to the west may still have a text of its own.
                    let is_beyond = after_9999 && told as u64 == seconds;
                    prop_assert!(told == expected || is_beyond, "{}", text);
                }
                Format::Unix => prop_assert_eq!(text, seconds.to_string()),
            }
        }
    }
}
