use super::*;
use crate::loadgen::report::Mode;
use crate::loadgen::report::sample::{eventful, fruitless, sample};

fn plain(report: &Report) -> String {
    text(report, TextOptions::default())
}

/// Where `part` begins in `whole`.
fn place(whole: &str, part: &str) -> usize {
    whole.find(part).unwrap_or_else(|| panic!("{part:?} is not in\n{whole}"))
}

#[test]
fn a_good_run_is_told_without_clutter() {
    let shown = plain(&sample());
    let head = "\
open loop, 20,000 requests/s scheduled; latency from the intended time
echo, 64 B; 127.0.0.1:9999; 64 connections; after 1 s of warm-up

Asked and achieved       asked  achieved
  connections               64        64
  served                    64        64
  requests             200,000   200,000
  rate                20,000/s  20,000/s
  duration                10 s    10.0 s
  verified             200,000   200,000

connect: 64 connections opened in 12.3 ms
traffic: 25.4 MiB (2.54 MiB/s) sent, 24.4 MiB (2.44 MiB/s) received
errors: none

Latency     from intended time  service
  50 %                 60.4 µs  50.3 µs
  75 %                 79.2 µs  66.0 µs
  90 %                  120 µs  99.6 µs
  99 %                  404 µs   337 µs
  99.9 %               1.54 ms  1.28 ms
  99.99 %              5.89 ms  4.91 ms
  99.999 %             20.2 ms  16.9 ms
  100 %                43.7 ms  36.4 ms
  mean                 83.7 µs  69.8 µs
  std dev               184 µs   154 µs

Distribution         requests
  20.0 µs – 50.0 µs    24,798  12.40 %  █████▌
  50.0 µs –  100 µs   145,892  72.95 %  ████████████████████████████████
   100 µs –  200 µs    22,080  11.04 %  ████▉
";
    assert!(shown.starts_with(head), "{shown}");
    assert!(shown.ends_with("; the client kept up\n"), "{shown}");
}

#[test]
fn what_forbids_trusting_the_figures_comes_first() {
    let mut report = eventful();
    report.client.bottleneck = true;
    report.client.verdict = "one worker used 99 % of its CPU".to_owned();
    let shown = plain(&report);
    assert!(shown.starts_with(
        "INVALID: THE CLIENT SHOWS IN THE FIGURES\n  - one worker used 99 % of its CPU\n"
    ));
    let places = ["SHORT OF WHAT WAS ASKED\n  - 1,200 of", "PARTIAL\n  - interrupted", "open loop"]
        .map(|part| place(&shown, part));
    assert!(places.is_sorted(), "{shown}");
}

#[test]
fn errors_are_told_by_kind_and_name() {
    let shown = plain(&eventful());
    for line in [
        "  connect      12  connection refused (12 ×) [ECONNREFUSED]\n",
        "  read          3  with write: connection reset by peer (3 ×) [ECONNRESET], \
         broken pipe (1 ×) [EPIPE]\n",
        "  timeout   1,200  no answer within 5 s\n",
        "  mismatch      2  1 corrupt, 1 swapped\n",
    ] {
        place(&shown, line);
    }
    assert!(!shown.contains("errors: none"));
}

#[test]
fn percentiles_of_the_unanswered_are_said_to_be_unknown() {
    let shown = plain(&eventful());
    let shown = shown.replace('\n', " ");
    place(&shown, "of all requests, those above 99.40 % (*) are unknown.");
    place(&shown, "99.9 % *");
    assert!(!shown.contains("  99 % *"), "{shown}");
    assert!(!plain(&sample()).contains('*'));
}

#[test]
fn steps_storms_and_slow_connections_are_told() {
    let shown = plain(&eventful());
    for part in [
        "  30,000/s  28,400/s  5 s   99.20 %",
        "  4 s       64      64  310 ms       5",
        "never",
        "  closed by server   5\n",
        "  lookup             5,000  90.6 µs",
        "note: a note\n",
    ] {
        place(&shown, part);
    }
}

#[test]
fn a_closed_loop_is_told_as_one() {
    let mut report = sample();
    report.mode = Mode::Closed;
    report.asked.rate = None;
    let shown = plain(&report);
    assert!(shown.starts_with("closed loop, 64 connections × 1 request under way\n"), "{shown}");
    place(&shown, "  rate                no limit  20,000/s\n");
}

#[test]
fn a_run_without_an_answer_is_told_too() {
    let shown = plain(&fruitless());
    place(&shown, "latency: no request was answered\n");
    place(&shown, "  connections               64         0\n");
}

#[test]
fn the_spectrum_is_printed_if_asked_for() {
    let options = TextOptions { spectrum: true, ..TextOptions::default() };
    let shown = text(&sample(), options);
    place(&shown, "   50.000000 %  60.4 µs   100,031       2.00\n");
    place(&shown, "  100.000000 %  43.7 ms   200,000          ∞\n");
    assert!(!plain(&sample()).contains("∞"));
}

#[test]
fn without_colour_there_is_no_escape_sequence_and_with_it_the_same_text() {
    let mut report = eventful();
    report.shortfalls.push("a \x1b[2J trick".to_owned());
    report.asked.targets = vec!["\x1b]0;title\x07".to_owned()];
    let shown = plain(&report);
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    let colored = text(&report, TextOptions { color: true, ..TextOptions::default() });
    let mut stripped = String::new();
    for (at, part) in colored.split("\x1b[").enumerate() {
        stripped.push_str(if at == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_ne!(colored, shown);
    assert_eq!(stripped, shown);
}

#[test]
fn sentences_keep_to_the_width() {
    let mut report = eventful();
    report.shortfalls = vec!["many words ".repeat(40)];
    let shown = text(&report, TextOptions { width: 60, ..TextOptions::default() });
    let banner = shown.split("PARTIAL").next().unwrap();
    assert!(banner.lines().count() > 5 && banner.lines().all(|line| line.len() <= 60), "{banner}");
}

#[test]
fn field_load_17_an_error_is_told_in_words_and_by_name() {
    let told = |errors: &[(&str, u64)]| {
        let errors = errors.iter().map(|&(name, count)| (name.to_owned(), count)).collect();
        words::errors_in_words(&errors)
    };
    assert_eq!(told(&[("ECONNREFUSED", 5)]), "connection refused (5 ×) [ECONNREFUSED]");
    assert_eq!(
        told(&[("EOF", 1), ("ETIMEDOUT", 1200), ("EMFILE", 0), ("EUCLEAN", 2)]),
        "connection timed out (1,200 ×) [ETIMEDOUT], structure needs cleaning (2 ×) [EUCLEAN], \
         closed by the server (1 ×) [EOF]"
    );
    // A name that another system had, or a later version.
    assert_eq!(told(&[("EFUTURE", 3)]), "EFUTURE (3 ×)");
    assert_eq!(told(&[]), "");
}
