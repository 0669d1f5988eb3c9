//! The commands that work on stored reports, and speak to no server.

use crate::support::Scratch;
use crate::support::readyc::{Ended, command, run};
use std::fs;
use std::path::{Path, PathBuf};

const REPORT: &str = include_str!("report.json");

fn readyc(arguments: &[&str], files: &[&Path]) -> Ended {
    let mut command = command(arguments);
    // A server that cannot be found does not matter to those who need none.
    command.args(files).env("READYC_SERVER", "no-such-host.invalid").env("COLUMNS", "200");
    run(&mut command, b"")
}

/// The report with its median doubled.
fn slower() -> String {
    let slower = REPORT.replacen("\"p50\": 60.383", "\"p50\": 120.766", 1);
    assert_ne!(slower, REPORT);
    slower
}

#[test]
fn compare_tells_by_its_status_what_it_found() {
    let scratch = Scratch::new();
    let before = scratch.write("before.json", REPORT);
    let after = scratch.write("after.json", &slower());
    let other =
        scratch.write("other.json", &REPORT.replace("\"mode\": \"open\"", "\"mode\": \"closed\""));
    let same = readyc(&["compare"], &[&before, &before]);
    assert_eq!((same.status, same.stderr.as_str()), (Some(0), ""));
    assert!(same.stdout.ends_with("no regression, no clear change\n"), "{}", same.stdout);
    let worse = readyc(&["compare"], &[&before, &after]);
    assert_eq!(worse.status, Some(3));
    assert!(worse.stdout.contains("p50 clearly worse"), "{}", worse.stdout);
    assert_eq!(readyc(&["compare", "--threshold", "150%"], &[&before, &after]).status, Some(0));
    // What differs is named, and compared all the same.
    let unlike = readyc(&["compare"], &[&before, &other]);
    assert_eq!((unlike.status, unlike.stderr.as_str()), (Some(0), ""));
    assert!(unlike.stdout.starts_with("WITH RESERVATIONS\n  - mode: "), "{}", unlike.stdout);
    assert_eq!(readyc(&["compare", "--threshold", "much"], &[&before, &after]).status, Some(2));
    assert_eq!(readyc(&["compare"], &[&before]).status, Some(2));
}

/// Reports of runs whose median is the sample's times each of `factors`.
fn runs(scratch: &Scratch, folder: &str, factors: &[f64]) -> Vec<PathBuf> {
    fs::create_dir(scratch.path(folder)).expect("a folder");
    let run = |(number, factor): (usize, &f64)| {
        let start = format!("\"started_at\": \"2026-03-01T12:00:0{number}.{folder}Z\"");
        let median = format!("\"p50\": {:.3}", 60.383 * factor);
        let report = REPORT.replacen("\"p50\": 60.383", &median, 1).replacen(
            "\"started_at\": \"2026-03-01T12:00:00Z\"",
            &start,
            1,
        );
        scratch.write(&format!("{folder}/{number}.json"), &report)
    };
    factors.iter().enumerate().map(run).collect()
}

#[test]
fn field_load_11_several_runs_a_side_are_tested() {
    let scratch = Scratch::new();
    let before = runs(&scratch, "1", &[1.0, 1.01, 0.99, 1.02, 0.98]);
    let after = runs(&scratch, "2", &[1.5, 1.51, 1.49, 1.52, 1.48]);
    let [before_folder, after_folder] = ["1", "2"].map(|name| scratch.path(name));
    let compare = |arguments: &[&str], a: &[PathBuf], b: &[PathBuf]| {
        let mut command = command(&["compare"]);
        command.args(arguments).args(a).arg("--").args(b).env("COLUMNS", "200");
        run(&mut command, b"")
    };
    let worse = compare(&[], &before, &after);
    assert_eq!(worse.status, Some(3), "{worse:?}");
    assert!(worse.stdout.contains("  1/ (5 runs)  2/ (5 runs)  "), "{worse:?}");
    assert!(worse.stdout.contains("p50 significantly worse"), "{worse:?}");
    assert_eq!(compare(&["--threshold", "60%"], &before, &after).status, Some(0));
    let folders = readyc(&["compare"], &[&before_folder, &after_folder]);
    assert_eq!(folders.status, Some(3), "{folders:?}");
    assert!(folders.stdout.contains("0.0079  WORSE"), "{folders:?}");
    let few = compare(&["--label", "old", "--label", "new"], &before[..2], &after[..3]);
    assert_eq!(few.status, Some(0), "{few:?}");
    let told = "not enough runs: 5 more would do (3 of old, 2 of new); no verdict\n";
    assert!(few.stdout.ends_with(told), "{few:?}");
    // One run each, with the names of the files.
    let pair = compare(&[], &before[..1], &after[1..2]);
    assert_eq!(pair.status, Some(3), "{pair:?}");
    assert!(pair.stdout.contains("0.json    1.json   change  tolerance"), "{pair:?}");
    for wrong in [
        compare(&[], &[&before[..2], &before[..1]].concat(), &after),
        compare(&[], &before, &before),
        compare(&["--label", "one"], &before, &after),
        readyc(&["compare"], &[&before[0], &before[1], &after[0]]),
    ] {
        assert_eq!((wrong.status, wrong.stdout.as_str()), (Some(2), ""), "{wrong:?}");
    }
    let empty = scratch.path("empty");
    fs::create_dir(&empty).expect("a folder");
    assert_eq!(readyc(&["compare"], &[&before_folder, &empty]).status, Some(1));
}

