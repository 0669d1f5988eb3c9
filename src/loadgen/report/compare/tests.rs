use super::*;
use crate::loadgen::report::sample::{eventful, fruitless, sample};
use crate::loadgen::report::{Mode, Percentiles};

mod jitter;
mod runs;

const THRESHOLD: f64 = 0.1;

fn comparison(before: &Report, after: &Report) -> Comparison<'static> {
    of_sides(std::slice::from_ref(before), std::slice::from_ref(after), THRESHOLD)
}

/// Sides live as long as the tests do.
fn of_sides(before: &[Report], after: &[Report], threshold: f64) -> Comparison<'static> {
    let side = |name, reports: &[Report]| Box::leak(Box::new(Side::new(name, reports.to_vec())));
    Comparison::new(side("A", before), side("B", after), threshold)
}

/// What became of the value called `name`.
fn finding(comparison: &Comparison<'_>, name: &str) -> Finding {
    comparison.changes.iter().find(|change| change.name == name).expect("the value").finding
}

/// The sample with all its latencies `times` as long.
fn slower(times: f64) -> Report {
    let mut report = sample();
    let latency = &mut report.latency_us;
    *latency = Percentiles {
        p50: latency.p50 * times,
        p99: latency.p99 * times,
        p999: latency.p999 * times,
        ..*latency
    };
    report
}

#[test]
fn a_run_is_no_worse_than_itself() {
    let comparison = comparison(&sample(), &sample());
    assert_eq!(comparison.verdict(), Verdict::NoRegression);
    assert!(comparison.changes.iter().all(|change| change.finding == Finding::NoClearChange));
    assert!(comparison.text(TextOptions::default()).ends_with("no regression, no clear change\n"));
}

#[test]
fn a_clear_change_is_judged_by_its_direction() {
    let worse = comparison(&sample(), &slower(1.4));
    assert_eq!(worse.verdict(), Verdict::Regression);
    assert_eq!(finding(&worse, "p99"), Finding::Worse);
    assert_eq!(finding(&worse, "throughput"), Finding::NoClearChange);
    let shown = worse.text(TextOptions { width: 100, ..TextOptions::default() });
    let row = "  p50                      60.4 µs   84.5 µs  +40.0 %    ±33.1 %  WORSE\n";
    assert!(shown.contains(row), "{shown}");
    assert!(shown.ends_with("p99 clearly worse; warning: p99.9 worse\n"), "{shown}");
    let better = comparison(&slower(1.4), &sample());
    assert_eq!(finding(&better, "p99"), Finding::Better);
    assert_eq!(better.verdict(), Verdict::NoRegression);
}

#[test]
fn the_servers_cpu_is_compared_if_both_sides_know_it() {
    let known = |times: f64| {
        let mut side = crate::loadgen::report::sample::server();
        side.cpu_us_per_request = side.cpu_us_per_request.map(|each| each * times);
        Report { server: Some(side), ..sample() }
    };
    let name = "server CPU per request";
    let has_it = |comparison: &Comparison<'_>| comparison.changes.iter().any(|c| c.name == name);
    assert!(!has_it(&comparison(&sample(), &known(1.0))));
    assert!(!has_it(&comparison(&known(1.0), &sample())));
    let worse = comparison(&known(1.0), &known(1.8));
    assert_eq!(finding(&worse, name), Finding::Worse);
    // It only warns.
    assert_eq!(worse.verdict(), Verdict::NoRegression);
    assert_eq!(finding(&comparison(&known(1.8), &known(1.0)), name), Finding::Better);
    let five = |times| [(); 5].map(|()| known(times));
    assert!(has_it(&of_sides(&five(1.0), &five(1.8), THRESHOLD)));
    assert!(!has_it(&of_sides(&five(1.0), &[sample()], THRESHOLD)));
}

