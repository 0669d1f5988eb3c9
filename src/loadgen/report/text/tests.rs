use super::*;
use crate::loadgen::preflight::{Requirements, System, examine};
use crate::loadgen::report::ladder::tests::ladder;
use crate::loadgen::report::sample::{eventful, fruitless, sample};
use crate::loadgen::report::units::columns;
use crate::loadgen::report::{Achieved, Asked, Comparison, Mode, Side};
use std::path::Path;

fn plain(report: &Report) -> String {
    text(report, TextOptions::default())
}

/// Where `part` begins in `whole`.
fn place(whole: &str, part: &str) -> usize {
    whole.find(part).unwrap_or_else(|| panic!("{part:?} is not in\n{whole}"))
}

#[test]
fn a_good_run_fits_a_terminal_and_ends_with_the_summary() {
    let shown = plain(&sample());
    let expected = "\
open loop, 20,000 requests per second scheduled; latency from the intended time
echo, 64 B; 127.0.0.1:9999; 64 connections; after 1 s of warm-up

connect: 64 connections opened in 12.3 ms
requests: 200,000 of 200,000 answered in 10.0 s, all verified
traffic: 25.4 MiB (2.54 MiB/s) sent, 24.4 MiB (2.44 MiB/s) received
generator: 0 requests sent over 1 ms late, p99 52.4 µs, max 328 µs
generator: 31 % of a CPU, loop lag p99 85.0 µs, max 410 µs; the client kept up

Latency                   p50      p90     p99    p99.9      max
  from intended time  60.4 µs   120 µs  404 µs  1.54 ms  43.7 ms
  service time        50.3 µs  99.6 µs  337 µs  1.28 ms  36.4 ms
  connect              199 µs   402 µs       –        –  1.52 ms

throughput    20,000 requests per second of 20,000 asked
latency       p50 60.4 µs, p99 404 µs, p99.9 1.54 ms, max 43.7 ms
connections   served 64 of 64
errors        none
verdict       OK: the load that was asked for was achieved
";
    assert_eq!(shown, expected);
    // A prompt and the command line stand on the screen, too.
    assert!(shown.lines().count() <= 22);
}

#[test]
fn the_details_stand_above_the_summary() {
    let shown = text(&sample(), TextOptions { detail: true, ..TextOptions::default() });
    let parts = [
        "Asked and achieved     asked  achieved\n",
        "  rate              20,000/s  20,000/s\n",
        "Latency    from intended time  service\n  p50                 60.4 µs  50.3 µs\n",
        "  max                 43.7 ms  36.4 ms\n  mean                83.7 µs  69.8 µs\n",
        "   50.000000 %  60.4 µs   100,031       2.00\n",
        "  100.000000 %  43.7 ms   200,000          ∞\n",
        "Distribution         requests\n  20.0 µs – 50.0 µs    24,798  12.40 %  █████▌\n",
        "throughput    20,000 requests per second of 20,000 asked\n",
    ];
    let places = parts.map(|part| place(&shown, part));
    assert!(places.is_sorted(), "{shown}");
    assert!(!plain(&sample()).contains('█'));
}

/// The last lines of a report, from the first of the summary.
fn summary_of(shown: &str) -> &str {
    &shown[place(shown, "throughput  ")..]
}

#[test]
fn the_summary_has_six_lines_at_most_whatever_has_happened() {
    let mut invalid = eventful();
    invalid.client.bottleneck = true;
    invalid.client.verdict = "one worker used 99 % of its CPU ".repeat(9);
    invalid.shortfalls = vec!["1,200 of 200,000 requests were not answered".to_owned(); 9];
    invalid.errors.connect = u64::MAX;
    invalid.errors.read = u64::MAX - 1;
    invalid.errors.write = u64::MAX - 2;
    for report in [sample(), eventful(), fruitless(), invalid] {
        for width in [80, 81, 100, 200, 300] {
            let shown = text(&report, TextOptions { width, ..TextOptions::default() });
            let summary = summary_of(&shown);
            assert!(summary.lines().count() <= summary::MOST_LINES, "{summary}");
        }
    }
}

