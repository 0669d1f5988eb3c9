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
        ("bakclog 7\n", 1, "unknown flag bakclog (did you mean backlog? readyd --help lists them)"),
        ("=7\n", 1, "unknown flag  (readyd --help lists them)"),
        // A file that included itself would have no end; a file that only checks would never serve.
        ("config other\n", 1, "config is only for the command line (write --config there)"),
        (
            "check-config\n",
            1,
            "check-config is only for the command line (write --check-config there)",
        ),
    ];
    for (text, line, error) in cases {
        let file = TempFile::new(text.as_bytes());
        let expected = format!("{} line {line}: {error}", file.path());
        assert_eq!(run(&["--config", file.path()]).unwrap_err().to_string(), expected);
    }
}

#[test]
fn field_server_15_what_is_only_for_the_command_line_is_said_to_be() {
    let cases = [
        ("help", "help"),
        ("--help", "help"),
        ("-h", "help"),
        ("help yes", "help"),
        ("version", "version"),
        ("version = 1", "version"),
        ("-V", "version"),
        ("config = other", "config"),
        ("--check-config", "check-config"),
    ];
    for (text, flag) in cases {
        let file = TempFile::new(text.as_bytes());
        let expected = format!(
            "{} line 1: {flag} is only for the command line (write --{flag} there)",
            file.path()
        );
        assert_eq!(run(&["--config", file.path()]).unwrap_err().to_string(), expected);
    }
    // What would be refused next is not proposed.
    for text in ["hlep", "verison", "confgi", "chekc-config"] {
        let file = TempFile::new(text.as_bytes());
        let error = run(&["--config", file.path()]).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("unknown flag {text} (readyd --help lists them)")),
            "{error}"
        );
    }
    let error = run(&["--hlep"]).unwrap_err().to_string();
    assert_eq!(error, "unknown flag --hlep (did you mean --help? readyd --help lists them)");
}

#[test]
fn field_server_15_a_setting_that_a_file_has_twice_is_an_error_with_both_lines() {
    let text = b"backlog 7\nutc\n\n--backlog=8\nbacklog many\nutc\ntable /a\ntable-order x\n\
        table-order key-value\n";
    let file = TempFile::new(text);
    let path = file.path();
    let twice = |line, first, flag| {
        format!(
            "{path} line {line}: line {first} has {flag} already, and it is no list (remove one)"
        )
    };
    let errors = run(&["--config", path]).unwrap_err().to_string();
    let expected = [
        twice(4, 1, "backlog"),
        twice(5, 1, "backlog"),
        twice(6, 2, "utc"),
        format!("{path} line 8: --table-order \"x\": not an order (use key-value or value-key)"),
        twice(9, 8, "table-order"),
    ];
    assert_eq!(errors.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn field_server_15_lists_of_a_file_and_flags_of_the_command_line_may_be_repeated() {
    let file = TempFile::new(
        b"listen echo=127.0.0.1:1\nlisten time=127.0.0.1:2\nallow 10.0.0.0/8\nallow ::/0\n\
        deny 10.1.0.0/16\ndeny 10.2.0.0/16\nbacklog 7\n",
    );
    let both = config(&["--config", file.path(), "--backlog", "8", "--backlog", "9"]);
    assert_eq!(both.listeners.len(), 2);
    assert_eq!((both.limits.access.allow.len(), both.limits.access.deny.len()), (2, 2));
    assert_eq!(both.backlog, 9, "the command line wins, and its last");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let gone = TempFile::new(b"");
    let path = gone.path().to_owned();
    drop(gone);
    let error = run(&["--config", &path]).unwrap_err().to_string();
    assert_eq!(error, format!("{path}: No such file or directory (os error 2)"));
}

#[test]
fn field_server_15_a_byte_order_mark_is_skipped() {
    let file = TempFile::new(b"\xEF\xBB\xBFbacklog 7\n");
    assert_eq!(config(&["--config", file.path()]).backlog, 7);
    let second = TempFile::new(b"\xEF\xBB\xBF\xEF\xBB\xBFbacklog 7\n");
    assert!(run(&["--config", second.path()]).is_err(), "one mark is one");
}

#[test]
fn field_server_15_a_line_that_is_not_utf8_is_named_and_the_others_are_judged() {
    let file = TempFile::new(b"backlog many\ntable /caf\xE9\nutc\nlog loud\n");
    let path = file.path();
    let errors = run(&["--config", path]).unwrap_err().to_string();
    let expected = [
        format!("{path} line 1: --backlog \"many\": not a number (write it as 1000 or 10k)"),
        format!("{path} line 2: not valid UTF-8 (save the file as UTF-8 text)"),
        format!(
            "{path} line 4: --log \"loud\": not a level (use off, error, warn, info, debug or \
             trace)"
        ),
    ];
    assert_eq!(errors.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn field_server_15_a_comment_behind_a_setting_is_an_error_that_says_so() {
    for (line, comment) in [
        ("max-frame 1MiB # big", "# big"),
        ("max-frame = 1MiB\t#big # bigger", "#big # bigger"),
        ("utc # not local", "# not local"),
        ("backlog # how many?", "# how many?"),
        ("table /a # b", "# b"),
    ] {
        let file = TempFile::new(line.as_bytes());
        let expected = format!(
            "{} line 1: a comment needs a line of its own (move {comment:?} to the line before; a \
             value with white space and # in it can be given on the command line only)",
            file.path()
        );
        assert_eq!(run(&["--config", file.path()]).unwrap_err().to_string(), expected);
    }
    let file = TempFile::new(b"table /a#b/c d#\n");
    assert_eq!(config(&["--config", file.path()]).table, Some("/a#b/c d#".into()));
    assert_eq!(config(&["--table", "/a # b"]).table, Some("/a # b".into()));
}

#[test]
fn field_server_15_errors_in_what_was_asked_for_and_errors_of_files_are_told_apart() {
    let wrong = |args: &[&str]| run(args).unwrap_err().has_wrong_flags();
    assert!(!wrong(&["--config", "/nonexistent/readyd.conf"]));
    assert!(wrong(&["--config", "/nonexistent/readyd.conf", "--shards", "0"]));
    let file = TempFile::new(b"shards 0\n");
    assert!(wrong(&["--config", file.path()]));
}

#[test]
fn the_last_file_named_is_the_one_read() {
    let (first, last) = (TempFile::new(b"nonsense"), TempFile::new(b"backlog 7"));
    let config = config(&["--config", first.path(), "--config", last.path()]);
    assert_eq!(config.backlog, 7);
}