#[test]
fn less_is_worse_of_a_rate_and_more_of_cpu_time() {
    let mut after = sample();
    after.achieved.rate = Some(16_000.0);
    after.client.cpu_s *= 1.5;
    let comparison = comparison(&sample(), &after);
    assert_eq!(finding(&comparison, "throughput"), Finding::Worse);
    assert_eq!(finding(&comparison, "client CPU per request"), Finding::Worse);
}

/// A worker that waited in another way than before works as much as before.
#[test]
fn the_client_s_cpu_time_is_compared_without_busy_waiting_if_all_runs_tell_it() {
    let (mut before, mut after) = (sample(), sample());
    before.client.cpu_busy_wait_s = Some(0.0);
    after.client.cpu_s += 6.0;
    after.client.cpu_busy_wait_s = Some(6.0);
    let found = |before: &Report, after: &Report| {
        finding(&comparison(before, after), "client CPU per request")
    };
    assert_eq!(found(&before, &after), Finding::NoClearChange);
    // An earlier version does not tell it of an open loop: the whole is compared.
    before.client.cpu_busy_wait_s = None;
    assert_eq!(found(&before, &after), Finding::Worse);
    assert_eq!(found(&after, &before), Finding::Better);
    // In a closed loop there was none.
    (before.mode, after.mode) = (Mode::Closed, Mode::Closed);
    assert_eq!(found(&before, &after), Finding::NoClearChange);
}

#[test]
fn what_only_warns_is_told_and_is_no_regression() {
    let mut after = sample();
    after.latency_us.p999 *= 2.0;
    after.client.cpu_s *= 2.0;
    after.achieved.rate = Some(10_000.0);
    let comparison = comparison(&sample(), &after);
    assert_eq!(comparison.verdict(), Verdict::NoRegression);
    let shown = comparison.text(TextOptions { width: 200, ..TextOptions::default() });
    let warning = "no regression; warning: throughput, p99.9, client CPU per request worse\n";
    assert!(shown.ends_with(warning), "{shown}");
    assert_eq!(shown.matches("worse (warning)").count(), 3, "{shown}");
}

#[test]
fn the_rate_decides_in_a_closed_loop() {
    let closed = |rate| {
        let mut report = sample();
        report.mode = Mode::Closed;
        report.achieved.rate = Some(rate);
        report
    };
    let judged = |before, after| comparison(&closed(before), &closed(after)).verdict();
    assert_eq!(judged(20_000.0, 14_000.0), Verdict::Regression);
    assert_eq!(judged(14_000.0, 20_000.0), Verdict::NoRegression);
}

#[test]
fn a_latency_that_differs_by_a_few_microseconds_is_no_clear_change() {
    let with = |p50| {
        let mut report = sample();
        report.latency_us.p50 = p50;
        report
    };
    let judged = |before, after| finding(&comparison(&with(before), &with(after)), "p50");
    assert_eq!(judged(30.0, 49.0), Finding::NoClearChange);
    assert_eq!(judged(49.0, 30.0), Finding::NoClearChange);
    assert_eq!(judged(30.0, 51.0), Finding::Worse);
}

#[test]
fn the_text_tells_the_tolerance_and_to_repeat() {
    let shown = comparison(&sample(), &sample()).text(TextOptions::default());
    assert!(shown.contains("tolerance") && shown.contains("±10 %"), "{shown}");
    assert!(shown.contains("One pair of runs proves little"), "{shown}");
}

#[test]
fn what_is_tolerated_is_no_change() {
    let judged = |threshold| of_sides(&[sample()], &[slower(1.2)], threshold).verdict();
    assert_eq!(judged(0.1), Verdict::Regression);
    assert_eq!(judged(0.25), Verdict::NoRegression);
}

#[test]
fn a_change_within_the_noise_of_either_run_is_no_clear_one() {
    let mut restless = sample();
    for (at, second) in restless.series.iter_mut().enumerate() {
        let swing = if at % 2 == 0 { 0.6 } else { 1.4 };
        second.p99_us = Some(400.0 * swing);
    }
    for (before, after) in [(restless.clone(), slower(1.6)), (slower(1.6), restless)] {
        let comparison = comparison(&before, &after);
        assert_eq!(finding(&comparison, "p99"), Finding::NoClearChange);
        // Only the 99th percentile was restless.
        assert_ne!(finding(&comparison, "p50"), Finding::NoClearChange);
    }
}

