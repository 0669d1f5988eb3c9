//! The time zone: which file it comes from, when it is read, and that it is read rightly.

use crate::support::server::READYD;
use crate::support::tools::{self, Input};
use crate::support::{Launch, Scratch, Server, eventually, tzif};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use readyd::zone::ZoneRules;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The beginning of the log line about new rules.
const READ_AGAIN: &str = "time zone reloaded";

fn launch(zone: impl AsRef<std::ffi::OsStr>) -> Launch {
    Launch::of(&["daytime=127.0.0.1:0,format=rfc3339", "framed"]).env("TZ", zone)
}

fn daytime(server: &Server) -> String {
    let text = server.connect("daytime").read_to_end();
    String::from_utf8(text).expect("ASCII").trim_end().to_owned()
}

/// The offset in the server's text, which stands behind the time of day.
fn offset(server: &Server) -> String {
    daytime(server).split_off("2026-11-26T18:00:00".len())
}

/// Waits until another second has begun: the server keeps the text of a second.
fn wait_for_another_second(server: &Server) {
    let before = daytime(server);
    eventually("another second", || (daytime(server) != before).then_some(()));
}

#[test]
fn field_server_11_a_changed_zone_file_is_seen_after_sighup_and_not_before() {
    let scratch = Scratch::new();
    let server = launch(scratch.write_bytes("zone", &tzif("CET-1"))).start();
    assert_eq!(offset(&server), "+01:00");
    scratch.write_bytes("zone", &tzif("<+0545>-5:45"));
    wait_for_another_second(&server);
    assert_eq!(offset(&server), "+01:00", "there was no SIGHUP yet");
    server.signal(Signal::SIGHUP);
    server.wait_for_log(READ_AGAIN);
    assert_eq!(offset(&server), "+05:45");
    // The same rules once more: there is nothing to log.
    server.signal(Signal::SIGHUP);
    wait_for_another_second(&server);
    scratch.write_bytes("zone", &tzif("<-0330>3:30"));
    server.signal(Signal::SIGHUP);
    eventually("the last rules", || (offset(&server) == "-03:30").then_some(()));
    // What was logged before the statistics has arrived when they have.
    server.statistics();
    assert_eq!(server.log().containing(READ_AGAIN).len(), 2);
}

#[test]
fn field_server_11_a_reload_reads_the_table_and_the_zone() {
    let scratch = Scratch::new();
    let table = scratch.write("table", "colour red\n");
    let server =
        launch(scratch.write_bytes("zone", &tzif("CET-1"))).path("--table", &table).start();
    let mut client = server.connect("framed");
    assert!(client.ask("DAYTIME rfc3339").ends_with("+01:00"));
    scratch.write("table", "colour blue\n");
    scratch.write_bytes("zone", &tzif("JST-9"));
    server.signal(Signal::SIGHUP);
    server.wait_for_log("table reloaded: 1 key");
    server.wait_for_log(READ_AGAIN);
    assert!(client.ask("DAYTIME rfc3339").ends_with("+09:00"));
    assert_eq!(client.ask("LOOKUP colour"), "blue");
}

#[test]
fn field_server_11_a_zone_that_cannot_be_read_changes_nothing_until_it_can() {
    let scratch = Scratch::new();
    let path = scratch.write_bytes("zone", &tzif("CET-1"));
    let server = launch(&path).start();
    let refused = |reason: &str| {
        server.signal(Signal::SIGHUP);
        let line = server.wait_for_log(reason);
        assert!(line.contains("ERROR keeping the old time zone: "), "{line}");
        assert_eq!(offset(&server), "+01:00", "{reason}");
    };
    scratch.write_bytes("zone", b"TZif2");
    refused("the TZif file is shorter than its header says");
    fs::remove_file(&path).expect("remove the file");
    refused("No such file or directory");
    mkfifo(&path, Mode::S_IRWXU).expect("make a FIFO");
    refused("it is not a regular file");
    fs::remove_file(&path).expect("remove the FIFO");
    scratch.write_bytes("zone", &vec![b'T'; 2 << 20]);
    refused("it has more than 1048576 bytes");
    scratch.write_bytes("zone", &tzif("JST-9"));
    server.signal(Signal::SIGHUP);
    server.wait_for_log(READ_AGAIN);
    assert_eq!(offset(&server), "+09:00");
}

