use super::*;
use crate::loadgen::report::sample::{fruitless, sample};
use std::time::Duration;

/// The points that HdrHistogram's plotter would take from a file: of lines that are no comment and
/// have four columns, the first and the last, if they are numbers.
fn points(hgrm: &str) -> Vec<(f64, f64)> {
    hgrm.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| columns.len() == 4)
        .filter_map(|columns| Some((columns[0].parse().ok()?, columns[3].parse().ok()?)))
        .collect()
}

#[test]
fn a_plotter_finds_ascending_points() {
    let report = sample();
    let points = points(&hgrm(&report));
    assert!(points.len() > 50);
    assert!(points.is_sorted_by(|a, b| a.0 <= b.0 && a.1 < b.1));
    let median = points.iter().find(|(_, odds)| *odds >= 2.0).unwrap().0;
    assert!((median - report.latency_us.p50 / 1e3).abs() < median * 0.001);
}

#[test]
fn head_and_footer_are_those_of_hdrhistogram() {
    let hgrm = hgrm(&sample());
    let words: Vec<&str> = hgrm.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(words, ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]);
    let tail: Vec<&str> = hgrm.lines().rev().take(5).collect();
    assert_eq!(tail[3], "#[connections: 64 asked, 64 connected, 64 served]");
    assert!(tail[4].ends_with(" 1.000000000000     200000"), "{tail:?}");
    assert!(tail[2].starts_with("#[Mean    =") && tail[2].contains(", StdDeviation   ="));
    assert!(tail[1].starts_with("#[Max     =") && tail[1].ends_with("         200000]"));
    assert_eq!(tail[0], "#[Buckets =             32, SubBuckets     =           2048]");
}

#[test]
fn field_load_15_the_mean_of_one_sample_is_that_sample() {
    let mut report = sample();
    report.histograms.latency = Histogram::default();
    report.histograms.latency.record_many(Duration::from_nanos(996_123), 1);
    let text = hgrm(&report);
    let of = |name: &str| {
        let (_, rest) = text.split_once(name).expect("the footer");
        rest.trim_start_matches([' ', '=']).split([',', ' ', ']']).next().map(str::to_owned)
    };
    assert_eq!(of("[Mean"), of("[Max"), "{text}");
    assert_eq!(of("StdDeviation"), Some("0.000000".to_owned()), "{text}");
}

#[test]
fn of_nothing_there_is_no_point() {
    let hgrm = hgrm(&fruitless());
    assert!(points(&hgrm).is_empty());
    assert!(hgrm.contains("Total count    =              0]"), "{hgrm}");
}
