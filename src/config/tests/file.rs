//! The configuration file's own rules.

use super::{config, default_config, run};
use crate::zone::Zone;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

/// A file that is gone when the test is over.
pub(super) struct TempFile(PathBuf);

impl TempFile {
    pub(super) fn new(contents: &[u8]) -> TempFile {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("readyd-config-{}-{number}", process::id()));
        fs::write(&path, contents).expect("a writable temporary directory");
        TempFile(path)
    }

    pub(super) fn path(&self) -> &str {
        self.0.to_str().expect("a path of plain characters")
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn white_space_comments_and_dashes_do_not_matter() {
    let text = b"\n# a comment\n   \n\t backlog\t \t7  \r\n  #max-frame 1\n--utc\n--log-rate = 5";
    let file = TempFile::new(text);
    let config = config(&["--config", file.path()]);
    assert_eq!((config.backlog, config.limits.log_rate), (7, 5));
    assert_eq!(config.zone, Zone::Utc);
}

#[test]
fn an_empty_file_changes_nothing() {
    let file = TempFile::new(b"");
    assert_eq!(config(&["--config", file.path()]), default_config());
}

#[test]
fn an_error_names_the_file_and_the_line() {
    let cases = [
        ("backlog 7\n\nutc yes\n", 3, "--utc takes no value"),
        ("backlog\n", 1, "--backlog needs a value"),
        ("backlog=\n", 1, "--backlog needs a value"),
        ("backlog many\n", 1, "--backlog \"many\": not a number (write it as 1000 or 10k)"),
        ("bakclog 7\n", 1, "unknown flag bakclog (readyd --help lists them)"),
        ("=7\n", 1, "unknown flag  (readyd --help lists them)"),
        // A file that included itself would have no end; a file that only checks would never serve.
        ("config other\n", 1, "unknown flag config (readyd --help lists them)"),
        ("check-config\n", 1, "unknown flag check-config (readyd --help lists them)"),
    ];
    for (text, line, error) in cases {
        let file = TempFile::new(text.as_bytes());
        let expected = format!("{} line {line}: {error}", file.path());
        assert_eq!(run(&["--config", file.path()]).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let gone = TempFile::new(b"");
    let path = gone.path().to_owned();
    drop(gone);
    let error = run(&["--config", &path]).unwrap_err().to_string();
    assert_eq!(error, format!("{path}: No such file or directory (os error 2)"));

    let binary = TempFile::new(b"backlog \xff\n");
    let error = run(&["--config", binary.path()]).unwrap_err().to_string();
    assert_eq!(error, format!("{}: stream did not contain valid UTF-8", binary.path()));
}

#[test]
fn the_last_file_named_is_the_one_read() {
    let (first, last) = (TempFile::new(b"nonsense"), TempFile::new(b"backlog 7"));
    let config = config(&["--config", first.path(), "--config", last.path()]);
    assert_eq!(config.backlog, 7);
}
