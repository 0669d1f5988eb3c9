//! A wall clock at the ends of its range, in zones of all kinds: the clock is set by libfaketime.

use crate::clocks;
use crate::support::bench::{bench_command, run_command};
use crate::support::tools;
use crate::support::{Launch, Scratch, Server, eventually};
use std::path::Path;

/// The formats in the order of the listeners.
const FORMATS: [&str; 5] = ["ctime", "dmy", "rfc3339", "rfc2822", "unix"];

/// A line that says that an offset cannot be written.
const WARNING: &str = "which RFC 3339 and RFC 2822 cannot write";

/// A server in a time zone, whose wall clock shows what the test says.
struct Zoned {
    server: Server,
    scratch: Scratch,
}

impl Zoned {
    fn start(tz: &str) -> Option<Zoned> {
        let library = clocks::library()?;
        let scratch = Scratch::new();
        let time = scratch.write("time", "0\n");
        let listeners = FORMATS.map(|format| format!("daytime=127.0.0.1:0,format={format}"));
        let server = Launch::of(&listeners.each_ref().map(String::as_str))
            .env("LD_PRELOAD", library)
            .env("TZ", tz)
            .env("FAKETIME_TIMESTAMP_FILE", time)
            .env("FAKETIME_FMT", "%s")
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .start();
        Some(Zoned { server, scratch })
    }

    /// Stops the wall clock at this Unix time, in seconds.
    fn set(&self, seconds: u64) {
        self.scratch.write("time", &format!("{seconds}\n"));
        let unix = FORMATS.len() - 1;
        eventually("the clock to be set", || {
            (self.told(unix) == seconds.to_string()).then_some(())
        });
    }

    fn told(&self, format: usize) -> String {
        let address = self.server.addresses_of("daytime")[format];
        let text = crate::support::Client::connect(address).read_to_end();
        String::from_utf8(text).expect("ASCII").trim_end().to_owned()
    }

    fn texts(&self) -> [String; 5] {
        std::array::from_fn(|format| self.told(format))
    }

    /// The lines so far that say that an offset cannot be written.
    fn warnings(&self) -> Vec<String> {
        self.server.log().containing(WARNING)
    }
}

#[test]
fn field_server_10_a_clock_at_the_end_of_the_year_9999_serves_every_client() {
    let Some(tokyo) = Zoned::start("JST-9") else { return };
    for (seconds, rfc3339, ctime) in [
        // 9999-12-31T14:59:59Z, and a second later.
        (253_402_268_399, "9999-12-31T23:59:59+09:00", "Fri Dec 31 23:59:59 9999"),
        (253_402_268_400, "9999-12-31T15:00:00Z", "Fri Dec 31 23:59:59 9999"),
        (253_402_293_597, "9999-12-31T21:59:57Z", "Fri Dec 31 23:59:59 9999"),
        (253_402_300_799, "9999-12-31T23:59:59Z", "Fri Dec 31 23:59:59 9999"),
        (253_402_300_800, "9999-12-31T23:59:59Z", "Fri Dec 31 23:59:59 9999"),
        (999_999_999_999, "9999-12-31T23:59:59Z", "Fri Dec 31 23:59:59 9999"),
        (1_620_412_612, "2021-05-08T03:36:52+09:00", "Sat May  8 03:36:52 2021"),
    ] {
        tokyo.set(seconds);
        let texts = tokyo.texts();
        assert_eq!([&texts[0], &texts[2], &texts[4]], [ctime, rfc3339, &seconds.to_string()]);
    }
    assert_eq!(tokyo.warnings(), Vec::<String>::new());
}

/// The report of a load run says when it began.
#[test]
fn field_server_10_a_load_run_after_the_year_9999_has_a_report() {
    let Some(library) = clocks::library() else { return };
    let server = Server::start(&["framed"]);
    for (seconds, began) in
        [(253_402_300_799u64, "9999-12-31T23:59:59Z"), (999_999_999_999, "9999-12-31T23:59:59Z")]
    {
        let mut command = bench_command(&[server.address("framed")], &["-c", "1", "-d", "200ms"]);
        command.env("LD_PRELOAD", &library).env("FAKETIME", seconds.to_string());
        command.env("FAKETIME_FMT", "%s").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let run = run_command(&mut command);
        assert_eq!(run.value("started_at"), began, "{seconds}: {}", run.stderr);
    }
}

#[test]
fn field_server_10_an_offset_that_cannot_be_written_becomes_utc_and_is_logged_once() {
    for (tz, shown, ctime) in [
        ("AAA-24:59", "+24:59:00", "Sat May  8 19:35:52 2021"),
        ("LMT-9:18:59", "+09:18:59", "Sat May  8 03:55:51 2021"),
        ("AAA0:00:30", "-00:00:30", "Fri May  7 18:36:22 2021"),
    ] {
        let Some(zoned) = Zoned::start(tz) else { return };
        for seconds in [1_620_412_611, 1_620_412_613, 1_620_412_612] {
            zoned.set(seconds);
            zoned.texts();
        }
        let texts = zoned.texts();
        assert_eq!(texts[0], ctime, "{tz}");
        assert_eq!(texts[2], "2021-05-07T18:36:52Z", "{tz}");
        assert_eq!(texts[3], "Fri, 07 May 2021 18:36:52 +0000", "{tz}");
        zoned.server.wait_for_log(WARNING);
        let warnings = zoned.warnings();
        assert_eq!(warnings.len(), 1, "{tz}: {warnings:?}");
        assert!(warnings[0].contains(&format!("is {shown} from UTC")), "{tz}: {warnings:?}");
    }
}

#[test]
fn field_server_11_zones_of_every_kind_now_and_in_the_far_future() {
    // Noon in UTC on the 15th of January 2026, July 2026, January 2500, July 2500 and July 9999.
    const NOONS: [u64; 5] =
        [1_768_478_400, 1_784_116_800, 16_726_478_400, 16_742_116_800, 253_387_656_000];
    assert_offsets("Europe/Lisbon", NOONS, ["Z", "+01:00", "Z", "+01:00", "+01:00"]);
    // By Irish law, summer has standard time, and winter an hour less.
    assert_offsets("Europe/Dublin", NOONS, ["Z", "+01:00", "Z", "+01:00", "+01:00"]);
    assert_offsets("Asia/Kathmandu", NOONS, ["+05:45"; 5]);
    assert_offsets(
        "Australia/Lord_Howe",
        NOONS,
        ["+11:00", "+10:30", "+11:00", "+10:30", "+10:30"],
    );
    assert_offsets("America/New_York", NOONS, ["-05:00", "-04:00", "-05:00", "-04:00", "-04:00"]);
    // Ramadan of 2025 and the summer after it. What is decided of later years changes.
    assert_offsets("Africa/Casablanca", [1_742_040_000, 1_752_580_800], ["Z", "+01:00"]);
}

/// Checks the offset in the text of a server in `zone` at each instant.
fn assert_offsets<const N: usize>(zone: &str, instants: [u64; N], expected: [&str; N]) {
    if !Path::new("/usr/share/zoneinfo").join(zone).is_file() {
        return tools::skip(&format!("no /usr/share/zoneinfo/{zone}"));
    }
    let Some(zoned) = Zoned::start(zone) else { return };
    for (instant, expected) in instants.into_iter().zip(expected) {
        zoned.set(instant);
        let told = zoned.told(2);
        assert_eq!(&told["2026-01-15T12:00:00".len()..], expected, "{zone}: {told}");
    }
}
