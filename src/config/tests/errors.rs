//! What the operator is told when the command line is wrong.

use super::run;
use crate::config::{HelpLength, from_args};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

fn error(args: &[&str]) -> String {
    run(args).expect_err("an error").to_string()
}

#[test]
fn each_fault_has_its_text() {
    let cases: &[(&[&str], &str)] = &[
        (&["--nonsense"], "unknown flag --nonsense (readyd --help lists them)"),
        (&["--nonsense=7"], "unknown flag --nonsense (readyd --help lists them)"),
        (&["-x"], "unknown flag -x (readyd --help lists them)"),
        (&["-x", "9999"], "unknown flag -x (readyd --help lists them)"),
        (&["--Utc"], "unknown flag --Utc (did you mean --utc? readyd --help lists them)"),
        (
            &["--max_connections=7"],
            "unknown flag --max_connections (did you mean --max-connections? readyd --help lists \
             them)",
        ),
        (
            &["-listen", "echo=:7"],
            "unknown flag -listen (did you mean --listen? readyd --help lists them)",
        ),
        (&["--hepl"], "unknown flag --hepl (did you mean --help? readyd --help lists them)"),
        (&["9999"], "unexpected argument \"9999\" (readyd --help lists the flags)"),
        (&["--utc", "yes"], "unexpected argument \"yes\" (readyd --help lists the flags)"),
        (&["--", "--utc"], "unexpected argument \"--utc\" (readyd --help lists the flags)"),
        (&["--utc=yes"], "--utc takes no value"),
        (&["--utc=yes", "--backlog", "7"], "--utc takes no value"),
        (&["--backlog"], "--backlog needs a value"),
        (&["--backlog", "x"], "--backlog \"x\": not a number (write it as 1000 or 10k)"),
        (&["--backlog="], "--backlog \"\": not a number (write it as 1000 or 10k)"),
        (&["--backlog", "1.5"], "--backlog \"1.5\": not a whole number"),
        (&["--backlog", "5000m"], "--backlog \"5000m\": too large"),
        (&["--log-rate", "4294967296"], "--log-rate \"4294967296\": too large"),
        (&["--backlog", "7s"], "--backlog \"7s\": unknown unit \"s\" (use k or m)"),
        (&["--max-frame", "x"], "--max-frame \"x\": not a number (write it as 65536 or 64KiB)"),
        (&["--max-frame", "1s"], "--max-frame \"1s\": unknown unit \"s\" (use KiB, MiB or kB, MB)"),
        (&["--idle-timeout", "x"], "--idle-timeout \"x\": not a number (write it as 10s or 500ms)"),
        (
            &["--idle-timeout", "1MiB"],
            "--idle-timeout \"1MiB\": unknown unit \"MiB\" (use us, ms, s, m, h or d)",
        ),
        (&["--idle-timeout", "999999d"], "--idle-timeout \"999999d\": too large"),
        (&["--tcp-keepalive", "0"], "--tcp-keepalive \"0\": not from 1s to 32767s"),
        (&["--tcp-keepalive", "10h"], "--tcp-keepalive \"10h\": not from 1s to 32767s"),
        (&["--tcp-user-timeout", "1us"], "--tcp-user-timeout \"1us\": not from 1ms to 24d"),
        (&["--tcp-user-timeout", "25d"], "--tcp-user-timeout \"25d\": not from 1ms to 24d"),
        (&["--shards", "0"], "--shards \"0\": not from 1 to 1024"),
        (&["--shards", "1025"], "--shards \"1025\": not from 1 to 1024"),
        (&["--shards", "many"], "--shards \"many\": not a number (write it as 1000 or 10k)"),
        (
            &["--shard-timeout", "999ms"],
            "--shard-timeout \"999ms\": less than 1s: shards report ten times per second (0 \
             switches it off)",
        ),
        (&["--user", ""], "--user \"\": no user (write it as USER or USER:GROUP)"),
        (&["--user", "daemon:"], "--user \"daemon:\": no group (write it as USER or USER:GROUP)"),
        (
            &["--table-order", "random"],
            "--table-order \"random\": not an order (use key-value or value-key)",
        ),
        (
            &["--log", "loud"],
            "--log \"loud\": not a level (use off, error, warn, info, debug or trace)",
        ),
        (
            &["--listen", "9999"],
            "--listen \"9999\": no address (write it as SERVICE=IP:PORT, such as \
             framed=127.0.0.1:9999)",
        ),
    ];
    for (args, text) in cases {
        assert_eq!(error(args), *text, "{args:?}");
    }
}

