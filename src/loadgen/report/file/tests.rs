use super::*;
use crate::loadgen::report::sample::{eventful, fruitless, sample};
use crate::loadgen::report::{TextOptions, text};

#[test]
fn a_report_comes_back_as_it_was() {
    for report in [sample(), eventful(), fruitless()] {
        let json = report.to_json();
        let back = Report::from_json(json.as_bytes()).unwrap();
        assert_eq!(back.to_json(), json);
        assert_eq!(back.histograms, report.histograms);
        assert_eq!(back.histograms.latency.percentiles(), report.latency_us);
    }
}

#[test]
fn a_pair_of_a_histogram_takes_one_line() {
    let json = eventful().to_json();
    assert!(json.contains("\n        [48031, 445],\n"), "{}", &json[json.len() - 500..]);
    assert!(json.ends_with("}\n"));
}

#[test]
fn fields_that_were_added_later_may_be_missing_and_unknown_ones_are_ignored() {
    let mut json: serde_json::Value = serde_json::from_str(&sample().to_json()).unwrap();
    let fields = json.as_object_mut().unwrap();
    assert!(fields.remove("notes").is_some() && fields.remove("merged").is_some());
    fields.insert("from_the_future".to_owned(), 1.into());
    let report = Report::from_json(json.to_string().as_bytes()).unwrap();
    assert_eq!(report.to_json(), sample().to_json());
}

#[test]
fn of_a_report_that_does_not_tell_busy_waiting_the_whole_cpu_time_is_shown() {
    let mut json: serde_json::Value = serde_json::from_str(&sample().to_json()).unwrap();
    let client = json["client"].as_object_mut().unwrap();
    assert!(client.remove("cpu_busy_wait_s").is_some());
    assert!(client.remove("cpu_work_share").is_some());
    assert!(json["asked"].as_object_mut().unwrap().remove("busy_wait").is_some());
    let report = Report::from_json(json.to_string().as_bytes()).unwrap();
    assert_eq!((report.client.work_s(), report.client.work_share()), (3.1, 0.31));
    assert!(report.asked.busy_wait, "earlier versions always did");
    let shown = text(&report, TextOptions::default());
    assert!(shown.contains("generator: 31 % of a CPU, loop lag"), "{shown}");
}

#[test]
fn what_is_no_report_is_told_by_what_it_is() {
    let json = sample().to_json();
    let refusal = |json: &str| Report::from_json(json.as_bytes()).unwrap_err();
    assert!(matches!(refusal("wrk2"), ReadError::NotJson(_)));
    assert!(matches!(refusal(""), ReadError::Truncated));
    assert!(matches!(refusal(&json[..json.len() / 2]), ReadError::Truncated));
    assert!(matches!(refusal("[1]"), ReadError::NotAReport));
    assert!(matches!(refusal("{\"schema\": \"other/1\"}"), ReadError::NotAReport));
    let newer = refusal(&json.replace("readyc.bench/2", "readyc.bench/3"));
    assert!(newer.to_string().starts_with("made by a newer readyc"), "{newer}");
    let malformed = refusal(&json.replace("\"answered\"", "\"unanswerable\""));
    assert!(malformed.to_string().contains("answered"), "{malformed}");
    assert!(matches!(malformed, ReadError::Malformed(_)));
}

#[test]
fn a_missing_file_is_told_as_one() {
    let error = Report::read(Path::new("/nonexistent/none.json")).unwrap_err();
    assert!(matches!(&error, ReadError::File(error) if error.kind() == io::ErrorKind::NotFound));
}

#[test]
fn the_rate_of_a_single_answer_is_unknown_and_earlier_versions_wrote_zero() {
    let mut report = sample();
    report.achieved.answered_in_window = 1;
    report.achieved.rate = None;
    let json = report.to_json();
    assert!(json.contains("\"rate\": null\n  }"), "{json}");
    let earlier = json.replace("\"rate\": null\n  }", "\"rate\": 0.0\n  }");
    for json in [json, earlier] {
        assert_eq!(Report::from_json(json.as_bytes()).expect("a report").achieved.rate, None);
    }
}
