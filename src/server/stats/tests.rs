use super::*;
use publishing::Shards;
use standing::Standing;
use std::time::Duration;

mod documented;

#[test]
fn each_reason_is_counted_in_its_own_line() {
    for (index, reason) in CloseReason::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, index, "{reason:?} stands elsewhere in the list of all");
        let mut stats = Stats { accepted: 2, ..Stats::default() };
        stats.count_close(reason);
        let report = stats.report(Duration::ZERO, 1).to_string();
        let counted: Vec<&str> = report
            .lines()
            .filter(|line| line.starts_with("closed_") && !line.ends_with(" 0"))
            .collect();
        assert_eq!(counted, [format!("closed_{} 1", reason.word())]);
        assert!(report.contains("\nconnections_open 1\n"));
        assert!(report.contains("\nconnections_closed 1\n"));
    }
}

#[test]
fn refusals_are_the_closes_that_come_with_an_error_reply() {
    for reason in CloseReason::ALL {
        let mut stats = Stats { accepted: 1, ..Stats::default() };
        stats.count_close(reason);
        let refused = matches!(
            reason,
            CloseReason::BadFrame | CloseReason::OverLimit | CloseReason::FrameTimeout
        );
        assert_eq!(stats.refusals, u64::from(refused), "{reason:?}");
    }
}

/// The report of the test below, in which each number is different.
const REPORT: &str = "\
uptime_seconds 61.234
version VERSION
pid 4711
connections_open 9
connections_peak 1
connections_max 22
connections_idle 3
connections_reading 0
connections_sending 0
connections_stalled 6
connections_producing 0
connections_closing 0
connections_lingering 0
output_queue_empty 3
output_queue_small 0
output_queue_medium 6
output_queue_large 0
output_queue_huge 0
connections_accepted 285
connections_closed 276
closed_peer_closed 0
closed_peer_closed_mid_frame 1
closed_reset 2
closed_bad_frame 3
closed_over_limit 4
closed_frame_timeout 5
closed_idle_timeout 6
closed_write_timeout 7
closed_disconnect 8
closed_served 9
closed_drained 10
closed_stopped 11
closed_shed 12
closed_system_error 13
closed_bad_proxy_header 14
closed_proxy_header_timeout 15
closed_proxy_refused 16
closed_tls_not_tls 17
closed_tls_handshake_failed 18
closed_tls_handshake_timeout 19
closed_tls_client_certificate 20
closed_tls_alert 21
closed_tls_bad_record 22
closed_tls_truncated 23
requests 2
frames 3
refusals 4
bytes_in 5
bytes_out 6
memory_limit_bytes 23
buffered_bytes 18
buffered_input_bytes 14
buffered_output_bytes 4
connection_places_bytes 19
address_limits_bytes 20
table_bytes 21
resident_bytes 25
cpu_microseconds 24
landlock_abi 7
refused_denied 15
refused_address_limit 16
refused_address_rate 17
refused_not_proxy 30
refused_tls_rate 33
tls_handshakes 34
tls_resumed 35
tls_certificate_expires 36
proxy_headers 31
proxy_local 32
accept_errors 7
accept_pauses 8
events_stale 9
visits 10
turns 11
turns_over_one_ms 27
turns_over_ten_ms 28
turns_over_hundred_ms 29
longest_turn_microseconds 26
table_keys 14
table_reloads 12
table_failures 13
log_lines_suppressed 18446744073709551615
";

#[test]
fn the_report_gives_every_number_its_name() {
    let mut stats = Stats {
        accepted: 285,
        peak: 1,
        requests: 2,
        frames: 3,
        refusals: 4,
        bytes_in: 5,
        bytes_out: 6,
        refused_denied: 15,
        refused_address_limit: 16,
        refused_address_rate: 17,
        refused_not_proxy: 30,
        refused_tls_rate: 33,
        tls_handshakes: 34,
        tls_resumed: 35,
        tls_certificate_expires: 36,
        proxy_headers: 31,
        proxy_local: 32,
        buffered: 18,
        buffered_output: 4,
        places_memory: 19,
        addresses_memory: 20,
        table_memory: 21,
        accept_errors: 7,
        accept_pauses: 8,
        stale_events: 9,
        visits: 10,
        turns: 11,
        table_reloads: 12,
        table_failures: 13,
        table_keys: 14,
        log_suppressed: u64::MAX,
        max_connections: 22,
        memory_limit: 23,
        cpu_micros: 24,
        resident: 25,
        landlock_abi: 7,
        ..Stats::default()
    };
    stats.longest_turn.note(Duration::from_micros(26), Duration::from_secs(55));
    let stalled = Standing { activity: Activity::Stalled, depth: Depth::Medium };
    (0..6).for_each(|_| stats.standings.change(Standing::default(), stalled));
    stats.slow_turns = SlowTurns { over_1ms: 27, over_10ms: 28, over_100ms: 29 };
    for (number, count) in stats.closed.iter_mut().enumerate() {
        *count = number as u64;
    }
    let uptime = Duration::from_micros(61_234_567);
    let expected = REPORT.replace("VERSION", VERSION);
    assert_eq!(stats.report(uptime, 4711).to_string(), expected);
}

