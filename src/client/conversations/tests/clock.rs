//! Clock samples: what they are made of, and what may be concluded from them.

use super::super::{ClockSync, Estimate, Sample};
use super::Stage;
use crate::client::session::{Expect, NextAction};
use crate::io::clock::WallTime;
use crate::protocol::frame::encode_header;
use proptest::collection::vec;
use proptest::prelude::*;

const AWAIT: NextAction = NextAction::Await(Expect::Frame);
const PICOS_PER_NANO: i128 = 1000;
const NANOS_PER_SECOND: i128 = 1_000_000_000;

fn wall(nanos: i128) -> WallTime {
    WallTime {
        seconds: (nanos / NANOS_PER_SECOND) as u64,
        nanos: (nanos % NANOS_PER_SECOND) as u32,
    }
}

fn sample([sent, read, replied, received]: [i128; 4]) -> Sample {
    Sample { sent: wall(sent), read: wall(read), replied: wall(replied), received: wall(received) }
}

/// A session that asks at `sent` and hears the two stamps at `received`.
fn take(sync: &mut ClockSync, stage: &mut Stage, sample: Sample) -> Result<NextAction, String> {
    stage.time.set(sample.sent);
    if sync.count() == 0 {
        stage.connected(sync);
    }
    stage.time.set(sample.received);
    stage.answered(sync, format!("{} {}", sample.read, sample.replied).as_bytes())
}

#[test]
fn a_sample_is_two_clock_readings_of_ours_and_two_of_the_servers() {
    let mut stage = Stage::new();
    let mut sync = ClockSync::new(2);
    stage.time.set(wall(5));
    assert_eq!(stage.connected(&mut sync), AWAIT);
    let request = [&encode_header(4)[..], b"TIME"].concat();
    assert_eq!(stage.take_said(), request);
    assert_eq!((sync.count(), sync.best()), (0, None));

    stage.time.set(wall(1_000_000_105));
    assert_eq!(stage.answered(&mut sync, b"1.000000012 1.000000022"), Ok(AWAIT));
    assert_eq!(stage.take_said(), request);
    let first = sample([5, 1_000_000_012, 1_000_000_022, 1_000_000_105]);
    assert_eq!((sync.count(), sync.best()), (1, Some(first)));

    // The second is sent when the first was received.
    stage.time.set(wall(1_000_000_205));
    assert_eq!(stage.answered(&mut sync, b"2.000000000 2.000000000"), Ok(NextAction::Finish));
    assert_eq!(stage.take_said(), b"");
    let second = sample([1_000_000_105, 2_000_000_000, 2_000_000_000, 1_000_000_205]);
    assert_eq!((sync.count(), sync.best()), (2, Some(second)));
}

#[test]
fn what_is_not_two_stamps_is_a_wrong_answer() {
    let answers = [
        &b""[..],
        b"1.000000000",
        b"1.000000000 ",
        b" 1.000000000",
        b"1.000000000  1.000000000",
        b"1.000000000 1.000000000 ",
        b"1.000000000 1.000000000\n",
        b"1.000000000 1.000000000 1.000000000",
        b"1.00000000 1.000000000",
        b"1.0000000000 1.000000000",
        b"1 1.000000000",
        b".000000000 1.000000000",
        b"+1.000000000 1.000000000",
        b"-1.000000000 1.000000000",
        b"1.+00000000 1.000000000",
        b"1.00000000x 1.000000000",
        b"1,000000000 1.000000000",
        b"18446744073709551616.000000000 1.000000000",
        "\u{661}.000000000 1.000000000".as_bytes(),
        b"1.000000000 1.00000000\xff",
        b"Message received successfully....",
    ];
    for answer in answers {
        let mut stage = Stage::new();
        let mut sync = ClockSync::new(1);
        stage.connected(&mut sync);
        let error = stage.answered(&mut sync, answer).unwrap_err();
        assert!(error.contains("not two clock stamps"), "{error}");
        assert!(error.contains(&answer.escape_ascii().to_string()), "{error}");
        assert_eq!(sync.best(), None);
    }
}

