use super::*;
use crate::loadgen::report::Histogram;
use crate::loadgen::report::sample::sample;
use std::time::Duration;

fn histogram(count: u64) -> Histogram {
    let mut times = Histogram::default();
    (1..=count).for_each(|number| times.record(Duration::from_micros(number)));
    times
}

/// The cells of a column of the chart's values.
fn column(chart: &Chart, at: usize) -> Vec<&str> {
    chart.values.rows.iter().map(|row| row.cells[at].as_str()).collect()
}

#[test]
fn a_line_ends_where_its_samples_carry_no_further_percentile() {
    for (count, last) in [(10, "p90"), (99, "p95"), (100, "p99"), (1_000, "p99.9")] {
        let chart = distributions(&[("latency", &histogram(count))]).expect("a chart");
        let places = column(&chart, 0);
        assert_eq!(places[places.len() - 2..], [last, "max"], "of {count}");
        let points = &chart.lines[0].points;
        let [.., (carried, Some(_)), (_, None), (_, Some(max))] = points.as_slice() else {
            panic!("{points:?}");
        };
        assert!(*carried <= (count as f64).log10() + 1e-9, "{carried} of {count}");
        assert!((max / count as f64 - 1.0).abs() < 0.01, "{max} of {count}");
    }
    assert!(distributions(&[("latency", &histogram(9))]).is_none());
}

#[test]
fn of_two_distributions_each_ends_by_itself() {
    let (few, many) = (histogram(100), histogram(10_000));
    let chart = distributions(&[("A", &few), ("B", &many)]).expect("a chart");
    let of = |name: &str| {
        let at = column(&chart, 0).iter().position(|place| *place == name).expect("the place");
        (chart.values.rows[at].cells[1].clone(), chart.values.rows[at].cells[2].clone())
    };
    assert_eq!(of("p99"), ("99.0 µs".to_owned(), "9.90 ms".to_owned()));
    assert_eq!(of("p99.9"), ("–".to_owned(), "9.99 ms".to_owned()));
    assert_eq!(of("max"), ("100 µs".to_owned(), "10.0 ms".to_owned()));
}

#[test]
fn a_second_with_few_answers_has_no_p99_and_a_line_without_values_is_left_out() {
    let mut series = sample().series;
    series[3].answered = 99;
    let timeline = Timeline::new(&series, 10.0);
    let chart = timeline.latency();
    assert_eq!(column(&chart, 2).iter().filter(|cell| **cell == "–").count(), 1);
    assert!(timeline.without_p99().is_some());
    series.iter_mut().for_each(|second| second.answered = 1);
    let chart = Timeline::new(&series, 10.0).latency();
    let names: Vec<&str> = chart.lines.iter().map(|line| line.name).collect();
    assert_eq!(names, ["max"]);
    assert!(Timeline::new(&sample().series, 10.0).without_p99().is_none());
}