#[test]
fn one_wild_second_is_not_noise() {
    let mut hiccup = sample();
    hiccup.series[4].p99_us = Some(1e6);
    let comparison = comparison(&hiccup, &slower(1.4));
    assert_eq!(finding(&comparison, "p99"), Finding::Worse);
}

#[test]
fn few_samples_make_a_percentile_uncertain() {
    let mut before = sample();
    before.histograms.latency.clear();
    for nanos in crate::loadgen::report::sample::times(200, 60_000) {
        before.histograms.latency.record_nanos(nanos);
    }
    let comparison = comparison(&before, &slower(1.4));
    assert_eq!(finding(&comparison, "p99.9"), Finding::NoClearChange);
    assert_eq!(finding(&comparison, "p50"), Finding::Worse);
}

#[test]
fn errors_are_worse_where_none_were_and_within_their_spread_no_change() {
    let with = |timeouts| {
        let mut report = sample();
        report.errors.timeout = timeouts;
        report
    };
    let judged =
        |before, after| finding(&comparison(&with(before), &with(after)), "errors per 1,000");
    assert_eq!(judged(0, 0), Finding::NoClearChange);
    assert_eq!(judged(0, 1), Finding::Worse);
    assert_eq!(judged(10, 15), Finding::NoClearChange);
    assert_eq!(judged(100, 300), Finding::Worse);
    assert_eq!(judged(300, 100), Finding::Better);
    assert_eq!(judged(100, 0), Finding::Better);
}

#[test]
fn requests_not_served_are_worse_if_they_are_more_than_chance() {
    let with = |unsent, unanswered| {
        let mut report = sample();
        (report.achieved.unsent, report.achieved.unanswered) = (unsent, unanswered);
        report
    };
    let none = with(0, 0);
    let judged = |after: Report| finding(&comparison(&none, &after), "not answered per 1,000");
    assert_eq!(judged(with(3, 0)), Finding::NoClearChange);
    assert_eq!(judged(with(0, 3)), Finding::NoClearChange);
    assert_eq!(judged(with(100, 0)), Finding::Worse);
    assert_eq!(judged(with(0, 100)), Finding::Worse);
    assert_eq!(comparison(&none, &with(100, 0)).verdict(), Verdict::Regression);
}

#[test]
fn field_load_11_what_did_not_measure_the_same_is_compared_and_the_difference_named() {
    let change = |how: fn(&mut Report)| {
        let mut report = slower(2.0);
        how(&mut report);
        report
    };
    for (after, why) in [
        (change(|report| report.mode = Mode::Closed), "in A, closed loop"),
        (change(|report| report.asked.connections = 65), "connections: 64 in A, 65 in B"),
        (change(|report| report.asked.rate = Some(10.0)), "rate: 20,000/s in A, 10/s in B"),
        (change(|report| report.asked.size = 128), "size: 64 B in A, 64 B to 128 B in B"),
        (change(|report| report.asked.workload = "daytime".to_owned()), "echo in A, daytime in B"),
        (change(|report| report.asked.warmup_s = 5.0), "warm-up: 1 s in A, 5 s in B"),
        (change(|report| report.asked.timeout_s = 1.0), "timeout: 5 s in A, 1 s in B"),
        (change(|report| report.asked.workers = 4), "workers: 1 in A, 4 in B"),
        (change(|report| report.schema = "readyc.bench/0".to_owned()), "readyc.bench/0 in B"),
    ] {
        let comparison = comparison(&sample(), &after);
        let wide = TextOptions { width: 200, ..TextOptions::default() };
        let shown = comparison.text(wide);
        assert_eq!(comparison.verdict(), Verdict::Regression, "{why}");
        assert!(shown.starts_with("WITH RESERVATIONS\n") && shown.contains(why), "{why}: {shown}");
        assert!(shown.contains("WORSE (in doubt: other settings)"), "{shown}");
        assert!(shown.ends_with("; see the reservations\n"), "{shown}");
    }
}

