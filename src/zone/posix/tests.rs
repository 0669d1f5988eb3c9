use super::*;

const HOUR: i64 = 3600;

fn zone(rule: &str) -> PosixZone {
    PosixZone::parse(rule.as_bytes()).unwrap_or_else(|| panic!("{rule} is a rule"))
}

/// Seconds from 1970 to the beginning of a day in UTC.
fn day(year: i32, month: u8, day: u8) -> i64 {
    let month = Month::try_from(month).expect("a month");
    let date = Date::from_calendar_date(year, month, day).expect("a date");
    date.midnight().assume_utc().unix_timestamp()
}

/// Checks that the offset changes from `before` to `after` at `instant` and not earlier.
fn assert_change(rule: &str, instant: i64, before: i32, after: i32) {
    let zone = zone(rule);
    let around = [instant - 1, instant].map(|seconds| zone.offset_at(seconds));
    assert_eq!(around, [before, after], "{rule} at {instant}");
}

#[test]
fn without_summer_time_the_offset_never_changes() {
    for (rule, offset) in [
        ("UTC0", 0),
        ("JST-9", 32_400),
        ("<+03>-3", 10_800),
        ("<-0330>3:30", -12_600),
        ("LMT-9:18:59", 33_539),
        ("AAA+24:59:59", -89_999),
        ("abc-024:59", 89_940),
    ] {
        for seconds in [i64::MIN, -1, 0, 1_620_419_812, i64::MAX] {
            assert_eq!(zone(rule).offset_at(seconds), offset, "{rule}");
        }
    }
}

#[test]
fn summer_time_begins_and_ends_to_the_second() {
    let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
    assert_change(berlin, day(2026, 3, 29) + HOUR, 3600, 7200);
    assert_change(berlin, day(2026, 10, 25) + HOUR, 7200, 3600);
    // The same days of the week come again after 400 years.
    assert_change(berlin, day(2026 + 400, 3, 29) + HOUR, 3600, 7200);
    assert_change(berlin, day(9999, 10, 31) + HOUR, 7200, 3600);
}

#[test]
fn south_of_the_equator_summer_lasts_over_new_year() {
    let sydney = "AEST-10AEDT,M10.1.0,M4.1.0/3";
    assert_change(sydney, day(2026, 10, 3) + 16 * HOUR, 36_000, 39_600);
    assert_change(sydney, day(2026, 4, 4) + 16 * HOUR, 39_600, 36_000);
    assert_eq!(zone(sydney).offset_at(day(2027, 1, 1)), 39_600);
    // Half an hour.
    let lord_howe = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";
    assert_change(lord_howe, day(2026, 10, 3) + 15 * HOUR + 1800, 37_800, 39_600);
    assert_change(lord_howe, day(2026, 4, 4) + 15 * HOUR, 39_600, 37_800);
}

#[test]
fn what_the_law_calls_standard_time_may_be_that_of_summer() {
    let dublin = "IST-1GMT0,M10.5.0,M3.5.0/1";
    assert_change(dublin, day(2026, 10, 25) + HOUR, 3600, 0);
    assert_change(dublin, day(2026, 3, 29) + HOUR, 0, 3600);
    assert_eq!(zone(dublin).offset_at(day(2027, 1, 1)), 0);
}

#[test]
fn changes_may_be_days_from_their_day() {
    let nuuk = "<-02>2<-01>,M3.5.0/-1,M10.5.0/0";
    assert_change(nuuk, day(2026, 3, 29) + HOUR, -7200, -3600);
    let jerusalem = "IST-2IDT,M3.4.4/26,M10.5.0";
    assert_change(jerusalem, day(2026, 3, 27), 7200, 10_800);
    let far = "AAA0BBB,M6.1.1/-167,M7.1.1/167:59:59";
    assert_change(far, day(2026, 6, 1) - 167 * HOUR, 0, 3600);
    assert_change(far, day(2026, 7, 6) + 168 * HOUR - 1 - HOUR, 3600, 0);
    let both_over_new_year = "AAA0BBB,J365/167,J360/167";
    assert_change(both_over_new_year, day(2028, 1, 1) + 22 * HOUR, 3600, 0);
    assert_change(both_over_new_year, day(2028, 1, 6) + 23 * HOUR, 0, 3600);
}

