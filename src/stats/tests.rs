use super::*;
use std::time::Duration;

#[test]
fn each_reason_is_counted_in_its_own_line() {
    for (index, reason) in CloseReason::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, index, "{reason:?} stands elsewhere in the list of all");
        let mut stats = Stats { accepted: 2, ..Stats::default() };
        stats.count_close(reason);
        let report = stats.report(Moment::START).to_string();
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

#[test]
fn the_report_gives_every_number_its_name() {
    let mut stats = Stats {
        accepted: 100,
        peak: 1,
        requests: 2,
        frames: 3,
        refusals: 4,
        bytes_in: 5,
        bytes_out: 6,
        refused_denied: 15,
        refused_address_limit: 16,
        refused_address_rate: 17,
        buffered: 18,
        accept_errors: 7,
        accept_pauses: 8,
        stale_events: 9,
        visits: 10,
        turns: 11,
        table_reloads: 12,
        table_failures: 13,
        table_keys: 14,
        log_suppressed: u64::MAX,
        ..Stats::default()
    };
    for (number, count) in stats.closed.iter_mut().enumerate() {
        *count = number as u64;
    }
    let now = Moment::START + Duration::from_micros(61_234_567);
    let expected = "\
uptime_seconds 61.234
connections_open 9
connections_peak 1
connections_accepted 100
connections_closed 91
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
requests 2
frames 3
refusals 4
bytes_in 5
bytes_out 6
buffered_bytes 18
refused_denied 15
refused_address_limit 16
refused_address_rate 17
accept_errors 7
accept_pauses 8
events_stale 9
visits 10
turns 11
table_keys 14
table_reloads 12
table_failures 13
log_lines_suppressed 18446744073709551615
";
    assert_eq!(stats.report(now).to_string(), expected);
}
