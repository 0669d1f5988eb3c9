//! Which answers are right, and what is said of those that are not.

use super::super::Check;
use crate::handlers::daytime::{DateCache, Format};
use crate::io::clock::WallTime;
use crate::zone::ZoneRules;
use proptest::prelude::*;

const FORMATS: [Format; 5] =
    [Format::Ctime, Format::Dmy, Format::Rfc3339, Format::Rfc2822, Format::Unix];

fn is_date(format: Format, text: &str) -> bool {
    Check::Date(format).verify(text.as_bytes()).is_ok()
}

#[test]
fn dates_fit_their_format() {
    let dates = [
        (Format::Ctime, &["Fri May  7 20:36:52 2021", "Mon Dec 31 23:59:60 1990"][..]),
        (Format::Dmy, &["07/05/2021 20:36:52"]),
        (
            Format::Rfc3339,
            &["2021-05-07T20:36:52Z", "2021-05-07T20:36:52+02:00", "2021-05-07T20:36:52-03:30"],
        ),
        (Format::Rfc2822, &["Fri, 07 May 2021 20:36:52 +0200", "Fri, 07 May 2021 20:36:52 -0330"]),
        (Format::Unix, &["1620412612", "0"]),
    ];
    for (format, texts) in dates {
        for text in texts {
            assert!(is_date(format, text), "{text:?}, {}", format.name());
            for other in FORMATS {
                assert!(format == other || !is_date(other, text), "{text:?}, {}", other.name());
            }
        }
    }
}

#[test]
fn what_only_resembles_a_date_is_none() {
    let texts = [
        (Format::Ctime, "Fri May 7 20:36:52 2021"),
        (Format::Ctime, "Fri May  7 20:36:52 2021\r\n"),
        (Format::Ctime, "Fri May  7 20:36:52 21"),
        (Format::Ctime, "F\u{e9} May  7 20:36:52 2021"),
        (Format::Dmy, "7/5/2021 20:36:52"),
        (Format::Dmy, "07-05-2021 20:36:52"),
        (Format::Dmy, "07/05/2021"),
        (Format::Rfc3339, "2021-05-07 20:36:52Z"),
        (Format::Rfc3339, "2021-05-07T20:36:52"),
        (Format::Rfc3339, "2021-05-07T20:36:52+"),
        (Format::Rfc3339, "2021-05-07T20:36:52+0200"),
        (Format::Rfc3339, "2021-05-07T20:36:52Zulu"),
        (Format::Rfc2822, "Fri, 07 May 2021 20:36:52"),
        (Format::Rfc2822, "Fri, 07 May 2021 20:36:52 GMT"),
        (Format::Rfc2822, "Fri, 07 May 2021 20:36:52 +02:00"),
        (Format::Rfc2822, "Fri,  7 May 2021 20:36:52 +0200"),
        (Format::Unix, "-1"),
        (Format::Unix, "1620412612.5"),
        (Format::Unix, " 1620412612"),
    ];
    for (format, text) in texts {
        assert!(!is_date(format, text), "{text:?}, {}", format.name());
    }
    for format in FORMATS {
        assert!(!is_date(format, ""), "{}", format.name());
        assert!(Check::Date(format).verify(b"\xff\xfe").is_err(), "{}", format.name());
    }
}

/// A reading of the clock: before the year 10000, about its beginning, or any.
fn any_second() -> impl Strategy<Value = u64> {
    prop_oneof![0..=253_402_300_799u64, 253_402_200_000..=253_402_400_000u64, any::<u64>()]
}

proptest! {
    #[test]
    fn every_date_that_our_server_tells_is_one(seconds in any_second()) {
        let wall = WallTime { seconds, nanos: 0 };
        for rules in [&b"UTC0"[..], b"<+0545>-5:45", b"LMT-9:18:59", b"AAA24:59:59", b"EST5EDT"] {
            let rules = ZoneRules::from_bytes(rules).expect("a rule");
            let mut dates = DateCache::new(rules);
            for format in FORMATS {
                let text = dates.text(format, wall);
                prop_assert_eq!(Check::Date(format).verify(text), Ok(()));
            }
        }
    }

    #[test]
    fn exactly_is_every_byte(expected in any::<Vec<u8>>(), answer in any::<Vec<u8>>()) {
        let check = Check::Exactly(expected.clone());
        prop_assert_eq!(check.verify(&expected), Ok(()));
        prop_assert_eq!(check.verify(&answer).is_ok(), answer == expected);
    }
}

#[test]
fn a_text_that_looks_like_an_error_may_be_what_was_expected() {
    let text = b"Error: as expected".to_vec();
    assert_eq!(Check::Exactly(text.clone()).verify(&text), Ok(()));
}

#[test]
fn something_is_neither_empty_nor_an_error() {
    assert_eq!(Check::Something.verify(b"\0"), Ok(()));
    assert_eq!(Check::Something.verify(b"Error"), Ok(()));
    assert!(Check::Something.verify(b"").is_err());
    assert!(Check::Something.verify(b"Error: no").is_err());
}

#[test]
fn wrong_answers_are_shown_beside_what_they_should_be() {
    let hello = Check::Exactly(b"hello".to_vec());
    let texts = [
        (&hello, &b"hallo\n"[..], r#"the answer is "hallo\n" and should be "hello""#),
        (&hello, b"", r#"the answer is "" and should be "hello""#),
        (&Check::Date(Format::Dmy), b"now", r#"the answer "now" is not a date in the format dmy"#),
        (&Check::Something, b"", "the answer is empty"),
    ];
    for (check, answer, text) in texts {
        assert_eq!(check.verify(answer), Err(text.to_owned()));
    }
}

#[test]
fn a_refusal_is_told_in_the_servers_words() {
    let refusal = b"Error: TIME takes no argument";
    for check in [Check::Something, Check::Exactly(b"x".to_vec()), Check::Date(Format::Unix)] {
        let text = check.verify(refusal).unwrap_err();
        assert_eq!(text, r#"the server refused: "TIME takes no argument""#);
    }
}

/// What a server says goes to a terminal: it cannot forge lines there, nor fill it.
#[test]
fn what_is_shown_of_an_answer_is_harmless_and_short() {
    let hostile = [&b"Error: \x1b[2J\n\xff\xe2\x80\xae"[..], &[b'a'; 100_000]].concat();
    for answer in [&hostile[..], &hostile["Error: ".len()..]] {
        for check in [Check::Exactly(b"x".to_vec()), Check::Date(Format::Unix)] {
            let text = check.verify(answer).unwrap_err();
            assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text:?}");
            assert!(text.len() < 2000, "{} bytes", text.len());
        }
    }
}
