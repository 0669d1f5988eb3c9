use super::*;
use crate::bench::build_report::capacity::tests::plan;
use readyd::loadgen::report::Histogram;

/// Counters of a run of 10 s with latencies of 1 ms. The client delayed `delayed` of the requests
/// by `delay`.
fn counters(requests: u64, delayed: u64, delay: Duration) -> Counters {
    let mut latency = Histogram::default();
    latency.record_many(Duration::from_millis(1), requests);
    let mut client_delay = Histogram::default();
    client_delay.record_many(Duration::from_nanos(500), requests - delayed);
    client_delay.record_many(delay, delayed);
    let elapsed = Duration::from_secs(10);
    let mut counters = Counters { latency, client_delay, elapsed, ..Counters::default() };
    counters.requests.sent = requests;
    counters
}

/// A client with little to do on a machine with a processor to spare.
fn calm() -> ClientLoad {
    ClientLoad {
        cpu_share: 0.06,
        work_share: 0.06,
        waited: Duration::ZERO,
        stopped: Duration::ZERO,
        machine_busy: Some(0.4),
        processors: 2,
        workers: 1,
        beyond: None,
    }
}

fn closed() -> Plan {
    Plan { pace: Pace::Closed, ..plan(1000.0) }
}

const DELAY: Duration = Duration::from_micros(101);

fn in_doubt_of(requests: u64, delayed: u64, delay: Duration) -> Vec<String> {
    judge(&closed(), &counters(requests, delayed, delay), &calm()).in_doubt
}

#[test]
fn field_load_10_a_percentile_is_in_doubt_by_the_share_that_was_delayed_by_a_tenth() {
    // Of 100,000 requests, 1,000 are above the 99th percentile.
    assert_eq!(in_doubt_of(100_000, 0, DELAY), [""; 0]);
    assert_eq!(in_doubt_of(100_000, 1_000, DELAY), ["99.9 %", "99.99 %", "99.999 %"]);
    assert_eq!(in_doubt_of(100_000, 1_001, DELAY), ["99 %", "99.9 %", "99.99 %", "99.999 %"]);
    assert_eq!(in_doubt_of(100_000, 100, DELAY), ["99.99 %", "99.999 %"]);
    assert_eq!(in_doubt_of(100_000, 1, DELAY), [""; 0]);
    let all = in_doubt_of(100_000, 50_001, DELAY);
    assert_eq!((all.len(), all[0].as_str()), (7, "50 %"));
    // A tenth of 1 ms does not matter, however many have it.
    assert_eq!(in_doubt_of(100_000, 100_000, Duration::from_micros(99)), [""; 0]);
    // Of 1,000 requests there is one above the 99.9th percentile, and none for those beyond.
    assert_eq!(in_doubt_of(1_000, 5, DELAY), ["99.9 %"]);
}

#[test]
fn field_load_10_a_run_is_invalid_if_saturated_or_in_doubt_and_else_noted_at_most() {
    let judged = |counters: &Counters, load: &ClientLoad| judge(&closed(), counters, load);
    let good = judged(&counters(100_000, 0, DELAY), &calm());
    assert_eq!(good.validity, Validity::Valid);
    assert!(good.said.starts_with("readyc was not the limit"), "{}", good.said);
    let doubtful = judged(&counters(100_000, 101, DELAY), &calm());
    assert_eq!(doubtful.validity, Validity::Invalid);
    assert!(doubtful.said.starts_with("p99.9, p99.99 and p99.999 may show"), "{}", doubtful.said);
    let full = ClientLoad { cpu_share: 0.96, ..calm() };
    assert_eq!(judged(&counters(100_000, 0, DELAY), &full).validity, Validity::Invalid);
    // In an open loop, a worker busy-waits before each request.
    let open = judge(&plan(1000.0), &counters(100_000, 0, DELAY), &full);
    assert_eq!(open.validity, Validity::Valid, "{}", open.said);
}

