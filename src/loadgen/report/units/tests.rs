use super::*;
use proptest::prelude::*;

#[test]
fn counts_have_their_thousands_apart() {
    let shown = [0, 7, 999, 1_000, 20_000, 1_234_567, u64::MAX].map(count);
    let expected = ["0", "7", "999", "1,000", "20,000", "1,234,567", "18,446,744,073,709,551,615"];
    assert_eq!(shown, expected);
}

#[test]
fn times_have_three_digits_and_the_unit_that_fits() {
    for (time, shown) in [
        (0.0, "0 µs"),
        (0.85, "850 ns"),
        (0.001, "1.00 ns"),
        (1.0, "1.00 µs"),
        (45.23, "45.2 µs"),
        (999.4, "999 µs"),
        (999.6, "1.00 ms"),
        (12_345.0, "12.3 ms"),
        (999_900.0, "1.00 s"),
        (61_000_000.0, "61.0 s"),
    ] {
        assert_eq!(micros(time), shown, "{time}");
    }
    assert_eq!(seconds(-1.5), "-1.50 s");
    assert_eq!([span(10.0), span(1.5), span(0.1), span(0.0)], ["10 s", "1.5 s", "100 ms", "0 s"]);
}

#[test]
fn sizes_and_rates() {
    let shown = [0.0, 64.0, 1023.0, 1024.0, 1536.0, 1_048_000.0, 12.5e9].map(bytes);
    assert_eq!(shown, ["0 B", "64 B", "1,023 B", "1.00 KiB", "1.50 KiB", "1023 KiB", "11.6 GiB"]);
    assert_eq!([20_000.0, 12.5, 0.25].map(rate), ["20,000/s", "12.5/s", "0.25/s"]);
    assert_eq!([0.05, -0.123, 0.0001, 12.0].map(change), ["+5.0 %", "-12.3 %", "±0 %", "+1,200 %"]);
}

#[test]
fn a_share_of_nearly_all_is_told_from_all() {
    assert_eq!(
        [0.5, 0.994, 0.99948, 0.999999].map(nearly_all),
        ["50 %", "99.40 %", "99.948 %", "99.99990 %"]
    );
}

proptest! {
    #[test]
    fn wrapping_keeps_every_word_and_the_width(text in "[a-z ]{0,200}", width in 10usize..60) {
        let lines = wrapped(&text, width);
        let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
        // A word that is longer than a line is broken.
        prop_assert_eq!(words.concat(), text.split_whitespace().collect::<String>());
        prop_assert!(lines.iter().all(|line| columns(line) <= width));
    }
}

#[test]
fn a_number_keeps_its_unit_and_a_long_word_breaks_behind_a_mark() {
    assert_eq!(wrapped("p99 of 404 µs, max 1.54 ms", 11), ["p99 of", "404 µs, max", "1.54 ms"]);
    assert_eq!(wrapped("/a/long/path/to.json", 14), ["/a/long/path/", "to.json"]);
    assert_eq!(wrapped("サーバー", 4), ["サー", "バー"]);
    assert_eq!(wrapped("", 4), [""]);
}
