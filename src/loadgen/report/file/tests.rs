use super::*;
use crate::loadgen::report::sample::{eventful, fruitless, sample};
use std::os::unix::fs::{PermissionsExt, symlink};

/// A directory of a test's own, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("readyc-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

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
    let scratch = Scratch::new("missing");
    let error = Report::read(&scratch.0.join("none.json")).unwrap_err();
    assert!(matches!(&error, ReadError::File(error) if error.kind() == io::ErrorKind::NotFound));
}

#[test]
fn a_saved_file_replaces_the_old_one_and_leaves_nothing_beside_it() {
    let scratch = Scratch::new("save");
    let path = scratch.0.join("report.json");
    save(&path, b"old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    save(&path, sample().to_json().as_bytes()).unwrap();
    assert_eq!(Report::read(&path).unwrap().achieved, sample().achieved);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(scratch.names(), ["report.json"]);
}

#[test]
fn a_link_goes_on_leading_to_the_file() {
    let scratch = Scratch::new("link");
    let (file, link) = (scratch.0.join("file"), scratch.0.join("link"));
    fs::write(&file, "old").unwrap();
    symlink(&file, &link).unwrap();
    save(&link, b"new").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&file).unwrap(), b"new");
}

#[test]
fn a_device_is_written_to_and_not_replaced() {
    save(Path::new("/dev/null"), b"gone").unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    // The device that is always full.
    let error = save(Path::new("/dev/full"), b"too much").unwrap_err();
    assert_eq!(error.error.kind(), io::ErrorKind::StorageFull);
    assert!(error.to_string().starts_with("cannot write to /dev/full: "), "{error}");
}

#[test]
fn a_failure_says_what_could_not_be_written_and_leaves_nothing() {
    let scratch = Scratch::new("failure");
    let error = save(&scratch.0.join("no/such/report.json"), b"x").unwrap_err();
    assert!(
        error.to_string().contains("cannot write ") && error.to_string().contains("report.json")
    );
    // A name that fits, while the temporary one beside it does not: nothing may be replaced.
    let long = scratch.0.join("x".repeat(250));
    fs::write(&long, "good").unwrap();
    assert!(save(&long, b"new").is_err());
    assert_eq!(fs::read(&long).unwrap(), b"good");
    assert_eq!(scratch.names().len(), 1);
}