#[test]
fn field_server_11_an_unknown_zone_causes_a_warning_and_utc_is_used() {
    let scratch = Scratch::new();
    let broken = scratch.write_bytes("zone", b"not a zone");
    let zones = scratch.path("").display().to_string();
    let cases = [
        ("Europe/Atlantis".to_owned(), "unknown time zone TZ=\"Europe/Atlantis\": "),
        ("CET-1CEST,M3.5.0".to_owned(), "unknown time zone TZ=\"CET-1CEST,M3.5.0\": "),
        ("../zone".to_owned(), "unknown time zone TZ=\"../zone\": a name may not contain \"..\""),
        (broken.display().to_string(), ": it is not a TZif file"),
    ];
    for (tz, expected) in cases {
        let server = launch(&tz).env("TZDIR", &zones).start();
        let lines = server.log().containing(expected);
        assert_eq!(lines.len(), 1, "{tz}: {lines:?}");
        assert!(lines[0].contains(" WARN "), "{lines:?}");
        assert!(lines[0].ends_with("; the server uses UTC"), "{lines:?}");
        assert_eq!(offset(&server), "Z", "{tz}");
        server.signal(Signal::SIGHUP);
        server.wait_for_log("keeping the old time zone: ");
        assert_eq!(offset(&server), "Z", "{tz}");
    }
}