/// Ten requests decide the 99.99th percentile of 100,000: one moment of the client distorts it.
#[test]
fn field_load_10_a_percentile_that_few_requests_decide_is_marked_and_leaves_the_run_valid() {
    let judged = judge(&closed(), &counters(100_000, 64, DELAY), &calm());
    assert_eq!(judged.validity, Validity::Noted, "{}", judged.said);
    assert_eq!(judged.in_doubt, ["99.99 %", "99.999 %"]);
    assert!(judged.said.starts_with("p99.99 and p99.999 may show readyc"), "{}", judged.said);
    let judged = judge(&closed(), &counters(4_000, 8, DELAY), &calm());
    assert_eq!((judged.validity, judged.in_doubt), (Validity::Noted, vec!["99.9 %".to_owned()]));
}

#[test]
fn field_load_10_a_short_absence_is_the_cause_where_it_is_long_enough_for_the_percentile() {
    // 12 ms of 10 s are too little for a note, and enough for more than one request in a thousand.
    let mut counters = counters(100_000, 120, Duration::from_millis(12));
    counters.stalled = Duration::from_millis(12);
    let judged = judge(&plan(1000.0), &counters, &calm());
    assert_eq!(judged.validity, Validity::Invalid);
    assert!(judged.said.contains("kept from running for 12.0 ms"), "{}", judged.said);
    // They are not enough for one in ten.
    counters.client_delay.record_many(DELAY, 20_000);
    let judged = judge(&plan(1000.0), &counters, &calm());
    assert!(judged.said.contains("its own work delays"), "{}", judged.said);
    // Timers that are late by less than matters are not the cause.
    counters.send_lag.record_many(Duration::from_nanos(369), 300_000);
    let judged = judge(&plan(1000.0), &counters, &calm());
    assert!(judged.said.contains("its own work delays"), "{}", judged.said);
    counters.send_lag.record_many(DELAY, 3_000_000);
    let judged = judge(&plan(1000.0), &counters, &calm());
    assert!(judged.said.contains("woke it up to 101 µs late"), "{}", judged.said);
    assert!(!judged.said.contains("--workers"), "{}", judged.said);
    assert!(judged.said.contains("(measure again;"), "{}", judged.said);
    let sleeps = Plan { busy_wait: false, ..plan(1000.0) };
    let judged = judge(&sleeps, &counters, &calm());
    assert!(judged.said.contains("(leave out --no-busy-wait)"), "{}", judged.said);
}

/// The run that cried wolf: 33.8 ms lost in 3 s at 6 % of a processor.
#[test]
fn field_load_10_a_moment_that_no_percentile_depends_on_is_a_note_without_advice() {
    let mut counters = counters(100_000, 1, DELAY);
    counters.elapsed = Duration::from_secs(3);
    counters.stalled = Duration::from_micros(33_800);
    let waited = Duration::from_millis(30);
    let judged = judge(&closed(), &counters, &ClientLoad { waited, ..calm() });
    assert_eq!(judged.validity, Validity::Noted);
    assert_eq!(
        judged.said,
        "a worker waited for 33.8 ms in all while other processes used the processors; no \
         percentile depends on it; the busiest worker used 6 % of a processor"
    );
}

#[test]
fn field_load_10_what_was_wrong_is_told_and_only_what_helps() {
    let mut stalled = counters(100_000, 5_000, Duration::from_millis(9));
    stalled.stalled = Duration::from_secs(1);
    let said = |counters: &Counters, load: ClientLoad| judge(&closed(), counters, &load).said;
    let second = Duration::from_secs(1);
    for (load, why, advice) in [
        (ClientLoad { waited: second, ..calm() }, "other processes used the", "taskset(1)"),
        (
            ClientLoad { stopped: second, ..calm() },
            "stopped by a signal for 1.00 s",
            "measure again",
        ),
        (calm(), "no other process had its processor", "its host may be busy"),
    ] {
        let said = said(&stalled, load);
        assert!(said.contains(why) && said.contains(advice), "{said}");
        assert!(!said.contains("--workers"), "{said}");
    }
    // Its own work: more workers help only where a processor is free for them.
    let busy = counters(100_000, 5_000, Duration::from_millis(9));
    let own = |load: ClientLoad| said(&busy, load);
    assert!(own(calm()).contains("its own work") && own(calm()).contains("more --workers"));
    for load in [
        ClientLoad { workers: 2, ..calm() },
        ClientLoad { machine_busy: Some(0.97), ..calm() },
        ClientLoad { processors: 1, ..calm() },
    ] {
        let said = own(load);
        assert!(said.contains("another machine") && !said.contains("--workers"), "{said}");
    }
}
