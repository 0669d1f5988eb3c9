//! Replays every input that is kept: the corpora, and whatever once failed. Needs no fuzzer.

use readyd_fuzz::{Check, TARGETS};
use std::path::{Path, PathBuf};
use std::{fs, panic};

/// The inputs kept for a target in `folder`, in order of their names.
fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths
}

/// Replays one input and says which it is if it fails.
fn replay(check: Check, path: &Path) {
    let bytes = fs::read(path).expect("a readable input");
    let outcome = panic::catch_unwind(|| check(&bytes));
    assert!(outcome.is_ok(), "{} fails: see above", path.display());
}

#[test]
fn every_corpus_passes() {
    for (target, check) in TARGETS {
        let inputs = inputs("corpus", target);
        assert!(!inputs.is_empty(), "{target} has no corpus");
        inputs.iter().for_each(|path| replay(check, path));
        println!("{target}: {} inputs", inputs.len());
    }
}

#[test]
fn what_once_failed_passes() {
    for (target, check) in TARGETS {
        inputs("crashes", target).iter().for_each(|path| replay(check, path));
    }
}

#[test]
fn an_empty_input_passes() {
    for (_, check) in TARGETS {
        check(&[]);
    }
}
