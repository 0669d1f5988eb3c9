//! That lines have the digits that `core::fmt` writes, and end where their room ends.

use super::{LONGEST, Line};

fn written(write: impl FnOnce(Line<'_>) -> Line<'_>) -> String {
    let mut room = [0; LONGEST];
    let used = LONGEST - write(Line::new(&mut room)).left();
    String::from_utf8(room[..used].to_vec()).expect("text")
}

#[test]
fn numbers_are_as_core_fmt_writes_them() {
    let round = (0..20).map(|digits| 10_u64.pow(digits));
    let near = round.flat_map(|number| [number - 1, number, number + 1, number / 3 * 2]);
    let primes = (0..100_000).map(|step| step * 7_919);
    for number in near.chain(primes).chain([u64::MAX, 12_345_678, 123_456_780_000_000_009]) {
        assert_eq!(written(|line| line.number(number)), number.to_string());
        let seconds = format!("{}.{:09}", number / 1_000_000_000, number % 1_000_000_000);
        assert_eq!(written(|line| line.seconds(number)), seconds);
    }
}

#[test]
fn words_of_all_lengths_are_whole() {
    let text = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for count in 0..=text.len() {
        assert_eq!(
            written(|line| line.word(&text[..count]).say("!")),
            text[..count].to_owned() + "!"
        );
    }
}

#[test]
fn what_has_no_room_is_left_out() {
    let long = written(|line| (0..1_000).fold(line, |line, _| line.say("ten bytes.")));
    assert_eq!(long, "ten bytes.".repeat(LONGEST / 10));
}
