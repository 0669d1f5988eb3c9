//! What reaches the log, seen by a logger that keeps lines by thread: tests that run side by side
//! do not see each other's.

use super::*;
use proptest::prelude::*;
use std::cell::RefCell;

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct ByThread;

impl log::Log for ByThread {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}", record.level(), record.args());
        LINES.with_borrow_mut(|lines| lines.push(line));
    }

    fn flush(&self) {}
}

/// A client log with that rate, whose lines [`take_lines`] returns.
fn client_log(rate: u32) -> ClientLog {
    // Fails from the second time on, and then it is ours already.
    let _ = log::set_logger(&ByThread);
    log::set_max_level(log::LevelFilter::Info);
    take_lines();
    ClientLog::new(LevelFilter::Info, rate)
}

fn take_lines() -> Vec<String> {
    LINES.take()
}

fn millis(millis: u64) -> Moment {
    Moment::START + Duration::from_millis(millis)
}

fn write(log: &mut ClientLog, now: Moment, text: &str) {
    log.line(now, Level::Info, format_args!("{text}"));
}

#[test]
fn a_second_takes_so_many_lines_and_the_rest_are_counted() {
    let mut log = client_log(2);
    for text in ["a", "b", "c", "d"] {
        write(&mut log, millis(5000), text);
    }
    assert_eq!(take_lines(), ["INFO a", "INFO b"]);
    assert_eq!(log.suppressed_total(), 2);
    assert_eq!(log.report_due(), Some(millis(6000)));

    log.report(millis(5999));
    assert_eq!(take_lines(), [""; 0], "the second is not over");
    log.report(millis(6000));
    assert_eq!(take_lines(), ["WARN 2 lines suppressed (--log-rate 2)"]);
    assert_eq!(log.report_due(), None);
    log.report(millis(7000));
    assert_eq!(take_lines(), [""; 0], "said once");
    assert_eq!(log.suppressed_total(), 2);
}

#[test]
fn the_next_second_has_its_own_lines_after_the_count_of_the_last() {
    let mut log = client_log(1);
    write(&mut log, millis(0), "a");
    write(&mut log, millis(999), "b");
    write(&mut log, millis(1000), "c");
    write(&mut log, millis(1500), "d");
    write(&mut log, millis(5000), "e");
    let expected = [
        "INFO a",
        "WARN 1 line suppressed (--log-rate 1)",
        "INFO c",
        "WARN 1 line suppressed (--log-rate 1)",
        "INFO e",
    ];
    assert_eq!(take_lines(), expected);
    assert_eq!(log.suppressed_total(), 2);
}

#[test]
fn a_rate_of_zero_leaves_everything_out() {
    let mut log = client_log(0);
    write(&mut log, millis(0), "a");
    write(&mut log, millis(2000), "b");
    assert_eq!(take_lines(), ["WARN 1 line suppressed (--log-rate 0)"]);
    assert_eq!(log.suppressed_total(), 2);
}

#[test]
fn lines_that_the_level_leaves_out_take_nobodys_place() {
    let mut log = client_log(1);
    for _ in 0..10 {
        log.line(millis(0), Level::Debug, format_args!("detail"));
    }
    write(&mut log, millis(0), "a");
    assert_eq!(take_lines(), ["INFO a"]);
    assert_eq!((log.suppressed_total(), log.report_due()), (0, None));
}

#[test]
fn a_text_is_quoted_escaped_and_cut() {
    let cases: [(&[u8], &str); 6] = [
        (b"", r#""""#),
        (b"plain text", r#""plain text""#),
        (b"a\nb\r\t\0", r#""a\nb\r\t\x00""#),
        (b"\x1b[2J", r#""\x1b[2J""#),
        ("\u{e9}".as_bytes(), r#""\xc3\xa9""#),
        (br#"say "\"#, r#""say \"\\""#),
    ];
    for (bytes, text) in cases {
        assert_eq!(Escaped(bytes).to_string(), text);
    }
    let as_long_as_shown = [b'x'; SHOWN];
    let whole = format!("\"{}\"", "x".repeat(SHOWN));
    assert_eq!(Escaped(&as_long_as_shown).to_string(), whole);
    assert_eq!(Escaped(&[b'x'; SHOWN + 1]).to_string(), format!("{whole}... (201 bytes)"));
}

/// The bytes that an escaped text stands for.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            assert_ne!(byte, b'"', "the quotation ends before its end");
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().expect("something is escaped") {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let digits = [rest.next().expect("a digit"), rest.next().expect("a digit")];
                let digits = std::str::from_utf8(&digits).expect("ASCII");
                u8::from_str_radix(digits, 16).expect("hexadecimal")
            }
            quoted => quoted,
        });
    }
    bytes
}

proptest! {
    #[test]
    fn no_byte_outside_printable_ascii_gets_through(
        bytes in proptest::collection::vec(any::<u8>(), 0..2 * SHOWN),
    ) {
        let text = Escaped(&bytes).to_string();
        prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", text);
        prop_assert!(text.len() <= 4 * SHOWN + 20, "{} bytes", text.len());
        let (shown, end) = match bytes.get(..SHOWN) {
            Some(shown) if bytes.len() > SHOWN => (shown, format!("... ({} bytes)", bytes.len())),
            _ => (&bytes[..], String::new()),
        };
        let quoted = text.strip_suffix(&end).and_then(|text| text.strip_suffix('"'));
        let inside = quoted.and_then(|text| text.strip_prefix('"')).expect("quotes");
        prop_assert_eq!(unescape(inside), shown);
    }

    #[test]
    fn every_line_is_written_or_counted_and_told(
        rate in 0..5u32,
        pauses in proptest::collection::vec(prop_oneof![0..50u64, 0..3000u64], 1..100),
    ) {
        let mut log = client_log(rate);
        let mut now = 0;
        for pause in &pauses {
            now += pause;
            write(&mut log, millis(now), "line");
        }
        log.report(millis(now + 1000));
        let lines = take_lines();
        let (written, told): (Vec<_>, Vec<_>) =
            lines.iter().partition(|line| line.starts_with("INFO"));
        let told = told.iter().map(|line| {
            let count = line.strip_prefix("WARN ").and_then(|line| line.split(' ').next());
            count.and_then(|count| count.parse::<u64>().ok()).expect("a count")
        });
        prop_assert_eq!(told.sum::<u64>(), log.suppressed_total());
        prop_assert_eq!(written.len() as u64 + log.suppressed_total(), pauses.len() as u64);
        prop_assert!(written.len() as u64 <= u64::from(rate) * (now / 1000 + 1));
        prop_assert_eq!(log.report_due(), None);
    }
}