#[test]
fn field_server_11_a_check_of_the_configuration_warns_of_an_unknown_zone() {
    let check = |tz: &str, arguments: &[&str]| {
        let mut command = Command::new(READYD);
        command.arg("--check-config").args(arguments).env("TZ", tz).env_remove("RUST_LOG");
        let output = tools::run(&mut command, Input::Whole(b""));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let warning = check("Europe/Atlantis", &[]);
    assert!(warning.contains("WARN  unknown time zone TZ=\"Europe/Atlantis\": "), "{warning}");
    // With --utc, TZ is not read.
    assert_eq!(check("Europe/Atlantis", &["--utc"]), "");
    assert_eq!(check("CET-1CEST,M3.5.0,M10.5.0/3", &[]), "");
}

#[test]
fn field_server_11_tz_is_understood_as_in_tzset() {
    let scratch = Scratch::new();
    let file = scratch.write_bytes("zone", &tzif("CET-1"));
    let file = file.to_str().expect("UTF-8");
    let colon = format!(":{file}");
    let cases = [
        ("", "Z"),
        ("UTC", "Z"),
        (file, "+01:00"),
        (&colon, "+01:00"),
        ("zone", "+01:00"),
        (":zone", "+01:00"),
        ("<+03>-3", "+03:00"),
        ("NST3:30", "-03:30"),
        ("AAA-24:59", "Z"),
    ];
    for (tz, expected) in cases {
        let server = launch(tz).env("TZDIR", scratch.path("")).start();
        assert_eq!(offset(&server), expected, "TZ={tz}");
        assert_eq!(server.log().containing("unknown"), Vec::<String>::new());
    }
    let utc = launch(file).args(&["--utc"]).start();
    assert_eq!(offset(&utc), "Z");
}

#[test]
fn field_server_11_shards_read_the_zone_again() {
    let scratch = Scratch::new();
    let table = scratch.write("table", "colour red\n");
    let launch = launch(scratch.write_bytes("zone", &tzif("CET-1"))).args(&["--shards", "2"]);
    let server = launch.path("--table", &table).start();
    assert_eq!(offset(&server), "+01:00");
    scratch.write_bytes("zone", &tzif("JST-9"));
    server.signal(Signal::SIGHUP);
    server.wait_for_log(READ_AGAIN);
    // Each of these clients comes to either shard.
    for _ in 0..20 {
        eventually("the new rules", || (offset(&server) == "+09:00").then_some(()));
    }
    assert_eq!(server.log().containing(READ_AGAIN).len(), 1, "the supervisor reads it for all");
}

#[test]
fn field_server_11_shards_get_a_new_zone_though_there_is_no_table() {
    let scratch = Scratch::new();
    let launch = launch(scratch.write_bytes("zone", &tzif("CET-1"))).args(&["--shards", "2"]);
    let server = launch.start();
    scratch.write_bytes("zone", &tzif("JST-9"));
    server.signal(Signal::SIGHUP);
    server.wait_for_log(READ_AGAIN);
    for _ in 0..20 {
        eventually("the new rules", || (offset(&server) == "+09:00").then_some(()));
    }
}

/// Prints the offset of each zone of its input, a path and then instants on each line, at those
/// instants.
const REFERENCE: &str = r#"
import sys
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

for line in sys.stdin:
    path, *instants = line.rstrip("\n").split("\t")
    with open(path, "rb") as file:
        zone = ZoneInfo.from_file(file)
    offsets = (datetime.fromtimestamp(int(instant), zone).utcoffset() for instant in instants)
    print(*(offset // timedelta(seconds=1) for offset in offsets))
"#;

/// Instants at which to compare: from 1901 to 2100 every 30 days, then to the year 9999 every 16
/// years; and the last second before each change of the offset that is seen so, and the first after
/// it.
fn instants(rules: &ZoneRules) -> Vec<i64> {
    let near = (-2_177_452_800..4_102_444_800i64).step_by(2_592_001);
    let far = (4_102_444_800..253_370_764_800i64).step_by(500_000_009);
    let samples: Vec<i64> = near.chain(far).collect();
    let differ = |pair: &&[i64]| rules.offset_at(pair[0]) != rules.offset_at(pair[1]);
    let mut instants = samples.clone();
    for pair in samples.windows(2).filter(differ) {
        let (mut low, mut high) = (pair[0], pair[1]);
        while high - low > 1 {
            let middle = (low + high) / 2;
            if rules.offset_at(middle) == rules.offset_at(pair[0]) {
                low = middle;
            } else {
                high = middle;
            }
        }
        instants.extend([low, high]);
    }
    instants
}

/// All zones below `folder`, one of those that are the same.
fn zone_files(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("an entry of a folder").path()) {
        // Zones that count leap seconds are refused.
        let counts_leap_seconds = path.file_name().is_some_and(|name| name == "right");
        if path.is_dir() && !counts_leap_seconds {
            zone_files(&path, found);
        } else if let Ok(bytes) = fs::read(&path)
            && bytes.starts_with(b"TZif")
            && found.iter().all(|(_, known)| *known != bytes)
        {
            found.push((path, bytes));
        }
    }
}

/// Python's zoneinfo shares no code with our reader.
#[test]
fn field_server_11_every_zone_of_this_machine_is_read_as_python_reads_it() {
    let Some(python) = tools::find("python3") else { return };
    let mut zones = Vec::new();
    zone_files(Path::new("/usr/share/zoneinfo"), &mut zones);
    if zones.is_empty() {
        return tools::skip("no /usr/share/zoneinfo");
    }
    let questions = zones.iter().map(|(path, bytes)| {
        let rules = ZoneRules::from_tzif(bytes).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let instants = instants(&rules);
        (path, rules, instants)
    });
    let questions: Vec<_> = questions.collect();
    let line = |(path, _, instants): &(&PathBuf, ZoneRules, Vec<i64>)| {
        let instants: String = instants.iter().map(|instant| format!("\t{instant}")).collect();
        format!("{}{instants}\n", path.display())
    };
    let input: String = questions.iter().map(line).collect();
    let mut command = Command::new(python);
    let output = tools::run(command.args(["-c", REFERENCE]), Input::Whole(input.as_bytes()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers = String::from_utf8(output.stdout).expect("ASCII");
    assert_eq!(answers.lines().count(), questions.len());
    for ((path, rules, instants), answer) in questions.iter().zip(answers.lines()) {
        let answers = answer.split(' ').map(|offset| offset.parse::<i32>().expect("a number"));
        let wrong =
            instants.iter().zip(answers).find(|(at, offset)| rules.offset_at(**at) != *offset);
        assert_eq!(wrong, None, "an instant and Python's offset in {path:?}");
        assert_eq!(answer.split(' ').count(), instants.len(), "{path:?}");
    }
}
