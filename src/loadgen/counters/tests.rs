use super::*;
use nix::errno::Errno;
use proptest::prelude::*;

/// Something that is counted, as it would be in the account of one worker.
#[derive(Clone, Debug)]
enum Counted {
    Requests([u64; 7]),
    Connections([u64; 6]),
    Error(Operation, Errno),
    Timeout,
    Mismatches([u64; 6]),
    Bytes(u64, u64),
    Times([u64; 5]),
    Kind(&'static str, u64),
    Step(usize, u64),
    Storm(usize, u64),
    Slow([u64; 3]),
    Elapsed(u64),
}

fn counted() -> impl Strategy<Value = Counted> {
    let nanos = || 1u64..10_000_000_000;
    let operation = prop_oneof![
        Just(Operation::Connecting),
        Just(Operation::Reading),
        Just(Operation::Writing)
    ];
    let errno = prop_oneof![Just(Errno::ECONNREFUSED), Just(Errno::ECONNRESET)];
    let few = || 0u64..1000;
    prop_oneof![
        prop::array::uniform7(few()).prop_map(Counted::Requests),
        prop::array::uniform6(few()).prop_map(Counted::Connections),
        (operation, errno).prop_map(|(operation, errno)| Counted::Error(operation, errno)),
        Just(Counted::Timeout),
        prop::array::uniform6(few()).prop_map(Counted::Mismatches),
        (few(), few()).prop_map(|(sent, received)| Counted::Bytes(sent, received)),
        prop::array::uniform5(nanos()).prop_map(Counted::Times),
        (prop_oneof![Just("echo"), Just("lookup")], nanos())
            .prop_map(|(kind, time)| Counted::Kind(kind, time)),
        (0usize..4, nanos()).prop_map(|(step, time)| Counted::Step(step, time)),
        (0usize..4, nanos()).prop_map(|(storm, time)| Counted::Storm(storm, time)),
        prop::array::uniform3(few()).prop_map(Counted::Slow),
        nanos().prop_map(Counted::Elapsed),
    ]
}

impl Counted {
    fn count(&self, counters: &mut Counters) {
        match *self {
            Counted::Requests([sent, answered, verified, unanswered, abandoned, late, client]) => {
                counters.scheduled += sent;
                counters.answered_in_time += answered;
                counters.requests.add(&Requests {
                    sent,
                    unverified: answered,
                    verified,
                    lost: unanswered,
                    abandoned,
                    late,
                    late_by_client: client,
                    ..Requests::default()
                });
            }
            Counted::Connections([established, open, peak, opened, lost, failed]) => {
                let connections = &mut counters.connections;
                connections.established += established;
                connections.open += open;
                connections.peak += peak;
                connections.opened += opened;
                connections.ends.in_flight += lost;
                connections.ends.never_connected += failed;
            }
            Counted::Error(operation, errno) => {
                count_error(&mut counters.errors, operation, &errno.into());
            }
            Counted::Timeout => counters.errors.timeout += 1,
            Counted::Mismatches([corrupt, doubled, swapped, foreign, unexpected, lost]) => {
                let mismatches = &mut counters.mismatches;
                mismatches.corrupt += corrupt;
                mismatches.doubled += doubled;
                mismatches.swapped += swapped;
                mismatches.foreign += foreign;
                mismatches.unexpected += unexpected;
                mismatches.lost += lost;
            }
            Counted::Bytes(sent, received) => {
                counters.bytes_sent += sent;
                counters.bytes_received += received;
            }
            Counted::Times([latency, service, connect, loop_lag, send_lag]) => {
                counters.latency.record_nanos(latency);
                counters.service.record_nanos(service);
                counters.connect.record_nanos(connect);
                counters.loop_lag.record_nanos(loop_lag);
                counters.send_lag.record_nanos(send_lag);
            }
            Counted::Kind(kind, time) => {
                counters.kinds.entry(kind.to_owned()).or_default().record_nanos(time);
            }
            Counted::Step(step, time) => count_step(counters, step, time),
            Counted::Storm(storm, time) => {
                count_storm(counters, storm, Duration::from_nanos(time));
            }
            Counted::Slow([established, answered, closed]) => {
                counters.slow.established += established;
                counters.slow.answered += answered;
                counters.slow.closed_by_server += closed;
            }
            Counted::Elapsed(nanos) => {
                counters.elapsed = counters.elapsed.max(Duration::from_nanos(nanos));
            }
        }
    }
}

fn count_step(counters: &mut Counters, step: usize, nanos: u64) {
    let steps = counters.steps.len().max(step + 1);
    counters.steps.resize_with(steps, StepCounters::default);
    counters.steps[step].sent += 2;
    counters.steps[step].answered += 1;
    counters.steps[step].latency.record_nanos(nanos);
}

fn count_storm(counters: &mut Counters, storm: usize, time: Duration) {
    let storms = counters.storms.len().max(storm + 1);
    counters.storms.resize_with(storms, StormCounters::default);
    let storm = &mut counters.storms[storm];
    storm.at = storm.at.max(time);
    storm.dropped += 3;
    storm.failed_attempts += 1;
    storm.served.record(time);
    storm.last_served = storm.last_served.max(time);
}

fn tally_of(counted: &[Counted]) -> Counters {
    let mut counters = Counters::default();
    counted.iter().for_each(|counted| counted.count(&mut counters));
    counters
}

#[test]
fn the_first_words_of_several_workers_count() {
    let said = |partial: Option<&str>, mismatch: Option<&str>| Counters {
        partial: partial.map(str::to_owned),
        first_mismatch: mismatch.map(str::to_owned),
        ..Counters::default()
    };
    let mut counters = Counters::default();
    counters.merge(&said(Some("interrupted"), None));
    counters.merge(&said(Some("lost"), Some("wrong")));
    counters.merge(&said(None, Some("wrong again")));
    assert_eq!(counters, said(Some("interrupted"), Some("wrong")));
}

#[test]
fn lost_replies_are_no_wrong_ones() {
    let mismatches =
        Mismatches { corrupt: 1, doubled: 2, swapped: 4, foreign: 8, unexpected: 16, lost: 32 };
    assert_eq!(Counters { mismatches, ..Counters::default() }.mismatched(), 31);
}

#[test]
fn errors_have_the_names_of_the_manual() {
    let names = [
        error_name(&Errno::ECONNREFUSED.into()),
        error_name(&io::ErrorKind::UnexpectedEof.into()),
        error_name(&io::ErrorKind::TimedOut.into()),
        error_name(&io::ErrorKind::InvalidData.into()),
        error_name(&io::ErrorKind::WriteZero.into()),
    ];
    assert_eq!(names, ["ECONNREFUSED", "EOF", "ETIMEDOUT", "OUT_OF_STEP", "WriteZero"]);
}

#[test]
fn an_error_is_counted_by_what_was_being_done_and_by_name() {
    let mut errors = Errors::default();
    count_error(&mut errors, Operation::Connecting, &Errno::ECONNREFUSED.into());
    count_error(&mut errors, Operation::Connecting, &Errno::ECONNRESET.into());
    count_error(&mut errors, Operation::Reading, &Errno::ECONNRESET.into());
    count_error(&mut errors, Operation::Writing, &Errno::ECONNRESET.into());
    assert_eq!((errors.connect, errors.read, errors.write, errors.timeout), (2, 1, 1, 0));
    let expected = [("ECONNREFUSED", 1), ("ECONNRESET", 3)];
    let names = expected.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(errors.by_errno, names.into());
    let expected = [("ECONNREFUSED", 1), ("ECONNRESET", 1)];
    let names = expected.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(errors.connect_by_errno, names.into());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_parts_merged_are_the_whole(
        counted in prop::collection::vec(counted(), 0..40),
        workers in 1usize..5,
    ) {
        let mut merged = Counters::default();
        for part in counted.chunks(counted.len().div_ceil(workers).max(1)) {
            merged.merge(&tally_of(part));
        }
        prop_assert!(merged == tally_of(&counted));
    }

    #[test]
    fn a_tally_survives_the_way_from_a_worker(counted in prop::collection::vec(counted(), 0..40)) {
        let counters = tally_of(&counted);
        let json = serde_json::to_string(&counters).unwrap();
        let sent: Counters = serde_json::from_str(&json).unwrap();
        // What is told of a histogram is its buckets.
        let counts = |counters: &Counters| Vec::from_iter(counters.latency.buckets());
        prop_assert_eq!(counts(&sent), counts(&counters));
        prop_assert_eq!(sent.requests, counters.requests);
        prop_assert_eq!(sent.errors, counters.errors);
        prop_assert_eq!(sent.mismatches, counters.mismatches);
    }

    #[test]
    fn intervals_of_the_same_second_add_up(
        (ours, others) in (prop::array::uniform5(0u64..1000), prop::array::uniform5(0u64..1000)),
    ) {
        let interval = |[connections, opened, sent, answered, errors]: [u64; 5]| {
            let mut latency = Histogram::default();
            latency.record_nanos(answered + 1);
            Interval {
                start: 7,
                connections,
                served: connections,
                length: Duration::ZERO,
                least: connections,
                most: connections,
                opened,
                sent,
                answered,
                errors,
                stalled: Duration::ZERO,
                in_flight: sent,
                lag: Duration::ZERO,
                latency,
            }
        };
        let mut merged = interval(ours);
        merged.merge(&interval(others));
        prop_assert_eq!(merged.latency.count(), 2);
        let sums: [u64; 5] = std::array::from_fn(|index| ours[index] + others[index]);
        let expected = Interval { latency: merged.latency.clone(), ..interval(sums) };
        prop_assert!(merged == expected);
        prop_assert_eq!(merged.is_empty(), sums == [0; 5]);
    }
}
