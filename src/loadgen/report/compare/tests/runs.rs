//! Several runs on each side.

use super::{THRESHOLD, finding, of_sides};
use crate::loadgen::report::compare::{Basis, Comparison, Finding, Verdict};
use crate::loadgen::report::sample::sample;
use crate::loadgen::report::{Mode, Report, TextOptions};

/// Runs of a closed loop with these rates.
fn runs(rates: &[f64]) -> Vec<Report> {
    let run = |&rate: &f64| {
        let mut report = sample();
        report.mode = Mode::Closed;
        report.achieved.rate = Some(rate);
        report
    };
    rates.iter().map(run).collect()
}

fn compared(before: &[f64], after: &[f64]) -> Comparison<'static> {
    of_sides(&runs(before), &runs(after), THRESHOLD)
}

fn shown(comparison: &Comparison<'_>) -> String {
    comparison.text(TextOptions { width: 200, ..TextOptions::default() })
}

const STEADY: [f64; 5] = [20_000.0, 20_100.0, 19_900.0, 20_050.0, 19_950.0];

#[test]
fn field_load_11_a_change_counts_if_it_is_significant_and_above_the_threshold() {
    let worse = STEADY.map(|rate| rate * 0.8);
    let comparison = compared(&STEADY, &worse);
    assert_eq!(finding(&comparison, "throughput"), Finding::Worse);
    assert_eq!(comparison.verdict(), Verdict::Regression);
    let text = shown(&comparison);
    let row = "throughput                  20,000/s    16,000/s  -20.0 %  ±0.4 %  0.0079  WORSE\n";
    assert!(text.contains("A (5 runs)  B (5 runs)   change  spread       p\n"), "{text}");
    assert!(text.contains(row.split_once("  ").unwrap().1.trim_start()), "{text}");
    assert!(text.ends_with("regression: throughput significantly worse\n"), "{text}");
    let better = compared(&worse, &STEADY);
    assert_eq!(finding(&better, "throughput"), Finding::Better);
    assert_eq!(better.verdict(), Verdict::NoRegression);
    // It is no chance, and tolerated.
    let little = compared(&STEADY, &STEADY.map(|rate| rate * 0.95));
    assert_eq!(finding(&little, "throughput"), Finding::BelowThreshold);
    assert_eq!(little.verdict(), Verdict::NoRegression);
    // It is above the threshold, and may be chance.
    let wild = [20_000.0, 8_000.0, 30_000.0, 12_000.0, 22_000.0];
    let chance = compared(&wild, &wild.map(|rate| rate * 0.8));
    assert_eq!(finding(&chance, "throughput"), Finding::NotSignificant);
    assert_eq!(chance.verdict(), Verdict::NoRegression);
    assert!(shown(&chance).ends_with("no regression, no significant change\n"));
}

#[test]
fn field_load_11_with_too_few_runs_the_effect_and_the_spread_are_told() {
    for (before, after, told) in [
        (1, 3, "not enough runs: 6 more would do (4 of A, 2 of B); no verdict\n"),
        (3, 3, "not enough runs: 4 more would do (2 of A, 2 of B); no verdict\n"),
        (5, 4, "not enough runs: 1 more would do (1 of B); no verdict\n"),
    ] {
        let worse = STEADY.map(|rate| rate * 0.5);
        let comparison = compared(&STEADY[..before], &worse[..after]);
        assert_eq!(comparison.verdict(), Verdict::NotEnoughRuns);
        let rate = &comparison.changes[0];
        assert_eq!(rate.finding, Finding::NotEnoughRuns);
        assert!((rate.relative.unwrap() + 0.5).abs() < 0.01);
        let Basis::Runs { spread, p: None } = rate.basis else { panic!("{:?}", rate.basis) };
        assert!((0.002..0.01).contains(&spread), "{spread}");
        assert!(shown(&comparison).ends_with(told), "{}", shown(&comparison));
    }
}

/// Of too few runs, the spread is all that tells of chance: no terminal is too narrow for it.
#[test]
fn field_load_11_the_spread_of_too_few_runs_is_told_at_any_width() {
    let comparison = compared(&STEADY[..3], &STEADY[..2]);
    for width in [40, 60, 80, 100] {
        let text = comparison.text(TextOptions { width, ..TextOptions::default() });
        assert!(text.contains("spread") && text.contains('±'), "{width}: {text}");
        assert!(!text.contains(" p "), "{width}: {text}");
        assert_eq!(text.matches("not enough runs").count(), 1, "{width}: {text}");
    }
}

#[test]
fn field_load_11_errors_that_no_run_had_before_count_in_every_run_after() {
    let mut after = runs(&STEADY);
    for (number, report) in after.iter_mut().enumerate() {
        report.errors.timeout = 10 + number as u64;
    }
    let comparison = of_sides(&runs(&STEADY), &after, THRESHOLD);
    assert_eq!(finding(&comparison, "errors per 1,000"), Finding::Worse);
    assert_eq!(comparison.verdict(), Verdict::Regression);
    let comparison = of_sides(&after, &runs(&STEADY), THRESHOLD);
    assert_eq!(finding(&comparison, "errors per 1,000"), Finding::Better);
}

#[test]
fn field_load_11_a_run_in_doubt_is_counted_among_its_side() {
    let mut after = runs(&STEADY);
    after[2].client.bottleneck = true;
    after[2].client.verdict = "it was saturated".to_owned();
    after[3].asked.warmup_s = 2.0;
    let text = shown(&of_sides(&runs(&STEADY), &after, THRESHOLD));
    assert!(text.contains("1 of the 5 runs of B: invalid: it was saturated"), "{text}");
    assert!(text.contains("warm-up: 1 s in A, 1 s and 2 s in B"), "{text}");
    assert!(text.contains("client in 1 of the 5 runs of B"), "{text}");
}
