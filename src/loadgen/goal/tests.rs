//! Goals are parsed as people write them, and a run is judged by the figures of its report.

use super::{Figure, Goal, GoalError, Goals};
use crate::loadgen::report::sample;
use std::time::Duration;

fn goals(text: &str) -> Goals {
    Goals::new(text.split(',').map(|goal| goal.parse().expect(goal)))
}

#[test]
fn goals_are_figures_with_bounds() {
    let latency = |figure, bound| Ok(Goal::Latency(figure, bound));
    assert_eq!("p99<5ms".parse(), latency(Figure::P99, Duration::from_millis(5)));
    assert_eq!("p99.9 < 1s".parse(), latency(Figure::P999, Duration::from_secs(1)));
    assert_eq!("max<200us".parse(), latency(Figure::Max, Duration::from_micros(200)));
    assert_eq!("errors<1%".parse(), Ok(Goal::Errors(0.01)));
    assert_eq!("errors<0.5".parse(), Ok(Goal::Errors(0.005)));
}

#[test]
fn what_is_no_goal_is_told_why() {
    let error = |text: &str| text.parse::<Goal>().unwrap_err();
    assert_eq!(error("p99"), GoalError::NoBound);
    assert_eq!(error("p98<5ms"), GoalError::UnknownFigure("p98".to_owned()));
    assert_eq!(error("p99<"), GoalError::BadDuration(String::new()));
    assert_eq!(error("p99<0s"), GoalError::BadDuration("0s".to_owned()));
    assert_eq!(error("errors<101%"), GoalError::BadShare("101%".to_owned()));
    assert_eq!(error("errors<-1%"), GoalError::BadShare("-1%".to_owned()));
    assert_eq!(error("errors<NaN%"), GoalError::BadShare("NaN%".to_owned()));
}

#[test]
fn without_a_word_about_errors_one_in_a_thousand_may_fail() {
    assert!(goals("p99<5ms").iter().any(|goal| *goal == Goal::Errors(0.001)));
    assert_eq!(goals("p99<5ms,errors<2%").iter().count(), 2);
}

#[test]
fn a_run_is_judged_by_its_latency() {
    let mut report = sample::sample();
    report.achieved.mismatched = 0;
    report.achieved.answered = report.achieved.requested;
    report.latency_us.count = 100_000;
    (report.latency_us.p99, report.latency_us.max) = (4_999.0, 5_000.0);
    assert_eq!(goals("p99<5ms").missed(&report), []);
    let missed = goals("p99<5ms,max<5ms").missed(&report);
    assert_eq!(missed.len(), 1);
    assert_eq!(missed[0].to_string(), "max < 5 ms: it was 5.00 ms");
}

#[test]
fn a_figure_that_was_not_measured_meets_no_goal() {
    let mut report = sample::sample();
    report.achieved.answered = report.achieved.requested;
    report.achieved.mismatched = 0;
    report.latency_us.count = 0;
    let missed = goals("p50<1h").missed(&report);
    assert_eq!(missed[0].to_string(), "p50 < 3,600 s: no request was answered");
    report.latency_us.count = 20;
    let missed = goals("p99<1h").missed(&report);
    assert_eq!(missed[0].to_string(), "p99 < 3,600 s: 20 answers are too few to tell");
}

#[test]
fn requests_without_a_right_answer_are_errors() {
    let mut report = sample::sample();
    let achieved = &mut report.achieved;
    (achieved.requested, achieved.abandoned) = (1010, 10);
    (achieved.answered, achieved.mismatched) = (999, 0);
    assert_eq!(goals("errors<0.2%").missed(&report), []);
    assert_eq!(goals("errors<0.1%").missed(&report)[0].to_string(), "errors < 0.1 %: it was 0.1 %");
    report.achieved.mismatched = 9;
    assert_eq!(goals("errors<1%").missed(&report)[0].to_string(), "errors < 1 %: it was 1 %");
    (report.achieved.answered, report.achieved.mismatched) = (1000, 0);
    assert_eq!(goals("errors<0%").missed(&report), []);
}

#[test]
fn a_percentile_needs_a_hundred_samples_beyond_it() {
    assert_eq!(goals("p99<5ms").samples_needed(), 10_000);
    assert_eq!(goals("p99.9<5ms").samples_needed(), 100_000);
    assert_eq!(goals("max<5ms,errors<50%").samples_needed(), 2);
}

#[test]
fn field_load_13_a_goal_is_read_as_it_is_written_and_as_it_is_printed() {
    for (text, printed) in [
        ("p99<5ms", "p99 < 5 ms"),
        ("p99<1.5ms", "p99 < 1.5 ms"),
        ("p50<100us", "p50 < 100 µs"),
        ("max<1m", "max < 60 s"),
        ("errors<0.7%", "errors < 0.7 %"),
        ("errors<0.000001%", "errors < 0.000001 %"),
        ("errors<0", "errors < 0 %"),
    ] {
        let goal: Goal = text.parse().unwrap();
        assert_eq!(goal.to_string(), printed);
        assert_eq!(printed.parse::<Goal>().map(|goal| goal.to_string()), Ok(printed.to_owned()));
    }
    for wrong in ["p99<=5ms", "p99>5ms", "p99=5ms", "errors<=1%", "p99"] {
        assert_eq!(wrong.parse::<Goal>(), Err(GoalError::NoBound), "{wrong}");
    }
}