/// Statistics in which every number is `number`, but one connection is open.
fn all(number: u64) -> Stats {
    let mut stats = Stats::default();
    stats.numbers().into_iter().for_each(|place| *place = number);
    stats.accepted = stats.closed_total() + 1;
    stats
}

#[test]
fn shards_add_up_but_what_they_say_of_the_table_does_not() {
    let mut sum = all(3);
    sum.add(&all(4));
    let closed = CloseReason::ALL.len() as u64;
    let expected = Stats {
        accepted: 7 * closed + 2,
        table_keys: 4,
        table_memory: 4,
        table_reloads: 4,
        table_failures: 4,
        tls_certificate_expires: 4,
        landlock_abi: 4,
        // All numbers of one are 3, the number of its window too, and those of the other 4: the
        // windows follow each other.
        longest_turn: all(3).longest_turn.merge(all(4).longest_turn),
        ..all(7)
    };
    assert_eq!((sum.open(), &sum), (2, &expected));
    sum.add(&Stats::default());
    assert_eq!(sum, expected);
}

#[test]
fn what_was_open_when_a_process_ended_counts_as_closed_by_the_system() {
    let mut stats = Stats { accepted: 9, buffered: 100, requests: 5, ..Stats::default() };
    stats.count_close(CloseReason::PeerClosed);
    (stats.resident, stats.max_connections, stats.memory_limit, stats.cpu_micros) = (1, 2, 3, 4);
    stats.end_all();
    let gauges = (stats.resident, stats.max_connections, stats.memory_limit);
    assert_eq!((gauges, stats.cpu_micros), ((0, 0, 0), 4), "time that was used stays used");
    assert_eq!((stats.open(), stats.buffered, stats.requests), (0, 0, 5));
    assert_eq!(stats.closed[CloseReason::SystemError as usize], 8);
    assert_eq!(stats.closed_total(), 9);
}

#[test]
fn the_report_of_shards_says_how_many_they_are_and_how_they_are() {
    let stats = all(5);
    let uptime = Duration::from_millis(1500);
    let known = Shards { count: 4, answering: 3, with_newest_table: 2 };
    let shards = stats.report_of_shards(known, uptime, 4711).to_string();
    let alone = stats.report(uptime, 4711).to_string();
    let lines = "\nshards 4\nshards_answering 3\nshards_with_newest_table 2\nconnections_open";
    assert_eq!(shards, alone.replacen("\nconnections_open", lines, 1));
}

#[test]
fn the_names_on_the_board_are_those_of_the_report() {
    let names = Stats::names();
    for (index, name) in names.iter().enumerate() {
        let mut stats = Stats::default();
        let mut numbers = stats.numbers();
        assert_eq!(numbers.len(), names.len());
        *numbers[index] = 77;
        let report = stats.report(Duration::ZERO, 1).to_string();
        let is_told = report.lines().any(|line| line == format!("{name} 77"));
        // Of the longest turn the report tells one number, and the scoreboard keeps three; and some
        // are only for metrics listeners.
        let is_for_metrics = Stats::names_for_metrics().contains(name);
        assert!(is_told || is_for_metrics || name.starts_with("longest_turn_"), "{name}: {report}");
        #[cfg(feature = "ops")]
        if is_for_metrics && name != "metrics_connections_closed" {
            let text = exposition::of_server(&stats, Duration::ZERO);
            assert_ne!(text, exposition::of_server(&Stats::default(), Duration::ZERO), "{name}");
        }
    }
}
