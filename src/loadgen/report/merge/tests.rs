use super::{MergeError, Percentiles, Report};
use crate::loadgen::report::sample::{eventful, fruitless, sample};
use crate::loadgen::report::{Histogram, Mode};
use proptest::collection::vec;
use proptest::prelude::*;

/// Merges reports after having made each the report of a run of its own.
fn merge(reports: &[Report]) -> Result<Report, MergeError> {
    let mut reports = reports.to_vec();
    for (number, report) in reports.iter_mut().enumerate() {
        report.id = number.to_string();
        for (at, origin) in report.merged.iter_mut().enumerate() {
            origin.id = format!("{number}.{at}");
        }
    }
    super::merge(&reports)
}

/// A report of nothing but these latencies.
fn report_of(latencies: &[u64]) -> Report {
    let mut report = fruitless();
    for &nanos in latencies {
        report.histograms.latency.record_nanos(nanos);
        report
            .histograms
            .kinds
            .entry(format!("kind {}", nanos % 2))
            .or_default()
            .record_nanos(nanos);
    }
    report.latency_us = report.histograms.latency.percentiles();
    report.achieved.answered = latencies.len() as u64;
    report
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_parts_of_a_set_of_samples_merge_to_the_whole(
        latencies in vec(1u64..4_000_000_000_000, 1..300),
        machines in 1usize..6,
    ) {
        let share = latencies.len().div_ceil(machines);
        let parts: Vec<Report> = latencies.chunks(share).map(report_of).collect();
        let whole = report_of(&latencies);
        let merged = merge(&parts).unwrap();
        prop_assert_eq!(&merged.histograms, &whole.histograms);
        prop_assert_eq!(merged.latency_us, whole.latency_us);
        prop_assert_eq!(merged.achieved.answered, whole.achieved.answered);
        // And so do reports that were stored in between.
        let stored: Vec<Report> = parts
            .iter()
            .map(|part| Report::from_json(part.to_json().as_bytes()).unwrap())
            .collect();
        prop_assert_eq!(merge(&stored).unwrap().latency_us, whole.latency_us);
    }

    #[test]
    fn the_worst_of_the_parts_is_never_below_the_whole(
        latencies in vec(1u64..10_000_000, 2..300),
    ) {
        let (left, right) = latencies.split_at(latencies.len() / 2);
        let times = |latencies: &[u64]| {
            let mut histogram = Histogram::default();
            latencies.iter().for_each(|&nanos| histogram.record_nanos(nanos));
            histogram.percentiles()
        };
        let whole = times(&latencies);
        let worst = Percentiles::worst_of([times(left), times(right)].iter());
        prop_assert_eq!(worst.count, whole.count);
        prop_assert!(worst.p50 >= whole.p50 && worst.p99 >= whole.p99 && worst.max == whole.max);
        prop_assert!((worst.mean - whole.mean).abs() <= whole.mean * 1e-3);
        prop_assert!((worst.stdev - whole.stdev).abs() <= whole.stdev * 1e-3 + 1e-2);
    }
}

#[test]
fn what_was_asked_and_achieved_is_added() {
    let merged = merge(&[eventful(), eventful()]).unwrap();
    let (asked, achieved) = (&merged.asked, &merged.achieved);
    assert_eq!((asked.connections, asked.idle, asked.workers), (128, 2_000, 4));
    assert_eq!((asked.rate, asked.requests), (Some(40_000.0), Some(400_000)));
    assert_eq!((asked.duration_s, asked.pipeline), (Some(10.0), 1));
    assert_eq!(asked.targets, sample().asked.targets);
    assert_eq!((achieved.answered, achieved.elapsed_s), (397_600, 10.0));
    assert_eq!(achieved.rate, eventful().achieved.rate.map(|rate| 2.0 * rate));
    assert_eq!((merged.errors.connect, merged.errors.by_errno["ECONNRESET"]), (24, 6));
    assert_eq!(merged.mismatches.swapped, 2);
    assert_eq!(merged.steps[1].sent, 300_000);
    assert_eq!((merged.storms[0].all_served_s, merged.storms[1].all_served_s), (Some(0.31), None));
    assert_eq!(merged.slow.unwrap().closed_by_server, 10);
    assert_eq!(merged.shortfalls[1], "report 2: 1,200 of 200,000 requests were not answered");
    assert!(!merged.met && merged.partial.is_some());
}

#[test]
fn a_limit_that_one_lacks_is_none() {
    let mut unlimited = eventful();
    unlimited.asked.requests = None;
    assert_eq!(merge(&[eventful(), unlimited]).unwrap().asked.requests, None);
}

#[test]
fn seconds_are_added_by_the_measured_part_of_each() {
    let (whole, mut short) = (sample(), sample());
    short.series.drain(..3);
    short.series[0].max_us = Some(9e6);
    short.series[1].p50_us = None;
    let merged = merge(&[whole.clone(), short]).unwrap();
    assert_eq!(merged.series.len(), 11);
    assert_eq!((merged.series[0].t_s, merged.series[0].opened), (-1.0, 64));
    assert_eq!((merged.series[2].answered, merged.series[2].connections), (20_000, 64));
    assert_eq!((merged.series[3].answered, merged.series[3].connections), (40_000, 128));
    assert_eq!((merged.series[3].t_s, merged.series[3].max_us), (2.0, Some(9e6)));
    assert_eq!(merged.series[4].p50_us, whole.series[4].p50_us);
}

