use super::*;
use time::{Date, Month, Time};

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

fn text(calendar: &mut Calendar, format: Format, seconds: u64, nanos: u32) -> String {
    let text = calendar.text(format, WallTime { seconds, nanos });
    String::from_utf8(text.to_vec()).expect("ASCII")
}

#[test]
fn known_seconds_in_every_format() {
    for (seconds, texts) in KNOWN {
        for (format, expected) in Format::ALL.into_iter().zip(texts) {
            assert_eq!(text(&mut Calendar::new(Zone::Utc), format, seconds, 0), expected);
        }
    }
}

#[test]
fn a_text_holds_for_its_second_and_not_for_the_next_or_the_one_before() {
    let mut calendar = Calendar::new(Zone::Utc);
    // The clock may be set back.
    for seconds in [10, 11, 10, 0, 10] {
        for nanos in [0, 999_999_999] {
            let unix = text(&mut calendar, Format::Unix, seconds, nanos);
            assert_eq!(unix, seconds.to_string());
            let ctime = text(&mut calendar, Format::Ctime, seconds, nanos);
            assert_eq!(ctime, format!("Thu Jan  1 00:00:{seconds:02} 1970"));
        }
    }
}

#[test]
fn a_clock_beyond_the_calendar_reads_as_1970() {
    for seconds in [253_402_300_800, u64::MAX] {
        let mut calendar = Calendar::new(Zone::Utc);
        assert_eq!(text(&mut calendar, Format::Ctime, seconds, 0), "Thu Jan  1 00:00:00 1970");
    }
}

#[test]
fn local_time_is_the_same_instant() {
    let mut calendar = Calendar::new(Zone::Local);
    assert_eq!(text(&mut calendar, Format::Unix, 1_620_419_812, 0), "1620419812");
}

#[test]
fn offsets_are_written_where_the_format_has_them() {
    let date = Date::from_calendar_date(2021, Month::May, 7).expect("a date");
    let date = date.with_time(Time::from_hms(20, 36, 52).expect("a time"));
    let cases = [
        ((2, 0), "+02:00", "+0200"),
        ((-5, 0), "-05:00", "-0500"),
        ((5, 45), "+05:45", "+0545"),
        ((-3, -30), "-03:30", "-0330"),
        ((0, -30), "-00:30", "-0030"),
        ((14, 0), "+14:00", "+1400"),
    ];
    for ((hours, minutes), rfc3339, rfc2822) in cases {
        let offset = UtcOffset::from_hms(hours, minutes, 0).expect("an offset");
        let date = date.assume_offset(offset);
        assert_eq!(Format::Rfc3339.write(date), format!("2021-05-07T20:36:52{rfc3339}"));
        assert_eq!(Format::Rfc2822.write(date), format!("Fri, 07 May 2021 20:36:52 {rfc2822}"));
        assert_eq!(Format::Ctime.write(date), "Fri May  7 20:36:52 2021");
        assert_eq!(Format::Dmy.write(date), "07/05/2021 20:36:52");
    }
}
