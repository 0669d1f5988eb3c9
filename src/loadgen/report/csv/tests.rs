use super::*;
use crate::loadgen::report::Second;
use crate::loadgen::report::sample::{fruitless, sample};

#[test]
fn a_line_for_each_second_under_the_names_of_the_fields() {
    let mut report = sample();
    report.series[1].p50_us = None;
    let csv = csv(&report);
    let mut lines = csv.lines();
    // The columns stand in the order in which the fields are serialised.
    let fields = serde_json::to_string(&Second::default()).unwrap();
    let places: Vec<usize> = lines
        .next()
        .unwrap()
        .split(',')
        .map(|name| fields.find(&format!("\"{name}\":")).unwrap())
        .collect();
    assert!(places.is_sorted());
    assert_eq!(places.len(), fields.matches(':').count());
    assert_eq!(lines.next(), Some("-1,64,64,5000,5000,0,50,360,2000,0,1,64,64,64,0"));
    assert_eq!(lines.next(), Some("0,64,0,20000,20000,0,,380,3000,0,1,64,64,64,64"));
    assert_eq!(lines.count(), report.series.len() - 2);
}

#[test]
fn without_seconds_there_is_the_header_alone() {
    assert_eq!(csv(&fruitless()).lines().count(), 1);
}
