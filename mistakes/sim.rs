//! Each mistake must be found: by a seed, or by a scenario. `scripts/with-mistakes` puts this file
//! into its copy of the tree, as `tests/sim/mistakes.rs`.

use crate::volume;
use crate::{exhaustive, scenarios};
use readyd::capture::reader::Reader;
use readyd::capture::replay;
use readyd::mistakes;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Seeds that are tried before the scenarios.
const SEEDS: u64 = 3000;

/// What found the mistake that is on, and its report.
struct Found {
    by: String,
    report: String,
}

fn find() -> Option<Found> {
    if let (_, Some((seed, report))) = volume::run_many(1, SEEDS, volume::run_seed) {
        return Some(Found { by: format!("seed {seed}"), report });
    }
    scenarios::ALL.iter().find_map(|&(name, scenario)| {
        let report = exhaustive::run_all(name, &[scenario()])
            .or_else(|| exhaustive::run_all(name, &exhaustive::worlds(scenario)))?;
        Some(Found { by: format!("scenario {name}"), report })
    })
}

fn find_with(name: &str) -> Option<Found> {
    mistakes::switch_on(Some(name));
    let found = find();
    mistakes::switch_on(None);
    found
}

/// Mistakes that captures of a good server find, at least.
const MOST_OBVIOUS: usize = 5;

/// Runs the captures of tests/captures/, which a server without mistakes has written, on each
/// mistake. Returns how many mistakes they find.
fn find_by_captures() -> usize {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let entries = std::fs::read_dir(folder).expect("a folder of captures");
    let paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    let run = |path: &std::path::PathBuf| {
        let bytes = std::fs::read(path).expect("a capture");
        let source: Box<dyn std::io::Read> = Box::new(std::io::Cursor::new(bytes));
        let (reader, start) = Reader::open(source).expect("a capture");
        let outcome = catch_unwind(AssertUnwindSafe(|| replay::by_outcome(reader, &start, None)));
        let said = outcome.map_or(Some("a panic".to_owned()), |done| Some(done.err()?.to_string()));
        said.map(|said| (path.file_stem().unwrap_or_default().to_owned(), said))
    };
    let mut found = 0;
    for name in mistakes::names() {
        mistakes::switch_on(Some(name));
        let said = paths.iter().find_map(run);
        mistakes::switch_on(None);
        if let Some((capture, said)) = said {
            let said: String = said.chars().take(110).collect();
            let by = format!("capture {}", capture.display());
            volume::say(&format!("{name:<32} {by:<24} {said}\n"));
            found += 1;
        }
    }
    found
}

/// One mistake, with the whole report; or all, with a line each.
#[test]
fn sim_mistakes_are_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let only = std::env::var("MISTAKE").ok();
    let mut results = std::env::var_os("MISTAKES_FOUND")
        .map(|path| std::fs::File::create(path).expect("the file of results can be written"));
    let mut escaped = Vec::new();
    volume::say(&format!("{:<32} {:<24} what was said\n", "mistake", "found by"));
    for name in mistakes::names().filter(|&name| only.as_deref().is_none_or(|only| only == name)) {
        let Some(Found { by, report }) = find_with(name) else {
            volume::say(&format!("{name:<32} NOBODY\n"));
            escaped.push(name);
            continue;
        };
        let said: String = report.lines().next().unwrap_or_default().chars().take(110).collect();
        volume::say(&format!("{name:<32} {by:<24} {said}\n"));
        if only.is_some() {
            // Its last line says how to see it again in a tree that has the fault itself.
            let lines = report.lines().filter(|line| !line.starts_with("replay:"));
            lines.for_each(|line| volume::say(&format!("{line}\n")));
        }
        if let Some(results) = &mut results {
            writeln!(results, "{name}\t{by}").expect("the file of results can be written");
        }
    }
    let by_captures = only.is_none().then(find_by_captures);
    let _ = std::panic::take_hook();
    assert!(by_captures.is_none_or(|found| found >= MOST_OBVIOUS), "captures find too few");
    assert!(escaped.is_empty(), "nobody found {escaped:?}");
}