#[test]
fn the_client_is_the_worst_of_them() {
    let mut strained = sample();
    strained.client.bottleneck = true;
    strained.client.cpu_share = 0.1;
    strained.client.loop_lag_us_max = 1e6;
    strained.client.verdict = "it swapped".to_owned();
    let client = merge(&[sample(), strained, sample()]).unwrap().client;
    assert!(client.bottleneck);
    assert_eq!((client.verdict.as_str(), client.loop_lag_us_max), ("it swapped", 1e6));
    assert_eq!(client.cpu_share, 0.31);
    assert!((client.cpu_s - 9.3).abs() < 1e-9);
}

#[test]
fn busy_waiting_is_added_and_is_unknown_if_it_is_of_one() {
    let with = |cpu_busy_wait_s, cpu_work_share| {
        let mut report = sample();
        report.client.cpu_busy_wait_s = cpu_busy_wait_s;
        report.client.cpu_work_share = cpu_work_share;
        report
    };
    let told = |reports: &[Report]| {
        let client = merge(reports).unwrap().client;
        (client.cpu_busy_wait_s, client.cpu_work_share, client.work_share())
    };
    let (first, second) = (with(Some(1.5), Some(0.1)), with(Some(2.0), Some(0.05)));
    assert_eq!(told(&[first.clone(), second]), (Some(3.5), Some(0.1), 0.1));
    let earlier = with(None, None);
    assert_eq!(told(&[first, earlier]), (None, None, 0.31));
}

#[test]
fn starts_apart_are_noted_and_the_origins_kept() {
    let start = |at: &str| {
        let mut report = sample();
        report.started_at = at.to_owned();
        report.environment.kernel = at.to_owned();
        report
    };
    let note = "the runs did not start together but within 3 s";
    let has_note = |merged: &Report| merged.notes.iter().any(|each| each.starts_with(note));
    let near = merge(&[start("2026-02-28T23:59:59.5Z"), start("2026-03-01T00:00:00Z")]).unwrap();
    assert!(!has_note(&near), "{:?}", near.notes);
    let far = merge(&[start("2026-03-01T00:00:02Z"), start("2026-02-28T23:59:59Z")]).unwrap();
    assert!(has_note(&far), "{:?}", far.notes);
    assert_eq!(far.started_at, "2026-02-28T23:59:59Z");
    let kernels: Vec<_> = far.merged.iter().map(|origin| &origin.environment.kernel).collect();
    assert_eq!(kernels, ["2026-03-01T00:00:02Z", "2026-02-28T23:59:59Z"]);
    // What was merged before is still told apart.
    assert_eq!(merge(&[far, near]).unwrap().merged.len(), 4);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let change = |how: fn(&mut Report)| {
        let mut report = sample();
        how(&mut report);
        report
    };
    for (other, what) in [
        (change(|report| report.mode = Mode::Closed), "the mode is closed in it and open in"),
        (change(|report| report.asked.workload = "daytime".to_owned()), "the workload is daytime"),
        (change(|report| report.asked.pipeline = 2), "in flight on a connection is 2 in it and 1"),
        (change(|report| report.asked.size = 128), "the payload's size is 64 B to 128 B in it"),
        (eventful(), "report 3"),
    ] {
        let error = merge(&[sample(), sample(), other]).unwrap_err().to_string();
        assert!(error.starts_with("report 3 ") && error.contains(what), "{error}");
    }
    assert_eq!(merge(&[]).unwrap_err(), MergeError::Nothing);
}

fn with_id(id: &str) -> Report {
    Report { id: id.to_owned(), ..sample() }
}

/// The report that is refused, the earlier one that it repeats, and whether that one was merged.
fn refused(reports: &[Report]) -> Option<(usize, usize, bool)> {
    match super::merge(reports) {
        Ok(_) => None,
        Err(MergeError::Repeated { report, earlier, is_in_merged }) => {
            Some((report, earlier, is_in_merged))
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn field_load_12_a_run_is_merged_once() {
    let [a, b, c] = ["a", "b", "c"].map(with_id);
    assert_eq!(refused(&[a.clone(), b.clone(), c.clone()]), None);
    assert_eq!(refused(&[a.clone(), b.clone(), a.clone()]), Some((3, 1, false)));
    let ab = super::merge(&[a.clone(), b.clone()]).unwrap();
    assert_eq!(refused(&[ab.clone(), c.clone()]), None);
    assert_eq!(refused(&[ab.clone(), b.clone()]), Some((2, 1, true)));
    assert_eq!(refused(&[c.clone(), b.clone(), ab.clone()]), Some((3, 2, false)));
    let bc = super::merge(&[b.clone(), c.clone()]).unwrap();
    assert_eq!(refused(&[ab.clone(), bc]), Some((2, 1, true)));
    // Merged in steps or at once, it is the same.
    let at_once = super::merge(&[c.clone(), b, a]).unwrap();
    assert_eq!(super::merge(&[ab, c]).unwrap().id, at_once.id);
}

#[test]
fn field_load_12_a_report_without_an_id_is_known_by_its_document() {
    let mut json: serde_json::Value = serde_json::from_str(&sample().to_json()).unwrap();
    json.as_object_mut().unwrap().remove("id");
    let read = |json: &str| Report::from_json(json.as_bytes()).unwrap();
    let indented = serde_json::to_string_pretty(&json).unwrap();
    let (report, same) = (read(&json.to_string()), read(&indented));
    assert_eq!(report.id, same.id, "spaces do not make another report");
    assert_eq!(refused(&[report.clone(), same]), Some((2, 1, false)));
    json["achieved"]["bytes_sent"] = 1.into();
    assert_eq!(refused(&[report.clone(), read(&json.to_string())]), None);
    // A merged report of a version that kept no ids.
    let mut merged = super::merge(&[report.clone(), with_id("b")]).unwrap();
    merged.merged[1].environment.kernel = "another".to_owned();
    merged.merged.iter_mut().for_each(|origin| origin.id.clear());
    assert_eq!(refused(&[merged, report]), Some((2, 1, true)));
}