#[test]
fn limits_that_cannot_be_kept_are_refused_wherever_they_come_from() {
    for name in ["max-connections", "max-frame", "frame-timeout", "idle-timeout", "write-timeout"] {
        assert_eq!(error(&[&format!("--{name}=0")]), format!("--{name} must be more than 0"));
    }
    for (name, value) in [("max-frame", "2GiB"), ("output-limit", "1073741825")] {
        let text = format!("--{name} must be at most 1073741824");
        assert_eq!(error(&[&format!("--{name}={value}")]), text);
    }
    assert_eq!(
        error(&["--max-connections", "2000m"]),
        "--max-connections must be at most 1073741824"
    );
    let file = super::TempFile::new(b"utc\nmax-frame 0");
    let text = format!("{} line 2: --max-frame must be more than 0", file.path());
    assert_eq!(error(&["--config", file.path()]), text);
}

#[test]
fn field_server_15_all_faults_are_found_each_on_a_line() {
    let args = [
        "--bakclog",
        "7",
        "--backlog=x",
        "--utc=yes",
        "stray",
        "-x7",
        "--max-frame=0",
        "--output-limit=2g",
        "--listen=echo=127.0.0.1:7",
        "--listen=time=127.0.0.1:7",
        "--shards",
    ];
    let expected = [
        "unknown flag --bakclog (did you mean --backlog? readyd --help lists them)",
        "--utc takes no value",
        "unexpected argument \"stray\" (readyd --help lists the flags)",
        "unknown flag -x7 (readyd --help lists them)",
        "--shards needs a value",
        "--backlog \"x\": not a number (write it as 1000 or 10k)",
        "--listen \"time=127.0.0.1:7\": \"echo=127.0.0.1:7\" has this address already (give one of \
         them another)",
        "--max-frame must be more than 0",
        "--output-limit must be at most 1073741824",
    ];
    assert_eq!(error(&args).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn field_server_15_errors_are_bounded_in_number_and_in_length() {
    let text = format!("{}\nlog {}\n", "x\n".repeat(30), "y".repeat(1 << 19));
    let file = super::TempFile::new(text.as_bytes());
    let errors = error(&["--config", file.path()]);
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), 21);
    assert_eq!(lines[20], "and 11 more");
    let error = error(&["--log", &"\u{e4}".repeat(1 << 20)]);
    assert!(error.len() < 400, "{} bytes", error.len());
}

#[test]
fn help_is_given_whatever_else_is_wrong() {
    let args = ["--nonsense", "7", "--help"].map(OsString::from);
    assert_eq!(from_args(args).unwrap(), crate::config::Command::Help(HelpLength::Long));
}

#[test]
fn bytes_that_are_not_text_are_refused_not_guessed_at() {
    let bad = || OsString::from_vec(b"/table\xff".to_vec());
    let error = from_args(["--table".into(), bad()]).unwrap_err();
    assert_eq!(error.to_string(), "--table \"/table\u{fffd}\": not valid UTF-8");
    let error = from_args([bad()]).unwrap_err();
    let text = "unexpected argument \"/table\u{fffd}\" (readyd --help lists the flags)";
    assert_eq!(error.to_string(), text);
}

#[test]
fn no_text_can_command_a_terminal_or_begin_a_line_of_a_log() {
    let hostile = "x\u{1b}[31m\nINFO all is well";
    let shown = "x\\u{1b}[31m\\nINFO all is well";
    let help = "(readyd --help lists them)";
    assert_eq!(error(&[&format!("--{hostile}")]), format!("unknown flag --{shown} {help}"));

    let file = super::TempFile::new(b"x\x1b[31m\n");
    let text = format!("{} line 1: unknown flag x\\u{{1b}}[31m {help}", file.path());
    assert_eq!(error(&["--config", file.path()]), text);

    let path = format!("/dev/null/{hostile}");
    let text = format!("/dev/null/{shown}: Not a directory (os error 20)");
    assert_eq!(error(&["--config", &path]), text);
}
