//! Loading from files, and what is said when that fails.

use std::fs;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use super::*;

const NO_LIMIT: u64 = u64::MAX;

/// A directory of a test's own, removed with all its contents when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Scratch {
        let name = format!("readyd-table-{}-{test}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        Scratch(directory)
    }

    fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, contents).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A failure here must not hide the test's own.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn failure(path: &Path, max_bytes: u64) -> String {
    Table::load(path, Order::KeyValue, max_bytes).unwrap_err().to_string()
}

#[test]
fn a_file_loads_in_either_order() {
    let scratch = Scratch::new("orders");
    let path = scratch.file("table", "a b\nc d\n");
    let table = Table::load(&path, Order::KeyValue, NO_LIMIT).unwrap();
    assert_eq!((table.len(), table.get(b"a")), (2, Some(&b"b"[..])));
    let table = Table::load(&path, Order::ValueKey, NO_LIMIT).unwrap();
    assert_eq!((table.len(), table.get(b"b")), (2, Some(&b"a"[..])));
}

#[test]
fn an_empty_file_loads() {
    let scratch = Scratch::new("empty");
    let path = scratch.file("table", "");
    assert!(Table::load(&path, Order::KeyValue, 0).unwrap().is_empty());
    assert!(Table::load(Path::new("/dev/null"), Order::KeyValue, 0).unwrap().is_empty());
}

/// `/dev/stdin` is a link to such a path.
#[test]
fn a_pipe_loads() {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"a b\nc d").unwrap();
    drop(writer);
    let path = PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
    let table = Table::load(&path, Order::KeyValue, 7).unwrap();
    assert_eq!((table.len(), table.get(b"c")), (2, Some(&b"d"[..])));
}

#[test]
fn a_missing_file() {
    let scratch = Scratch::new("missing");
    let path = scratch.0.join("table");
    let expected = format!(
        "cannot open table {path:?}: No such file or directory (os error 2); \
         check its path and permissions"
    );
    assert_eq!(failure(&path, NO_LIMIT), expected);
}

#[test]
fn a_directory() {
    let scratch = Scratch::new("directory");
    let expected = format!("table {:?} is a directory; name a file", scratch.0);
    assert_eq!(failure(&scratch.0, NO_LIMIT), expected);
}

/// Address 0 of a process is not mapped: reading it is an input/output error.
#[test]
fn a_file_that_cannot_be_read() {
    assert_eq!(
        failure(Path::new("/proc/self/mem"), NO_LIMIT),
        "cannot read table \"/proc/self/mem\": Input/output error (os error 5); \
         load it again once that is mended"
    );
}

#[test]
fn a_file_over_the_limit_with_the_line_that_passes_it() {
    let scratch = Scratch::new("limit");
    let path = scratch.file("table", "a b\nc d\ne f\n");
    for (limit, line) in [(11, 3), (8, 3), (7, 2), (4, 2), (3, 1), (0, 1)] {
        let expected = format!(
            "table {path:?} passes the limit of {limit} bytes on line {line}; \
             shorten it, or raise the limit (4294967295 at most)"
        );
        assert_eq!(failure(&path, limit), expected);
    }
    assert_eq!(Table::load(&path, Order::KeyValue, 12).unwrap().len(), 3);
}

/// Would not end, if it read on.
#[test]
fn an_endless_file_is_read_no_further_than_the_limit() {
    assert_eq!(
        failure(Path::new("/dev/zero"), 100_000),
        "table \"/dev/zero\" passes the limit of 100000 bytes on line 1; \
         shorten it, or raise the limit (4294967295 at most)"
    );
}

#[test]
fn a_fault_in_the_text() {
    let scratch = Scratch::new("fault");
    let path = scratch.file("table", "a b\na c\n");
    let expected = format!(
        "table {path:?}: line 2: key \"a\" is already on line 1; remove one of the two lines"
    );
    assert_eq!(failure(&path, NO_LIMIT), expected);
}

#[test]
fn a_path_cannot_forge_a_line_of_a_log() {
    let shown = failure(Path::new("/nowhere/a\nb\u{1B}"), NO_LIMIT);
    assert!(shown.starts_with(r#"cannot open table "/nowhere/a\nb\u{1b}": "#), "{shown}");
}
