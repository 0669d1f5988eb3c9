use super::*;
use nix::errno::Errno;
use proptest::prelude::*;

/// Something that is counted, as it would be in the account of one worker.
#[derive(Clone, Debug)]
enum Counted {
    Requests([u64; 7]),
    Connections([u64; 6]),
    Error(Doing, Errno),
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
    let doing = prop_oneof![Just(Doing::Connecting), Just(Doing::Reading), Just(Doing::Writing)];
    let errno = prop_oneof![Just(Errno::ECONNREFUSED), Just(Errno::ECONNRESET)];
    let few = || 0u64..1000;
    prop_oneof![
        prop::array::uniform7(few()).prop_map(Counted::Requests),
        prop::array::uniform6(few()).prop_map(Counted::Connections),
        (doing, errno).prop_map(|(doing, errno)| Counted::Error(doing, errno)),
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
    fn count(&self, tally: &mut Tally) {
        match *self {
            Counted::Requests([sent, answered, verified, unanswered, abandoned, late, client]) => {
                tally.scheduled += sent;
                tally.answered_in_time += answered;
                tally.requests.add(&Requests {
                    sent,
                    answered,
                    verified,
                    unanswered,
                    abandoned,
                    late,
                    late_by_client: client,
                });
            }
            Counted::Connections([established, open, peak, opened, lost, failed]) => {
                let connections = &mut tally.connections;
                connections.established += established;
                connections.open += open;
                connections.peak += peak;
                connections.opened += opened;
                connections.lost += lost;
                connections.failed += failed;
            }
            Counted::Error(doing, errno) => {
                count_error(&mut tally.errors, doing, &errno.into());
            }
            Counted::Timeout => tally.errors.timeout += 1,
            Counted::Mismatches([corrupt, doubled, swapped, foreign, unexpected, lost]) => {
                let mismatches = &mut tally.mismatches;
                mismatches.corrupt += corrupt;
                mismatches.doubled += doubled;
                mismatches.swapped += swapped;
                mismatches.foreign += foreign;
                mismatches.unexpected += unexpected;
                mismatches.lost += lost;
            }
            Counted::Bytes(sent, received) => {
                tally.bytes_sent += sent;
                tally.bytes_received += received;
            }
            Counted::Times([latency, service, connect, loop_lag, send_lag]) => {
                tally.latency.record_nanos(latency);
                tally.service.record_nanos(service);
                tally.connect.record_nanos(connect);
                tally.loop_lag.record_nanos(loop_lag);
                tally.send_lag.record_nanos(send_lag);
            }
            Counted::Kind(kind, time) => {
                tally.kinds.entry(kind.to_owned()).or_default().record_nanos(time);
            }
            Counted::Step(step, time) => {
                let steps = step + 1;
                tally.steps.resize_with(steps.max(tally.steps.len()), StepTally::default);
                tally.steps[step].sent += 2;
                tally.steps[step].answered += 1;
                tally.steps[step].latency.record_nanos(time);
            }
            Counted::Storm(storm, time) => {
                let storms = storm + 1;
                tally.storms.resize_with(storms.max(tally.storms.len()), StormTally::default);
                let storm = &mut tally.storms[storm];
                let time = Duration::from_nanos(time);
                storm.at = storm.at.max(time);
                storm.dropped += 3;
                storm.failed_attempts += 1;
                storm.served.record(time);
                storm.last_served = storm.last_served.max(time);
            }
            Counted::Slow([established, answered, closed]) => {
                tally.slow.established += established;
                tally.slow.answered += answered;
                tally.slow.closed_by_server += closed;
            }
            Counted::Elapsed(nanos) => {
                tally.elapsed = tally.elapsed.max(Duration::from_nanos(nanos));
            }
        }
    }
}

fn tally_of(counted: &[Counted]) -> Tally {
    let mut tally = Tally::default();
    counted.iter().for_each(|counted| counted.count(&mut tally));
    tally
}

#[test]
fn the_first_words_of_several_workers_count() {
    let said = |partial: Option<&str>, mismatch: Option<&str>| Tally {
        partial: partial.map(str::to_owned),
        first_mismatch: mismatch.map(str::to_owned),
        ..Tally::default()
    };
    let mut tally = Tally::default();
    tally.merge(&said(Some("interrupted"), None));
    tally.merge(&said(Some("lost"), Some("wrong")));
    tally.merge(&said(None, Some("wrong again")));
    assert_eq!(tally, said(Some("interrupted"), Some("wrong")));
}

#[test]
fn lost_replies_are_no_wrong_ones() {
    let mismatches =
        Mismatches { corrupt: 1, doubled: 2, swapped: 4, foreign: 8, unexpected: 16, lost: 32 };
    assert_eq!(Tally { mismatches, ..Tally::default() }.mismatched(), 31);
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
    count_error(&mut errors, Doing::Connecting, &Errno::ECONNREFUSED.into());
    count_error(&mut errors, Doing::Connecting, &Errno::ECONNRESET.into());
    count_error(&mut errors, Doing::Reading, &Errno::ECONNRESET.into());
    count_error(&mut errors, Doing::Writing, &Errno::ECONNRESET.into());
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
        let mut merged = Tally::default();
        for part in counted.chunks(counted.len().div_ceil(workers).max(1)) {
            merged.merge(&tally_of(part));
        }
        prop_assert!(merged == tally_of(&counted));
    }

    #[test]
    fn a_tally_survives_the_way_from_a_worker(counted in prop::collection::vec(counted(), 0..40)) {
        let tally = tally_of(&counted);
        let sent: Tally = serde_json::from_str(&serde_json::to_string(&tally).unwrap()).unwrap();
        // What is told of a histogram is its buckets.
        let counts = |tally: &Tally| Vec::from_iter(tally.latency.buckets());
        prop_assert_eq!(counts(&sent), counts(&tally));
        prop_assert_eq!(sent.requests, tally.requests);
        prop_assert_eq!(sent.errors, tally.errors);
        prop_assert_eq!(sent.mismatches, tally.mismatches);
    }

    #[test]
    fn intervals_of_the_same_second_add_up(
        (ours, others) in (prop::array::uniform5(0u64..1000), prop::array::uniform5(0u64..1000)),
    ) {
        let interval = |[connections, opened, sent, answered, errors]: [u64; 5]| {
            let mut latency = Histogram::default();
            latency.record_nanos(answered + 1);
            Interval { start: 7, connections, opened, sent, answered, errors, latency }
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