#[test]
fn compare_tells_in_its_help_what_its_status_means() {
    let help = readyc(&["compare", "--help"], &[]);
    assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
    for told in ["--threshold", "Exit status:", "One pair of runs proves little"] {
        assert!(help.stdout.contains(told), "no {told}: {}", help.stdout);
    }
}

#[test]
fn compare_writes_a_page() {
    let scratch = Scratch::new();
    let report = scratch.write("report.json", REPORT);
    let page = scratch.path("page.html");
    let page_name = page.to_str().expect("UTF-8");
    let ended = readyc(&["compare", "--html", page_name], &[&report, &report]);
    assert_eq!(ended.status, Some(0));
    let page = fs::read_to_string(page).expect("the page");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
}

#[test]
fn what_cannot_be_read_is_named() {
    let scratch = Scratch::new();
    let report = scratch.write("report.json", REPORT);
    let cut = scratch.write("cut.json", &REPORT[..1000]);
    let why = "the file ends in the middle of the report (copy or make it again)";
    let why = format!("cannot read the report {}: {why}", cut.display());
    assert_eq!(readyc(&["compare"], &[&report, &cut]), Ended::failed(1, &why));
    assert_eq!(readyc(&["merge"], &[&report, &cut]), Ended::failed(1, &why));
}

/// The reports of three runs that went alike.
fn three_runs(scratch: &Scratch) -> [PathBuf; 3] {
    [0, 1, 2].map(|second| {
        let start = format!("\"started_at\": \"2026-03-01T12:00:00.{second}Z\"");
        let report = REPORT.replacen("\"started_at\": \"2026-03-01T12:00:00Z\"", &start, 1);
        assert_ne!(report, REPORT);
        scratch.write(&format!("run-{second}.json"), &report)
    })
}

#[test]
fn field_load_12_a_run_is_merged_once() {
    let scratch = Scratch::new();
    let [first, second, third] = three_runs(&scratch);
    let copy = scratch.write("copy.json", &fs::read_to_string(&first).expect("a report"));
    let twice = "is the same run as report 1, and would be counted twice (give each report once)";
    let refused = Ended::failed(1, &format!("report 2 {twice}"));
    assert_eq!(readyc(&["merge"], &[&first, &first]), refused);
    assert_eq!(readyc(&["merge"], &[&first, &copy]), refused);
    let merged = scratch.path("merged.json");
    let output = merged.to_str().expect("UTF-8");
    assert_eq!(readyc(&["merge", "-o", output], &[&first, &second]), Ended::well(""));
    let again = readyc(&["merge"], &[&merged, &third, &second]);
    assert_eq!(again.status, Some(1));
    let why = "the run of report 3 is already in report 1, which was merged";
    assert!(again.stderr.contains(why), "{}", again.stderr);
    assert_eq!(again.stdout, "");
}

#[test]
fn merge_adds_and_what_it_wrote_can_be_merged_again() {
    let scratch = Scratch::new();
    let [first, second, third] = three_runs(&scratch);
    let merged = scratch.path("merged.json");
    let output = merged.to_str().expect("UTF-8");
    assert_eq!(readyc(&["merge", "--output", output], &[&first, &second]), Ended::well(""));
    let text = fs::read_to_string(&merged).expect("the merged report");
    assert!(text.contains("\"connections\": 128") && text.contains("\"answered\": 400000"));
    let again = readyc(&["merge"], &[&merged, &third]);
    assert_eq!((again.status, again.stderr.as_str()), (Some(0), ""));
    assert!(again.stdout.contains("\"answered\": 600000"));
}

#[test]
fn merge_leaves_a_good_file_alone_when_it_fails() {
    let scratch = Scratch::new();
    let report = scratch.write("report.json", REPORT);
    let other =
        scratch.write("other.json", &REPORT.replace("\"mode\": \"open\"", "\"mode\": \"closed\""));
    let merged = scratch.write("merged.json", "good");
    let ended = readyc(&["merge", "-o", merged.to_str().expect("UTF-8")], &[&report, &other]);
    assert_eq!(ended.status, Some(1));
    assert!(ended.stderr.contains("report 2 cannot be merged with the first"), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(merged).expect("the file"), "good");
}

#[test]
fn merge_writes_a_page_beside_the_report() {
    let scratch = Scratch::new();
    let report = scratch.write("a.json", REPORT);
    let page = scratch.path("merged.html");
    let name = page.to_str().expect("UTF-8");
    let merged = readyc(&["merge", "--html", name], &[&report]);
    assert_eq!((merged.status, merged.stderr.as_str()), (Some(0), ""));
    assert!(merged.stdout.starts_with("{\n  \"schema\": \"readyc.bench/2\""), "{merged:?}");
    let page = fs::read_to_string(&page).expect("the page");
    assert!(page.starts_with("<!doctype html>") && page.contains("Merged from"), "{page}");
    let refused = readyc(&["merge", "-o", name, "--html", name], &[&report]);
    assert_eq!(refused.status, Some(2), "{refused:?}");
}

#[test]
fn the_page_of_a_comparison_names_its_files() {
    let scratch = Scratch::new();
    let before = scratch.write("before.json", REPORT);
    let after = scratch.write("after.json", &slower());
    let page = scratch.path("compared.html");
    let html = ["compare", "--html", page.to_str().expect("UTF-8")];
    for labels in [&[][..], &["--label", "old", "--label", "new"]] {
        readyc(&[&html[..], labels].concat(), &[&before, &after]);
        let page = fs::read_to_string(&page).expect("the page");
        assert!(page.contains("before.json") && page.contains("after.json"), "{page}");
        assert_eq!(page.contains("<strong>old ("), !labels.is_empty(), "{page}");
    }
}
