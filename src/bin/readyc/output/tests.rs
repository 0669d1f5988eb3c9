use super::{fitted, harmless};
use readyd::printable::is_steering;

/// Whether a terminal shows `text` without being moved, renamed or reprogrammed by it.
fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || c == '\t' || !is_steering(c))
}

#[test]
fn text_is_shown_as_it_is() {
    for text in ["", "Fri May  7 20:36:52 2021", "one\n\ttwo\n", "Grüße, 世界 🦀", r"\x1b \n"]
    {
        assert_eq!(harmless(text.as_bytes()), text);
    }
}

#[test]
fn what_a_terminal_would_obey_is_escaped() {
    let texts = [
        (&b"\x1b[2Jgone"[..], r"\u{1b}[2Jgone"),
        (b"\x1b]0;title\x07", r"\u{1b}]0;title\u{7}"),
        (b"nul\0 bell\x07 back\x08 delete\x7f", r"nul\u{0} bell\u{7} back\u{8} delete\u{7f}"),
        // A terminal takes U+009B for ESC [, and so it may the byte 0x9B, which is no UTF-8.
        ("\u{9b}2J".as_bytes(), r"\u{9b}2J"),
        (b"\x9b2J", "\u{fffd}2J"),
        // What turns the direction of writing shows a text that is not there.
        ("\u{202e}txt.exe".as_bytes(), r"\u{202e}txt.exe"),
        ("in\u{200b}visible\u{2066}".as_bytes(), r"in\u{200b}visible\u{2066}"),
    ];
    for (answer, shown) in texts {
        assert_eq!(harmless(answer), shown);
    }
}

#[test]
fn line_ends_are_those_of_a_terminal() {
    assert_eq!(harmless(b"one\r\ntwo\r\n"), "one\ntwo\n");
    assert_eq!(harmless(b"ours\rtheirs"), "ourstheirs", "nothing is overwritten");
}

#[test]
fn every_pair_of_bytes_is_harmless() {
    for first in 0..=u8::MAX {
        for second in 0..=u8::MAX {
            let shown = harmless(&[first, second, b'[']);
            assert!(is_harmless(&shown), "{first:#04x} {second:#04x}: {shown:?}");
            assert!(shown.ends_with('['));
        }
    }
}

#[test]
fn field_load_13_a_line_that_is_too_long_is_broken_behind_its_name() {
    let lines = "requests 12\nlongest_turn_microseconds 123,456\nversion 0.1.0\n";
    let narrow = "requests 12\nlongest_turn_\n  microseconds\n  123,456\nversion 0.1.0";
    assert_eq!(fitted(lines, 20), narrow);
    assert_eq!(fitted(lines, 40), lines.trim_end());
}