#[test]
fn the_largest_stamps_do_no_harm() {
    let mut stage = Stage::new();
    let mut sync = ClockSync::new(1);
    stage.connected(&mut sync);
    let largest = format!("{}.999999999", u64::MAX);
    assert_eq!(
        stage.answered(&mut sync, format!("{largest} {largest}").as_bytes()),
        Ok(NextAction::Finish)
    );
    let estimate = sync.best().unwrap().estimate();
    assert_eq!(estimate.offset_ns, i128::from(u64::MAX) * NANOS_PER_SECOND + 999_999_999);
}

/// One of the clocks was set meanwhile, or the server makes it up: a bound below zero bounds
/// nothing.
#[test]
fn a_server_that_took_longer_than_the_round_trip_is_not_believed() {
    let mut stage = Stage::new();
    let mut sync = ClockSync::new(1);
    let error = take(&mut sync, &mut stage, sample([0, 0, 101, 100])).unwrap_err();
    assert!(error.contains("contradict"), "{error}");
    assert_eq!(sync.best(), None);
    assert_eq!(take(&mut sync, &mut stage, sample([0, 0, 100, 100])), Ok(NextAction::Finish));
}

#[test]
fn an_example() {
    // 10 ns there, 30 ns back, 5 ns in the server, whose clock is 1000 ns ahead.
    let sample = sample([100, 1110, 1115, 145]);
    assert_eq!(sample.round_trip_ns(), 40);
    assert_eq!(sample.estimate(), Estimate { offset_ns: 990, bound_ns: 21 });
}

proptest! {
    /// Time runs in picoseconds here, so that clocks which tell nanoseconds are as coarse as real
    /// ones.
    #[test]
    fn the_true_offset_is_within_the_bound(
        start in 0..10i128.pow(21),
        offset in -(10i128.pow(21))..10i128.pow(21),
        there in prop_oneof![0..10_000i128, 0..10i128.pow(13)],
        inside in prop_oneof![0..10_000i128, 0..10i128.pow(13)],
        back in prop_oneof![0..10_000i128, 0..10i128.pow(13)],
    ) {
        // Both clocks tell times after their epoch.
        let start = start + 10i128.pow(21);
        let told = |time: i128| time / PICOS_PER_NANO;
        let sample = sample([
            told(start),
            told(start + there + offset),
            told(start + there + inside + offset),
            told(start + there + inside + back),
        ]);
        let Estimate { offset_ns, bound_ns } = sample.estimate();
        let error = (offset_ns * PICOS_PER_NANO - offset).abs();
        prop_assert!(error <= bound_ns * PICOS_PER_NANO, "{} ps off, bound {} ns", error, bound_ns);
        // And the bound is no looser than the coarseness of the clocks makes it.
        prop_assert!(bound_ns * 2 * PICOS_PER_NANO <= there + back + 5 * PICOS_PER_NANO);
    }

    #[test]
    fn the_sample_with_the_shortest_round_trip_counts(
        round_trips in vec((0..100i128, 0..100i128, 0..100i128), 1..20),
    ) {
        let mut stage = Stage::new();
        let mut sync = ClockSync::new(round_trips.len());
        let mut now = 0;
        for (number, &(there, inside, back)) in round_trips.iter().enumerate() {
            let times = [now, now + there, now + there + inside, now + there + inside + back];
            let then = take(&mut sync, &mut stage, sample(times)).unwrap();
            prop_assert_eq!(then == NextAction::Finish, number + 1 == round_trips.len());
            now = times[3];
        }
        let shortest = round_trips.iter().map(|(there, _, back)| there + back).min().unwrap();
        prop_assert_eq!(sync.count(), round_trips.len());
        prop_assert_eq!(sync.best().unwrap().round_trip_ns(), shortest);
    }

    #[test]
    fn stamps_are_read_as_they_are_written(seconds in any::<u64>(), nanos in 0..1_000_000_000u32) {
        let time = WallTime { seconds, nanos };
        let mut stage = Stage::new();
        let mut sync = ClockSync::new(1);
        let made = Sample { sent: time, read: time, replied: time, received: time };
        prop_assert_eq!(take(&mut sync, &mut stage, made), Ok(NextAction::Finish));
        prop_assert_eq!(sync.best(), Some(made));
    }
}