#[test]
fn days_are_counted_with_and_without_the_leap_day() {
    for year in [2026, 2028, 2000, 2100] {
        assert_change("AAA0BBB,J60/0,J365/1", day(year, 3, 1), 0, 3600);
        assert_change("AAA0BBB,J59/0,J365/1", day(year, 2, 28), 0, 3600);
        assert_change("AAA0BBB,J1/0,J365/1", day(year, 12, 31), 3600, 0);
        assert_change("AAA0BBB,58/0,300/1", day(year, 2, 28), 0, 3600);
    }
    assert_change("AAA0BBB,59/0,300/1", day(2028, 2, 29), 0, 3600);
    assert_change("AAA0BBB,59/0,300/1", day(2026, 3, 1), 0, 3600);
    assert_change("AAA0BBB,10/0,365/1", day(2028, 12, 31), 3600, 0);
    // The 366th day of a year that has 365 is New Year.
    assert_change("AAA0BBB,10/0,365/1", day(2028, 1, 1), 3600, 0);
}

#[test]
fn summer_time_may_last_all_year_or_not_at_all() {
    let always = zone("EST5EDT,0/0,J365/25");
    let never = zone("EST5EDT,M3.2.0/2,M3.2.0/3");
    for year in 1971..2371 {
        for offset in [-1, 0, 4 * HOUR, 5 * HOUR - 1, 5 * HOUR, 5 * HOUR + 1, 4000 * HOUR] {
            assert_eq!(always.offset_at(day(year, 1, 1) + offset), -14_400, "{year}, {offset}");
            assert_eq!(never.offset_at(day(year, 1, 1) + offset), -18_000, "{year}, {offset}");
        }
    }
}

#[test]
fn without_days_summer_time_is_that_of_the_united_states() {
    for rule in
        ["EST5EDT", "EST5EDT4", "EST5EDT4,M3.2.0,M11.1.0", "<EST>5<EDT>4,M3.2.0/2:00:00,M11.1.0/+2"]
    {
        assert_eq!(zone(rule), zone("EST5EDT,M3.2.0/2,M11.1.0/2"), "{rule}");
    }
    assert_change("EST5EDT", day(2026, 3, 8) + 7 * HOUR, -18_000, -14_400);
}

#[test]
fn what_is_no_rule_is_refused() {
    const NONE: &str = "|U|UT|UTC|UT0|1|-1|Europe/Lisbon|UTC0 | UTC0|UTC 0|UTC0\n|UTC0\0|UTC25|\
        UTC-25|\
        UTC1000|UTC1:60|UTC1:0:60|UTC1:|UTC1:0:|UTC--1|UTC+-1|UTC+|<+0>0|<+03|<+03>|<>0|<+0 3>0|\
        <+03-3|CET-1CE|CET-1CEST,|CET-1CEST,M3.5.0|CET-1CEST,M3.5.0,|CET-1CEST,M3.5.0,M10.5.0,|\
        CET-1CEST,M3.5.0,M10.5.0/|CET-1CEST,M0.5.0,J1|CET-1CEST,M13.5.0,J1|CET-1CEST,M3.0.0,J1|\
        CET-1CEST,M3.6.0,J1|CET-1CEST,M3.5.7,J1|CET-1CEST,M3.5,J1|CET-1CEST,M3,J1|CET-1CEST,J0,J1|\
        CET-1CEST,J366,J1|CET-1CEST,366,J1|CET-1CEST,-1,J1|CET-1CEST,J1/168,J2|\
        CET-1CEST,J1/-168,J2|CET-1CEST,J1/1:60,J2|CET-1CEST 3,J1,J2|CET-1CEST25,J1,J2|\
        CET-1,M3.5.0,M10.5.0|\
        C\u{e9}T-1|\
        CET-1CEST;J1;J2";
    for text in NONE.split('|') {
        assert_eq!(PosixZone::parse(text.as_bytes()), None, "{text:?}");
    }
}