#[test]
fn field_load_11_what_is_in_doubt_is_said_beside_the_figure() {
    let wide = TextOptions { width: 200, ..TextOptions::default() };
    let row = |comparison: &Comparison<'_>, name: &str| {
        let shown = comparison.text(wide);
        let line = shown.lines().find(|line| line.trim_start().starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}: {shown}")).to_owned()
    };
    let mut doubtful = slower(2.0);
    doubtful.client.bottleneck = true;
    doubtful.client.verdict = "readyc was kept from its work".to_owned();
    doubtful.client.in_doubt = vec!["99 %".to_owned(), "99.9 %".to_owned()];
    let compared = comparison(&sample(), &doubtful);
    assert!(compared.text(wide).contains("B: invalid: readyc was kept from its work"));
    assert!(row(&compared, "p50").ends_with("WORSE"));
    assert!(row(&compared, "p99").ends_with("WORSE (in doubt: client in B)"));
    // Saturated, or told by an earlier version: all figures are in doubt.
    doubtful.client.in_doubt.clear();
    let compared = comparison(&doubtful, &sample());
    for name in ["throughput", "p50"] {
        assert!(row(&compared, name).ends_with("(in doubt: client in A)"));
    }
    let mut partial = sample();
    partial.partial = Some("interrupted".to_owned());
    let compared = comparison(&sample(), &partial);
    assert!(compared.text(wide).contains("B: partial: interrupted"));
    assert!(row(&compared, "throughput").ends_with("no clear change (in doubt: partial in B)"));
}

#[test]
fn field_load_11_a_run_without_answers_is_worse_and_said_to_be() {
    let compared = comparison(&sample(), &fruitless());
    assert_eq!(compared.verdict(), Verdict::Regression);
    assert_eq!(finding(&compared, "throughput"), Finding::Worse);
    assert_eq!(finding(&compared, "p50"), Finding::Unknown);
    let wide = TextOptions { width: 200, ..TextOptions::default() };
    assert!(compared.text(wide).contains("B: no answers"));
    assert!(comparison(&sample(), &eventful()).text(wide).contains("idle connections: 0 in A"));
}

#[test]
fn the_page_shows_both_curves_and_the_verdict() {
    let (before, after) = (sample(), slower(1.4));
    let page = html(&comparison(&before, &after));
    assert!(page.contains("<h2>Regression</h2>"));
    assert!(page.contains(">A</text>") && page.contains(">B</text>"));
}

#[test]
fn what_the_samples_do_not_carry_is_left_out_of_the_comparison() {
    let few = |count| {
        let mut report = slower(2.0);
        report.latency_us.count = count;
        report
    };
    let wide = TextOptions { width: 200, ..TextOptions::default() };
    for (count, known) in [(1, 0), (99, 1), (100, 2), (999, 2), (1_000, 3)] {
        let compared = comparison(&sample(), &few(count));
        for (at, name) in ["p50", "p99", "p99.9"].into_iter().enumerate() {
            let is_unknown = finding(&compared, name) == Finding::Unknown;
            assert_eq!(is_unknown, at >= known, "{name} of {count}");
        }
        assert_eq!(compared.text(wide).matches("too few answers").count(), 3 - known);
        assert_eq!(html(&compared).matches("too few answers").count(), 3 - known);
    }
}

#[test]
fn a_rate_that_is_unknown_is_neither_better_nor_worse() {
    let mut single = sample();
    single.achieved.rate = None;
    for (before, after) in [(sample(), single.clone()), (single, sample())] {
        let compared = comparison(&before, &after);
        assert_eq!(finding(&compared, "throughput"), Finding::Unknown);
        assert_eq!(compared.verdict(), Verdict::NoRegression);
    }
}
