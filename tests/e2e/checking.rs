//! What is wrong with a command line and a configuration file: all of it, each with its place.

use crate::command_line::{Ended, as_str, readyd};
use crate::support::{Launch, Scratch};
use std::fs;

/// The lines that it complains with, and its exit status.
fn complaints(arguments: &[&str]) -> (Option<i32>, Vec<String>) {
    let Ended { status, stdout, stderr } = readyd(arguments);
    assert_eq!(stdout, "", "{arguments:?}: {stderr}");
    // The others are the log's.
    let complaint = |line: &str| line.strip_prefix("readyd: ").map(str::to_owned);
    (status, stderr.lines().filter_map(complaint).collect())
}

/// With `--check-config` and without it.
const BOTH: [&[&str]; 2] = [&["--check-config"], &[]];

#[test]
fn field_server_15_all_faults_are_reported_each_with_its_file_and_line() {
    let scratch = Scratch::new();
    let text = "\u{feff}listen echo=127.0.0.1:9999\n\
                bakclog 7\n\
                max-frame 1MiB # big\n\
                \n\
                listen ehco=127.0.0.1:9998\n\
                listen time=localhost:9999\n\
                idle-timeout 0\n\
                table /nonexistent/table\n\
                user nosuchuser\n\
                memory-limit 1000000000g\n";
    let config = scratch.write("config", text);
    let path = as_str(&config);
    for check in BOTH {
        let arguments = ["--config", path, "--shrads", "4", "--log=loud"];
        let (status, lines) = complaints(&[&arguments, check].concat());
        assert_eq!(status, Some(2), "{lines:#?}");
        let expected = [
            "unknown flag --shrads (did you mean --shards? ",
            &format!("{path} line 2: unknown flag bakclog (did you mean backlog? "),
            &format!("{path} line 3: a comment needs a line of its own (move \"# big\" "),
            &format!(
                "{path} line 5: --listen \"ehco=127.0.0.1:9998\": no service \"ehco\" (did you"
            ),
            "--log \"loud\": not a level",
            &format!("{path} line 6: --listen \"time=localhost:9999\": \"echo=127.0.0.1:9999\" ("),
            &format!("{path} line 7: --idle-timeout must be more than 0"),
            &format!("{path} line 9: --user nosuchuser: there is no user \"nosuchuser\""),
            &format!("{path} line 8: cannot open table \"/nonexistent/table\": No such file"),
            &format!("{path} line 10: --memory-limit 1073741824000000000 is more than the "),
        ];
        assert_eq!(lines.len(), expected.len(), "{lines:#?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{line:?} is not {expected:?}");
        }
    }
}

#[test]
fn field_server_15_a_line_that_is_not_utf8_has_a_number() {
    let scratch = Scratch::new();
    let config = scratch.write("config", "");
    fs::write(&config, b"# caf\xE9\nutc\ntable /caf\xE9\nbacklog many\n").expect("our own file");
    let path = as_str(&config);
    for check in BOTH {
        let (status, lines) = complaints(&[&["--config", path], check].concat());
        let expected = [
            format!("{path} line 1: not valid UTF-8 (save the file as UTF-8 text)"),
            format!("{path} line 3: not valid UTF-8 (save the file as UTF-8 text)"),
            format!("{path} line 4: --backlog \"many\": not a number (write it as 1000 or 10k)"),
        ];
        assert_eq!((status, lines), (Some(2), expected.to_vec()));
    }
}

#[test]
fn field_server_15_files_and_the_system_are_status_1_and_flags_are_status_2() {
    for check in BOTH {
        for (arguments, status) in [
            (&["--table", "/nonexistent/table"] as &[&str], 1),
            (&["--config", "/nonexistent/config"], 1),
            (&["--user", "nosuchuser"], 1),
            (&["--table", "/nonexistent/table", "--backlog", "x"], 2),
            (&["--config", "/nonexistent/config", "--utc=yes"], 2),
            (&["--user", "nosuchuser", "--listen", "echo"], 2),
        ] {
            let (ended, lines) = complaints(&[arguments, check].concat());
            assert_eq!(ended, Some(status), "{arguments:?}: {lines:?}");
            let count = if status == 1 { 1 } else { 2 };
            assert_eq!(lines.len(), count, "{lines:?}");
        }
        let (status, lines) =
            complaints(&[&["--table", "/nonexistent/t", "--user", "nosuchuser"], check].concat());
        assert_eq!((status, lines.len()), (Some(1), 2), "{lines:?}");
    }
}

