//! Captures of real runs, as regression tests: clients get what they got, and connections close for
//! the reasons for which they did. `scripts/captures` makes them.

use readyd::capture::reader::Reader;
use readyd::capture::replay::{self, CaptureEnd, Replayed};
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let entries = fs::read_dir(folder).expect("a folder of captures");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|name| name == "capture");
    let mut paths: Vec<PathBuf> = paths.filter(is_capture).collect();
    paths.sort();
    paths
}

fn run_again(path: &Path) -> Replayed {
    let source: Box<dyn Read> = Box::new(BufReader::new(File::open(path).expect("a file")));
    let (reader, start) = Reader::open(source).expect("a capture");
    let replayed = replay::by_outcome(reader, &start, None);
    replayed.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn clients_get_what_they_got() {
    let paths = captures();
    assert!(paths.len() >= 5, "{paths:?}");
    for path in paths {
        let replayed = run_again(&path);
        assert_eq!(replayed.end, CaptureEnd::Stopped, "{}", path.display());
        assert_eq!(replayed.not_compared, 0, "{}", path.display());
        assert!(replayed.connections >= 2 && replayed.sent > 100, "{}", path.display());
    }
}
