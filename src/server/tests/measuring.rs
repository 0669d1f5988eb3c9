//! What a server tells of its process and its turns, on a clock that the test sets.

use super::bench::{Bench, FRAMED, frame};
use super::fake_net::FakeNet;
use crate::io::clock::Moment;
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::protocol::frame::HEADER_LEN;
use std::time::Duration;

fn seconds(count: u64) -> Moment {
    Moment::START + Duration::from_secs(count)
}

/// The value of a name in the statistics.
fn value(report: &str, name: &str) -> String {
    let line = report.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {report}")).to_owned()
}

#[test]
fn field_server_20_what_the_process_has_used_comes_through_the_seam() {
    let mut bench = Bench::new();
    let client = bench.net.connect(FRAMED);
    bench.net.send(client, &frame(b"STATS"));
    bench.run();
    let reply = bench.net.received(client);
    let by_command = String::from_utf8(reply[HEADER_LEN..].to_vec()).expect("text");
    let by_signal = bench.server.statistics(bench.now);
    for report in [by_command, by_signal] {
        let usage = FakeNet::USAGE;
        assert_eq!(value(&report, "pid"), usage.process_id.to_string());
        assert_eq!(value(&report, "cpu_microseconds"), usage.cpu.as_micros().to_string());
        assert_eq!(value(&report, "resident_bytes"), usage.resident_bytes.to_string());
    }
}

#[test]
fn field_server_20_the_longest_turn_is_told_while_it_is_recent() {
    let mut bench = Bench::new();
    bench.server.turn_ended(seconds(3), seconds(3) + Duration::from_micros(777), LoopControl::Wait);
    bench.server.turn_ended(seconds(4), seconds(4) + Duration::from_micros(5), LoopControl::Wait);
    let longest =
        |bench: &mut Bench, now| value(&bench.server.statistics(now), "longest_turn_microseconds");
    assert_eq!(longest(&mut bench, seconds(5)), "777");
    assert_eq!(longest(&mut bench, seconds(19)), "777");
    assert_eq!(longest(&mut bench, seconds(20)), "0");
}