#[test]
fn field_server_15_limits_above_the_systems_are_named_by_a_check_and_warned_of_at_start() {
    let scratch = Scratch::new();
    let text = "backlog 2000m\nmax-connections 1000m\nmemory-limit 1000000000g\ntable-limit 5GiB\n";
    let config = scratch.write("config", text);
    let path = as_str(&config);
    let (status, lines) = complaints(&["--check-config", "--config", path]);
    let expected = [
        ("line 2: --max-connections 1000000000 is more than the ", "descriptor limit of "),
        ("line 1: --backlog 2000000000 is more than net.core.somaxconn, ", "sysctl -w "),
        ("line 3: --memory-limit 1073741824000000000 is more than the ", "bytes of memory"),
        ("line 4: --table-limit 5368709120 is more than a table can have ", "4294967295 bytes"),
    ];
    assert_eq!((status, lines.len()), (Some(1), expected.len()), "{lines:?}");
    for (line, (start, rest)) in lines.iter().zip(expected) {
        let is_it = line.starts_with(&format!("{path} {start}")) && line.contains(rest);
        assert!(is_it, "{line:?} is not {start:?}");
    }
    for shards in ["1", "2"] {
        let launch = Launch::of(&["framed"]).path("--config", &config).args(&["--shards", shards]);
        let server = launch.start();
        for (_, rest) in expected {
            server.wait_for_log(rest);
            let warnings = server.log().containing(rest);
            assert_eq!(warnings.len(), 1, "once, not once a shard: {warnings:?}");
            assert!(warnings[0].contains(" WARN ") && warnings[0].contains(path), "{warnings:?}");
        }
    }
}

#[test]
fn field_server_15_a_file_that_is_no_configuration_does_not_fill_the_screen() {
    let scratch = Scratch::new();
    let config = scratch.write("config", &format!("{}\n", "nonsense".repeat(1000)).repeat(100));
    let (status, lines) = complaints(&["--config", as_str(&config)]);
    assert_eq!((status, lines.len()), (Some(2), 21), "{lines:?}");
    assert_eq!(lines[20], "and 80 more");
    assert!(lines.iter().all(|line| line.len() < 1000), "{lines:?}");
}

#[test]
fn field_server_15_many_addresses_that_cannot_be_had_do_not_fill_the_screen() {
    // Reserved for documentation, RFC 5737: no machine has it.
    let listeners: Vec<String> =
        (1..=25).map(|port| format!("--listen=echo=192.0.2.1:{port}")).collect();
    let arguments: Vec<&str> = listeners.iter().map(String::as_str).collect();
    let (status, lines) = complaints(&arguments);
    assert_eq!((status, lines.len()), (Some(1), 21), "{lines:?}");
    assert!(lines[19].starts_with("cannot listen on echo=192.0.2.1:20: "), "{lines:?}");
    assert_eq!(lines[20], "and 5 more");
}

#[test]
fn field_server_15_a_path_with_a_number_sign_can_be_written() {
    let scratch = Scratch::new();
    let table = scratch.write("a#b", "colour red\n");
    let config = scratch.write("config", &format!("table {}\n", as_str(&table)));
    let server = Launch::of(&["framed"]).path("--config", &config).start();
    assert_eq!(server.connect("framed").ask("LOOKUP colour"), "red");
    let table = scratch.write("a # b", "colour blue\n");
    let server = Launch::of(&["framed"]).path("--table", &table).start();
    assert_eq!(server.connect("framed").ask("LOOKUP colour"), "blue");
}