#[test]
fn the_verdict_is_the_last_word_and_names_what_was_not_met() {
    let shown = plain(&eventful());
    let summary = summary_of(&shown);
    assert_eq!(
        summary,
        "\
throughput    20,000 requests per second of 20,000 asked on average
latency       p50 60.4 µs, p99 404 µs, p99.9 1.54 ms *, max 43.7 ms *
connections   served 1,064 of 1,064, 4 lost
errors        1,218: connect 12, read 3, write 1, timeout 1,200, mismatch 2
verdict       NOT MET: 1,200 of 200,000 requests were not answered; partial:
              interrupted after 9 of 10 seconds
"
    );
    place(&shown, "TLS: 1,200 handshakes, 12.5 per second, 95.8 % resumed\n");
    let mut invalid = sample();
    invalid.client.bottleneck = true;
    invalid.client.in_doubt = vec!["99.9 %".to_owned()];
    invalid.client.verdict = "one worker used 99 % of its CPU".to_owned();
    let shown = plain(&invalid);
    let last = "\nverdict       INVALID: p99.9 may show the load generator, not the server (see\n\
                \x20             above)\n";
    assert!(shown.ends_with(last), "{shown}");
    place(&shown, "p99 404 µs, p99.9 1.54 ms ?, max 43.7 ms\n");
    // If only percentiles beyond those of the summary are in doubt, the run is invalid for another
    // reason.
    invalid.client.in_doubt = vec!["99.99 %".to_owned()];
    let shown = plain(&invalid);
    assert!(
        shown.ends_with("\nverdict       INVALID: one worker used 99 % of its CPU\n"),
        "{shown}"
    );
    let mut noted = sample();
    noted.client.validity = Validity::Noted;
    noted.client.verdict = "a worker was stopped for 12 ms".to_owned();
    place(&plain(&noted), "\nverdict       OK, with a note: a worker was stopped for 12 ms\n");
}

#[test]
fn what_forbids_trusting_the_figures_comes_first() {
    let mut report = eventful();
    report.client.bottleneck = true;
    report.client.verdict = "one worker used 99 % of its CPU".to_owned();
    let shown = plain(&report);
    assert!(shown.starts_with(
        "INVALID: the load generator affected these figures\n  - one worker used 99 % of its CPU\n"
    ));
    let places = ["NOT MET\n  - 1,200 of", "PARTIAL\n  - interrupted", "open loop"]
        .map(|part| place(&shown, part));
    assert!(places.is_sorted(), "{shown}");
}

#[test]
fn errors_are_told_by_kind_and_name() {
    let shown = plain(&eventful());
    for line in [
        "  connect      12  connection refused (12 ×) [ECONNREFUSED]\n",
        "  read          3  with write: connection reset by peer (3 ×) [ECONNRESET],\n",
        "                   broken pipe (1 ×) [EPIPE]\n",
        "  timeout   1,200  no answer within 5 s\n",
        "  mismatch      2  1 corrupt, 1 swapped\n",
    ] {
        place(&shown, line);
    }
}

#[test]
fn percentiles_of_the_unanswered_are_said_to_be_unknown() {
    let shown = plain(&eventful());
    let shown = shown.replace('\n', " ");
    place(&shown, "tail incomplete: 1,200 requests not answered; ");
    place(&shown, "and above 99.40 % (*) unknown");
    place(&shown, "  p99  p99.9 *  ");
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
        "  lookup              90.6 µs",
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
    assert!(shown.starts_with("closed loop, 64 connections × 1 request in flight\n"), "{shown}");
    place(&shown, "throughput    20,000 requests per second\n");
    place(&shown, "  from sending  60.4 µs");
}

