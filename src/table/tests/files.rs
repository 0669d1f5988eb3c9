//! Loading from files, and what is said when that fails.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::*;
use crate::scratch::Scratch;

const NO_LIMIT: u64 = u64::MAX;

fn failure(path: &Path, max_bytes: u64) -> String {
    Table::load(path, ColumnOrder::KeyValue, max_bytes).unwrap_err().to_string()
}

#[test]
fn a_file_loads_in_either_order() {
    let scratch = Scratch::new();
    let path = scratch.file("table", "a b\nc d\n");
    let table = Table::load(&path, ColumnOrder::KeyValue, NO_LIMIT).unwrap();
    assert_eq!((table.len(), table.get(b"a")), (2, Some(&b"b"[..])));
    let table = Table::load(&path, ColumnOrder::ValueKey, NO_LIMIT).unwrap();
    assert_eq!((table.len(), table.get(b"b")), (2, Some(&b"a"[..])));
}

#[test]
fn an_empty_file_loads() {
    let scratch = Scratch::new();
    let path = scratch.file("table", "");
    assert!(Table::load(&path, ColumnOrder::KeyValue, 0).unwrap().is_empty());
    assert!(Table::load(Path::new("/dev/null"), ColumnOrder::KeyValue, 0).unwrap().is_empty());
}

/// `/dev/stdin` is a link to such a path.
#[test]
fn a_pipe_loads() {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"a b\nc d").unwrap();
    drop(writer);
    let path = PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
    let table = Table::load(&path, ColumnOrder::KeyValue, 7).unwrap();
    assert_eq!((table.len(), table.get(b"c")), (2, Some(&b"d"[..])));
}

#[test]
fn a_missing_file() {
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let expected = format!(
        "cannot open table {path:?}: No such file or directory (os error 2); \
         check its path and permissions"
    );
    assert_eq!(failure(&path, NO_LIMIT), expected);
}

#[test]
fn a_directory() {
    let scratch = Scratch::new();
    let expected =
        format!("table {:?} is a directory; name a regular file or a pipe", scratch.path());
    assert_eq!(failure(scratch.path(), NO_LIMIT), expected);
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
    let scratch = Scratch::new();
    let path = scratch.file("table", "a b\nc d\ne f\n");
    for (limit, line) in [(11, 3), (8, 3), (7, 2), (4, 2), (3, 1), (0, 1)] {
        let expected = format!(
            "table {path:?} passes the limit of {limit} bytes on line {line}; \
             shorten it, or raise the limit (4294967295 at most)"
        );
        assert_eq!(failure(&path, limit), expected);
    }
    assert_eq!(Table::load(&path, ColumnOrder::KeyValue, 12).unwrap().len(), 3);
}

/// Would not end, if it read on.
#[test]
fn an_endless_pipe_is_read_no_further_than_the_limit() {
    let (reader, mut writer) = io::pipe().unwrap();
    let path = PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
    let endless = thread::spawn(move || while writer.write_all(&[b'a'; 4096]).is_ok() {});
    assert_eq!(
        failure(&path, 100_000),
        format!(
            "table {path:?} passes the limit of 100000 bytes on line 1; \
             shorten it, or raise the limit (4294967295 at most)"
        )
    );
    drop(reader);
    endless.join().unwrap();
}

/// Would not end, if it waited for what the writer has not written.
#[test]
fn a_fault_is_told_as_soon_as_its_line_has_come() {
    let (reader, mut writer) = io::pipe().unwrap();
    let path = PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
    writer.write_all(b"a b\nc\nd e").unwrap();
    let expected =
        "line 2: key \"c\" has no value; write KEY VALUE, or put # at the start of the line";
    assert_eq!(failure(&path, NO_LIMIT), format!("table {path:?}: {expected}"));
}

/// In pieces of the reader's own: a pipe holds 64 KiB, and a chunk is a few times that.
#[test]
fn line_numbers_are_right_however_the_text_comes() {
    const LINES: usize = 40_000;
    let text: String = (1..LINES).map(|i| format!("key{i} value{i}\r\n")).collect();
    let scratch = Scratch::new();
    for (end, complaint) in [
        ("fault\n", "line 40000: key \"fault\" has no value"),
        ("key7 again\nfault\n", "line 40000: key \"key7\" is already on line 7"),
        ("fine\tvalue\nand\x07\n", "line 40001, byte 4: control character 0x07"),
        ("fine value\r", "line 40000, byte 11: control character 0x0D"),
    ] {
        let whole = format!("\u{FEFF}{text}{end}");
        let shown = failure(&scratch.file("table", &whole), NO_LIMIT);
        assert!(shown.contains(complaint), "{shown} instead of {complaint}");
        let shown =
            Table::parse(whole.into_bytes(), ColumnOrder::KeyValue).unwrap_err().to_string();
        assert!(shown.contains(complaint), "{shown} instead of {complaint}");
    }
}

#[test]
fn one_line_of_many_chunks() {
    let scratch = Scratch::new();
    let value = "v".repeat(3 << 20);
    let path = scratch.file("table", format!("key {value}"));
    let table = Table::load(&path, ColumnOrder::KeyValue, NO_LIMIT).unwrap();
    assert!(table.get(b"key") == Some(value.as_bytes()), "another value");
}

/// The limit counts a byte order mark, which the table does not keep.
#[test]
fn a_byte_order_mark_counts_for_the_limit() {
    let scratch = Scratch::new();
    let path = scratch.file("table", "\u{FEFF}a b\nc d\n");
    assert_eq!(Table::load(&path, ColumnOrder::KeyValue, 11).unwrap().len(), 2);
    assert!(failure(&path, 10).contains("passes the limit of 10 bytes on line 2"));
    assert!(failure(&path, 2).contains("passes the limit of 2 bytes on line 1"));
}

#[test]
fn devices_are_not_read() {
    for device in ["/dev/zero", "/dev/urandom", "/dev/full"] {
        assert_eq!(
            failure(Path::new(device), NO_LIMIT),
            format!("table {device:?} is a character device; name a regular file or a pipe")
        );
    }
}

/// To open the FIFO would wait for a writer for ever.
#[test]
fn only_a_regular_file_is_loaded_again() {
    let scratch = Scratch::new();
    let again = |path: &Path| Table::load_again(path, ColumnOrder::KeyValue, NO_LIMIT);
    let regular = scratch.file("table", "a b\n");
    assert_eq!(again(&regular).unwrap().len(), 1);
    let fifo = scratch.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let socket = scratch.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    for (path, complaint) in [
        (fifo.as_path(), "is a pipe, which is read at the start only; name a regular file"),
        (&socket, "is a socket; name a regular file"),
        (scratch.path(), "is a directory; name a regular file"),
        (Path::new("/dev/null"), "is a character device; name a regular file"),
        (Path::new("/dev/zero"), "is a character device; name a regular file"),
    ] {
        let shown = again(path).unwrap_err().to_string();
        assert_eq!(shown, format!("table {path:?} {complaint}"));
    }
}

#[test]
fn a_fault_in_the_text() {
    let scratch = Scratch::new();
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
