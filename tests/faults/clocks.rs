//! A wall clock that is set while the server runs, by libfaketime. The monotonic clock, which no
//! administrator can set, goes on as it is.

use crate::support::tools;
use crate::support::{Client, Launch, Scratch, Server, eventually, frame};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// From 1900, where RFC 868 begins to count, to 1970.
const SECONDS_1900_TO_1970: u64 = 2_208_988_800;

/// Where Debian has the library, for any architecture.
pub(crate) fn library() -> Option<PathBuf> {
    tools::find("faketime")?;
    let folders = std::fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    let library = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    let found = library.into_iter().find(|path| path.is_file());
    if found.is_none() {
        tools::skip("no libfaketime.so.1");
    }
    found
}

/// A server whose wall clock shows what the test says.
struct Clocked {
    server: Server,
    scratch: Scratch,
}

impl Clocked {
    fn start() -> Option<Clocked> {
        let library = library()?;
        let scratch = Scratch::new();
        let time = scratch.write("time", "2026-01-02 03:04:05\n");
        let server = Launch::of(&["framed", "daytime=127.0.0.1:0,format=rfc3339", "time"])
            .args(&["--utc", "--frame-timeout", "30s", "--idle-timeout", "60s"])
            .env("LD_PRELOAD", library)
            .env("TZ", "UTC0")
            .env("FAKETIME_TIMESTAMP_FILE", time)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .start();
        Some(Clocked { server, scratch })
    }

    /// Stops the wall clock at `text`, such as `2036-02-07 06:28:15`.
    fn set(&self, text: &str) {
        self.scratch.write("time", &format!("{text}\n"));
    }

    fn daytime(&self) -> String {
        let text = self.server.connect("daytime").read_to_end();
        String::from_utf8(text).expect("ASCII").trim_end().to_owned()
    }

    fn rfc_868(&self) -> u32 {
        let reply = self.server.connect("time").read_to_end();
        u32::from_be_bytes(reply.try_into().expect("four bytes"))
    }
}

#[test]
fn fault_15_a_wall_clock_that_is_set_changes_the_text_and_no_deadline() {
    let Some(clocked) = Clocked::start() else { return };
    let server = &clocked.server;
    let mut idle = server.connect("framed");
    idle.ask("ECHO");
    let request = frame("ECHO half before and half after");
    for text in [
        "2026-01-02 03:04:06",
        "2027-01-02 03:04:05",
        "2031-12-31 23:59:59",
        "1999-01-01 00:00:00",
        "1970-01-01 00:00:00",
        "2038-01-19 03:14:07",
        "2038-01-19 03:14:08",
        "2106-02-07 06:28:16",
        "2026-01-02 03:04:05",
    ] {
        let mut halfway = server.connect("framed");
        halfway.send(&request[..70]);
        clocked.set(text);
        let expected = format!("{}Z", text.replace(' ', "T"));
        eventually(&expected, || (clocked.daytime() == expected).then_some(()));
        halfway.send(&request[70..]);
        assert_eq!(halfway.read_frame(), b"half before and half after", "{text}");
        assert_eq!(idle.ask("ECHO still here"), "still here", "{text}");
    }
    // Of the hour-long jumps, none was waited for and none has passed.
    let stats = server.statistics();
    for counter in ["closed_frame_timeout", "closed_idle_timeout", "closed_write_timeout"] {
        assert_eq!(stats.get(counter), 0, "{counter}");
    }
    let before = server.processor_time();
    // Not to wait for something: this is how long the server is watched.
    thread::sleep(Duration::from_millis(500));
    let used = server.processor_time() - before;
    assert!(used < Duration::from_millis(125), "{used:?} spent on nothing");
}

#[test]
fn fault_15_rfc_868_wraps_in_2036_and_goes_on() {
    let Some(clocked) = Clocked::start() else { return };
    for (text, since_1970) in [
        ("2036-02-07 06:28:15", (1u64 << 32) - 1 - SECONDS_1900_TO_1970),
        ("2036-02-07 06:28:16", (1 << 32) - SECONDS_1900_TO_1970),
        ("2038-01-19 03:14:08", 1 << 31),
        ("1970-01-01 00:00:00", 0),
    ] {
        clocked.set(text);
        let expected = (since_1970 + SECONDS_1900_TO_1970) as u32;
        eventually(text, || (clocked.rfc_868() == expected).then_some(()));
    }
}

#[test]
fn fault_15_an_unfinished_frame_still_has_its_deadline_after_the_clock_is_set_back() {
    let Some(library) = library() else { return };
    let scratch = Scratch::new();
    let time = scratch.write("time", "2026-01-02 03:04:05\n");
    let server = Launch::of(&["framed"])
        .args(&["--frame-timeout", "1s"])
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", time)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start();
    let mut slow: Client = server.connect("framed");
    slow.send(&frame("ECHO never whole")[..66]);
    scratch.write("time", "1980-01-01 00:00:00\n");
    assert_eq!(slow.read_frame(), b"Error: the request did not arrive whole within 1s");
    drop(slow);
    server.wait_for_statistic("closed_frame_timeout", 1);
}