#[test]
fn a_run_without_an_answer_is_told_too() {
    let shown = plain(&fruitless());
    place(&shown, "latency       no request was answered\n");
    place(&shown, "  connections             64         0\n");
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

/// Every width at which something changes, and some wide ones.
fn widths() -> impl Iterator<Item = usize> {
    (NARROWEST..=110).chain((120..=300).step_by(20))
}

/// Each line as wide as the terminal at most, and no number cut: the words are those of the report
/// on a terminal of any width.
fn assert_fits(shown: &str, width: usize) {
    for line in shown.lines() {
        assert!(
            columns(line) <= width,
            "{} of {width} columns: {line:?} in\n{shown}",
            columns(line)
        );
    }
}

#[test]
fn field_load_13_no_line_is_wider_than_the_terminal() {
    let mut long = eventful();
    long.shortfalls = vec!["many words ".repeat(40), "w".repeat(400)];
    long.asked.targets = vec!["サーバー.example:9999".repeat(9), "long-name.example".repeat(9)];
    long.achieved.answered = 999_999_999_999;
    long.errors.by_errno.insert("E".repeat(99), 7);
    for report in [sample(), eventful(), fruitless(), long] {
        for width in widths() {
            for detail in [false, true] {
                let options = TextOptions { width, detail, color: false };
                assert_fits(&text(&report, options), width);
            }
        }
    }
}

#[test]
fn field_load_13_no_number_is_cut() {
    let words = |width| {
        let shown = text(&eventful(), TextOptions { width, ..TextOptions::default() });
        let is_number = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
        let mut words: Vec<String> =
            shown.split_whitespace().filter(is_number).map(str::to_owned).collect();
        words.sort_unstable();
        words.dedup();
        words
    };
    let wide = words(300);
    for width in widths() {
        // Columns may be left out.
        let unknown: Vec<String> =
            words(width).into_iter().filter(|word| !wide.contains(word)).collect();
        assert!(unknown.is_empty(), "{width}: {unknown:?}");
    }
}

#[test]
fn field_load_13_comparison_ladder_and_doctor_fit_too() {
    let sides = |name: &str| Side::new(name.repeat(9), vec![eventful(), sample()]);
    let (before, after) = (sides("before"), sides("サーバー"));
    let one = |report| Side::new("a.json", vec![report]);
    let (good, bad) = (one(sample()), one(eventful()));
    let system = System::read(Path::new("/nowhere"));
    let needs = Requirements { connections: 100_000_000, local: true, ..Requirements::default() };
    let examined = examine(&system, &needs);
    let comparisons = [Comparison::new(&before, &after, 0.1), Comparison::new(&good, &bad, 0.1)];
    for width in widths() {
        let options = TextOptions { width, ..TextOptions::default() };
        comparisons.iter().for_each(|comparison| assert_fits(&comparison.text(options), width));
        assert_fits(&ladder().text(options), width);
        assert_fits(&examined.text(options), width);
    }
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

#[test]
fn connections_that_were_never_established_are_not_called_accepted() {
    let mut report = sample();
    report.asked = Asked { connections: 8, idle: 6, probe: "off".to_owned(), ..report.asked };
    report.achieved = Achieved {
        connections_established: 7,
        connections_served: 3,
        connections_unasked: 1,
        connections_unprobed: Some(3),
        connections_failed: 7,
        connections_opened: 7,
        ..report.achieved
    };
    let shown = plain(&report);
    for part in [
        "3 idle connections, and 1 without a request: accepted by the kernel, not probed\n",
        "connect: 7 of 14 connections opened in 12.3 ms, 7 attempts failed\n",
        "connections   served 3 of 7, connected 7 of 14\n",
    ] {
        place(&shown, part);
    }
    // The plain discard service never replies.
    report.asked.workload = "plain discard".to_owned();
    place(&plain(&report), "7 connections: accepted by the kernel, not probed\n");
    report.achieved.connections_established = 0;
    let shown = plain(&report);
    assert!(!shown.contains("accepted by the kernel"), "{shown}");
    place(&shown, "connect: 0 of 14 connections opened");
}
